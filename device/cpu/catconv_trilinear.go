package cpu

import (
	"voxgrad/device"
	"voxgrad/internal/par"
)

// The convolution of a trilinearly upsampled tensor is taken tap by tap on the coarse grid, where
// a voxel stands for eight, and interpolated afterwards:
//
//	y = Σ over taps t of shift_t(U(w[t]·x))
//
// The interpolation is separable, and with the shift by one tap each fine position along an axis is
// a sum of at most six products of a tap's and a coarse position's. The gradients are the transpose:
// dy is gathered to z[t] = Uᵀ(shift_tᵀ dy) for each tap on the coarse grid, and
// dx = Σ z[t]·w[t]ᵀ and the weights' sums xᵀ·z[t] are products there.

// combineArgs describes one call of the kernel behind these sums: for each unit u and lane l of 16
//
//	dst[u·dstStep + l] = max(floor, base[u·baseStep + l] + Σ over j in [0, 6) of coef[j]·src[off[j] + u·srcStep + l])
type combineArgs struct {
	dst, src, base             []float32
	off                        [combined]int
	coef                       [combined]float32
	units                      int
	dstStep, srcStep, baseStep int
	floor                      float32
}

const combined = 6

func (b *engine) combine(a *combineArgs) {
	b.executed.Add(2 * int64(a.units*panel*combined))
	switch {
	case b.wide:
		combineAVX512(a)
		return
	case b.simd:
		combineAVX2(a)
		return
	}
	for u := range a.units {
		to := a.dst[u*a.dstStep:][:panel]
		var s [panel]float32
		for j, c := range a.coef {
			for l, v := range a.src[a.off[j]+u*a.srcStep:][:panel] {
				s[l] += c * v
			}
		}
		base := a.base[u*a.baseStep:][:panel]
		for l, v := range s {
			if v += base[l]; v < a.floor { // false for NaN, which stays
				v = a.floor
			}
			to[l] = v
		}
	}
}

// term is one product of an interpolation along one axis.
type term struct {
	tap  int // 0, 1, 2
	at   int // coarse position for shifted, fine for gathered
	coef float32
}

// shifted lists the terms of each fine position of an axis with n coarse ones.
func shifted(n int) [][]term {
	all := make([][]term, 2*n)
	for f := range all {
		for t := range 3 {
			r := f + t - 1
			if r < 0 || r >= 2*n {
				continue
			}
			near := r / 2
			far := min(max(near+r%2*2-1, 0), n-1)
			if near == far {
				all[f] = append(all[f], term{t, near, 1})
			} else {
				all[f] = append(all[f], term{t, near, 0.75}, term{t, far, 0.25})
			}
		}
	}
	return all
}

// gathered is the transpose: the terms of each coarse position and tap, [n][3].
func gathered(n int) [][3][]term {
	all := make([][3][]term, n)
	for f, terms := range shifted(n) {
		for _, t := range terms {
			all[t.at][t.tap] = append(all[t.at][t.tap], term{t.tap, f, t.coef})
		}
	}
	return all
}

// set puts the terms into the kernel's arguments with the source of a term at offset(term).
func (a *combineArgs) set(terms []term, offset func(t term) int) {
	for j := range combined {
		if j < len(terms) {
			a.off[j], a.coef[j] = offset(terms[j]), terms[j].coef
		} else {
			a.off[j], a.coef[j] = a.off[0], 0
		}
	}
}

const (
	trilinearRows   = 16 // coarse lines of a piece
	trilinearVoxels = 96 // coarse voxels of one product
)

// packTaps arranges weights [27][in][out] as [panel of out][27][in][16].
func packTaps(to, w []float32, in, out int) {
	clear(to)
	for p := range ceil(out, panel) {
		for t := range taps3 {
			for i := range in {
				copy(to[((p*taps3+t)*in+i)*panel:][:min(panel, out-p*panel)], w[(t*in+i)*out+p*panel:])
			}
		}
	}
}

