package cpu

import (
	"voxgrad/device"
	"voxgrad/internal/par"
)

// AlongAxis is a matrix product; see product.
func (b *engine) AlongAxis(y device.Into, x, m device.Tensor, axis int) {
	yd, xd, md := data(y.Tensor), data(x), data(m)
	rows, cols := m.W, m.C
	grid := x.Grid()
	outer, inner := x.N, x.C
	for a, n := range grid {
		if a < axis {
			outer *= n
		} else if a > axis {
			inner *= n
		}
	}
	b.multiply(&product{
		y: yd, x: xd, m: md, outer: outer, rows: rows, cols: cols, inner: inner, add: y.Mode == device.Add,
	})
}

// product is the engine behind AlongAxis. With x seen as [outer][cols][inner] and
// y as [outer][rows][inner] it computes
//
//	y[o,p,j] = Σ_q m[p,q] · x[o,q,j]
//
// on the correlation kernel, whose tiles have 6 rows × 16 lanes. Where the axis is the
// fastest (inner = 1) the rows are lines of x, and the lanes are rows of m,
// packed once for all; elsewhere the rows are those of m, and the lanes are neighbours in x, packed
// panel by panel.
//
// Every element of y is one chain of multiply-adds over rising q in one kernel, in
// full tiles and in tails, so that two sums of equal or of opposite terms
// come out equal or opposite to the bit: a transform of real numbers is exactly conjugate
// symmetric. Leaving out the zeros at either end of a row changes no sum.
type product struct {
	y, x, m                  []float32
	outer, rows, cols, inner int
	add                      bool
	bands                    []band
	packed                   []float32 // m for inner = 1: [panel of rows][q][16]
}

// band says that rows of m from tile first on, in tiles of the kernel's rows or
// lanes, have no coefficients outside columns [from, to).
type band struct{ first, tiles, from, to int }

const (
	productLines  = 16 * tileRows // lines of a piece of work
	productPanels = 4             // panels of lanes: a line of 256 bytes of x
)

func (b *engine) multiply(p *product) {
	if p.inner == 1 {
		p.bands = bands(p.m, p.rows, p.cols, panel)
		p.pack()
		b.forScratch(ceil(p.outer, productLines), func(s *scratch, i int) {
			p.lines(b, s, i*productLines, min((i+1)*productLines, p.outer))
		})
		return
	}
	p.bands = merged(bands(p.m, p.rows, p.cols, tileRows))
	groups := ceil(p.inner, productPanels*panel)
	// Short lines make small pieces: put several into one.
	some := max(1, span/(p.cols*productPanels*panel))
	n := p.outer * groups
	b.forScratch(ceil(n, some), func(s *scratch, i int) {
		for k := i * some; k < min((i+1)*some, n); k++ {
			first := k % groups * productPanels * panel
			for l := first; l < min(first+productPanels*panel, p.inner); l += panel {
				p.lanes(b, s, k/groups, l)
			}
		}
	})
}

// bands finds the columns that each tile of size rows of m needs.
func bands(m []float32, rows, cols, size int) []band {
	bs := make([]band, ceil(rows, size))
	for t := range bs {
		bs[t] = band{first: t, tiles: 1, from: cols}
		for r := t * size; r < min((t+1)*size, rows); r++ {
			for q, v := range m[r*cols:][:cols] {
				if v != 0 {
					bs[t].from, bs[t].to = min(bs[t].from, q), max(bs[t].to, q+1)
				}
			}
		}
		if bs[t].to == 0 {
			bs[t].from = 0
		}
	}
	return bs
}

// merged joins neighbours that need the same columns.
func merged(bs []band) []band {
	out := bs[:1]
	for _, t := range bs[1:] {
		if l := &out[len(out)-1]; l.from == t.from && l.to == t.to {
			l.tiles++
		} else {
			out = append(out, t)
		}
	}
	return out
}

