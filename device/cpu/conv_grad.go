package cpu

import (
	"voxgrad/device"
	"voxgrad/internal/par"
)

// ConvGradW sums outer products.
func (b *engine) ConvGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	xd, dyd := data(x), data(dy)
	if dwd := into(dw); dwd != nil {
		b.convGradW(dwd, dw.Mode, xd, dyd, x.Shape, dy.Shape, win)
	}
	b.channelSums(into(db), db.Mode, dyd, dy.C)
}

// convGradW: with fewer output than input channels and no stride, the roles of x and dy are
// exchanged, so that lanes are not left empty:
//
//	dw[k,i,o] = Σ over u of dy[u + (K−1−k) − (K−1−Pad), o] · x[u, i]
func (b *engine) convGradW(dw []float32, mode device.Mode, x, dy []float32, xs, dys device.Shape, win device.ConvParams) {
	if win == conv3 && dys.C%panel == 0 && b.winogradPays(dys.Grid(), xs.C, dys.C) {
		b.winoGradW(&winoSum{x: x, dy: dy, xs: xs, dys: dys, grid: dys.Grid(), stride: 1, width: 3,
			classes: []winoClass{plainClass(false)}}, dw, mode)
		return
	}
	mirrored := device.ConvParams{K: win.K, Stride: 1, Pad: win.K - 1 - win.Pad}
	if win.Stride == 1 && mirrored.Pad >= 0 && lanesUsed(dys.C) < lanesUsed(xs.C) {
		b.gradW(dw, mode, newOuterSum(dy, x, dys, xs, mirrored), true, true)
	} else {
		b.gradW(dw, mode, newOuterSum(x, dy, xs, dys, win), false, false)
	}
}

// ConvTGradW is ConvGradW with x and dy exchanged.
func (b *engine) ConvTGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	xd, dyd := data(x), data(dy)
	if dwd := into(dw); dwd != nil {
		b.gradW(dwd, dw.Mode, newOuterSum(dyd, xd, dy.Shape, x.Shape, win), true, false)
	}
	b.channelSums(into(db), db.Mode, dyd, dy.C)
}

// lanesUsed is the share of a panel's lanes that c channels fill.
func lanesUsed(c int) float64 { return float64(c) / float64(ceil(c, panel)*panel) }

func (b *engine) gradW(dw []float32, mode device.Mode, o *outerSum, swap, flip bool) {
	s := b.getScratch()
	defer b.putScratch(s)
	o.partial = s.floats(3, o.partialLen())
	o.run(b)
	o.store(dw, mode, swap, flip)
}

// outerSum is the engine behind all weight gradients:
//
//	G[k][a][b] = Σ over voxels v of B of A[v·Stride + k − Pad, a] · B[v, b]
//
// A piece of work owns the sums for some channels of A and some panels of 16
// channels of B, over one of a fixed number of parts of the voxels. It goes
// through its voxels block by block: packs A with its halo and the panels of
// B, and runs the convolutions' kernel with a row for each (k, a) and B in the place of weights. The parts are added in order.
type outerSum struct {
	a, b    []float32
	as, bs  device.Shape
	win     device.ConvParams
	aBlock  int // channels of A at a time
	group   int // panels of B at a time
	parts   int
	cut     cut
	taps    int
	partial []float32 // [part][a block][panel][row][16]
}

const (
	outerVoxels = 512      // voxels of a block
	callVoxels  = 128      // voxels of one kernel call, so that both operands stay in L1
	sumFloats   = 32 << 10 // sums of a piece, kept in L2
)

func newOuterSum(a, b []float32, as, bs device.Shape, win device.ConvParams) *outerSum {
	o := &outerSum{a: a, b: b, as: as, bs: bs, win: win, taps: win.K * win.K * win.K}
	o.aBlock = even(as.C, max(24, 648/o.taps))
	o.group = even(o.panels(), max(1, sumFloats/(o.rows(o.aBlock)*panel)))
	var axes [3]axis
	for i, n := range bs.Grid() {
		axes[i] = axis{n: n, taps: win.K, step: win.Stride, off: -win.Pad}
	}
	o.cut = newCut(bs.N, axes, o.aBlock, outerVoxels, float64(o.taps*o.aBlock*o.group)/4)
	o.parts = max(1, min(ceil(pieces, o.aBlocks()*o.groups()), o.cut.total/2))
	return o
}

func (o *outerSum) panels() int  { return ceil(o.bs.C, panel) }
func (o *outerSum) groups() int  { return ceil(o.panels(), o.group) }
func (o *outerSum) aBlocks() int { return ceil(o.as.C, o.aBlock) }

// rows is the number of rows (k, a) of a block of c channels.
func (o *outerSum) rows(c int) int { return o.taps * c }

// stride is the number of floats of one panel's sums.
func (o *outerSum) stride() int { return o.rows(o.aBlock) * panel }

// partialLen is the number of floats that run writes to partial.
func (o *outerSum) partialLen() int { return o.parts * o.aBlocks() * o.panels() * o.stride() }

// sums is what part, block of A and panels of B from p on have in partial.
func (o *outerSum) sums(part, ab, p int) []float32 {
	n := o.panels() * o.stride()
	return o.partial[(part*o.aBlocks()+ab)*n:][p*o.stride() : n]
}

