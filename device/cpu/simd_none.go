//go:build purego || !amd64

package cpu

// haveAVX2 is false where there are no assembly kernels.
const haveAVX2 = false

func corrAVX2(*corrArgs)                        { panic(noKernel) }
func dotAVX2(*dotArgs)                          { panic(noKernel) }
func outerAVX2(*outerArgs)                      { panic(noKernel) }
func gatherAVX2(dst, src *float32, _, _, _ int) { panic(noKernel) }

const noKernel = "cpu: no assembly kernels in this build"
