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

// before is the number of places used in front of those at place d along the first axis.
func (c *winoClass) before(d int) int {
	from, _ := c.used(0).span()
	n := d - from
	for a := 1; a < 3; a++ {
		lo, hi := c.used(a).span()
		n *= hi - lo
	}
	return n
}

// at reports whether the class has weights at place d along the first axis.
func (c *winoClass) at(d int) bool {
	from, to := c.used(0).span()
	return from <= d && d < to
}

// Sizes of what a piece of work keeps in a second-level cache.
const (
	winoTiles    = 32 // tiles of a plane
	winoDeep     = 4  // planes of tiles, which take the same weights from the cache
	winoChannels = 96 // input channels, and output channels, at a time
	winoChunk    = 48 // channels of the passes before the last
	winoPieces   = 16 // least number of pieces of work worth having
	winoSlice    = 16 // places with the same place along the first axis
)

// winoCut cuts the tiles of a class into blocks of some planes with at most most tiles each.
func winoCut(samples int, grid [3]int, most, planes int) cut {
	c := cut{total: samples}
	for i, n := range grid {
		c.axes[i] = axis{n: ceil(n, 2), taps: 4, step: 2, off: -1}
	}
	best := -1
	for h := 1; h <= most; h *= 2 {
		size := [3]int{1, min(h, c.axes[1].n), min(most/h, c.axes[2].n)}
		cost := winoChunk * 4 // what a block costs beside its tiles
		for i, n := range size {
			cost *= c.axes[i].extent(n)
		}
		cost += winoTiles * 64 * ceil(size[1]*size[2], wideRows) * wideRows
		for i, n := range size {
			cost *= ceil(c.axes[i].n, n)
		}
		if best < 0 || cost < best {
			best, c.size = cost, size
		}
	}
	c.size[0] = even(c.axes[0].n, planes)
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

// byWinograd takes the tiles block by block, all of their places at once where several classes of the output share the
// transformed input, else those of one place along the first axis after the other: so the weights of these
// stay in the cache, and none of what lies between is large.
func (b *engine) byWinograd(w *winograd) {
	group := ceil(even(w.os.C, winoChannels), panel) * panel
	if w.spread {
		group = w.os.C
		tiles := winoTiles
		if max(w.is.C, w.os.C) > winoChannels {
			tiles /= 2
		}
		w.cut = winoCut(w.is.N, w.grid, tiles, 1)
	} else {
		for planes := winoDeep; ; planes-- {
			w.cut = winoCut(w.is.N, w.grid, winoTiles, planes)
			if planes == 1 || w.cut.total*ceil(w.os.C, group) >= winoPieces {
				break
			}
		}
	}
	groups := ceil(w.os.C, group)
	b.forScratch(w.cut.total*groups, func(s *scratch, i int) {
		blk := w.cut.block(i / groups)
		o0 := i % groups * group
		o := min(group, w.os.C-o0)
		if w.spread {
			w.spreadBlock(b, s, &blk)
		} else {
			w.block(b, s, &blk, o0, o)
		}
	})
}

// multiplier is the arguments of the products of tiles × c channels with o channels of weights, tile after tile.
func (w *winograd) multiplier(s *scratch, tiles, o int) (a *corrArgs, wide int) {
	a = &s.corr
	wide = ceil(o, panel) * panel
	*a = corrArgs{step: 1, rows: tiles, xoff: s.ints(0, padded(tiles)), yoff: s.ints(1, padded(tiles)), taps: s.ints(2, 1),
		panels: wide / panel, wStep: w.is.C * panel, yStep: panel, floor: negInf}
	a.taps[0] = 0
	dense(a.yoff, tiles, wide)
	return a, wide
}

// block computes output channels [o0, o0+o) of a block of tiles.
func (w *winograd) block(b *engine, s *scratch, blk *block, o0, o int) {
	tiles := blk.size[1] * blk.size[2]
	a, wide := w.multiplier(s, tiles, o)
	products := s.floats(5, winoSlice*tiles*wide)
	sums := s.floats(6, 8*blk.voxels()*o)
	some := ceil(even(w.is.C, winoChannels), panel) * panel
	place := packedLen(1, w.is.C, w.os.C)
	all := &winoClass{}
	for d := range 4 {
		for i := range blk.size[0] {
			plane := blk.plane(i)
			var begun [winoSlice]bool
			for k := range w.classes {
				class := &w.classes[k]
				if !class.at(d) {
					continue
				}
				for c0 := 0; c0 < w.is.C; c0 += some {
					c := min(some, w.is.C-c0)
					v := s.floats(4, winoSlice*tiles*c)
					winoInput(b, s, v, &plane, w.in, w.is, class, w.lattice(class, w.strideIn), d, c0, c)
					a.run = c
					dense(a.xoff, tiles, c)
					at := class.u + class.before(d)*place + o0/panel*a.wStep + c0*panel
					for p := range winoSlice {
						if class.uses(d*winoSlice + p) {
							a.x, a.w, a.y, a.add = v[p*tiles*c:], w.u[at:], products[p*tiles*wide:], flag(begun[p])
							begun[p] = true
							b.corr(a)
							at += place
						}
					}
				}
			}
			all.fold(b, s, sums, products, blk.size, i, d, o, wide)
		}
	}
	w.store(b, s, blk, sums, all, o0, o)
}

// plane is the block's plane i of tiles.
func (b *block) plane(i int) block {
	p := *b
	p.from[0], p.size[0] = b.from[0]+i, 1
	p.start[0], p.extent[0] = b.start[0]+2*i, 4
	return p
}

// spreadBlock computes all classes of a plane of tiles.
func (w *winograd) spreadBlock(b *engine, s *scratch, blk *block) {
	tiles, c, o := blk.voxels(), w.is.C, w.os.C
	a, wide := w.multiplier(s, tiles, o)
	products := s.floats(5, winoSlice*tiles*wide)
	sums := s.floats(6, 8*tiles*o)
	v := s.floats(4, places*tiles*c)
	l := w.lattice(&w.classes[0], w.strideIn)
	for d := range 4 {
		winoInput(b, s, v[d*winoSlice*tiles*c:], blk, w.in, w.is, &winoClass{}, l, d, 0, c)
	}
	a.run = c
	dense(a.xoff, tiles, c)
	for i := range w.classes {
		class := &w.classes[i]
		at := class.u
		for d, to := class.used(0).span(); d < to; d++ {
			for p := range winoSlice {
				if class.uses(d*winoSlice + p) {
					a.x, a.w, a.y = v[(d*winoSlice+p)*tiles*c:], w.u[at:], products[p*tiles*wide:]
					b.corr(a)
					at += packedLen(1, c, o)
				}
			}
			class.fold(b, s, sums, products, blk.size, 0, d, o, wide)
		}
		w.store(b, s, blk, sums, class, 0, o)
	}
}

// A plane is the sum or the difference of two planes of a tile, -1: zeros.
type winoPlane struct {
	x, y int
	sub  bool
}

// Bᵀ and A along the first axis, see winoIn and winoBack.
var (
	planesIn   = [4]winoPlane{{0, 2, true}, {1, 2, false}, {2, 1, true}, {1, 3, true}}
	planesBack = [4]winoPlane{{0, -1, true}, {0, 1, false}, {0, 1, true}, {-1, 1, true}}
)

// winoInput is Bᵀ of channels [c0, c0+c) of x at place d along the first axis and those places that class uses along the
// others: [place][tile][c] in v.
func winoInput(b *engine, s *scratch, v []float32, blk *block, x []float32, xs device.Shape, class *winoClass, l lattice, d, c0, c int) {
	t, e := blk.size, blk.extent
	tiles := blk.voxels()
	h0, h1 := class.used(1).span()
	for k0 := 0; k0 < c; k0 += winoChunk {
		k := min(winoChunk, c-k0)
		line := e[2] * k
		deep := s.floats(0, e[1]*line) // [h][w][k]
		high := s.floats(1, 4*line)    // [place][w][k]
		for i := range t[0] {
			b.planes(deep, x, blk, xs, l, blk.start[0]+2*i, planesIn[d], c0+k0, k)
			for h := range t[1] {
				b.pass(winoIn, class.used(1), &passArgs{dst: high, src: deep[2*h*line:], n: line, count: 1, rows: 1, srcStep: line, dstStep: line})
				b.pass(winoIn, class.used(2), &passArgs{dst: v[h0*4*tiles*c+(i*t[1]+h)*t[2]*c+k0:], src: high[h0*line:],
					n: k, count: t[2], rows: h1 - h0, srcStep: k, dstStep: tiles * c, srcNext: 2 * k, dstNext: c, srcRow: line, dstRow: 4 * tiles * c})
			}
		}
	}
}

// planes is the sum or the difference of two planes, counted from z on, of channels [c0, c0+c) of a block, dense, with zeros
// outside the lattice.
func (b *engine) planes(dst, src []float32, blk *block, s device.Shape, l lattice, z int, of winoPlane, c0, c int) {
	e := blk.extent
	line := e[2] * c
	top := min(max(0, -blk.start[1]), e[1])
	bottom := max(top, min(e[1], l.n[1]-blk.start[1]))
	left := min(max(0, -blk.start[2]), e[2])
	right := max(left, min(e[2], l.n[2]-blk.start[2]))
	clear(dst[:top*line])
	clear(dst[bottom*line : e[1]*line])
	for h := top; h < bottom && right-left < e[2]; h++ {
		clear(dst[h*line:][:left*c])
		clear(dst[h*line+right*c:][:(e[2]-right)*c])
	}
	if top == bottom || left == right {
		return
	}
	a := pairArgs{dst: dst[top*line+left*c:], x: zeros[:], y: zeros[:], n: c, count: right - left, rows: bottom - top, dstNext: c, dstRow: line}
	next, row := l.stride*s.C, l.stride*s.W*s.C
	if at := z + of.x; of.x >= 0 && at >= 0 && at < l.n[0] {
		a.x, a.xNext, a.xRow = src[l.at(s, blk.n, at, blk.start[1]+top, blk.start[2]+left)+c0:], next, row
	}
	if at := z + of.y; of.y >= 0 && at >= 0 && at < l.n[0] {
		a.y, a.yNext, a.yRow = src[l.at(s, blk.n, at, blk.start[1]+top, blk.start[2]+left)+c0:], next, row
	}
	if of.sub {
		a.sign = 1 << 31
	}
	b.pair(&a)
}

// fold adds Aᵀ of the products at place d along the first axis, [place][tile][wide], to the sums of a block's plane i of tiles:
// [48 channels][d, h of tiles][d, h of a tile][w][channel].
func (c *winoClass) fold(b *engine, s *scratch, sums, products []float32, t [3]int, i, d, o, wide int) {
	tiles := t[1] * t[2]
	first, _ := c.used(0).span()
	h0, h1 := c.used(1).span()
	for k0 := 0; k0 < o; k0 += winoChunk {
		k := min(winoChunk, o-k0)
		line := 2 * t[2] * k
		high := s.floats(2, 4*line) // [place h][w][k]
		part := s.floats(3, 2*line) // [h][w][k]
		for h := range t[1] {
			b.pass(winoOut, c.used(2), &passArgs{dst: high[h0*line:], src: products[h0*4*tiles*wide+h*t[2]*wide+k0:],
				n: k, count: t[2], rows: h1 - h0, srcStep: tiles * wide, dstStep: k, srcNext: wide, dstNext: 2 * k, srcRow: 4 * tiles * wide, dstRow: line})
			to := sums[8*t[0]*tiles*k0+(i*t[1]+h)*4*line:][:4*line]
			near, far := to[:2*line], to[2*line:]
			height := func(dst []float32) {
				b.pass(winoOut, c.used(1), &passArgs{dst: dst, src: high, n: line, count: 1, rows: 1, srcStep: line, dstStep: line})
			}
			switch {
			case d == 0:
				height(near)
			case d == 1 && first == 1:
				height(near)
				copy(far, near)
			case d == 1:
				height(far)
				b.add(near, far)
			case d == 2:
				height(part)
				b.add(near, part)
				b.sub(far, part)
			default:
				height(part)
				b.sub(far, part)
			}
		}
	}
}

// store is the end of a convolution for channels [o0, o0+o) of a block, whose sums fold made.
func (w *winograd) store(b *engine, s *scratch, blk *block, sums []float32, class *winoClass, o0, o int) {
	t := blk.size
	l := w.lattice(class, w.strideOut)
	floor := negInf
	if w.act == device.ReLU {
		floor = 0
	}
	grid := w.os.Grid()
	for k0 := 0; k0 < o; k0 += winoChunk {
		k := min(winoChunk, o-k0)
		line := 2 * t[2] * k
		for tile := range t[0] * t[1] {
			for i := range 4 {
				at := [3]int{2*(blk.from[0]+tile/t[1]) + i/2, 2*(blk.from[1]+tile%t[1]) + i%2, 2 * blk.from[2]}
				if at[0] >= l.n[0] || at[1] >= l.n[1] {
					continue
				}
				y := sums[8*blk.voxels()*k0+(tile*4+i)*line:][:line]
				out := l.at(w.os, blk.n, at[0], at[1], at[2]) + o0 + k0
				voxels := min(2*t[2], l.n[2]-at[2])
				f := finishArgs{n: k, yNext: l.stride * w.os.C, floor: floor}
				for from, to := 0, 0; from < voxels; from = to {
					to = voxels
					f.y = w.out[out+from*f.yNext:]
					switch {
					case w.table != nil: // it changes behind the first and in front of the last voxel of the grid
						x := l.first[2] + l.stride*(at[2]+from)
						if last := l.first[2] + l.stride*(at[2]+voxels-1); x == 0 {
							to = from + 1
						} else if last == grid[2]-1 && from < voxels-1 {
							to = voxels - 1
						}
						p := presence([3]int{l.first[0] + l.stride*at[0], l.first[1] + l.stride*at[1], x}, grid)
						f.base = w.table[p*w.os.C+o0+k0:]
					case w.add:
						f.base, f.baseNext = f.y, f.yNext
					case w.bias != nil:
						f.base = w.bias[o0+k0:]
					default:
						f.base = zeros[:]
					}
					f.sum, f.count = y[from*k:], to-from
					b.finish(&f)
				}
			}
		}
	}
}

// weigh transforms weights wd [taps of a window of width³][cin][cout] for each class.
func (w *winograd) weigh(b *engine, wd []float32, width, cin, cout int, swap bool) {
	length := 0
	in, out := w.is.C, w.os.C
	plane := packedLen(1, in, out) // of one place
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
	plain := width == 3 && len(w.classes) == 1 && w.classes[0].whole() // the taps are then packed in the order that they are read in
	for t := range taps {
		from := t
		if plain {
			from = w.classes[0].tap(t, width)
		}
		packWeights(packed[t*plane:], wd, taps[from:from+1], cin, cout, in, swap)
	}
	const chunk = 1 << 10
	chunks := ceil(plane, chunk)
	b.forScratch(len(w.classes)*chunks, func(s *scratch, i int) {
		class := &w.classes[i/chunks]
		from := i % chunks * chunk
		n := min(chunk, plane-from)
		deep, high := s.floats(1, 36*n), s.floats(2, 48*n)
		first := &passArgs{dst: deep, src: packed[from:], n: n, count: 9, rows: 1, srcStep: 9 * plane, srcNext: plane, dstStep: 9 * n, dstNext: n}
		last := &passArgs{dst: w.u[class.u+from:], src: high, n: n, count: 16, rows: 1, srcStep: n, srcNext: 3 * n, dstStep: plane, dstNext: 4 * plane}
		if !plain {
			first.src, first.srcStep, first.srcNext = class.chosen(s.floats(0, taps3*n), packed[from:], width, n, plane), 9*n, n
			last.dst, last.dstStep, last.dstNext = s.floats(4, places*n), n, 4*n
		}
		b.pass(winoWeights, all4, first)
		b.pass(winoWeights, all4, &passArgs{dst: high, src: deep, n: 3 * n, count: 4, rows: 1, srcStep: 3 * n, dstStep: 3 * n, srcNext: 9 * n, dstNext: 12 * n})
		b.pass(winoWeights, all4, last)
		if plain {
			return
		}
		at := class.u + from
		for p := range places {
			if class.uses(p) {
				copy(w.u[at:][:n], last.dst[p*n:])
				at += plane
			}
		}
	})
}

// tap is which tap of a window of width³ is the class's tap t of 27, −1: none.
func (c *winoClass) tap(t, width int) int {
	d, h, v := c.taps[0][t/9], c.taps[1][t/3%3], c.taps[2][t%3]
	if d < 0 || h < 0 || v < 0 {
		return -1
	}
	return (d*width+h)*width + v
}

// whole reports whether the class has all 27 taps.
func (c *winoClass) whole() bool {
	for _, taps := range c.taps {
		for _, t := range taps {
			if t < 0 {
				return false
			}
		}
	}
	return true
}

// chosen is the class's 27 taps out of those of a window, n weights of each, zeros where it has none.
func (c *winoClass) chosen(dst, packed []float32, width, n, plane int) []float32 {
	for t := range taps3 {
		to := dst[t*n:][:n]
		if k := c.tap(t, width); k < 0 {
			clear(to)
		} else {
			copy(to, packed[k*plane:])
		}
	}
	return dst
}

// choice is when Winograd's way is taken.
type choice int

const (
	measured choice = iota // where it pays
	always                 // wherever it can be, for tests
	never
)

// winogradPays reports whether a 3³ convolution, or a gradient of one, goes Winograd's way. Measured in all passes, with AVX-512 and
// AVX2: at 8³ voxels with 96 channels and more, and at 32³ from 16 channels on, it takes 0.5 to 0.9 of the direct way's time
// (0.25 of it is the least there could be); at 4³ twice as long, for the weights' transform does not depend on the voxels.
func (b *engine) winogradPays(grid [3]int, in, out int) bool {
	pays := in >= 16 && out >= 16 && grid[0]*grid[1]*grid[2] >= 512
	return in%vector == 0 && out%vector == 0 && b.winograds != never && (pays || b.winograds == always)
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
	if dys.C%panel == 0 && b.composite4(xs, xs.C, dys.C) {
		b.winoGradW(&winoSum{x: x, dy: dy, xs: xs, dys: dys, grid: xs.Grid(), stride: 2, width: 4,
			classes: parityClasses([2][3]int{{3, 1, -1}, {-1, 2, 0}})}, to, device.Set)
		return
	}
	b.gradW(to, device.Set, newOuterSum(dy, x, dys, xs, device.CompositeWindow), true, false)
}
