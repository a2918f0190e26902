package cpu

import "math"

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
	noBias                   [panel]float32
}

// band says that rows of m from tile first on, in tiles of the kernel's rows or
// lanes, have no coefficients outside columns [from, to).
type band struct{ first, tiles, from, to int }

const (
	productLines  = 16 * tileRows // lines of a piece of work
	productPanels = 4             // panels of lanes: a line of 256 bytes of x
)

func (b *Backend) multiply(p *product) {
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
	*a = corrArgs{bias: p.noBias[:], floor: float32(math.Inf(-1)), run: t.to - t.from}
	if a.run > 0 {
		a.taps = s.ints(3, 1)
		a.taps[0] = t.from
	}
	return a
}

// lines computes lines [lo, hi) where the axis is the fastest one.
func (p *product) lines(b *Backend, s *scratch, lo, hi int) {
	tiles := ceil(hi-lo, tileRows)
	xoff, yoff, toff := s.ints(0, tiles*tileRows), s.ints(1, tiles*tileRows), s.ints(2, tiles*tileRows)
	for v := range xoff {
		l := min(lo+v, hi-1)
		xoff[v], yoff[v], toff[v] = l*p.cols, l*p.rows, (l-lo)*panel
	}
	for i, t := range p.bands {
		a := p.args(s, t)
		a.tiles, a.x, a.xoff = tiles, p.x, xoff
		a.w = p.packed[(i*p.cols+t.from)*panel:]
		if lanes := p.rows - i*panel; lanes < panel {
			a.y, a.yoff = s.floats(0, (hi-lo)*panel), toff
			b.corr(a)
			for l := lo; l < hi; l++ {
				p.store(l*p.rows+i*panel, a.y[(l-lo)*panel:][:lanes])
			}
			continue
		}
		a.y, a.yoff, a.add = p.y[i*panel:], yoff, flag(p.add)
		b.corr(a)
	}
}

// lanes computes all rows of one panel of lanes from the first on.
func (p *product) lanes(b *Backend, s *scratch, o, first int) {
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
	xoff, yoff := s.ints(0, ceil(p.rows, tileRows)*tileRows), s.ints(1, ceil(p.rows, tileRows)*tileRows)
	for v := range xoff {
		r := min(v, p.rows-1)
		xoff[v], yoff[v] = r*p.cols, r*stride
	}
	for _, t := range p.bands {
		a := p.args(s, t)
		a.tiles, a.x, a.y, a.add = t.tiles, p.m, y, flag(add)
		a.xoff, a.yoff = xoff[t.first*tileRows:], yoff[t.first*tileRows:]
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