// trilinear convolves source i with weights w into y, as j's table, add and act say.
func (c *catConv) trilinear(y []float32, i int, w []float32, j *correlation) {
	b, s := c.b, c.in[i].X.Shape
	x := data(c.in[i].X)
	panels := ceil(c.cout, panel)
	packed := c.floats(panels * taps3 * s.C * panel)
	packTaps(packed, w, s.C, c.cout)
	td, th, tw := shifted(s.D), shifted(s.H), shifted(s.W)
	blocks := ceil(s.H, trilinearRows)
	wide := 2 * s.W * panel // floats of a fine line

	b.forScratch(s.N*panels*blocks, func(sc *scratch, piece int) {
		n, p, blk := piece/blocks/panels, piece/blocks%panels, piece%blocks
		h0, h1 := blk*trilinearRows, min((blk+1)*trilinearRows, s.H)
		lo, hi := max(0, h0-1), min(s.H, h1+1) // coarse lines needed
		some := max(1, trilinearVoxels/s.W)
		z := sc.floats(0, taps3*some*s.W*panel)
		lines := sc.floats(1, (hi-lo)*9*wide) // [line][td, th][fine voxel][16]
		plane := 3 * 2 * (h1 - h0) * wide     // [td][fine line][fine voxel][16]
		ring := sc.floats(2, 3*plane)
		row := sc.floats(3, wide)
		cut := &sc.combine
		a := &sc.corr
		finish := func(d int) {
			for f := 2 * d; f < 2*d+2; f++ {
				for l := range 2 * (h1 - h0) {
					at := ((n*2*s.D+f)*2*s.H + 2*h0 + l) * 2 * s.W
					*cut = combineArgs{base: zeros[:], floor: negInf, dst: row, src: ring, units: 2 * s.W, dstStep: panel, srcStep: panel}
					cut.set(td[f], func(t term) int { return t.at%3*plane + (t.tap*2*(h1-h0)+l)*wide })
					if c.cout-p*panel >= panel {
						c.combineLine(cut, y, at, [3]int{f, 2*h0 + l, 0}, p*panel, j)
						continue
					}
					b.combine(cut)
					c.storeLine(y, row, at, [3]int{f, 2*h0 + l, 0}, p*panel, j)
				}
			}
		}
		for d := range s.D {
			for l := lo; l < hi; l += some {
				m := min(some, hi-l)
				voxels := m * s.W
				one := sc.ints(2, 1)
				one[0] = 0
				*a = corrArgs{x: x[((n*s.D+d)*s.H+l)*s.W*s.C:], y: z, w: packed[p*taps3*s.C*panel:],
					xoff: sc.ints(0, padded(voxels)), yoff: sc.ints(1, padded(voxels)), taps: one, run: s.C, step: 1,
					rows: voxels, panels: taps3, wStep: s.C * panel, yStep: voxels * panel, floor: negInf}
				dense(a.xoff, voxels, s.C)
				dense(a.yoff, voxels, panel)
				b.corr(a)
				for q := range m {
					*cut = combineArgs{base: zeros[:], floor: negInf, src: z, units: 9, dstStep: wide, srcStep: 3 * voxels * panel}
					for f, terms := range tw {
						cut.dst = lines[(l-lo+q)*9*wide+f*panel:]
						cut.set(terms, func(t term) int { return (t.tap*voxels + q*s.W + t.at) * panel })
						b.combine(cut)
					}
				}
			}
			*cut = combineArgs{base: zeros[:], floor: negInf, src: lines, units: 2 * s.W, dstStep: panel, srcStep: panel}
			for f := 2 * h0; f < 2*h1; f++ {
				for k := range 3 {
					cut.dst = ring[d%3*plane+(k*2*(h1-h0)+f-2*h0)*wide:]
					cut.set(th[f], func(t term) int { return ((t.at-lo)*9 + 3*k + t.tap) * wide })
					b.combine(cut)
				}
			}
			if d > 0 {
				finish(d - 1)
			}
		}
		finish(s.D - 1)
	})
}

