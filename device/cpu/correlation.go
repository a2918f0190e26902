package cpu

import (
	"voxgrad/device"
	"voxgrad/internal/par"
)

// correlation is the one engine behind convolutions, transposed convolutions
// and the input gradients of both: every output is a sum over a box of taps
// along three axes. (A transposed stride s is s³ such correlations, one for each
// class of output positions modulo s.)
//
// A piece of work is one block of output voxels and a few panels of 16 output
// channels. It packs the block's input with its halo, some channels at a time,
// and runs the kernel over tiles of 6 voxels × 16 channels; along W the taps
// and channels of the packed input are one contiguous run.
type correlation struct {
	in, out []float32
	is, os  device.Shape
	axes    [3]axis
	inBlock int       // input channels at a time
	weights []float32 // from packWeights
	pairs   int       // pairs of channels of the last panel if it goes to the dot-product kernel, else 0
	pairW   []float32 // from packPairs
	bias    []float32 // nil or os.C values
	table   []float32 // nil, or what outputs start from instead of a bias, by presence: [64][os.C]
	add     bool
	act     device.Act
}

// pieces is the least number of pieces of work worth having, for balance.
const pieces = 32

// taps is the number of taps, and those of them that do not lie along W.
func (j *correlation) taps() (all, lines int) {
	lines = j.axes[0].taps * j.axes[1].taps
	return lines * j.axes[2].taps, lines
}

func (j *correlation) panels() int { return ceil(j.os.C, panel) }

// choosePairs assigns the last panel to the dot-product kernel where that wastes less:
// either kernel does a tile's step of 12 multiplications in the same time, but
// one leaves lanes of the panel empty, the other those of the last, partial vector of a run.
func (j *correlation) choosePairs() {
	_, lines := j.taps()
	c := j.os.C % panel
	if c == 0 || lines == 0 {
		return
	}
	run := j.axes[2].taps * j.inBlock
	waste := float64(ceil(run, vector)*vector) / float64(run)
	const sums = 1.2 // adding up the lanes at the end, measured
	if pairs := ceil(c, 2); float64(2*pairs)*waste*sums < panel {
		j.pairs = pairs
	}
}

func (b *engine) correlate(j *correlation) {
	all, _ := j.taps()
	panels := j.panels()
	cut := newCut(j.is.N, j.axes, j.inBlock, blockVoxels, float64(all*j.inBlock*panels)/4)
	// Groups of panels share a packed halo; with few blocks make more groups.
	group := even(panels, max(1, panels*cut.total/pieces))
	groups := ceil(panels, group)
	b.forScratch(cut.total*groups, func(s *scratch, i int) {
		blk := cut.block(i / groups)
		first := i % groups * group
		b.correlateBlock(j, s, &blk, first, min(first+group, panels))
	})
}

// correlateBlock computes panels [p0, p1) of a block.
func (b *engine) correlateBlock(j *correlation, s *scratch, blk *block, p0, p1 int) {
	voxels := blk.voxels()
	yoff := s.ints(0, padded(voxels))
	j.outputs(yoff, blk)
	full := min(p1, j.os.C/panel) // the panel behind, if there is one, goes through tail
	tail := s.floats(1, voxels*panel)
	if j.table != nil {
		j.start(tail, yoff, blk, p0, p1)
	}

	a := &s.corr
	*a = corrArgs{rows: voxels, step: 1, bias: s.floats(2, (p1-p0)*panel), xoff: s.ints(2, padded(voxels)), yStep: panel}
	all, lines := j.taps()
	a.taps = s.ints(3, lines)
	if all > 0 {
		a.x = s.floats(0, blk.haloVoxels()*j.inBlock)
	} else {
		a.taps = nil
	}
	clear(a.bias)
	if j.bias != nil {
		copy(a.bias, j.bias[p0*panel:])
	}
	for c0 := 0; c0 < j.is.C; c0 += j.inBlock {
		c := min(j.inBlock, j.is.C-c0)
		if all > 0 {
			blk.pack(a.x, j.in, j.is, whole(j.is), c0, c, b.simd)
		}
		j.inputs(a, blk, c)
		a.floor = negInf
		if j.act == device.ReLU && c0+c == j.is.C {
			a.floor = 0
		}
		a.wStep = all * c * panel
		if full > p0 {
			a.w, a.panels = j.weights[all*(c0*j.panels()+p0*c)*panel:], full-p0
			a.y, a.yoff, a.add = j.out[p0*panel:], yoff, flag(c0 > 0 || j.table != nil || j.add)
			b.corr(a)
		}
		if full == p1 {
			continue
		}
		if j.pairs > 0 {
			b.dotPanel(j, s, tail, a.bias[(full-p0)*panel:], c0, c)
			continue
		}
		if j.add { // the activation is of the whole sum: storeTail
			a.floor = negInf
		}
		last := *a
		last.w, last.panels, last.bias = j.weights[all*(c0*j.panels()+full*c)*panel:], 1, a.bias[(full-p0)*panel:]
		last.y, last.yoff, last.add = tail, s.ints(1, len(yoff)), flag(c0 > 0 || j.table != nil)
		dense(last.yoff, voxels, panel)
		b.corr(&last)
	}
	if full < p1 {
		j.storeTail(tail, yoff[:voxels], full*panel)
	}
}

