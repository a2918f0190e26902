package cpu

import "voxgrad/device"

// Resample computes points in float64 and weights in float32.
func (b *Backend) Resample(y, x, outside device.Tensor, to [3][4]float64) {
	if b.failed() {
		return
	}
	const op = "Resample"
	yd, xd, out := b.get(op, "y", y), b.get(op, "x", x), b.get(op, "outside", outside)
	want(op, y.N == x.N && y.C == x.C && outside.Shape == device.Scalar(), "y %v, x %v, outside %v", y.Shape, x.Shape, outside.Shape)
	apart(op, y, x, outside)
	size := x.Voxels() * x.C
	r := resampling{x: x.Shape, outside: out[0]}
	for a, n := range x.Grid() {
		r.last[a] = float64(n - 1)
		r.step[a] = to[a][2]
		r.shift[a] = to[a][3]
	}
	lines(y.Shape, func(n, d, h int) {
		q := r
		for a, t := range to {
			// Conversions keep the products from being fused with the sum.
			q.first[a] = float64(t[0]*float64(d)) + float64(t[1]*float64(h))
		}
		q.line(yd[((n*y.D+d)*y.H+h)*y.W*y.C:][:y.W*y.C], xd[n*size:][:size])
	})
}

// resampling is one line of points, c[a] = (first[a] + step[a]·w) + shift[a].
type resampling struct {
	x                  device.Shape
	last               [3]float64 // the last voxel along each axis
	first, step, shift [3]float64
	outside            float32
}

// at is the point of voxel w along axis a: the voxel before it, how far it is from
// there to the next one, and whether there is a next one.
func (r *resampling) at(a, w int) (near int, t float32, more int, inside bool) {
	c := r.first[a] + float64(r.step[a]*float64(w)) + r.shift[a]
	last := r.last[a]
	if !(-0.5 <= c && c < last+0.5) {
		return 0, 0, 0, false
	}
	if c <= 0 {
		return 0, 0, 0, true
	}
	if c >= last {
		return int(last), 0, 0, true
	}
	near = int(c)
	return near, float32(c - float64(near)), 1, true
}

func (r *resampling) line(y, x []float32) {
	c := r.x.C
	plane, row := r.x.H*r.x.W*c, r.x.W*c
	for w := range len(y) / c {
		d, td, md, inD := r.at(0, w)
		h, th, mh, inH := r.at(1, w)
		v, tv, mv, inW := r.at(2, w)
		if !(inD && inH && inW) {
			for i := range c {
				y[w*c+i] = r.outside
			}
			continue
		}
		// Where there is no next voxel the weight is 0 and the same one is read again.
		near, up, right := d*plane+h*row+v*c, mh*row, mv*c
		far := near + md*plane
		for i := range c {
			p, q := x[near+i:], x[far+i:]
			p0 := lerp(p[0], p[right], tv)
			p1 := lerp(p[up], p[up+right], tv)
			q0 := lerp(q[0], q[right], tv)
			q1 := lerp(q[up], q[up+right], tv)
			y[w*c+i] = lerp(lerp(p0, p1, th), lerp(q0, q1, th), td)
		}
	}
}

func lerp(a, b, t float32) float32 { return a + t*(b-a) }
