package cpu

import (
	"voxgrad/device"
)

// Winograd's F(2³, 3³): 2³ outputs of a 3³ convolution from 4³ inputs with 64 products instead of 216,
//
//	y = Aᵀ[(G·w) ⊙ (Bᵀ·x)]       along each axis, summed over channels at each of the 64 places
//
// (Lavin and Gray 2016, arXiv 1509.09308). The sums over channels at one place are a matrix product of tiles by
// channels, which the kernel of the direct convolution takes. Entries are added and halved only, so
// the error is that of the direct sums or less.
//
// A transposed 4³ convolution with stride 2, and its gradient, go the same way: fine positions of one parity
// along each axis, a class, are a convolution of the coarse grid with two taps along each axis. As three taps
// with a zero before or after these need three of four places along the axis: 27 products for 8 outputs instead of 64.
type winograd struct {
	in, out             []float32
	is, os              device.Shape
	grid                [3]int // of a class, input and output
	strideIn, strideOut int    // 1, or 2 for classes
	classes             []winoClass
	spread              bool // classes are of the output, else of the input
	u                   []float32
	cut                 cut
	bias                []float32 // nil or os.C values
	table               []float32 // nil or by presence, [64][os.C]
	add                 bool
	act                 device.Act
}

const places = 64

// winoClass is a class of positions, or all of them.
type winoClass struct {
	first [3]int
	taps  [3][3]int // what tap of the window the three taps along each axis are, −1: none
	u     int       // where its weights start: [place used][panel][C][16]
}

// used is which places along an axis have weights: the first and the last are those of one tap each.
func (c *winoClass) used(axis int) used {
	switch {
	case c.taps[axis][0] < 0:
		return tail
	case c.taps[axis][2] < 0:
		return head
	}
	return all4
}

// uses reports whether a place has weights.
func (c *winoClass) uses(place int) bool {
	for a, k := range [3]int{place / 16, place / 4 % 4, place % 4} {
		if from, to := c.used(a).span(); k < from || k >= to {
			return false
		}
	}
	return true
}

// count is the number of places used.
func (c *winoClass) count() int {
	n := 0
	for p := range places {
		if c.uses(p) {
			n++
		}
	}
	return n
}

// Sizes of what a piece of work keeps in a second-level cache.
const (
	winoTiles    = 32 // tiles of a block
	winoChannels = 96 // input channels, and output channels, at a time
	winoChunk    = 48 // channels of the passes before the last
)

// winoCut cuts the tiles of a class into blocks.
func winoCut(samples int, grid [3]int, most int) cut {
	c := cut{total: samples}
	for i, n := range grid {
		c.axes[i] = axis{n: ceil(n, 2), taps: 4, step: 2, off: -1}
	}
	best := -1
	for d := 1; d <= most; d *= 2 {
		for h := 1; d*h <= most; h *= 2 {
			size := [3]int{min(d, c.axes[0].n), min(h, c.axes[1].n), min(most/d/h, c.axes[2].n)}
			cost := winoChunk * 4 // what a block costs beside its tiles
			for i, n := range size {
				cost *= c.axes[i].extent(n)
			}
			tiles := size[0] * size[1] * size[2]
			cost += winoTiles * 64 * ceil(tiles, wideRows) * wideRows
			for i, n := range size {
				cost *= ceil(c.axes[i].n, n)
			}
			if best < 0 || cost < best {
				best, c.size = cost, size
			}
		}
	}
	for i, a := range c.axes {
		c.count[i] = ceil(a.n, c.size[i])
		c.total *= c.count[i]
	}
	return c
}

// lattice is the positions of a class in a tensor.
func (w *winograd) lattice(c *winoClass, stride int) lattice {
	l := lattice{n: w.grid, stride: stride}
	if stride > 1 {
		l.first = c.first
	}
	return l
}

func (b *engine) byWinograd(w *winograd) {
	tiles, group := winoTiles, even(w.os.C, winoChannels)
	if len(w.classes) > 1 { // what the classes share is made once
		group = w.os.C
		if max(w.is.C, w.os.C) > winoChannels {
			tiles /= 2
		}
	}
	group = ceil(group, panel) * panel
	w.cut = winoCut(w.is.N, w.grid, tiles)
	groups := ceil(w.os.C, group)
	b.forScratch(w.cut.total*groups, func(s *scratch, i int) {
		blk := w.cut.block(i / groups)
		o0 := i % groups * group
		w.block(b, s, &blk, o0, min(group, w.os.C-o0))
	})
}