// dense fills a table of n rows, stride apart.
func dense(table []int, n, stride int) {
	for v := range table {
		table[v] = min(v, n-1) * stride
	}
}

// dotPanel adds c input channels from c0 on to the last panel, in tail.
func (b *engine) dotPanel(j *correlation, s *scratch, tail, bias []float32, c0, c int) {
	a, d := &s.corr, &s.dot
	tiles := ceil(a.rows, tileRows)
	sums := s.floats(4, tiles*tileRows*2)
	*d = dotArgs{x: a.x, xoff: a.xoff, taps: a.taps, run: a.run, tiles: tiles, out: sums}
	all, _ := j.taps()
	size := pairLen(all, j.axes[2].taps, c)
	first := c0 / j.inBlock * j.pairs * pairLen(all, j.axes[2].taps, j.inBlock)
	for q := range j.pairs {
		d.w = j.pairW[first+q*size:]
		b.dot(d)
		for v := 0; v*panel < len(tail); v++ {
			to := tail[v*panel+2*q:][:2]
			if c0 == 0 && j.table == nil {
				to[0], to[1] = bias[2*q], bias[2*q+1]
			}
			to[0] += sums[2*v]
			to[1] += sums[2*v+1]
		}
	}
}

// outputs fills the table of the block's output voxels; spare entries repeat
// the last one.
func (j *correlation) outputs(yoff []int, blk *block) {
	v := 0
	at := func(k, i int) int { return j.axes[k].first + (blk.from[k]+i)*j.axes[k].stride }
	for d := range blk.size[0] {
		for h := range blk.size[1] {
			line := ((blk.n*j.os.D+at(0, d))*j.os.H + at(1, h)) * j.os.W
			for w := range blk.size[2] {
				yoff[v] = (line + at(2, w)) * j.os.C
				v++
			}
		}
	}
	repeatLast(yoff, v)
}

// start puts the table's rows into the outputs of panels [p0, p1), and into the tail those of a
// panel that is not full.
func (j *correlation) start(tail []float32, yoff []int, blk *block, p0, p1 int) {
	c := j.os.C
	full := min(p1, c/panel)
	var at [3]int
	grid := j.os.Grid()
	v := 0
	for d := range blk.size[0] {
		at[0] = j.axes[0].first + (blk.from[0]+d)*j.axes[0].stride
		for h := range blk.size[1] {
			at[1] = j.axes[1].first + (blk.from[1]+h)*j.axes[1].stride
			for w := range blk.size[2] {
				at[2] = j.axes[2].first + (blk.from[2]+w)*j.axes[2].stride
				row := j.table[presence(at, grid)*c:][:c]
				copy(j.out[yoff[v]+p0*panel:yoff[v]+full*panel], row[p0*panel:])
				if p1 > full {
					copy(tail[v*panel:][:panel], row[full*panel:])
				}
				v++
			}
		}
	}
}

// inputs fills the tables of voxels and taps in the packed halo of c channels.
func (j *correlation) inputs(a *corrArgs, blk *block, c int) {
	v := 0
	for d := range blk.size[0] {
		for h := range blk.size[1] {
			line := (d*j.axes[0].step*blk.extent[1] + h*j.axes[1].step) * blk.extent[2]
			for w := range blk.size[2] {
				a.xoff[v] = (line + w*j.axes[2].step) * c
				v++
			}
		}
	}
	repeatLast(a.xoff, v)
	for t := range a.taps {
		a.taps[t] = (t/j.axes[1].taps*blk.extent[1] + t%j.axes[1].taps) * blk.extent[2] * c
	}
	a.run = j.axes[2].taps * c
}

