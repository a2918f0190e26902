package ref

import (
	"math"

	"voxgrad/device"
)

// voxels visits every voxel of every sample of s: its sample, its position and
// the linear index of its first channel.
func voxels(s device.Shape, visit func(n int, i [3]int, at int)) {
	at := 0
	for n := range s.N {
		for d := range s.D {
			for h := range s.H {
				for w := range s.W {
					visit(n, [3]int{d, h, w}, at)
					at += s.C
				}
			}
		}
	}
}

// voxel is the linear index of the first channel of a voxel.
func voxel(s device.Shape, n int, i [3]int) int {
	return (((n*s.D+i[0])*s.H+i[1])*s.W + i[2]) * s.C
}

// withGrid is s on another grid.
func withGrid(s device.Shape, g [3]int) device.Shape {
	s.D, s.H, s.W = g[0], g[1], g[2]
	return s
}

// AlongAxis implements device.Spatial.
func (b *Backend[F]) AlongAxis(y device.Into, x, m device.Tensor, axis int) {
	const op = "AlongAxis"
	if y.Mode == device.Skip {
		return
	}
	xd, md := b.get(op, "x", x), b.get(op, "m", m)
	want(op, 0 <= axis && axis < 3, "axis %d is not 0, 1 or 2", axis)
	rows, cols := m.W, m.C
	grid := x.Grid()
	want(op, m.Shape == device.Matrix(rows, cols) && cols == grid[axis], "m %v, x %v, axis %d", m.Shape, x.Shape, axis)
	grid[axis] = rows
	want(op, y.Shape == withGrid(x.Shape, grid), "y %v, x %v, m %v, axis %d", y.Shape, x.Shape, m.Shape, axis)
	apart(op, y.Tensor, x, m)
	s := make([]float64, y.Len())
	voxels(y.Shape, func(n int, i [3]int, at int) {
		p := i[axis]
		for q := range cols {
			i[axis] = q
			from := voxel(x.Shape, n, i)
			for c := range x.C {
				s[at+c] += float64(md[p*cols+q]) * float64(xd[from+c])
			}
		}
	})
	b.put(op, "y", y, s)
}

// Orient implements device.Spatial.
func (b *Backend[F]) Orient(y, x device.Tensor, perm [3]int, flip [3]bool) {
	const op = "Orient"
	yd, xd := b.get(op, "y", y), b.get(op, "x", x)
	var seen [3]bool
	for _, p := range perm {
		want(op, 0 <= p && p < 3 && !seen[p], "%v is not a permutation of the axes", perm)
		seen[p] = true
	}
	gx, gy := x.Grid(), [3]int{}
	for a, p := range perm {
		gy[a] = gx[p]
	}
	want(op, y.Shape == withGrid(x.Shape, gy), "y %v, x %v, permutation %v", y.Shape, x.Shape, perm)
	apart(op, y, x)
	voxels(y.Shape, func(n int, i [3]int, at int) {
		var j [3]int
		for a, p := range perm {
			j[p] = i[a]
			if flip[a] {
				j[p] = gy[a] - 1 - i[a]
			}
		}
		copy(yd[at:at+y.C], xd[voxel(x.Shape, n, j):])
	})
}

// Resample implements device.Spatial.
func (b *Backend[F]) Resample(y, x, outside device.Tensor, to [3][4]float64) {
	const op = "Resample"
	yd, xd, out := b.get(op, "y", y), b.get(op, "x", x), b.get(op, "outside", outside)
	want(op, y.N == x.N && y.C == x.C && outside.Shape == device.Scalar(), "y %v, x %v, outside %v", y.Shape, x.Shape, outside.Shape)
	apart(op, y, x, outside)
	size := x.Grid()
	voxels(y.Shape, func(n int, i [3]int, at int) {
		var near, far [3]int
		var t [3]float64
		inside := true
		for a, r := range to {
			// Conversions keep the products from being fused with the sums.
			c := float64(r[0]*float64(i[0])) + float64(r[1]*float64(i[1])) + float64(r[2]*float64(i[2])) + r[3]
			last := float64(size[a] - 1)
			if !(-0.5 <= c && c < last+0.5) {
				inside = false
				break
			}
			c = min(max(c, 0), last)
			near[a] = int(math.Floor(c))
			far[a] = min(near[a]+1, size[a]-1)
			t[a] = c - float64(near[a])
		}
		for c := range y.C {
			if !inside {
				yd[at+c] = out[0]
				continue
			}
			s := 0.0
			for corner := range 8 {
				j, weight := near, 1.0
				for a := range j {
					if corner>>a&1 != 0 {
						j[a], weight = far[a], weight*t[a]
					} else {
						weight *= 1 - t[a]
					}
				}
				s += weight * float64(xd[voxel(x.Shape, n, j)+c])
			}
			yd[at+c] = F(s)
		}
	})
}