// block computes output channels [o0, o0+o) of a block of tiles.
func (w *winograd) block(b *engine, s *scratch, blk *block, o0, o int) {
	tiles := blk.voxels()
	products := s.floats(5, places*tiles*o)
	a := &s.corr
	*a = corrArgs{step: 1, rows: tiles, xoff: s.ints(0, padded(tiles)), yoff: s.ints(1, padded(tiles)), taps: s.ints(2, 1),
		panels: o / panel, wStep: w.is.C * panel, yStep: panel, floor: negInf}
	a.taps[0] = 0
	dense(a.yoff, tiles, o)
	multiply := func(class *winoClass, v []float32, c0, c int, begun *[places]bool) {
		a.run = c
		dense(a.xoff, tiles, c)
		at := class.u + o0/panel*a.wStep + c0*panel
		for p := range places {
			if class.uses(p) {
				a.x, a.w, a.y, a.add = v[p*tiles*c:], w.u[at:], products[p*tiles*o:], flag(begun[p])
				begun[p] = true
				b.corr(a)
				at += w.os.C / panel * a.wStep
			}
		}
	}
	if w.spread {
		v := winoInput(b, s, blk, w.in, w.is, &winoClass{}, w.lattice(&w.classes[0], w.strideIn), 0, w.is.C)
		for i := range w.classes {
			multiply(&w.classes[i], v, 0, w.is.C, &[places]bool{})
			w.store(b, s, blk, products, &w.classes[i], o0, o)
		}
		return
	}
	some := ceil(even(w.is.C, winoChannels), panel) * panel
	var begun [places]bool
	for i := range w.classes {
		for c0 := 0; c0 < w.is.C; c0 += some {
			c := min(some, w.is.C-c0)
			v := winoInput(b, s, blk, w.in, w.is, &w.classes[i], w.lattice(&w.classes[i], w.strideIn), c0, c)
			multiply(&w.classes[i], v, c0, c, &begun)
		}
	}
	w.store(b, s, blk, products, &winoClass{}, o0, o)
}

// winoInput is Bᵀ of channels [c0, c0+c) of x at the places that class uses: [place][tile][c], in slot 4.
func winoInput(b *engine, s *scratch, blk *block, x []float32, xs device.Shape, class *winoClass, l lattice, c0, c int) []float32 {
	t, e := blk.size, blk.extent
	tiles := blk.voxels()
	v := s.floats(4, places*tiles*c)
	d0, d1 := class.used(0).span()
	h0, h1 := class.used(1).span()
	for k0 := 0; k0 < c; k0 += winoChunk {
		k := min(winoChunk, c-k0)
		halo := s.floats(0, blk.haloVoxels()*k)
		blk.pack(halo, x, xs, l, c0+k0, k, b.simd)
		plane, line := e[1]*e[2]*k, e[2]*k
		deep := s.floats(1, 4*plane) // [place][h][w][k]
		high := s.floats(2, 16*line) // [place][place][w][k]
		for d := range t[0] {
			b.pass(winoIn, class.used(0), &passArgs{dst: deep, src: halo[2*d*plane:], n: plane, count: 1, rows: 1, srcStep: plane, dstStep: plane})
			for h := range t[1] {
				b.pass(winoIn, class.used(1), &passArgs{dst: high[d0*4*line:], src: deep[d0*plane+2*h*line:], n: line, count: d1 - d0, rows: 1,
					srcStep: line, dstStep: line, srcNext: plane, dstNext: 4 * line})
				for p := d0; p < d1; p++ {
					b.pass(winoIn, class.used(2), &passArgs{dst: v[((p*16+h0*4)*tiles+(d*t[1]+h)*t[2])*c+k0:], src: high[(p*4+h0)*line:],
						n: k, count: t[2], rows: h1 - h0, srcStep: k, dstStep: tiles * c, srcNext: 2 * k, dstNext: c, srcRow: line, dstRow: 4 * tiles * c})
				}
			}
		}
	}
	return v
}

