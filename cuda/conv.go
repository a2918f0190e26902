package cuda

import (
	"math"
	"math/bits"

	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// checkSizes refuses what the kernels cannot count in 32 bits.
func (o *op) checkSizes(x, y device.Shape, win device.ConvParams) {
	for _, s := range []device.Shape{x, y} {
		// From the first to the last position of a window in x, at most.
		step := (win.K-1)*(s.H*s.W+s.W+1)*s.C + roundUp(s.C, 8)
		o.must(s.Rows() < math.MaxInt32-1<<10 && max(step, (win.K+1)*s.H*s.W*s.C) < math.MaxInt32, "%v has too many voxels", s)
	}
	o.must(win.Stride <= 32, "a stride of %d is too large", win.Stride)
}

// Conv gathers x.
func (o *op) Conv(y, x, w, bias device.Tensor, win device.ConvParams, act device.Act) {
	p := product{y: ptr(y), x: ptr(x), w: ptr(w), bias: ptr(bias), xIn: elementOf(x), yIn: elementOf(y),
		in: x.Shape, out: y.Shape, win: win, relu: act == device.ReLU}
	o.multiply(p)
}

// ConvGradX scatters dy with the channels of w exchanged.
func (o *op) ConvGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	p := product{y: into(dx), x: ptr(dy), w: ptr(w), xIn: elementOf(dy), yIn: elementOf(dx.Tensor),
		in: dy.Shape, out: dx.Shape, win: win, scattered: true, swapped: true, add: dx.Mode == device.Add, mask: ptr(dx.Mask), maskIn: elementOf(dx.Mask)}
	o.multiply(p)
}

// ConvGradW gathers x, and finds the bias's gradient on its way through dy.
func (o *op) ConvGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	xp, dyp, dwp, dbp := ptr(x), ptr(dy), into(dw), into(db)
	var columns columnParts
	if dw.Mode != device.Skip {
		g := outer{dw: dwp, gathered: xp, plain: dyp, gIn: elementOf(x), pIn: elementOf(dy), g: x.Shape, p: dy.Shape, win: win, add: dw.Mode == device.Add}
		if db.Mode != device.Skip {
			g.columns = &columns
		}
		o.outer(g)
	}
	if db.Mode == device.Skip {
		return
	}
	if columns.n == 0 {
		columns = o.columnParts(dyp, dy.Shape, elementOf(dy))
	}
	o.finishColumns(dbp, columns, dy.C, db.Mode == device.Add)
}

// ConvT scatters x.
func (o *op) ConvT(y, x, w, bias device.Tensor, win device.ConvParams) {
	p := product{y: ptr(y), x: ptr(x), w: ptr(w), bias: ptr(bias), xIn: elementOf(x), yIn: elementOf(y),
		in: x.Shape, out: y.Shape, win: win, scattered: true}
	o.multiply(p)
}

// ConvTGradX gathers dy with the channels of w exchanged.
func (o *op) ConvTGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	p := product{y: into(dx), x: ptr(dy), w: ptr(w), xIn: elementOf(dy), yIn: elementOf(dx.Tensor),
		in: dy.Shape, out: dx.Shape, win: win, swapped: true, add: dx.Mode == device.Add}
	o.multiply(p)
}

// ConvTGradW gathers dy.
func (o *op) ConvTGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	xp, dyp, dwp, dbp := ptr(x), ptr(dy), into(dw), into(db)
	if dw.Mode != device.Skip {
		o.outer(outer{dw: dwp, gathered: dyp, plain: xp, gIn: elementOf(dy), pIn: elementOf(x), g: dy.Shape, p: x.Shape, win: win, swapped: true, add: dw.Mode == device.Add})
	}
	if db.Mode != device.Skip {
		o.columnSums(dbp, dyp, dy.Shape, elementOf(dy), db.Mode == device.Add)
	}
}

// tile is the part of a matrix product that one block computes; see gemm.cuh.
type tile struct {
	name       string
	rows, cols int
	threads    int
}

var (
	wide   = tile{"wide", 128, 96, 256}
	mid    = tile{"mid", 128, 48, 128}
	slim   = tile{"slim", 256, 24, 128}
	thin   = tile{"thin", 256, 4, 128}
	square = tile{"square", 32, 32, 128}
)

// tileFor leaves the fewest columns unused, of equal ones it takes the widest.
func tileFor(cols int) tile {
	if cols <= thin.cols {
		return thin
	}
	best := wide
	for _, t := range []tile{mid, slim} {
		if roundUp(cols, t.cols) < roundUp(cols, best.cols) {
			best = t
		}
	}
	return best
}