// storeTail moves the panel that starts at channel c0 from tail to the output.
func (j *correlation) storeTail(tail []float32, yoff []int, c0 int) {
	used := j.os.C - c0
	for v, at := range yoff {
		from, to := tail[v*panel:][:used], j.out[at+c0:][:used]
		switch {
		case j.add:
			for l, x := range from {
				x += to[l]
				if x < 0 && j.act == device.ReLU {
					x = 0
				}
				to[l] = x
			}
		case j.act == device.ReLU:
			for l, x := range from {
				if x < 0 {
					x = 0
				}
				to[l] = x
			}
		default:
			copy(to, from)
		}
	}
}

// inputBlock is how many of c input channels a correlation with the given
// number of taps handles at a time: the kernel's sum should be long, the halo
// should stay in cache.
func inputBlock(c, taps int) int {
	return even(c, min(192, max(48, 1296/max(1, taps))))
}

// Sizes of what one piece of work keeps in a core's second-level cache.
const (
	haloFloats  = 52 << 10 // input block with its halo
	blockVoxels = 384      // outputs of a correlation block
	lineVoxels  = 64       // longest run along W
)

// axis is one axis of a correlation: output i of n reads input positions
// i·step + off + t, t in [0, taps), and is stored at position first + i·stride.
type axis struct {
	n, taps, step, off int
	first, stride      int
}

// extent is the number of input positions that outputs in a row of n read.
func (a axis) extent(n int) int { return max(0, (n-1)*a.step+a.taps) }

// cut is a partition of the outputs of N samples into blocks of equal size,
// smaller at the far ends. It depends on shapes alone.
type cut struct {
	axes  [3]axis
	size  [3]int // outputs of a full block
	count [3]int // blocks along each axis
	total int    // over all samples
}

// newCut finds the block with the least work: outputs rounded up to whole
// tiles, plus what packing the halo of chans channels costs. tile is the cost of one output,
// in packed floats.
func newCut(samples int, axes [3]axis, chans, maxVoxels int, tile float64) cut {
	c := cut{axes: axes}
	w := even(axes[2].n, lineVoxels)
	best := -1.0
	for d := 1; d <= min(axes[0].n, 16); d++ {
		for h := 1; h <= min(axes[1].n, 16); h++ {
			voxels := d * h * w
			halo := axes[0].extent(d) * axes[1].extent(h) * axes[2].extent(w) * chans
			if d*h > 1 && (voxels > maxVoxels || halo > haloFloats) {
				continue
			}
			blocks := float64(ceil(axes[0].n, d) * ceil(axes[1].n, h))
			tiles := float64(ceil(voxels, tileRows)*tileRows) * tile
			cost := blocks * (tiles + float64(halo) + 16*tile)
			if best < 0 || cost < best {
				best, c.size = cost, [3]int{d, h, w}
			}
		}
	}
	c.total = samples
	for i, a := range axes {
		c.count[i] = ceil(a.n, c.size[i])
		c.total *= c.count[i]
	}
	return c
}

// block is one piece of a cut: sample, first output, number of outputs, and the
// extent of the input it reads.
type block struct {
	n             int
	from, size    [3]int
	extent, start [3]int // of the input; start may be negative
}

func (c *cut) block(i int) block {
	var b block
	for k := 2; k >= 0; k-- {
		a := c.axes[k]
		b.from[k] = i % c.count[k] * c.size[k]
		b.size[k] = min(c.size[k], a.n-b.from[k])
		b.extent[k] = a.extent(b.size[k])
		b.start[k] = b.from[k]*a.step + a.off
		i /= c.count[k]
	}
	b.n = i
	return b
}

func (b *block) voxels() int { return b.size[0] * b.size[1] * b.size[2] }

func (b *block) haloVoxels() int { return b.extent[0] * b.extent[1] * b.extent[2] }

// lattice is the positions first + stride·i, i in [0, n), along each axis of a grid.
type lattice struct {
	n, first [3]int
	stride   int
}

// whole is all positions of s.
func whole(s device.Shape) lattice { return lattice{n: s.Grid(), stride: 1} }

