package devicetest

import (
	"fmt"
	"math"

	"voxgrad/device"
	"voxgrad/internal/rng"
)

// band draws a matrix as of a blur: a few coefficients about the diagonal. Every
// fourth row is zero.
func band() values {
	return func(d draw) []float32 {
		rows, cols := d.shape.W, d.shape.C
		x := make([]float32, rows*cols)
		for p := range rows {
			for q := range cols {
				v := float32(d.Normal() / 2)
				if p%4 != 3 && max(p*cols/rows-q, q-p*cols/rows) <= 2 {
					x[p*cols+q] = v
				}
			}
		}
		return x
	}
}

// corners draws a matrix with nothing between its first and its last column.
func corners() values {
	return func(d draw) []float32 {
		rows, cols := d.shape.W, d.shape.C
		x := make([]float32, rows*cols)
		for p := range rows {
			x[p*cols], x[p*cols+cols-1] = float32(d.Normal()), float32(d.Normal())
		}
		return x
	}
}

// triangle draws a matrix whose rows begin, or end, at the same column and need more and more of
// the others.
func triangle(fromEnd bool) values {
	return func(d draw) []float32 {
		rows, cols := d.shape.W, d.shape.C
		x := make([]float32, rows*cols)
		for p := range rows {
			for k := 0; k <= p && k < cols; k++ {
				q := k
				if fromEnd {
					q = cols - 1 - k
				}
				x[p*cols+q] = float32(d.Normal() / math.Sqrt(float64(cols)))
			}
		}
		return x
	}
}

// fourier is the real part of a discrete Fourier transform, lowest frequency first.
func fourier() values {
	return func(d draw) []float32 {
		rows, cols := d.shape.W, d.shape.C
		x := make([]float32, rows*cols)
		for p := range rows {
			for q := range cols {
				x[p*cols+q] = float32(math.Cos(2 * math.Pi * float64((p-rows/2)*q%cols) / float64(cols)))
			}
		}
		return x
	}
}

func alongAxisTrials() []*trial {
	dense := func(d draw) []float32 { return normal(0, 1/math.Sqrt(float64(d.shape.C)))(d) }
	kinds := map[string]values{"dense": dense, "band": band(), "corners": corners(), "zero": constant(0), "fourier": fourier(),
		"triangle": triangle(false), "triangle from the end": triangle(true)}
	var ts []*trial
	for i, c := range []struct {
		x    device.Shape
		axis int
		rows int
		kind string
	}{
		{shape(2, 5, 6, 7, 3), 1, 4, "dense"},
		{shape(2, 5, 6, 7, 3), 0, 9, "dense"},
		{shape(2, 5, 6, 7, 3), 2, 11, "band"},
		{shape(1, 7, 9, 11, 1), 0, 7, "band"},
		{shape(1, 7, 9, 11, 1), 1, 17, "dense"},
		{shape(1, 7, 9, 11, 1), 2, 19, "dense"},
		{shape(2, 7, 9, 22, 1), 2, 22, "band"},
		{shape(1, 24, 5, 7, 1), 0, 24, "corners"},
		{shape(1, 3, 24, 19, 1), 1, 24, "fourier"},
		{shape(1, 3, 7, 24, 1), 2, 24, "corners"},
		{shape(1, 24, 1, 31, 1), 0, 24, "triangle"},
		{shape(1, 2, 24, 5, 1), 1, 25, "triangle from the end"},
		{shape(1, 7, 1, 37, 1), 2, 37, "triangle"},
		{shape(1, 2, 3, 37, 1), 2, 31, "triangle from the end"},
		{shape(1, 6, 5, 4, 1), 0, 1, "dense"}, // one row
		{shape(1, 6, 5, 4, 1), 2, 1, "dense"},
		{shape(1, 1, 5, 17, 1), 0, 5, "dense"}, // one column
		{shape(2, 5, 17, 1, 1), 2, 5, "dense"},
		{shape(1, 1, 1, 1, 1), 1, 1, "dense"},
		{shape(1, 5, 1, 1, 1), 0, 6, "dense"}, // nothing but the axis
		{shape(1, 5, 6, 7, 1), 0, 8, "zero"},
		{shape(1, 5, 6, 7, 1), 2, 8, "zero"},
		{shape(1, 181, 2, 3, 1), 0, 181, "band"}, // a whole image's extents
		{shape(1, 2, 181, 3, 1), 1, 91, "dense"},
		{shape(1, 2, 3, 181, 1), 2, 181, "dense"},
		{shape(1, 21, 17, 70, 1), 0, 35, "dense"},
		{shape(1, 9, 35, 70, 1), 1, 35, "band"},
		{shape(1, 9, 13, 70, 1), 2, 50, "band"},
	} {
		y := c.x
		*map[int]*int{0: &y.D, 1: &y.H, 2: &y.W}[c.axis] = c.rows
		cols := c.x.Grid()[c.axis]
		ts = append(ts, &trial{
			method: "AlongAxis", name: fmt.Sprintf("%v/axis=%d/rows=%d/%s", c.x, c.axis, c.rows, c.kind), full: i == 0,
			flops: 2 * float64(y.Len()*cols), large: c.x.Len() > 4000,
			args: []arg{
				{name: "y", shape: y, role: grad, terms: float64(cols), scale: 1},
				{name: "x", shape: c.x, make: normal(0.5, 1)},
				{name: "m", shape: device.Matrix(c.rows, cols), make: kinds[c.kind]},
			},
			call: func(b device.Backend, t tensors) {
				imaging(b).AlongAxis(t.into("y"), t.at["x"], t.at["m"], c.axis)
			},
		})
	}
	return ts
}

