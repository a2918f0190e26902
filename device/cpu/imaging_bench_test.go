//go:build unix

package cpu

import (
	"math"
	"testing"

	"voxgrad/device"
)

// BenchmarkImaging has the operations on images on a patch of 64³ voxels.
func BenchmarkImaging(b *testing.B) {
	d := New()
	defer d.Close()
	s := device.Shape{N: 1, D: 64, H: 64, W: 64, C: 1}
	x, y, z, mask := random(d, s, 1), random(d, s, 2), random(d, s, 3), random(d, s, 4)
	dense := random(d, device.Matrix(64, 64), 5)
	blur := d.Alloc(device.Matrix(64, 64))
	v := make([]float32, 64*64)
	for p := range 64 {
		for q := max(0, p-7); q <= min(63, p+7); q++ {
			v[p*64+q] = float32(math.Exp(-float64((p-q)*(p-q)) / 6))
		}
	}
	d.Upload(blur, v)
	two, one, coef := random(d, device.Vec(2), 6), random(d, device.Scalar(), 7), random(d, device.Vec(20), 8)
	batch := random(d, device.Shape{N: 2, D: 64, H: 64, W: 64, C: 1}, 9)
	into := device.Into{Tensor: y, Mode: device.Set}
	bytes := float64(s.Len()) * 4
	rotation := [3][4]float64{{0.996, -0.052, 0.07, 1}, {0.052, 0.997, -0.05, 0.6}, {-0.07, 0.05, 0.996, 2}}
	for _, c := range []struct {
		name, unit string
		work       float64
		f          func()
	}{
		{"along/axis=0/dense", "GFLOP/s", 128 * float64(s.Len()), func() { d.AlongAxis(into, x, dense, 0) }},
		{"along/axis=1/dense", "GFLOP/s", 128 * float64(s.Len()), func() { d.AlongAxis(into, x, dense, 1) }},
		{"along/axis=2/dense", "GFLOP/s", 128 * float64(s.Len()), func() { d.AlongAxis(into, x, dense, 2) }},
		{"along/axis=0/blur", "GFLOP/s", 30 * float64(s.Len()), func() { d.AlongAxis(into, x, blur, 0) }},
		{"along/axis=1/blur", "GFLOP/s", 30 * float64(s.Len()), func() { d.AlongAxis(into, x, blur, 1) }},
		{"along/axis=2/blur", "GFLOP/s", 30 * float64(s.Len()), func() { d.AlongAxis(into, x, blur, 2) }},
		{"orient/keep", "GB/s", 2 * bytes, func() { d.Orient(y, x, [3]int{0, 1, 2}, [3]bool{true, true, false}) }},
		{"orient/reverse", "GB/s", 2 * bytes, func() { d.Orient(y, x, [3]int{1, 0, 2}, [3]bool{false, false, true}) }},
		{"orient/dw", "GB/s", 2 * bytes, func() { d.Orient(y, x, [3]int{2, 1, 0}, [3]bool{}) }},
		{"orient/hw", "GB/s", 2 * bytes, func() { d.Orient(y, x, [3]int{0, 2, 1}, [3]bool{}) }},
		{"resample", "GB/s", 2 * bytes, func() { d.Resample(y, x, one, rotation) }},
		{"blend", "GB/s", 3 * bytes, func() { d.Blend(y, x, z, 2, -1) }},
		{"min", "GB/s", bytes, func() { d.Min(one, x) }},
		{"field", "GB/s", 2 * bytes, func() { d.BiasField(y, x, coef, 3) }},
		{"noise", "GB/s", 2 * bytes, func() { d.Noise(y, x, 0.05, 7) }},
		{"peak", "GB/s", 2 * bytes, func() { d.KSpacePeak(two, x, z) }},
		{"wave", "GB/s", 2 * bytes, func() { d.SpikeInImage(y, x, two, [3]int{40, 20, 9}, 0.2) }},
		{"regionstats", "GB/s", 2 * bytes, func() { d.RegionStats(two, x, mask) }},
		{"regionnoise", "GB/s", 3 * bytes, func() { d.RegionNoise(y, x, mask, two, 7) }},
		{"select", "GB/s", 4 * bytes, func() { d.Select(y, mask, x, z) }},
		{"putsample", "GB/s", 2 * bytes, func() { d.PutSample(batch, 1, x) }},
	} {
		b.Run(c.name, func(b *testing.B) { best(b, c.work, c.unit, c.f) })
	}
}