// pack turns m for use as lanes.
func (p *product) pack() {
	p.packed = make([]float32, len(p.bands)*p.cols*panel)
	for r := range p.rows {
		to := p.packed[r/panel*p.cols*panel+r%panel:]
		for q, v := range p.m[r*p.cols:][:p.cols] {
			to[q*panel] = v
		}
	}
}

// args is a call of the kernel that needs the columns of t.
func (p *product) args(s *scratch, t band) *corrArgs {
	a := &s.corr
	*a = corrArgs{floor: negInf, run: t.to - t.from, step: 1, panels: 1}
	if a.run > 0 {
		a.taps = s.ints(3, 1)
		a.taps[0] = t.from
	}
	return a
}

// lines computes lines [lo, hi) where the axis is the fastest one.
func (p *product) lines(b *engine, s *scratch, lo, hi int) {
	n := hi - lo
	xoff, yoff, toff := s.ints(0, padded(n)), s.ints(1, padded(n)), s.ints(2, padded(n))
	dense(xoff, n, p.cols)
	dense(yoff, n, p.rows)
	dense(toff, n, panel)
	for i, t := range p.bands {
		a := p.args(s, t)
		a.rows, a.x, a.xoff = n, p.x[lo*p.cols:], xoff
		a.w = p.packed[(i*p.cols+t.from)*panel:]
		if lanes := p.rows - i*panel; lanes < panel {
			a.y, a.yoff = s.floats(0, n*panel), toff
			b.corr(a)
			for l := lo; l < hi; l++ {
				p.store(l*p.rows+i*panel, a.y[(l-lo)*panel:][:lanes])
			}
			continue
		}
		a.y, a.yoff, a.add = p.y[lo*p.rows+i*panel:], yoff, flag(p.add)
		b.corr(a)
	}
}

// lanes computes all rows of one panel of lanes from the first on.
func (p *product) lanes(b *engine, s *scratch, o, first int) {
	lanes := min(panel, p.inner-first)
	w := s.floats(0, p.cols*panel)
	from := p.x[o*p.cols*p.inner+first:]
	if lanes == panel {
		gather(w, from, panel, p.inner, b.simd)
	} else {
		clear(w)
		for q := range p.cols {
			copy(w[q*panel:][:lanes], from[q*p.inner:])
		}
	}
	y := p.y[o*p.rows*p.inner+first:]
	stride, add := p.inner, p.add
	if lanes < panel {
		y, stride, add = s.floats(1, p.rows*panel), panel, false
	}
	for _, t := range p.bands {
		a := p.args(s, t)
		first := t.first * tileRows
		a.rows = min(t.tiles*tileRows, p.rows-first)
		a.x, a.y, a.add = p.m[first*p.cols:], y[first*stride:], flag(add)
		a.xoff, a.yoff = s.ints(0, padded(a.rows)), s.ints(1, padded(a.rows))
		dense(a.xoff, a.rows, p.cols)
		dense(a.yoff, a.rows, stride)
		a.w = w[t.from*panel:]
		b.corr(a)
	}
	if lanes < panel {
		for r := range p.rows {
			p.store((o*p.rows+r)*p.inner+first, y[r*panel:][:lanes])
		}
	}
}

// store moves a piece of a row from scratch memory to y.
func (p *product) store(at int, from []float32) {
	to := p.y[at:][:len(from)]
	if !p.add {
		copy(to, from)
		return
	}
	for i, v := range from {
		to[i] += v
	}
}

// flag is 1 for true, as the kernels' arguments have it.
func flag(v bool) int {
	if v {
		return 1
	}
	return 0
}

// orientTile is the edge of the squares in which Orient exchanges two axes.
const orientTile = 16

// Orient walks y line by line along W, or in squares where x's neighbours are y's
// along another axis.
func (b *engine) Orient(y, x device.Tensor, perm [3]int, flip [3]bool) {
	yd, xd := data(y), data(x)
	gy := y.Grid()
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

// Resample computes points in float64 and weights in float32.
func (b *engine) Resample(y, x, outside device.Tensor, to [3][4]float64) {
	yd, xd, out := data(y), data(x), data(outside)
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