func (o *outerSum) run(be *engine) {
	be.forScratch(o.parts*o.aBlocks()*o.groups(), func(s *scratch, i int) {
		g := i % o.groups()
		ab := i / o.groups() % o.aBlocks()
		o.piece(be, s, i/o.groups()/o.aBlocks(), ab, g*o.group, min((g+1)*o.group, o.panels()))
	})
}

func (o *outerSum) piece(be *engine, s *scratch, part, ab, p0, p1 int) {
	c0 := ab * o.aBlock
	c := min(o.aBlock, o.as.C-c0)
	clear(o.sums(part, ab, p0)[:(p1-p0)*o.stride()])
	k := &s.corr
	rows := o.rows(c)
	*k = corrArgs{rows: rows, step: o.win.Stride * c, xoff: s.ints(0, padded(rows)), yoff: s.ints(2, padded(rows)),
		panels: p1 - p0, yStep: o.stride(), add: 1, floor: negInf, y: o.sums(part, ab, p0)}
	dense(k.yoff, rows, panel)
	for i := part * o.cut.total / o.parts; i < (part+1)*o.cut.total/o.parts; i++ {
		blk := o.cut.block(i)
		halo := s.floats(0, blk.haloVoxels()*c)
		blk.pack(halo, o.a, o.as, whole(o.as), c0, c, be.simd)
		k.x, k.run = halo, blk.size[2]
		o.rowOffsets(k.xoff, &blk, c)
		lines := o.lines(s, &blk, c)
		packed := s.floats(1, blk.voxels()*panel*(p1-p0))
		o.packB(packed, &blk, p0, p1, be.simd)
		k.wStep = len(lines) * k.run * panel
		// A few lines at a time: the tiles of one call share them in L1.
		some := max(1, callVoxels/k.run)
		for first := 0; first < len(lines); first += some {
			k.taps = lines[first:min(first+some, len(lines))]
			k.w = packed[first*k.run*panel:]
			be.corr(k)
		}
	}
}

// rowOffsets fills the table of rows (kd, kh, kw, channel) in the packed halo.
func (o *outerSum) rowOffsets(xoff []int, blk *block, c int) {
	for j := range o.rows(c) {
		k := j / c
		kd, kh, kw := k/(o.win.K*o.win.K), k/o.win.K%o.win.K, k%o.win.K
		xoff[j] = ((kd*blk.extent[1]+kh)*blk.extent[2]+kw)*c + j%c
	}
	repeatLast(xoff, o.rows(c))
}

// lines is the table of the first voxel of each line along W.
func (o *outerSum) lines(s *scratch, blk *block, c int) []int {
	t := s.ints(1, blk.size[0]*blk.size[1])
	for i := range t {
		d, h := i/blk.size[1], i%blk.size[1]
		t[i] = (d*blk.extent[1] + h) * o.win.Stride * blk.extent[2] * c
	}
	return t
}

// packB copies panels [p0, p1) of the block to dst: [panel][voxel][16].
func (o *outerSum) packB(dst []float32, blk *block, p0, p1 int, simd bool) {
	for p := p0; p < p1; p++ {
		lanes := min(panel, o.bs.C-p*panel)
		for d := range blk.size[0] {
			for h := range blk.size[1] {
				line := (((blk.n*o.bs.D+blk.from[0]+d)*o.bs.H+blk.from[1]+h)*o.bs.W + blk.from[2]) * o.bs.C
				to := dst[:blk.size[2]*panel]
				dst = dst[len(to):]
				if lanes == panel {
					gather(to, o.b[line+p*panel:], panel, o.bs.C, simd)
					continue
				}
				clear(to)
				for w := range blk.size[2] {
					copy(to[w*panel:][:lanes], o.b[line+w*o.bs.C+p*panel:])
				}
			}
		}
	}
}

// store adds the parts and writes them to dw as mode says. In dw, tap k of G is
// tap k, or the mirrored one if flip is set; swap exchanges the channels of A and B.
func (o *outerSum) store(dw []float32, mode device.Mode, swap, flip bool) {
	ca, cb := o.as.C, o.bs.C
	par.For(o.aBlocks()*o.panels(), func(i int) {
		ab, p := i/o.panels(), i%o.panels()
		c0 := ab * o.aBlock
		c := min(o.aBlock, ca-c0)
		lanes := min(panel, cb-p*panel)
		for j := range o.taps * c {
			s := *(*[panel]float32)(o.sums(0, ab, p)[j*panel:])
			for part := 1; part < o.parts; part++ {
				for l, v := range (*[panel]float32)(o.sums(part, ab, p)[j*panel:]) {
					s[l] += v
				}
			}
			k, a := j/c, c0+j%c
			if flip {
				k = o.taps - 1 - k
			}
			at, step := (k*ca+a)*cb+p*panel, 1
			if swap {
				at, step = (k*cb+p*panel)*ca+a, ca
			}
			for _, v := range s[:lanes] {
				if mode == device.Add {
					v += dw[at]
				}
				dw[at] = v
				at += step
			}
		}
	})
}

// channelSums: db[c] = Σ over rows of dy[r,c]
func (b *engine) channelSums(db []float32, mode device.Mode, dy []float32, c int) {
	if db == nil {
		return
	}
	sums := rowSums(len(dy)/c, c, c, func(acc []float64, lo, hi int) {
		b.sums(acc, dy[lo*c:hi*c])
	})
	for i, v := range sums {
		put(db, i, float32(v), mode)
	}
}
