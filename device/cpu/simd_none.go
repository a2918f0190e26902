//go:build purego || !amd64

package cpu

// haveAVX2 is false where there are no assembly kernels.
const haveAVX2 = false

func corrAVX2(a *corrArgs)   { corrGo(a) }
func outerAVX2(a *outerArgs) { outerGo(a) }