// orientations are the 48 ways to lay a cuboid onto its axes.
func orientations() (perms [][3]int, flips [][3]bool) {
	for _, p := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		for f := range 8 {
			perms, flips = append(perms, p), append(flips, [3]bool{f&4 != 0, f&2 != 0, f&1 != 0})
		}
	}
	return perms, flips
}

func orientTrials() []*trial {
	var ts []*trial
	perms, flips := orientations()
	for i, perm := range perms {
		flip := flips[i]
		for k, x := range []device.Shape{shape(1, 3, 4, 5, 1), shape(2, 4, 3, 2, 3), shape(1, 18, 19, 37, 1)} {
			g, y := x.Grid(), x
			y.D, y.H, y.W = g[perm[0]], g[perm[1]], g[perm[2]]
			ts = append(ts, &trial{
				method: "Orient", name: fmt.Sprintf("%v/%v%v", x, perm, flip), full: i == 29 && k == 1, large: k == 2,
				args: []arg{
					{name: "y", shape: y, role: output},
					{name: "x", shape: x, make: normal(0, 1)},
				},
				call: func(b device.Backend, t tensors) { imaging(b).Orient(t.at["y"], t.at["x"], perm, flip) },
			})
		}
	}
	return ts
}

func resampleTrials() []*trial {
	scale := func(s, shift float64) [3][4]float64 {
		return [3][4]float64{{s, 0, 0, shift}, {0, s, 0, shift}, {0, 0, s, shift}}
	}
	rotation := [3][4]float64{{0.98, -0.11, 0.15, -0.3}, {0.12, 0.99, -0.05, 0.2}, {-0.14, 0.07, 0.97, 0.6}}
	// Along one axis, points that are −½ on paper. Rounded in the order of the definition some are
	// inside and some are not; with another order, fused products or float32 others.
	rounded := func(axis int) [3][4]float64 {
		to := [3][4]float64{{3: 1.25}, {3: 1.25}, {3: 1.25}}
		to[axis] = [4]float64{0.2, 0.3, 0.6, -3.1}
		return to
	}
	var ts []*trial
	for i, c := range []struct {
		name string
		x, y device.Shape
		to   [3][4]float64
	}{
		{"rotation", shape(2, 5, 6, 7, 3), shape(2, 5, 6, 7, 3), rotation},
		{"rotation", shape(1, 9, 8, 7, 1), shape(1, 9, 8, 7, 1), rotation},
		{"identity", shape(1, 4, 5, 6, 1), shape(1, 4, 5, 6, 1), scale(1, 0)},
		{"half a voxel down", shape(1, 4, 5, 6, 1), shape(1, 5, 6, 7, 1), scale(1, -0.5)}, // the first is inside, the last outside
		{"half a voxel up", shape(1, 4, 5, 6, 2), shape(1, 4, 5, 6, 2), scale(1, 0.5)},    // the last is outside
		{"quarters", shape(1, 3, 4, 2, 1), shape(1, 18, 22, 14, 1), scale(0.25, -1)},
		{"backwards", shape(1, 5, 6, 7, 1), shape(1, 7, 6, 5, 1), [3][4]float64{{0, 0, -1, 4}, {0, -1, 0, 5.5}, {-1, 0, 0, 6.25}}},
		{"to a coarser grid", shape(1, 9, 7, 8, 1), shape(1, 3, 4, 2, 1), scale(2.5, 0.3)},
		{"flat", shape(1, 1, 6, 7, 1), shape(1, 3, 6, 7, 1), scale(0.4, -0.6)},
		{"one voxel", shape(1, 1, 1, 1, 1), shape(1, 5, 5, 5, 1), scale(0.3, -0.6)},
		{"outside", shape(1, 3, 3, 3, 1), shape(1, 3, 3, 3, 1), scale(1, 40)},
		{"far outside", shape(1, 3, 3, 3, 1), shape(1, 3, 3, 3, 1), scale(-1e300, 1e200)},
		{"no number", shape(1, 3, 3, 3, 1), shape(1, 3, 3, 3, 1), [3][4]float64{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, math.NaN()}}},
		{"rounded/axis=0", shape(1, 4, 4, 4, 1), shape(1, 5, 5, 5, 1), rounded(0)},
		{"rounded/axis=1", shape(1, 4, 4, 4, 1), shape(1, 5, 5, 5, 1), rounded(1)},
		{"rounded/axis=2", shape(1, 4, 4, 4, 1), shape(1, 5, 5, 5, 1), rounded(2)},
		{"large", shape(1, 33, 30, 35, 1), shape(1, 32, 31, 37, 1), rotation},
	} {
		ts = append(ts, &trial{
			method: "Resample", name: fmt.Sprintf("%v→%v/%s", c.x, c.y, c.name), full: i == 0, large: c.name == "large",
			args: []arg{
				{name: "y", shape: c.y, role: output, terms: 8},
				{name: "x", shape: c.x, make: normal(0, 1)},
				{name: "outside", shape: device.Scalar(), make: constant(-7)},
			},
			call: func(b device.Backend, t tensors) {
				imaging(b).Resample(t.at["y"], t.at["x"], t.at["outside"], c.to)
			},
		})
	}
	return ts
}

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
		imaging(b).AlongAxis(into(re2, device.Set), re, cos, axis)
		imaging(b).AlongAxis(into(re2, device.Add), im, sin, axis)
		imaging(b).AlongAxis(into(im2, device.Set), im, cos, axis)
		imaging(b).AlongAxis(into(im2, device.Add), re, back, axis)
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