// product is a convolution that gathers: each output voxel sums over input
// voxels, kernel positions and channels.
type product struct {
	y, x, w, bias driver.Ptr
	xIn, yIn      element // what x and y are stored in
	in, out       device.Shape
	win           device.ConvParams
	scattered     bool // input voxel u meets output u·Stride − Pad + k; else output v meets input v·Stride − Pad + k
	swapped       bool // w is [k, output channel, input channel]
	relu, add     bool // y takes the sum in addition, before the activation
	table         bool // bias is [64][out.C], a row for each presence of a voxel's neighbours
	part          part // of wider weights

	z, zscale   driver.Ptr // y += zscale[c]·z, of y's shape
	mask        driver.Ptr // y = 0 where it is not positive, of y's shape
	zIn, maskIn element
	moments     driver.Ptr // instead of y, its moments for batchnorm_stats_finish: see kernels/conv.cuh, conv_mma.cu
}

// part is what a product uses of weights [taps][all][cut]: channels from on, each times
// gamma·invstd if these are there. They are the output channels if the product is swapped, else the input
// channels, and the other axis numbers taps and channels through. The zero value is weights as they are.
type part struct {
	all, from, cut int
	gamma, invstd  driver.Ptr
}

// A sum is split where the output makes fewer blocks than fewBlocks, which is a tenth less than the multiprocessors of a
// large card, into as many as make about fullBlocks, of which none has fewer stages than minStages.
const (
	fewBlocks  = 119
	fullBlocks = 264
	minStages  = 8
	stageTerms = 8 // STAGE of kernels/gemm.cuh
)

// geometry is how a product is cut into blocks.
type geometry struct {
	module, kernel string
	tile           tile
	rows, pitch    int // of the packed weights: input channels of a kernel position, output channels
	launch         driver.Launch
	splits, share  int // of the sum, and stages of each
}

// geometry depends on shapes alone; few is fewBlocks.
func (p *product) geometry(few int) geometry {
	g := geometry{module: "conv", kernel: "conv_", tile: tileFor(p.out.C), rows: roundUp(p.in.C, stageTerms)}
	if p.in.C%4 != 0 {
		g.module, g.kernel, g.rows = "conv_flat", "conv_flat_", p.in.C
		if g.tile != thin {
			g.tile = slim
		}
	}
	g.kernel += g.tile.name
	g.pitch = roundUp(p.out.C, g.tile.cols)
	classes, voxels, taps := 1, p.out.Rows(), p.win.K*p.win.K*p.win.K
	if s := p.win.Stride; p.scattered && s > 1 {
		classes = s * s * s
		voxels = p.out.N * ceil(p.out.D, s) * ceil(p.out.H, s) * ceil(p.out.W, s)
		taps = max(1, taps/classes) // of most
	}
	across, down := g.pitch/g.tile.cols, ceil(voxels, g.tile.rows)
	stages := taps * ceil(p.in.C, stageTerms)
	g.splits, g.share = 1, math.MaxInt32
	if n := across * down * classes; n < few && p.moments == 0 {
		if want := min(ceil(fullBlocks, n), stages/minStages); want > 1 {
			g.share = ceil(stages, want)
			g.splits = ceil(stages, g.share)
		}
	}
	g.launch = driver.Launch{Grid: driver.Dim{X: down, Y: across, Z: classes * g.splits}, Block: driver.D1(g.tile.threads)}
	return g
}

// multiply runs a product.
func (o *op) multiply(p product) {
	o.checkSizes(p.in, p.out, p.win)
	if o.multiplyFew(p) {
		return
	}
	if c, ok := o.onTensorCores(p); ok {
		o.multiplyOnTensorCores(p, c)
		return
	}
	p.x, p.z, p.mask = o.widened(p.x, p.in, p.xIn), o.widened(p.z, p.out, p.zIn), o.widened(p.mask, p.out, p.maskIn)
	p.zIn, p.maskIn = fp32, fp32
	if p.yIn == bf16 {
		stored, wide := o.at(p.y, p.out, bf16), o.temporary(p.out, fp32)
		if p.add {
			o.convert(wide, stored)
		}
		p.y, p.yIn = ptr(wide), fp32
		defer o.convert(stored, wide)
	}
	g := p.geometry(o.b.opt.few)
	w := o.packed(p, g.rows, g.pitch)
	args := func(q product) {
		o.launch(g.module, g.kernel, g.launch, q.y, q.x, w, q.bias, q.in.N, q.in.D, q.in.H, q.in.W, q.in.C,
			q.out.D, q.out.H, q.out.W, q.out.C, q.win.K, q.win.Stride, q.win.Pad, q.scattered, g.rows, g.pitch, q.relu, q.add,
			q.table, q.z, q.zscale, q.mask, q.moments, g.splits, g.share)
	}
	if g.splits == 1 {
		args(p)
		return
	}
	q := p
	q.y, q.bias, q.z, q.mask, q.relu, q.add, q.table = o.workspace(g.splits*p.out.Len()), 0, 0, 0, false, false, false
	args(q)
	o.finishParts(p, q.y, g.splits)
}

