package cpu

import (
	"voxgrad/device"
	"voxgrad/internal/par"
)

// withGrid is s on another grid.
func withGrid(s device.Shape, g [3]int) device.Shape {
	s.D, s.H, s.W = g[0], g[1], g[2]
	return s
}

// AlongAxis is a matrix product; see product.
func (b *Backend) AlongAxis(y device.Into, x, m device.Tensor, axis int) {
	if y.Mode == device.Skip || b.failed() {
		return
	}
	const op = "AlongAxis"
	yd, xd, md := b.get(op, "y", y.Tensor), b.get(op, "x", x), b.get(op, "m", m)
	want(op, 0 <= axis && axis < 3, "axis %d is not 0, 1 or 2", axis)
	rows, cols := m.W, m.C
	grid := x.Grid()
	want(op, m.Shape == device.Matrix(rows, cols) && cols == grid[axis], "m %v, x %v, axis %d", m.Shape, x.Shape, axis)
	outer, inner := x.N, x.C
	for a, n := range grid {
		if a < axis {
			outer *= n
		} else if a > axis {
			inner *= n
		}
	}
	grid[axis] = rows
	want(op, y.Shape == withGrid(x.Shape, grid), "y %v, x %v, m %v, axis %d", y.Shape, x.Shape, m.Shape, axis)
	apart(op, y.Tensor, x, m)
	b.multiply(&product{
		y: yd, x: xd, m: md, outer: outer, rows: rows, cols: cols, inner: inner, add: y.Mode == device.Add,
	})
}

// orientTile is the edge of the squares in which Orient exchanges two axes.
const orientTile = 16

// Orient walks y line by line along W, or in squares where x's neighbours are y's
// along another axis.
func (b *Backend) Orient(y, x device.Tensor, perm [3]int, flip [3]bool) {
	if b.failed() {
		return
	}
	const op = "Orient"
	yd, xd := b.get(op, "y", y), b.get(op, "x", x)
	gx, gy := x.Grid(), [3]int{}
	var seen [3]bool
	for a, p := range perm {
		want(op, 0 <= p && p < 3 && !seen[p], "%v is not a permutation of the axes", perm)
		seen[p], gy[a] = true, gx[p]
	}
	want(op, y.Shape == withGrid(x.Shape, gy), "y %v, x %v, permutation %v", y.Shape, x.Shape, perm)
	apart(op, y, x)
	// y's voxel i is x's voxel start + Σ step[a]·i[a] of the same sample.
	strides := [3]int{x.H * x.W * x.C, x.W * x.C, x.C}
	start, step := 0, [3]int{}
	for a, p := range perm {
		step[a] = strides[p]
		if flip[a] {
			start += (gy[a] - 1) * step[a]
			step[a] = -step[a]
		}
	}
	size := x.Voxels() * x.C
	o := orient{c: x.C, w: gy[2], step: step[2]}
	if perm[2] == 2 {
		lines(y.Shape, func(n, d, h int) {
			o.line(yd[((n*y.D+d)*y.H+h)*y.W*y.C:], xd[n*size:][:size], start+d*step[0]+h*step[1])
		})
		return
	}
	// y's axis along which x is contiguous, and the third one.
	near, other := 0, 1
	if perm[1] == 2 {
		near, other = 1, 0
	}
	out := [3]int{y.H * y.W * y.C, y.W * y.C}
	tiles := ceil(gy[near], orientTile)
	par.For(y.N*gy[other]*tiles, func(i int) {
		n, k, first := i/tiles/gy[other], i/tiles%gy[other], i%tiles*orientTile
		to, from := yd[n*size:][:size], xd[n*size:][:size]
		for w := 0; w < o.w; w += orientTile {
			t := o
			t.w = min(orientTile, o.w-w)
			for j := first; j < min(first+orientTile, gy[near]); j++ {
				t.line(to[k*out[other]+j*out[near]+w*y.C:], from, start+k*step[other]+j*step[near]+w*step[2])
			}
		}
	})
}

// orient is what a line of Orient's result looks like.
type orient struct{ c, w, step int }

func (o orient) line(to, from []float32, at int) {
	switch {
	case o.step == o.c:
		copy(to[:o.w*o.c], from[at:])
	case o.c == 1:
		for w := range to[:o.w] {
			to[w] = from[at+w*o.step]
		}
	default:
		for w := range o.w {
			copy(to[w*o.c:][:o.c], from[at+w*o.step:])
		}
	}
}