// combineLine combines a line of 2·W voxels × 16 channels from c0 on into y: instead of what is there, or in
// addition to it.
func (c *catConv) combineLine(cut *combineArgs, y []float32, voxel int, at [3]int, c0 int, j *correlation) {
	if j.act == device.ReLU {
		cut.floor = 0
	}
	cut.dstStep = c.cout
	fine := [3]int{c.z.D, c.z.H, c.z.W}
	off := cut.off
	ends := []int{0, c.z.W} // where the base changes
	if j.table != nil {
		ends = []int{0, 1, c.z.W - 1, c.z.W}
	}
	for i, from := range ends[:len(ends)-1] {
		if cut.units = ends[i+1] - from; cut.units <= 0 {
			continue
		}
		cut.dst = y[(voxel+from)*c.cout+c0:]
		cut.base, cut.baseStep = cut.dst, c.cout
		if j.table != nil {
			at[2] = from
			cut.base, cut.baseStep = j.table[presence(at, fine)*c.cout+c0:], 0
		}
		for k, v := range off {
			cut.off[k] = v + from*panel
		}
		c.b.combine(cut)
	}
}

// storeLine is combineLine's end for a last panel that has fewer than 16 channels.
func (c *catConv) storeLine(y, line []float32, voxel int, at [3]int, c0 int, j *correlation) {
	lanes := min(panel, c.cout-c0)
	fine := [3]int{c.z.D, c.z.H, c.z.W}
	for w := range c.z.W {
		to, from := y[(voxel+w)*c.cout+c0:][:lanes], line[w*panel:][:lanes]
		base := to
		if j.table != nil {
			at[2] = w
			base = j.table[presence(at, fine)*c.cout+c0:][:lanes]
		}
		for l, v := range from {
			v += base[l]
			if j.act == device.ReLU && v < 0 {
				v = 0
			}
			to[l] = v
		}
	}
}

// trilinearGrad is the gradients of a trilinear source.
type trilinearGrad struct {
	c      *catConv
	x, dx  []float32
	add    bool
	s      device.Shape // of x
	dy     []float32
	r      []float32 // [27][C][Cout], or nil
	w      []float32 // packed: [panel of C][panel of Cout][27][16][16]
	panels int       // of Cout
	last   []float32 // the last panel of dy with 16 channels, if it has fewer
	parts  int
	sums   []float32 // [part][panel][27][rows][16]
}

func (c *catConv) newTrilinearGrad(i int, dy, w []float32, dx device.Into, needR bool) *trilinearGrad {
	s := c.in[i].X.Shape
	g := &trilinearGrad{c: c, x: data(c.in[i].X), dx: into(dx),
		add: dx.Mode == device.Add, s: s, dy: dy, panels: ceil(c.cout, panel)}
	o := c.cout
	if g.dx != nil {
		g.w = c.floats(ceil(s.C, panel) * g.panels * taps3 * panel * panel)
		clear(g.w)
		for q := range ceil(s.C, panel) {
			for p := range g.panels {
				for t := range taps3 {
					to := g.w[((q*g.panels+p)*taps3+t)*panel*panel:]
					for l := range min(panel, o-p*panel) {
						for m := range min(panel, s.C-q*panel) {
							to[l*panel+m] = w[(t*s.C+q*panel+m)*o+p*panel+l]
						}
					}
				}
			}
		}
	}
	if o%panel != 0 {
		n := len(dy) / o
		g.last = c.floats(n * panel)
		clear(g.last)
		c0 := (g.panels - 1) * panel
		rows(n, panel, func(lo, hi int) {
			for ; lo < hi; lo++ {
				copy(g.last[lo*panel:][:o-c0], dy[lo*o+c0:])
			}
		})
	}
	g.parts = min(16, s.N*s.D)
	if needR {
		g.sums = c.floats(g.parts * g.part())
		clear(g.sums)
		g.r = c.floats(taps3 * s.C * o)
	}
	return g
}