// finishParts makes a product's y of the parts of its sum.
func (o *op) finishParts(p product, work driver.Ptr, parts int) {
	n := p.out.Len()
	args := []any{p.y, work, parts, n, p.out.C, p.out.D, p.out.H, p.out.W, p.bias, p.table, p.z, p.zscale, p.mask, p.relu, p.add}
	if half := p.half(); half != 0 {
		o.launch("conv_mma_operands", "mma_finish", PerElement(n, 1), append(args, half)...)
		return
	}
	o.launch("conv_parts", "conv_parts", PerElement(n, 1), args...)
}

// half says, in bits, which of y, z and the mask are bf16.
func (p product) half() int { return p.yIn.bit(1) | p.zIn.bit(2) | p.maskIn.bit(4) }

// packing is what packed weights depend on.
type packing struct {
	w                       driver.Ptr
	part                    part
	n, rows, pitch, in, out int
	swapped                 bool
}

// packed is the weights with rows input and pitch output channels a kernel
// position, zero beyond their own: w itself if it has them.
func (o *op) packed(p product, rows, pitch int) driver.Ptr {
	if p.part == (part{}) && !p.swapped && rows == p.in.C && pitch == p.out.C {
		return p.w
	}
	q, n := p.weights(), p.win.K*p.win.K*p.win.K*rows*pitch
	packed, there := o.pack(packing{p.w, q, n, rows, pitch, p.in.C, p.out.C, p.swapped}, n)
	if !there {
		o.launch("conv_pack", "pack_weights", PerElement(n, 1), packed, p.w, q.gamma, q.invstd, n, rows, pitch, p.in.C, p.out.C, p.swapped,
			q.all, q.from, q.cut)
	}
	return packed
}

// weights is the part of its weights that a product uses: all of them if it does not say.
func (p product) weights() part {
	switch {
	case p.part != part{}:
		return p.part
	case p.swapped:
		return part{all: p.out.C, cut: p.in.C}
	}
	return part{all: p.in.C, cut: p.out.C}
}

// pack is where weights are packed, n words, and whether they are there: no operation changes weights that it has used.
func (o *op) pack(key packing, n int) (packed driver.Ptr, there bool) {
	if packed, there = o.packs[key]; there {
		return packed, true
	}
	packed = o.workspace(n)
	if o.packs == nil {
		o.packs = map[packing]driver.Ptr{}
	}
	o.packs[key] = packed
	return packed, false
}

// roundUp is the first multiple of d not below n.
func roundUp(n, d int) int { return ceil(n, d) * d }

// outer is a gradient of weights: for each kernel position k, the sum over the plain
// tensor's voxels v of gathered[v·Stride − Pad + k, i] · plain[v, o].
type outer struct {
	dw, gathered, plain driver.Ptr
	gIn, pIn            element // what the two tensors are stored in
	g, p                device.Shape
	win                 device.ConvParams
	swapped             bool // the gathered tensor's channels are dw's output channels
	add                 bool
	columns             *columnParts // gets those of the plain tensor; may be nil
	parts               *sumParts    // gets those of dw, which are then not added, of a sum that is neither swapped nor added to anything; may be nil
}

// sumParts are the parts of sums, one behind the other: n of them.
type sumParts struct {
	at driver.Ptr
	n  int
}

// placeOf is where a gradient of weights leaves its parts.
func (o *op) placeOf(g outer, parts int) driver.Ptr {
	if parts == 1 && !g.swapped && !g.add && g.parts == nil {
		return g.dw
	}
	return o.workspace(parts * g.win.K * g.win.K * g.win.K * g.g.C * g.p.C)
}

// finishOuter adds the parts in order, if they are not asked for.
func (o *op) finishOuter(g outer, work driver.Ptr, parts int) {
	switch {
	case g.parts != nil:
		*g.parts = sumParts{work, parts}
	case work != g.dw:
		o.addParts(g, work, parts)
	}
}

// Shares of the voxels are chosen from the shapes alone so that the blocks fill a large card once: more parts are
// more to write and to add. None is shorter than minShare.
const minShare = 128

