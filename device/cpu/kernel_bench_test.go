//go:build unix

package cpu

import (
	"fmt"
	"testing"
)

// BenchmarkKernel has the inner kernels on operands that fit a cache.
func BenchmarkKernel(b *testing.B) {
	b.Run("best", func(b *testing.B) { kernels(b, New()) })
	b.Run("avx2", func(b *testing.B) { kernels(b, open(haveAVX2, false)) })
	b.Run("portable", func(b *testing.B) { kernels(b, NewPortable()) })
}

func kernels(b *testing.B, d *Backend) {
	// kernel times a of rows × panels × all·run terms.
	kernel := func(name string, a corrArgs) {
		a.y, a.bias, a.floor = aligned(a.rows*panel*a.panels), aligned(panel*a.panels), negInf
		a.yStep, a.yoff = a.rows*panel, make([]int, padded(a.rows))
		dense(a.yoff, a.rows, panel)
		repeatLast(a.xoff, a.rows)
		a.wStep = len(a.taps) * a.run * panel
		a.w = aligned(a.wStep * a.panels)
		b.Run(name, func(b *testing.B) {
			best(b, float64(a.rows*len(a.taps)*a.run*panel*a.panels*2*20), "GFLOP/s", func() {
				for range 20 {
					d.engine.corr(&a)
				}
			})
		})
	}
	for _, panels := range []int{1, 3} {
		for _, voxels := range []int{64, 128, 256} {
			c := 24
			a := corrArgs{x: aligned((voxels + 200) * c * 12), rows: 27 * c, panels: panels, run: 64, step: c, xoff: make([]int, padded(27*c)), add: 1}
			for j := range 27 * c {
				k := j / c
				a.xoff[j] = (k/9*66*4+k/3%3*66+k%3)*c + j%c
			}
			for l := range voxels / 64 {
				a.taps = append(a.taps, l*66*c)
			}
			kernel(fmt.Sprintf("weights/voxels=%d/panels=%d", voxels, panels), a)
		}
		for _, run := range []int{3, 6, 48, 144} {
			c, v := run/3, 192
			a := corrArgs{x: aligned(66 * 66 * (c + 1)), rows: v, panels: panels, run: run, step: 1, xoff: make([]int, padded(v)), taps: make([]int, 9)}
			for i := range v {
				a.xoff[i] = (i/64*66 + i%64) * c
			}
			for i := range a.taps {
				a.taps[i] = (i/3*66*6 + i%3*66) * c
			}
			kernel(fmt.Sprintf("conv/run=%d/panels=%d", run, panels), a)
		}
	}
}
