//go:build !purego

package cpu

import "golang.org/x/sys/cpu"

// haveAVX2 reports whether the assembly kernels can run here.
var haveAVX2 = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// haveAVX512 reports whether the wider convolution kernels can, too.
var haveAVX512 = haveAVX2 && cpu.X86.HasAVX512F

//go:noescape
func corrAVX2(a *corrArgs)

//go:noescape
func corrAVX512(a *corrArgs)

//go:noescape
func dotAVX2(a *dotArgs)

//go:noescape
func dotAVX512(a *dotArgs)

//go:noescape
func combineAVX2(a *combineArgs)

//go:noescape
func combineAVX512(a *combineArgs)

//go:noescape
func winoInAVX2(a *passArgs)

//go:noescape
func winoInHeadAVX2(a *passArgs)

//go:noescape
func winoInTailAVX2(a *passArgs)

//go:noescape
func winoOutAVX2(a *passArgs)

//go:noescape
func winoOutHeadAVX2(a *passArgs)

//go:noescape
func winoOutTailAVX2(a *passArgs)

//go:noescape
func winoBackAVX2(a *passArgs)

//go:noescape
func winoBackHeadAVX2(a *passArgs)

//go:noescape
func winoBackTailAVX2(a *passArgs)

//go:noescape
func winoWeightsAVX2(a *passArgs)

//go:noescape
func winoWeightsBackAVX2(a *passArgs)

//go:noescape
func winoInAVX512(a *passArgs)

//go:noescape
func winoInHeadAVX512(a *passArgs)

//go:noescape
func winoInTailAVX512(a *passArgs)

//go:noescape
func winoBackAVX512(a *passArgs)

//go:noescape
func winoPairAVX512(a *pairArgs)

//go:noescape
func winoPairAVX2(a *pairArgs)

//go:noescape
func finishAVX2(a *finishArgs)

//go:noescape
func gramAVX2(a *gramArgs)

//go:noescape
func gatherAVX2(dst, src *float32, pieces, n, stride int)

//go:noescape
func sumsAVX2(s *float64, x *float32, rows, n, stride int)

//go:noescape
func momentsAVX2(s1, s2 *float64, x, shift *float32, rows, n, stride int)

//go:noescape
func gradSumsAVX2(s1, s2 *float64, dy, x, mean *float32, rows, n, stride int)

//go:noescape
func normApplyAVX2(y, x, mean, scale, beta *float32, rows, n, stride int)

//go:noescape
func normGradAVX2(dx, dy, x, mean, k0, k1, k2 *float32, rows, n, stride int, keep uint32)

//go:noescape
func reluGradAVX2(dx, dy, y *float32, n int, keep uint32)

//go:noescape
func addAVX2(d, s *float32, n int)

//go:noescape
func subAVX2(d, s *float32, n int)

//go:noescape
func blendAVX2(to, near, far *float32, n int, wide, narrow float32)

//go:noescape
func collectAVX2(to, a, b, p, q *float32, n int, wide, narrow float32)

//go:noescape
func maxPoolAVX2(y, x *float32, plane, line, voxels, n, stride int)

//go:noescape
func maxPoolGradAVX2(dx, dy, x, y *float32, plane, line, voxels, n, stride int, keep uint32)

//go:noescape
func philoxAVX2(words *uint32, key uint64, first uint32, groups int)

//go:noescape
func normalsAVX2(z *float32, words *uint32, n int, table *[32][10]float64)
