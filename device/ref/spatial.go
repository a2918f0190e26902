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

// AlongAxis implements device.Spatial.
func (b loops[F]) AlongAxis(y device.Into, x, m device.Tensor, axis int) {
	xd, md := b.data(x), b.data(m)
	s := make([]float64, y.Len())
	voxels(y.Shape, func(n int, i [3]int, at int) {
		p := i[axis]
		for q := range m.C {
			i[axis] = q
			from := voxel(x.Shape, n, i)
			for c := range x.C {
				s[at+c] += float64(md[p*m.C+q]) * float64(xd[from+c])
			}
		}
	})
	b.put(y, s)
}

// Orient implements device.Spatial.
func (b loops[F]) Orient(y, x device.Tensor, perm [3]int, flip [3]bool) {
	yd, xd := b.data(y), b.data(x)
	size := y.Grid()
	voxels(y.Shape, func(n int, i [3]int, at int) {
		var j [3]int
		for a, p := range perm {
			j[p] = i[a]
			if flip[a] {
				j[p] = size[a] - 1 - i[a]
			}
		}
		copy(yd[at:at+y.C], xd[voxel(x.Shape, n, j):])
	})
}

// Resample implements device.Spatial.
func (b loops[F]) Resample(y, x, outside device.Tensor, to [3][4]float64) {
	yd, xd, out := b.data(y), b.data(x), b.data(outside)
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