// part is the number of floats of one part's sums.
func (g *trilinearGrad) part() int {
	return g.panels * taps3 * g.s.C * panel
}

func (g *trilinearGrad) run() {
	if g.dx == nil && g.r == nil {
		return
	}
	s := g.s
	td, th, tw := gathered(s.D), gathered(s.H), gathered(s.W)
	planes := s.N * s.D
	g.c.b.forScratch(g.parts, func(sc *scratch, part int) {
		for i := part * planes / g.parts; i < (part+1)*planes/g.parts; i++ {
			for h0 := 0; h0 < s.H; h0 += trilinearRows {
				for p := range g.panels {
					g.block(sc, part, i/s.D, i%s.D, h0, min(h0+trilinearRows, s.H), p, td, th, tw)
				}
			}
		}
	})
	if g.r == nil {
		return
	}
	o, stride := g.c.cout, s.C*panel
	par.For(taps3*g.panels, func(i int) {
		p, t := i/taps3, i%taps3
		for c := range s.C {
			for l := range min(panel, o-p*panel) {
				sum := float32(0)
				for part := range g.parts {
					sum += g.sums[part*g.part()+i*stride+c*panel+l]
				}
				g.r[(t*s.C+c)*o+p*panel+l] = sum
			}
		}
	})
}

// block gathers coarse lines [h0, h1) of plane d for a panel of dy, and multiplies.
func (g *trilinearGrad) block(sc *scratch, part, n, d, h0, h1, p int, td, th, tw [][3][]term) {
	b, s := g.c.b, g.s
	dy, step, c0 := g.dy, g.c.cout, p*panel
	if g.last != nil && p == g.panels-1 {
		dy, step, c0 = g.last, panel, 0
	}
	wide := 2 * s.W * panel
	lo, hi := max(0, 2*h0-2), min(2*s.H, 2*h1+2) // fine lines needed
	deep := sc.floats(0, 3*(hi-lo)*wide)         // [td][fine line][fine voxel][16]
	cut := &sc.combine
	*cut = combineArgs{base: zeros[:], floor: negInf, src: dy, units: 2 * s.W, dstStep: panel, srcStep: step}
	for k := range 3 {
		for l := lo; l < hi; l++ {
			cut.dst = deep[(k*(hi-lo)+l-lo)*wide:]
			cut.set(td[d][k], func(t term) int { return ((n*2*s.D+t.at)*2*s.H+l)*2*s.W*step + c0 })
			b.combine(cut)
		}
	}
	some := max(1, trilinearVoxels/s.W)
	flat := sc.floats(1, 9*wide) // [td, th][fine voxel][16]
	z := sc.floats(2, taps3*some*s.W*panel)
	for h := h0; h < h1; h += some {
		m := min(some, h1-h)
		voxels := m * s.W
		for q := range m {
			*cut = combineArgs{base: zeros[:], floor: negInf, src: deep, units: 2 * s.W, dstStep: panel, srcStep: panel}
			for k := range 9 {
				cut.dst = flat[k*wide:]
				cut.set(th[h+q][k%3], func(t term) int { return (k/3*(hi-lo) + t.at - lo) * wide })
				b.combine(cut)
			}
			*cut = combineArgs{base: zeros[:], floor: negInf, src: flat, units: 9, dstStep: 3 * voxels * panel, srcStep: wide}
			for w := range s.W {
				for k := range 3 {
					cut.dst = z[(k*voxels+q*s.W+w)*panel:]
					cut.set(tw[w][k], func(t term) int { return t.at * panel })
					b.combine(cut)
				}
			}
		}
		g.multiply(sc, z, part, ((n*s.D+d)*s.H+h)*s.W, voxels, p)
	}
}