// at is the element where voxel (d, h, w) of sample n starts.
func (l *lattice) at(s device.Shape, n, d, h, w int) int {
	d, h, w = l.first[0]+l.stride*d, l.first[1]+l.stride*h, l.first[2]+l.stride*w
	return (((n*s.D+d)*s.H+h)*s.W + w) * s.C
}

// pack copies channels [c0, c0+c) of the block's input to dst, dense, with
// zeros outside the lattice.
func (b *block) pack(dst, src []float32, s device.Shape, l lattice, c0, c int, simd bool) {
	left := min(max(0, -b.start[2]), b.extent[2])
	right := max(left, min(b.extent[2], l.n[2]-b.start[2]))
	for d := range b.extent[0] {
		zd := b.start[0] + d
		for h := range b.extent[1] {
			zh := b.start[1] + h
			line := dst[(d*b.extent[1]+h)*b.extent[2]*c:][:b.extent[2]*c]
			if zd < 0 || zd >= l.n[0] || zh < 0 || zh >= l.n[1] {
				clear(line)
				continue
			}
			clear(line[:left*c])
			clear(line[right*c:])
			if left == right {
				continue
			}
			gather(line[left*c:right*c], src[l.at(s, b.n, zd, zh, b.start[2]+left)+c0:], c, l.stride*s.C, simd)
		}
	}
}

// ceil is a/b rounded up.
func ceil(a, b int) int { return (a + b - 1) / b }

// even is the size of the pieces when n is cut evenly into pieces of at most most.
func even(n, most int) int { return ceil(n, ceil(n, most)) }

// packWeights arranges weights w [.. taps .., cin, cout] for the correlation
// kernel: blocks of inBlock input channels, in each the panels of 16 output
// channels, in each [tap][channel][16], zeros in lanes past the last channel.
// taps lists the positions in w to use, in the kernel's order. If swap is set,
// input and output channels change roles, as an adjoint needs.
func packWeights(dst, w []float32, taps []int, cin, cout, inBlock int, swap bool) {
	in, out := cin, cout
	if swap {
		in, out = cout, cin
	}
	panels := ceil(out, panel)
	par.For(ceil(in, inBlock)*panels, func(i int) {
		c0, p := i/panels*inBlock, i%panels
		c := min(inBlock, in-c0)
		used := min(panel, out-p*panel)
		to := dst[len(taps)*(c0*panels+p*c)*panel:][:len(taps)*c*panel]
		if used < panel {
			clear(to)
		}
		for _, t := range taps {
			from := w[t*cin*cout:][:cin*cout]
			if swap {
				for l := range used {
					column := from[(p*panel+l)*cout+c0:][:c]
					for k, v := range column {
						to[k*panel+l] = v
					}
				}
			} else {
				for k := range c {
					copy(to[k*panel:][:used], from[(c0+k)*cout+p*panel:])
				}
			}
			to = to[c*panel:]
		}
	})
}

// packedLen is the number of floats packWeights writes.
func packedLen(taps, in, out int) int { return taps * in * ceil(out, panel) * panel }

// packPairs arranges the weights of output channels [o0, o0+2·pairs) for the
// dot-product kernel: blocks of inBlock input channels, in each the pairs, in each what dotArgs
// says. width is the number of taps along W, which with the channels make one run.
func packPairs(dst, w []float32, taps []int, width, cin, cout, inBlock int, swap bool, o0, pairs int) {
	in, out := cin, cout
	if swap {
		in, out = cout, cin
	}
	at := func(t, i, o int) float32 {
		switch {
		case o >= out:
			return 0
		case swap:
			return w[(t*cin+o)*cout+i]
		}
		return w[(t*cin+i)*cout+o]
	}
	for c0 := 0; c0 < in; c0 += inBlock {
		c := min(inBlock, in-c0)
		for q := range pairs {
			for t := 0; t < len(taps); t += width {
				line := dst[:pairLen(width, width, c)]
				dst = dst[len(line):]
				clear(line)
				for j := range width * c {
					for o := range 2 {
						line[(j/vector*2+o)*vector+j%vector] = at(taps[t+j/c], c0+j%c, o0+2*q+o)
					}
				}
			}
		}
	}
}

// pairLen is the number of floats of one pair for c input channels.
func pairLen(taps, width, c int) int { return taps / width * ceil(width*c, vector) * 2 * vector }
