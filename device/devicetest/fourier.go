package devicetest

import (
	"fmt"
	"math"

	"voxgrad/device"
	"voxgrad/internal/rng"
)

// turning is the cosines and sines of a discrete Fourier transform along an extent of n, the
// lowest frequency first. Those of opposite frequencies are equal and
// opposite to the bit.
func turning(n int) (cos, sin []float32) {
	cos, sin = make([]float32, n*n), make([]float32, n*n)
	for p := range n {
		for q := range n {
			f, sign := p-n/2, 1.0
			if f < 0 {
				f, sign = -f, -1
			}
			s, c := math.Sincos(2 * math.Pi * float64(f*q%n) / float64(n))
			if 2*f*q%n == 0 { // half turns: the first frequency of an even extent is its own opposite
				s = 0
			}
			cos[p*n+q], sin[p*n+q] = float32(c), float32(sign*s)
		}
	}
	return cos, sin
}

// checkConjugate transforms a real image along its three axes. Opposite frequencies must come out
// conjugate to the bit, in tiles as in tails: Peak decides ties by the imaginary part.
func checkConjugate(b device.Backend) error {
	for _, s := range []device.Shape{shape(1, 6, 7, 10, 1), shape(1, 3, 22, 21, 1), shape(1, 19, 2, 5, 1)} {
		if err := conjugateFrequencies(b, s); err != nil {
			return fmt.Errorf("%v: %w", s, err)
		}
	}
	return nil
}

func conjugateFrequencies(b device.Backend, s device.Shape) error {
	mem := arena{b: b}
	defer mem.free()
	load := func(name string, s device.Shape, x []float32) device.Tensor {
		t := mem.alloc(name, s)
		b.Upload(t, x)
		return t
	}
	into := func(t device.Tensor, m device.Mode) device.Into { return device.Into{Tensor: t, Mode: m} }
	// exp(−iφ) = cos φ − i·sin φ
	re := load("x", s, normal(1, 1)(draw{Stream: rng.New(5, s.String()), shape: s}))
	im := load("0", s, make([]float32, s.Len()))
	for axis, n := range s.Grid() {
		c, d := turning(n)
		minus := make([]float32, n*n)
		for i, v := range d {
			minus[i] = -v
		}
		m := device.Matrix(n, n)
		cos, sin, back := load("cos", m, c), load("sin", m, d), load("−sin", m, minus)
		re2, im2 := mem.alloc("re", s), mem.alloc("im", s)
		b.AlongAxis(into(re2, device.Set), re, cos, axis)
		b.AlongAxis(into(re2, device.Add), im, sin, axis)
		b.AlongAxis(into(im2, device.Set), im, cos, axis)
		b.AlongAxis(into(im2, device.Add), re, back, axis)
		re, im = re2, im2
	}
	r, i := download(b, re), download(b, im)
	for k := range r {
		if o := partner(s, k); r[o] != r[k] || i[o] != -i[k] {
			return fmt.Errorf("frequencies %d and %d are %g%+gi and %g%+gi", k, o, r[k], i[k], r[o], i[o])
		}
	}
	return mem.check()
}

// partner is the element of the opposite frequency. On an even axis the first plane is its own.
func partner(s device.Shape, k int) int {
	g := s.Grid()
	o := 0
	for a, at := range [3]int{k / (s.H * s.W), k / s.W % s.H, k % s.W} {
		n := g[a]
		o = o*n + (2*(n/2)-at+n)%n
	}
	return o
}
