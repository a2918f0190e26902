package cuda

import (
	"fmt"

	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// Sizes of the kernels on tensor cores; see kernels/conv_mma.cu.
const (
	mmaChunk   = 96       // bytes of the input's channels that are multiplied at once
	mmaPitch   = 112      // bytes from voxel to voxel in shared memory
	mmaHalo    = 648      // voxels of the largest halo
	mmaVoxels  = 256      // output voxels of a block
	mmaTaps    = 3        // most positions of a window along an axis
	mmaOuter   = 48       // channels of the gathered tensor in a block of a gradient of weights
	mmaShared  = 99 << 10 // what a block can have on every card
	mmaLeast   = 8        // channels, below which a convolution is bound by memory and no faster
	mmaBlocks  = 132      // blocks of a product that run at once, one on each multiprocessor; nine tenths of them need no help by shares of its sum
	mmaSpread  = 264      // blocks of a gradient of weights that run at once: two on each of 132 multiprocessors
	mmaGridMax = 65535
)

// operand is a number rounded for tensor cores: its bytes, and what the kernels are called.
type operand struct {
	bytes int
	name  string
}

func (b *Backend) operand() operand {
	if b.opt.precision == BF16 {
		return operand{2, "bf16"}
	}
	return operand{4, "tf32"}
}

// voxel is the bytes of a voxel of c channels: whole steps of 32.
func (n operand) voxel(c int) int { return roundUp(c*n.bytes, 32) }

// unsuited reports why a convolution is left to the kernels in fp32, "" if it is not.
func unsuited(win device.ConvParams, ci, co int) string {
	switch {
	case min(ci, co) < mmaLeast:
		return fmt.Sprintf("fewer than %d channels are bound by memory", mmaLeast)
	case ceil(win.K, win.Stride) > mmaTaps:
		return fmt.Sprintf("a window of %d at stride %d reaches beyond a tile's halo", win.K, win.Stride)
	}
	return ""
}

// box is a block's output voxels: log2 of the extents along w and h; mmaVoxels in all.
type box struct{ lw, lh int }

// boxFor needs the fewest boxes for a grid.
func boxFor(d, h, w int) (b box, boxes int) {
	for _, c := range []box{{4, 2}, {3, 3}, {2, 3}} {
		n := ceil(d, mmaVoxels>>(c.lw+c.lh)) * ceil(h, 1<<c.lh) * ceil(w, 1<<c.lw)
		if boxes == 0 || n < boxes {
			b, boxes = c, n
		}
	}
	return b, boxes
}

// columnsFor leaves the fewest columns of blocks unused, of equal ones it takes the widest.
func columnsFor(co int) int {
	best := 96
	for _, n := range []int{48, 24} {
		if roundUp(co, n) < roundUp(co, best) {
			best = n
		}
	}
	return best
}

// cut is how a product on tensor cores is cut into blocks.
type cut struct {
	box
	boxes, tiles, classes int
	cols, chunks          int // columns of a block, chunks of x's channels
	warps                 int // of a block: of 64 voxels by 48 or 24 columns, or, where a multiprocessor has no two blocks, of 32 by 48
	shares, share         int // of the sum, and units of each: of a chunk of a phase and a plane of its window
}

// parts is how many blocks make moments of each channel.
func (c cut) parts() int { return c.boxes * c.classes }

// onTensorCores cuts a product if the precision asks for tensor cores and the kernels can.
func (o *op) onTensorCores(p product) (c cut, ok bool) {
	if o.b.opt.precision == FP32 {
		return c, false
	}
	s, num := p.win.Stride, o.b.operand()
	phases := s * s * s
	c.classes, c.cols = 1, columnsFor(p.out.C)
	d, h, w := p.out.D, p.out.H, p.out.W
	if p.scattered {
		c.classes, phases = phases, 1
		d, h, w = ceil(d, s), ceil(h, s), ceil(w, s)
	}
	c.box, c.boxes = boxFor(d, h, w)
	c.boxes *= p.out.N
	starved := func(cols int) bool { return 10*c.boxes*ceil(p.out.C, cols)*c.classes < 9*o.b.opt.blocks }
	for p.moments != 0 && c.cols > 24 && starved(c.cols) {
		c.cols /= 2 // such a sum cannot be shared
	}
	if c.cols == 96 && starved(96) {
		c.cols = 48 // half as many parts to write and to add, or none
	}
	c.tiles, c.chunks = ceil(p.out.C, c.cols), ceil(num.voxel(p.in.C), mmaChunk)
	units, blocks := phases*c.chunks*mmaTaps, c.boxes*c.tiles*c.classes
	c.share = units
	switch {
	case p.moments != 0 || !starved(c.cols):
	case p.win.K <= s: // a plane of one position, the first of three: it takes as long as the parts of 14 blocks
		share, _ := sharesOf(phases*c.chunks, blocks, 10, o.b.opt.blocks)
		c.share = share * mmaTaps
	default:
		c.share, _ = sharesOf(units, blocks, 2, o.b.opt.blocks) // a unit takes as long as the parts of 72 blocks
	}
	c.shares = ceil(units, c.share)
	c.warps = 4 * max(c.cols/48, 1)
	if c.cols == 48 && blocks*c.shares < 2*o.b.opt.blocks {
		c.warps = 8
	}
	why := unsuited(p.win, p.in.C, p.out.C)
	if why == "" && max(c.tiles, c.classes*c.shares) > mmaGridMax {
		why = "more blocks than a launch can have"
	}
	if why != "" {
		o.inFP32(p.size(), why)
	}
	return c, why == ""
}

// size tells a product's to a person.
func (p product) size() string {
	return fmt.Sprintf("%v → %v, window %d, stride %d", p.in, p.out, p.win.K, p.win.Stride)
}

func (g outer) size() string {
	return fmt.Sprintf("%v and %v, window %d, stride %d", g.g, g.p, g.win.K, g.win.Stride)
}

// bit is n if an element is bf16.
func (e element) bit(n int) int {
	if e == bf16 {
		return n
	}
	return 0
}

// multiplyOnTensorCores runs a product that was cut.
func (o *op) multiplyOnTensorCores(p product, c cut) {
	num := o.b.operand()
	w := o.coreWeights(p, c)
	x, voxel := o.rounded(p.x, p.in, p.xIn)
	q := p
	if c.shares > 1 {
		q = product{y: o.workspace(c.shares * p.out.Len())}
	}
	l := driver.Launch{
		Grid:  driver.Dim{X: c.boxes, Y: c.tiles, Z: c.classes * c.shares},
		Block: driver.D1(32 * c.warps), Shared: (mmaHalo + 2*c.cols) * mmaPitch,
	}
	kernel := fmt.Sprintf("mma_%s_%d", num.name, c.cols)
	if c.cols == 48 && c.warps == 8 {
		kernel = fmt.Sprintf("mma_%s_32x48", num.name)
	}
	o.launch("conv_mma", kernel, l, q.y, x, w, q.bias, p.in.N, p.in.D, p.in.H, p.in.W, voxel,
		p.out.D, p.out.H, p.out.W, p.out.C, p.win.K, p.win.Stride, p.win.Pad, p.scattered, c.lw, c.lh, c.shares, c.share, q.relu, q.add, c.shares > 1, q.half(),
		q.table, q.z, q.zscale, q.mask, q.moments)
	if c.shares > 1 {
		o.finishParts(p, q.y, c.shares)
	}
}

// coreWeights is a product's weights as conv_mma.cu copies them.
func (o *op) coreWeights(p product, c cut) driver.Ptr {
	num, taps := o.b.operand(), p.win.K*p.win.K*p.win.K
	n := c.tiles * taps * c.chunks * c.cols * (mmaChunk / 4)
	q := p.weights()
	packed, there := o.pack(packing{p.w, q, n, c.chunks, c.cols, p.in.C, p.out.C, p.swapped}, n)
	if !there {
		o.launch("conv_mma_operands", "mma_weights_"+num.name, PerElement(n, 1), packed, p.w, q.gamma, q.invstd, n, c.cols, taps, c.chunks, p.in.C, p.out.C, p.swapped,
			q.all, q.from, q.cut)
	}
	return packed
}

// reads notes what a call only reads.
func (o *op) reads(c *device.Call) {
	if o.b.opt.precision == FP32 {
		return
	}
	o.inputs, o.operands = map[driver.Ptr]device.Shape{}, map[driver.Ptr]driver.Ptr{}
	for _, a := range c.Args {
		if a.Role == device.Input && present(a) {
			o.inputs[ptr(*a.Tensor)] = a.Tensor.Shape
		}
	}
}

// rounded is a tensor as the kernels on tensor cores read it, and the bytes of a voxel: itself if it is stored so, else in a
// workspace, where an argument of the operation that is only read stays.
func (o *op) rounded(x driver.Ptr, s device.Shape, e element) (y driver.Ptr, voxel int) {
	num, pass := o.b.operand(), "mma_round_"
	if e == bf16 {
		if pass = "mma_pad_"; s.C%8 == 0 {
			return x, 2 * s.C
		}
	}
	voxel = num.voxel(s.C)
	if y = o.operands[x]; y != 0 {
		return y, voxel
	}
	n := s.Rows() * voxel / 16
	y = o.workspace(4 * n)
	if o.inputs[x] == s {
		o.operands[x] = y
	}
	o.launch("conv_mma_operands", pass+num.name, PerElement(n, 1), y, x, n, s.C, voxel/16)
	return y, voxel
}

// slab is a tile of a gradient of weights: log2 of its extents along w and h, its extent along d.
type slab struct{ lw, lh, d int }

// positions are those of a window that a block of a gradient of weights has, a warp each: side along h and w, deep along d. They read the same voxels
// of the gathered tensor: of a window of at most mmaTaps those of a plane, of a longer one those of one remainder modulo the stride, of which there are bases along h and w.
type positions struct{ side, deep, bases int }

func positionsOf(win device.ConvParams) positions {
	if win.K <= mmaTaps {
		return positions{win.K, 1, 1}
	}
	p := positions{ceil(win.K, win.Stride), 1, min(win.K, win.Stride)}
	if p.side == 2 {
		p.deep = 2 // eight warps
	}
	return p
}

// warps is how many positions a block has, parts how many blocks have all.
func (p positions) warps() int { return p.side * p.side * p.deep }

func (p positions) parts(win device.ConvParams) int {
	planes := win.K
	if p.deep > 1 {
		planes = p.bases
	}
	return planes * p.bases * p.bases
}

// shared is the bytes of two stages of a tile and of the gathered tensor around it.
func (t slab) shared(win device.ConvParams, num operand) int {
	p, apart := positionsOf(win), win.Stride
	if p.bases > 1 {
		apart = 1 // other voxels are not copied
	}
	d, h, w := t.d+p.deep-1, (1<<t.lh-1)*apart+p.side, (1<<t.lw-1)*apart+p.side
	return 2 * (d*h*w + t.d<<(t.lw+t.lh)) * mmaPitch * num.bytes / 2
}

// slabs are what slabFor chooses among, of 16 voxels and more, which are multiplied at once.
var slabs = []slab{{4, 2, 2}, {3, 3, 2}, {4, 2, 1}, {3, 3, 1}, {4, 1, 1}, {3, 2, 1}, {4, 0, 1}, {3, 1, 1}}

// slabFor is the one that costs least for a grid, of those that fit into shared memory; none if even the smallest does not. To copy a voxel takes about
// a quarter of what its products take.
func slabFor(p device.Shape, win device.ConvParams, num operand) (best slab, ok bool) {
	least := 0
	for _, t := range slabs {
		bytes := t.shared(win, num)
		copied := bytes / (mmaPitch * num.bytes)
		if cost := t.tiles(p) * (copied + 4*t.d<<(t.lw+t.lh)); bytes <= mmaShared && (!ok || cost < least) {
			best, least, ok = t, cost, true
		}
	}
	return best, ok
}

// tiles is how many a tensor has.
func (t slab) tiles(p device.Shape) int {
	return p.N * ceil(p.D, t.d) * ceil(p.H, 1<<t.lh) * ceil(p.W, 1<<t.lw)
}

// spread is how a gradient of weights is cut into blocks: tiles of the plain tensor, of which a share is one block's.
type spread struct {
	slab
	positions
	cols, all, share, shares int // all: tiles
	launch                   driver.Launch
}

// sharesOf cuts all tiles into shares, of which each is so many blocks of so many warps, and of these so many run at once. Every share more is one
// more part to write and to read: on a large card the part of 144 warps takes about as long as a tile takes a block.
func sharesOf(all, blocks, warps, atOnce int) (share, shares int) {
	cost := func(n int) int { return 144*ceil(blocks*n, atOnce)*ceil(all, n) + warps*blocks*n }
	shares = 1
	for n := 2; n <= min(all, ceil(atOnce, blocks)); n++ {
		if cost(n) < cost(shares) {
			shares = n
		}
	}
	share = ceil(all, shares)
	return share, ceil(all, share)
}

// spreadOf depends on shapes alone. The reason is why tensor cores are not used, "" if they are.
func (o *op) spreadOf(g outer) (s spread, why string) {
	if why = unsuited(g.win, g.g.C, g.p.C); why != "" {
		return s, why
	}
	t, ok := slabFor(g.p, g.win, o.b.operand())
	if !ok {
		return s, fmt.Sprintf("a window of %d at stride %d needs more shared memory than there is", g.win.K, g.win.Stride)
	}
	s = spread{slab: t, positions: positionsOf(g.win), cols: 48}
	if g.p.C <= 24 {
		s.cols = 24
	}
	s.all = t.tiles(g.p)
	down, across, ofWindow := ceil(g.g.C, mmaOuter), ceil(g.p.C, s.cols), s.parts(g.win)
	at := o.b.opt.spread // blocks at once
	if s.cols == 48 && s.warps() > 8 {
		at = ceil(at, 2) // a multiprocessor has registers for one
	}
	s.share, s.shares = sharesOf(s.all, down*across*ofWindow, s.warps(), at)
	s.launch = driver.Launch{Grid: driver.Dim{X: down, Y: across, Z: ofWindow * s.shares}, Block: driver.D1(32 * s.warps()), Shared: t.shared(g.win, o.b.operand())}
	if max(across, s.launch.Grid.Z) > mmaGridMax {
		return s, "more blocks than a launch can have"
	}
	return s, ""
}

// outerOnTensorCores runs a gradient of weights if the precision asks for it and the kernels can.
func (o *op) outerOnTensorCores(g outer) bool {
	if o.b.opt.precision == FP32 {
		return false
	}
	s, why := o.spreadOf(g)
	if why != "" {
		o.inFP32(g.size(), why)
		return false
	}
	work := o.placeOf(g, s.shares)
	gathered, gVoxel := o.rounded(g.gathered, g.g, g.gIn)
	plain, pVoxel := o.rounded(g.plain, g.p, g.pIn)
	var columns driver.Ptr
	if g.columns != nil && g.pIn == bf16 && s.cols == 48 && s.warps() > 1 { // else the operand is rounded, registers are few, or there are more columns than threads
		n := s.launch.Grid.Z
		columns = o.workspace(n * g.p.C)
		*g.columns = columnParts{columns, n}
	}
	o.launchOuter(s, g, work, columns, gathered, gVoxel, plain, pVoxel)
	o.finishOuter(g, work, s.shares)
	return true
}

// launchOuter leaves each share's sums in work, and those of the plain tensor's columns in columns, which may be null. The tensors are rounded, with so many bytes a voxel.
func (o *op) launchOuter(s spread, g outer, work, columns, gathered driver.Ptr, gVoxel int, plain driver.Ptr, pVoxel int) {
	o.launch("conv_mma_grad", fmt.Sprintf("mma_grad_%s_%d", o.b.operand().name, s.cols), s.launch, work, gathered, plain,
		g.g.D, g.g.H, g.g.W, gVoxel, g.g.C, g.p.N, g.p.D, g.p.H, g.p.W, pVoxel, g.p.C, g.win.K, g.win.Stride, g.win.Pad,
		s.lw, s.lh, s.d, s.all, s.share, s.side, s.deep, s.bases, columns)
}
