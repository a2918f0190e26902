//go:build !amd64 || purego

package bench

const haveFMA, haveFMA512, fmaFlops = false, false, plainFlops

func fmaLoop(turns int)    { plainLoop(turns) }
func fmaLoop512(turns int) { plainLoop(turns) }
