//go:build !purego

package emu

import "golang.org/x/sys/cpu"

// The functions inner loops spend their time in, 8 lanes at a time. They return the
// bits of their Go forms.

//go:noescape
func fmaLanes(d, a, b, c *reg32)

//go:noescape
func addLanes(d, a, b *reg32)

//go:noescape
func subLanes(d, a, b *reg32)

//go:noescape
func mulLanes(d, a, b *reg32)

//go:noescape
func addIntLanes(d, a, b *reg32)

//go:noescape
func madIntLanes(d, a, b, c *reg32)

//go:noescape
func addWideLanes(d, a, b *reg64)

//go:noescape
func mergeLanes(d, s *reg32, m uint32)

//go:noescape
func mergeWideLanes(d, s *reg64, m uint32)

//go:noescape
func productRows(sum *[16 * 8]float64, a *[16 * 16]float64, b *[16 * 8]float64, k int)

func init() {
	if !cpu.X86.HasAVX2 || !cpu.X86.HasFMA {
		return
	}
	fmaF32Fast = func(_ *inst, d, a, b, c *reg32) { fmaLanes(d, a, b, c) }
	addF32Fast = func(_ *inst, d, a, b, _ *reg32) { addLanes(d, a, b) }
	subF32Fast = func(_ *inst, d, a, b, _ *reg32) { subLanes(d, a, b) }
	mulF32Fast = func(_ *inst, d, a, b, _ *reg32) { mulLanes(d, a, b) }
	add32Fast = func(_ *inst, d, a, b, _ *reg32) { addIntLanes(d, a, b) }
	mad32Fast = func(_ *inst, d, a, b, c *reg32) { madIntLanes(d, a, b, c) }
	productFast = productRows
	merge32, merge64 = mergeLanes, mergeWideLanes
	add64Fast = func(_ *inst, d, a, b, _ *reg64) { addWideLanes(d, a, b) }
}