// fill is how many blocks of a tile run at once on the multiprocessors of a large card.
func (t tile) fill() int {
	const multiprocs = 132
	switch t {
	case wide:
		return 2 * multiprocs
	case slim:
		return 3 * multiprocs
	}
	return 4 * multiprocs
}

// shares is the voxels of a share, and how many shares there are, of a gradient of rows × cols weights.
func (t tile) shares(rows, cols, voxels int) (share, parts int) {
	tiles := ceil(cols, t.cols) * ceil(rows, t.rows)
	share = roundUp(max(minShare, ceil(voxels, max(1, t.fill()/tiles))), stageTerms)
	return share, ceil(voxels, share)
}

// outer runs a gradient of weights: parts, then their sum in order. A single part is the sum.
func (o *op) outer(g outer) {
	o.checkSizes(g.g, g.p, g.win)
	if o.outerFew(g) || o.outerOnTensorCores(g) {
		return
	}
	g.gathered, g.plain = o.widened(g.gathered, g.g, g.gIn), o.widened(g.plain, g.p, g.pIn)
	rows, voxels := g.win.K*g.win.K*g.win.K*g.g.C, g.p.Rows()
	t, kernel := tileFor(g.p.C), "grad_"
	switch {
	case t != thin && rows <= square.rows:
		t, kernel = square, "grad_flat_"
	case g.g.C%4 != 0:
		kernel = "grad_flat_"
		if t != thin {
			t = slim
		}
	}
	share, parts := t.shares(rows, g.p.C, voxels)
	work := o.placeOf(g, parts)
	d, h, w := dividing(g.p.D), dividing(g.p.H), dividing(g.p.W)
	l := driver.Launch{Grid: driver.Dim{X: ceil(rows, t.rows), Y: ceil(g.p.C, t.cols), Z: parts}, Block: driver.D1(t.threads)}
	var columns driver.Ptr
	if g.columns != nil {
		columns = o.workspace(parts * g.p.C)
		*g.columns = columnParts{columns, parts}
	}
	o.launch("conv_grad", kernel+t.name, l, work, columns, g.gathered, g.plain, g.g.D, g.g.H, g.g.W, g.g.C,
		voxels, g.p.D, g.p.H, g.p.W, g.p.C, g.win.K, g.win.Stride, g.win.Pad, share,
		d.mul, h.mul, w.mul, d.shift, h.shift, w.shift)
	o.finishOuter(g, work, parts)
}

// addParts adds the parts of a gradient of weights in order.
func (o *op) addParts(g outer, work driver.Ptr, parts int) {
	ci, co, n := g.g.C, g.p.C, g.win.K*g.win.K*g.win.K*g.g.C*g.p.C
	if g.swapped {
		ci, co = co, ci
	}
	o.launch("conv_grad", "grad_finish", PerElement(n, 1), g.dw, work, parts, n, ci, co, g.swapped, g.add)
}

// columnSums adds up the rows of x.
func (o *op) columnSums(sum, x driver.Ptr, s device.Shape, e element, add bool) {
	o.finishColumns(sum, o.columnParts(x, s, e), s.C, add)
}

// columnParts are sums over shares of a tensor's rows: n of them, of all channels each.
type columnParts struct {
	at driver.Ptr
	n  int
}

func (o *op) columnParts(x driver.Ptr, s device.Shape, e element) columnParts {
	share := max(minShare, ceil(s.Rows(), maxParts))
	parts := columnParts{n: ceil(s.Rows(), share)}
	parts.at = o.workspace(parts.n * s.C)
	l := driver.Launch{Grid: driver.Dim{X: parts.n, Y: ceil(s.C, threads), Z: 1}, Block: driver.D1(threads)}
	o.stored(e, "column_sums", "column_sums", l, parts.at, x, s.Rows(), s.C, share)
	return parts
}

func (o *op) finishColumns(sum driver.Ptr, p columnParts, c int, add bool) {
	o.launch("column_sums", "column_finish", blocks(ceil(c, threads/32), threads), sum, p.at, p.n, c, add)
}

// divider divides numbers below 2³¹ by a constant with a multiplication.
type divider struct {
	mul   uint32 // 0: by one
	shift int
}

// dividing prepares a division by d: n/d is the upper half of n·mul, shifted
// (Granlund and Montgomery, Division by Invariant Integers using Multiplication, 1994).
func dividing(d int) divider {
	if d == 1 {
		return divider{}
	}
	l := bits.Len(uint(d - 1))
	return divider{uint32((uint64(1)<<(31+l) + uint64(d) - 1) / uint64(d)), l - 1}
}