// store is Aᵀ of the products, [place][tile][o], and the end of a convolution for channels [o0, o0+o).
func (w *winograd) store(b *engine, s *scratch, blk *block, products []float32, class *winoClass, o0, o int) {
	t := blk.size
	tiles := blk.voxels()
	l := w.lattice(class, w.strideOut)
	floor := negInf
	if w.act == device.ReLU {
		floor = 0
	}
	grid := w.os.Grid()
	d0, d1 := class.used(0).span()
	h0, h1 := class.used(1).span()
	for k0 := 0; k0 < o; k0 += winoChunk {
		k := min(winoChunk, o-k0)
		line := 2 * t[2] * k
		wide := s.floats(0, 16*line) // [place d, h][w][k]
		high := s.floats(1, 8*line)  // [place d][h][w][k]
		y := s.floats(2, 4*line)     // [d][h][w][k]
		for tile := range t[0] * t[1] {
			for p := d0; p < d1; p++ {
				b.pass(winoOut, class.used(2), &passArgs{dst: wide[(p*4+h0)*line:], src: products[((p*16+h0*4)*tiles+tile*t[2])*o+k0:],
					n: k, count: t[2], rows: h1 - h0, srcStep: tiles * o, dstStep: k, srcNext: o, dstNext: 2 * k, srcRow: 4 * tiles * o, dstRow: line})
			}
			b.pass(winoOut, class.used(1), &passArgs{dst: high[d0*2*line:], src: wide[d0*4*line:], n: line, count: d1 - d0, rows: 1,
				srcStep: line, dstStep: line, srcNext: 4 * line, dstNext: 2 * line})
			b.pass(winoOut, class.used(0), &passArgs{dst: y, src: high, n: 2 * line, count: 1, rows: 1, srcStep: 2 * line, dstStep: 2 * line})
			for i := range 4 {
				at := [3]int{2*(blk.from[0]+tile/t[1]) + i/2, 2*(blk.from[1]+tile%t[1]) + i%2, 2 * blk.from[2]}
				if at[0] >= l.n[0] || at[1] >= l.n[1] {
					continue
				}
				out := l.at(w.os, blk.n, at[0], at[1], at[2]) + o0 + k0
				voxels := min(2*t[2], l.n[2]-at[2])
				for v := range voxels {
					to := w.out[out+v*l.stride*w.os.C:][:k]
					base := zeros[:]
					switch {
					case w.table != nil:
						p := presence([3]int{l.first[0] + l.stride*at[0], l.first[1] + l.stride*at[1], l.first[2] + l.stride*(at[2]+v)}, grid)
						base = w.table[p*w.os.C+o0+k0:]
					case w.add:
						base = to
					case w.bias != nil:
						base = w.bias[o0+k0:]
					}
					b.finish(to, y[i*line+v*k:][:k], base, floor)
				}
			}
		}
	}
}

// weigh transforms weights wd [taps of a window of width³][cin][cout] for each class.
func (w *winograd) weigh(b *engine, wd []float32, width, cin, cout int, swap bool) {
	length := 0
	in, out := w.is.C, w.os.C
	plane := in * out // of one place
	for i := range w.classes {
		w.classes[i].u = length
		length += w.classes[i].count() * plane
	}
	w.u = b.workspace(length)
	s := b.getScratch()
	defer b.putScratch(s)
	taps := make([]int, width*width*width)
	for t := range taps {
		taps[t] = t
	}
	packed := s.floats(3, len(taps)*plane)
	for t := range taps {
		packWeights(packed[t*plane:], wd, taps[t:t+1], cin, cout, in, swap)
	}
	const chunk = 1 << 10
	chunks := ceil(plane, chunk)
	b.forScratch(len(w.classes)*chunks, func(s *scratch, i int) {
		class := &w.classes[i/chunks]
		from := i % chunks * chunk
		n := min(chunk, plane-from)
		g, deep, high, u := s.floats(0, taps3*n), s.floats(1, 36*n), s.floats(2, 48*n), s.floats(4, places*n)
		for t := range taps3 {
			d, h, v := class.taps[0][t/9], class.taps[1][t/3%3], class.taps[2][t%3]
			to := g[t*n:][:n]
			if d < 0 || h < 0 || v < 0 {
				clear(to)
				continue
			}
			copy(to, packed[((d*width+h)*width+v)*plane+from:])
		}
		b.pass(winoWeights, all4, &passArgs{dst: deep, src: g, n: 9 * n, count: 1, rows: 1, srcStep: 9 * n, dstStep: 9 * n})
		b.pass(winoWeights, all4, &passArgs{dst: high, src: deep, n: 3 * n, count: 4, rows: 1, srcStep: 3 * n, dstStep: 3 * n, srcNext: 9 * n, dstNext: 12 * n})
		b.pass(winoWeights, all4, &passArgs{dst: u, src: high, n: n, count: 16, rows: 1, srcStep: n, dstStep: n, srcNext: 3 * n, dstNext: 4 * n})
		at := class.u + from
		for p := range places {
			if class.uses(p) {
				copy(w.u[at:][:n], u[p*n:])
				at += plane
			}
		}
	})
}