// multiply adds the products of z, [27][voxels][16], to dx and to the sums.
func (g *trilinearGrad) multiply(sc *scratch, z []float32, part, first, voxels, p int) {
	b, c := g.c.b, g.s.C
	if g.dx != nil {
		taps := sc.ints(2, taps3)
		dense(taps, taps3, voxels*panel)
		a := &sc.corr
		*a = corrArgs{x: z, w: g.w[p*taps3*panel*panel:], xoff: sc.ints(0, padded(voxels)), yoff: sc.ints(1, padded(voxels)),
			taps: taps, run: panel, step: 1, rows: voxels, panels: c / panel, wStep: g.panels * taps3 * panel * panel,
			y: g.dx[first*c:], yStep: panel, add: flag(g.add || p > 0), floor: negInf}
		dense(a.xoff, voxels, panel)
		dense(a.yoff, voxels, c)
		b.corr(a)
		if lanes := c % panel; lanes > 0 {
			q := c / panel
			a.w, a.panels = a.w[q*a.wStep:], 1
			a.y, a.add = sc.floats(3, voxels*panel), 0
			dense(a.yoff, voxels, panel)
			b.corr(a)
			for v := range voxels {
				to := g.dx[(first+v)*c+q*panel:][:lanes]
				for l, x := range a.y[v*panel:][:lanes] {
					if g.add || p > 0 {
						x += to[l]
					}
					to[l] = x
				}
			}
		}
	}
	if g.r == nil {
		return
	}
	line := sc.ints(2, 1)
	line[0] = 0
	k := &sc.corr
	*k = corrArgs{x: g.x[first*c:], w: z, xoff: sc.ints(0, padded(c)), yoff: sc.ints(1, padded(c)), taps: line, run: voxels, step: c,
		rows: c, panels: taps3, wStep: voxels * panel, y: g.sums[part*g.part()+p*taps3*c*panel:], yStep: c * panel, add: 1, floor: negInf}
	dense(k.xoff, c, 1)
	dense(k.yoff, c, panel)
	b.corr(k)
}

// finish adds what the statistics pass on: Uᵀ(a + m·U·x).
func (g *trilinearGrad) finish(a, m []float64) {
	if g.dx == nil || m == nil {
		return
	}
	b, s := g.c.b, g.s
	u, v := g.c.floats(s.Len()), g.c.floats(s.Len())
	from, inner := g.x, s.Len()/s.N
	outer := s.N
	for k, n := range s.Grid() {
		inner /= n
		to := [2][]float32{u, v}[k%2]
		b.multiply(&product{y: to, x: from, m: squared(n), outer: outer, rows: n, cols: n, inner: inner})
		from = to
		outer *= n
	}
	scale, offset := make([]float32, s.C), make([]float32, s.C)
	for l := range s.C {
		scale[l], offset[l] = float32(m[l]), float32(8*a[l])
	}
	rows(s.Rows(), s.C, func(lo, hi int) {
		for ; lo < hi; lo++ {
			to := g.dx[lo*s.C:][:s.C]
			for l, x := range from[lo*s.C:][:s.C] {
				to[l] += scale[l]*x + offset[l]
			}
		}
	})
}

// squared is UᵀU along an axis of n coarse positions.
func squared(n int) []float32 {
	u := make([]float64, 2*n*n)
	for r := range 2 * n {
		near := r / 2
		u[r*n+near] += 0.75
		u[r*n+min(max(near+r%2*2-1, 0), n-1)] += 0.25
	}
	m := make([]float32, n*n)
	for i := range n {
		for j := range n {
			sum := 0.0
			for r := range 2 * n {
				sum += u[r*n+i] * u[r*n+j]
			}
			m[i*n+j] = float32(sum)
		}
	}
	return m
}
