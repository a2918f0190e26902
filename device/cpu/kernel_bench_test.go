//go:build unix

package cpu

import (
	"fmt"
	"testing"
)

// BenchmarkKernel has the inner kernels on operands that fit a cache.
func BenchmarkKernel(b *testing.B) {
	b.Run("best", func(b *testing.B) { kernels(b, New()) })
	b.Run("portable", func(b *testing.B) { kernels(b, NewPortable()) })
}

func kernels(b *testing.B, d *Backend) {
	for _, voxels := range []int{64, 128, 256, 512} {
		b.Run(fmt.Sprintf("outer/voxels=%d", voxels), func(b *testing.B) {
			c := 24
			a := outerArgs{x: aligned((voxels + 200) * c * 12), dy: aligned(voxels * 16), acc: aligned(27 * c * 16), tiles: 27 * c / 6, n: 64, step: c, joff: make([]int, 27*c)}
			for j := range a.joff {
				k := j / c
				a.joff[j] = (k/9*66*4+k/3%3*66+k%3)*c + j%c
			}
			for l := range voxels / 64 {
				a.lines = append(a.lines, l*66*c)
			}
			best(b, float64(voxels*27*c*16*2*20), "GFLOP/s", func() {
				for range 20 {
					d.engine.outer(&a)
				}
			})
		})
	}
	for _, run := range []int{3, 6, 48, 144} {
		b.Run(fmt.Sprintf("corr/run=%d", run), func(b *testing.B) {
			c := run / 3
			v := 192
			a := corrArgs{x: aligned(66 * 66 * (c + 1)), w: aligned(9 * run * 16), y: aligned(v * 16), bias: aligned(16), run: run, tiles: v / 6, xoff: make([]int, v), yoff: make([]int, v), taps: make([]int, 9)}
			for i := range v {
				a.yoff[i] = i * 16
				a.xoff[i] = (i/64*66 + i%64) * c
			}
			for i := range a.taps {
				a.taps[i] = (i/3*66*6 + i%3*66) * c
			}
			best(b, float64(v*9*run*16*2*20), "GFLOP/s", func() {
				for range 20 {
					d.engine.corr(&a)
				}
			})
		})
	}
}