// choice is when Winograd's way is taken.
type choice int

const (
	measured choice = iota // where it pays
	always                 // wherever it can be, for tests
	never
)

// winogradPays reports whether a 3³ convolution goes Winograd's way. Channels must fill panels. Measured with AVX-512, direct-equivalent
// GFLOP/s of a core's time, direct and Winograd: 150 and 294 for 48 → 96 channels on 64³, 158 and 267 for 96 → 96 on 16³; with
// 24 channels on one side 154 and 157 for the weights, where a quarter of the time is the passes. Below 2048 voxels those of
// the weights, which do not depend on the voxels, cost too much.
func (b *engine) winogradPays(grid [3]int, in, out int) bool {
	pays := in >= 48 && out >= 48 && grid[0]*grid[1]*grid[2] >= 2048
	return in%panel == 0 && out%panel == 0 && b.winograds != never && (pays || b.winograds == always)
}

// plainClass is all positions, with the window's taps as they are or mirrored.
func plainClass(flip bool) winoClass {
	taps := [3]int{0, 1, 2}
	if flip {
		taps = [3]int{2, 1, 0}
	}
	return winoClass{taps: [3][3]int{taps, taps, taps}}
}

// correlate3 runs j as a 3³ convolution with padding 1; flip mirrors the window.
func (b *engine) correlate3(j *correlation, wd []float32, swap, flip bool) {
	w := j.winograd()
	w.classes = []winoClass{plainClass(flip)}
	w.run(b, wd, 3, swap)
}

// winograd is j where input and output have one grid.
func (j *correlation) winograd() *winograd {
	return &winograd{in: j.in, out: j.out, is: j.is, os: j.os, grid: j.os.Grid(), strideIn: 1, strideOut: 1,
		bias: j.bias, table: j.table, add: j.add, act: j.act}
}

func (w *winograd) run(b *engine, wd []float32, width int, swap bool) {
	cin, cout := w.is.C, w.os.C
	if swap {
		cin, cout = cout, cin
	}
	w.weigh(b, wd, width, cin, cout, swap)
	b.byWinograd(w)
	b.free(w.u)
}

// composite4 reports whether a device.CompositeWindow of a coarse grid goes Winograd's way.
func (b *engine) composite4(coarse device.Shape, in, out int) bool {
	return max(in, out) <= 4*winoChannels && b.winogradPays(coarse.Grid(), in, out)
}

// spread4 runs j, from a coarse grid to a fine one, as a transposed convolution with device.CompositeWindow.
func (b *engine) spread4(j *correlation, wd []float32) {
	w := j.winograd()
	w.grid, w.strideOut, w.spread = j.is.Grid(), 2, true
	w.classes = parityClasses([2][3]int{{3, 1, -1}, {-1, 2, 0}})
	w.run(b, wd, 4, false)
}

// collect4 runs j, from a fine grid to a coarse one, as spread4's adjoint.
func (b *engine) collect4(j *correlation, wd []float32) {
	w := j.winograd()
	w.strideIn = 2
	w.classes = parityClasses([2][3]int{{-1, 1, 3}, {0, 2, -1}})
	w.run(b, wd, 4, true)
}

// parityClasses are the eight classes of fine positions, with taps by parity.
func parityClasses(taps [2][3]int) (all []winoClass) {
	for i := range 8 {
		c := winoClass{first: [3]int{i / 4, i / 2 % 2, i % 2}}
		for a, p := range c.first {
			c.taps[a] = taps[p]
		}
		all = append(all, c)
	}
	return all
}

// gradW4 is the sums of x, coarse, and dy, fine, by position of device.CompositeWindow: [64][x.C][dy.C].
func (b *engine) gradW4(to []float32, x, dy []float32, xs, dys device.Shape) {
	if b.composite4(xs, xs.C, dys.C) {
		b.winoGradW(&winoSum{x: x, dy: dy, xs: xs, dys: dys, grid: xs.Grid(), stride: 2, width: 4,
			classes: parityClasses([2][3]int{{3, 1, -1}, {-1, 2, 0}})}, to, device.Set)
		return
	}
	b.gradW(to, device.Set, newOuterSum(dy, x, dys, xs, device.CompositeWindow), true, false)
}
