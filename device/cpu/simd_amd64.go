//go:build !purego

package cpu

import "golang.org/x/sys/cpu"

// haveAVX2 says whether the assembly kernels can run here.
var haveAVX2 = cpu.X86.HasAVX2 && cpu.X86.HasFMA

//go:noescape
func corrAVX2(a *corrArgs)

//go:noescape
func dotAVX2(a *dotArgs)

//go:noescape
func outerAVX2(a *outerArgs)

//go:noescape
func gatherAVX2(dst, src *float32, pieces, n, stride int)
