package cuda

import (
	"fmt"

	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// Sizes of the kernels on tensor cores; see kernels/conv_mma.cu.
const (
	mmaChunk   = 96  // bytes of the input's channels that are multiplied at once
	mmaPitch   = 112 // bytes from voxel to voxel in shared memory
	mmaHalo    = 648 // voxels of the largest halo
	mmaVoxels  = 256 // output voxels of a block
	mmaTaps    = 3   // most positions of a window along an axis
	mmaOuter   = 48  // channels of the gathered tensor in a block of a gradient of weights
	mmaShared  = 98 << 10
	mmaLeast   = 8   // channels, below which a convolution is bound by memory and no faster
	mmaBlocks  = 120 // blocks of a product that need no help by shares of its sum: nine tenths of 132 multiprocessors
	mmaSpread  = 264 // blocks of a gradient of weights
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

// multiplyOnTensorCores runs a product if the precision asks for it and the kernels can.
func (o *op) multiplyOnTensorCores(p product) bool {
	if o.b.opt.precision == FP32 || p.table || p.part != (part{}) || p.z != 0 || p.moments != 0 { // the latter are parts of catConv
		return false
	}
	s, num, cols := p.win.Stride, o.b.operand(), columnsFor(p.out.C)
	classes, phases := 1, s*s*s
	d, h, w := p.out.D, p.out.H, p.out.W
	if p.scattered {
		classes, phases = phases, classes
		d, h, w = ceil(d, s), ceil(h, s), ceil(w, s)
	}
	b, boxes := boxFor(d, h, w)
	boxes *= p.out.N
	tiles, chunks := ceil(p.out.C, cols), ceil(num.voxel(p.in.C), mmaChunk)
	// A share is so many units, of a chunk of a phase and a plane of its window.
	units := phases * chunks * mmaTaps
	share := units / min(units, ceil(o.b.opt.blocks, boxes*tiles*classes))
	if p.win.K <= s {
		share = roundUp(share, mmaTaps) // the windows have one plane
	}
	shares := ceil(units, share)
	why := unsuited(p.win, p.in.C, p.out.C)
	if why == "" && max(tiles, classes*shares) > mmaGridMax {
		why = "more blocks than a launch can have"
	}
	if why != "" {
		o.inFP32(fmt.Sprintf("%v → %v, window %d, stride %d", p.in, p.out, p.win.K, s), why)
		return false
	}

	taps := p.win.K * p.win.K * p.win.K
	n := tiles * taps * chunks * cols * (mmaChunk / 4)
	packed := o.workspace(n)
	o.launch("conv_mma_operands", "mma_weights_"+num.name, PerElement(n, 1), packed, p.w, n, cols, taps, chunks, p.in.C, p.out.C, p.swapped)
	y, bias, relu, add, half := p.y, p.bias, p.relu, p.add, p.yIn == bf16
	if shares > 1 {
		y, bias, relu, add, half = o.workspace(shares*p.out.Len()), 0, false, false, false
	}
	x, voxel := o.rounded(p.x, p.in, p.xIn)
	l := driver.Launch{
		Grid:  driver.Dim{X: boxes, Y: tiles, Z: classes * shares},
		Block: driver.D1(max(cols/48, 1) * 128), Shared: (mmaHalo + 2*cols) * mmaPitch,
	}
	o.launch("conv_mma", fmt.Sprintf("mma_%s_%d", num.name, cols), l, y, x, packed, bias, p.in.N, p.in.D, p.in.H, p.in.W, voxel,
		p.out.D, p.out.H, p.out.W, p.out.C, p.win.K, s, p.win.Pad, p.scattered, b.lw, b.lh, shares, share, relu, add, shares > 1, half)
	if shares > 1 {
		o.launch("conv_mma_operands", p.yIn.of("mma_finish"), PerElement(p.out.Len(), 1), p.y, y, p.bias, shares, p.out.Len(), p.out.C, p.relu, p.add)
	}
	return true
}

// rounded is a tensor as the kernels on tensor cores read it, and the bytes of a voxel: itself if it is stored so, else in a
// workspace.
func (o *op) rounded(x driver.Ptr, s device.Shape, e element) (y driver.Ptr, voxel int) {
	num, pass := o.b.operand(), "mma_round_"
	if e == bf16 {
		if pass = "mma_pad_"; s.C%8 == 0 {
			return x, 2 * s.C
		}
	}
	voxel = num.voxel(s.C)
	n := s.Rows() * voxel / 16
	y = o.workspace(4 * n)
	o.launch("conv_mma_operands", pass+num.name, PerElement(n, 1), y, x, n, s.C, voxel/16)
	return y, voxel
}

// slab is a tile of a gradient of weights: log2 of its extents along w and h, its extent along d.
type slab struct{ lw, lh, d int }

// shared is the bytes of two stages of a tile and of the gathered tensor around it.
func (t slab) shared(win device.ConvParams, num operand) int {
	h, w := (1<<t.lh-1)*win.Stride+win.K, (1<<t.lw-1)*win.Stride+win.K
	return 2 * (t.d*h*w + t.d<<(t.lw+t.lh)) * mmaPitch * num.bytes / 2
}

// slabFor is the largest one that fits into shared memory; none if even the smallest does not.
func slabFor(p device.Shape, win device.ConvParams, num operand) (t slab, ok bool) {
	t = slab{4, 2, 2}
	if roundUp(p.W, 8) < roundUp(p.W, 16) {
		t = slab{3, 3, 2}
	}
	for t.shared(win, num) > mmaShared {
		switch {
		case t.d > 1:
			t.d /= 2
		case t.lw+t.lh > 4: // bf16 multiplies 16 voxels at once
			t.lh--
		default:
			return t, false
		}
	}
	return t, true
}

// outerOnTensorCores runs a gradient of weights if the precision asks for it and the kernels can.
func (o *op) outerOnTensorCores(g outer) bool {
	if o.b.opt.precision == FP32 {
		return false
	}
	num, k := o.b.operand(), g.win.K
	why := unsuited(g.win, g.g.C, g.p.C)
	if why == "" && k > mmaTaps {
		why = fmt.Sprintf("a window of %d has more lines than a block has warps", k)
	}
	t, ok := slabFor(g.p, g.win, num)
	if why == "" && !ok {
		why = fmt.Sprintf("a window of %d at stride %d needs more shared memory than there is", k, g.win.Stride)
	}
	if why != "" {
		o.inFP32(fmt.Sprintf("%v and %v, window %d, stride %d", g.g, g.p, k, g.win.Stride), why)
		return false
	}
	cols := 48
	if g.p.C <= 24 {
		cols = 24
	}
	tiles := g.p.N * ceil(g.p.D, t.d) * ceil(g.p.H, 1<<t.lh) * ceil(g.p.W, 1<<t.lw)
	down, across := ceil(g.g.C, mmaOuter), ceil(g.p.C, cols)
	share := ceil(tiles, min(tiles, ceil(o.b.opt.spread, down*across*k)))
	parts := ceil(tiles, share)
	n := k * k * k * g.g.C * g.p.C
	work := o.workspace(parts * n)
	gathered, gVoxel := o.rounded(g.gathered, g.g, g.gIn)
	plain, pVoxel := o.rounded(g.plain, g.p, g.pIn)
	l := driver.Launch{Grid: driver.Dim{X: down, Y: across, Z: k * parts}, Block: driver.D1(32 * k * k), Shared: t.shared(g.win, num)}
	o.launch("conv_mma_grad", fmt.Sprintf("mma_grad_%s_%d", num.name, cols), l, work, gathered, plain,
		g.g.D, g.g.H, g.g.W, gVoxel, g.g.C, g.p.N, g.p.D, g.p.H, g.p.W, pVoxel, g.p.C, k, g.win.Stride, g.win.Pad,
		t.lw, t.lh, t.d, tiles, share)
	o.addParts(g, work, parts)
	return true
}

// composed is CatConv as its definition has it. On tensor cores the concatenation is made: what catConv folds into weights would be rounded with
// them.
func (o *op) composed() device.Composed { return device.Composed{On: o.composer()} }
