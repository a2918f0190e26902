package cuda

import (
	"fmt"

	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// Sizes of the kernels between few channels and many; see kernels/conv_few.cu, and conv_few_mma.cu of tensor cores.
const (
	fewTile   = 8 // voxels of a tile along an axis
	fewPieces = 4 // pieces of 16 bytes of channels of a block of few_to_wide

	fewCoresW      = 16           // voxels of a tile along w on tensor cores
	fewCoresMost   = 2            // channels of the few there
	fewCoresCols   = 96           // channels of the many of a block of few_to_wide_mma
	fewCoresChunk  = 32           // channels of the many that are multiplied at once
	fewCoresShared = 27 * 196 * 8 // bytes of products of wide_to_few_mma
	fewCoresOfMany = 14 * 32 * 8  // bytes of weights of a chunk
)

// fewSided reports whether a convolution has kernels of its own: between few channels and any number, where they keep
// the grid with a window of 3³.
func fewSided(win device.ConvParams, ci, co int) bool {
	return win == device.Conv3x3x3 && min(ci, co) < mmaLeast
}

// fewKernel is the name of a kernel, which ends in the few channels that a block has.
func fewKernel(name string, few int) (kernel string, channels int) {
	channels = 4
	if few <= 2 {
		channels = few
	}
	return fmt.Sprintf("%s_%d", name, channels), channels
}

// fewTiles are the tiles of a grid, so many voxels deep and along w.
func fewTiles(s device.Shape, depth, w int) int {
	return s.N * ceil(s.D, depth) * ceil(s.H, fewTile) * ceil(s.W, w)
}

// fewOnCores reports whether tensor cores multiply: in bf16, to one or two channels, and the gradients of such a convolution. What is not a gradient among few channels
// that are read, as the image of a network, is not rounded.
func (o *op) fewOnCores(few, wide int, rounds bool) bool {
	return o.b.opt.precision == BF16 && rounds && few <= fewCoresMost && wide >= mmaLeast
}

// channelsOf16 are the channels in 16 bytes.
func (e element) channelsOf16() int { return 32 / int(e.bytes(2)) }

// multiplyFew runs a product that there are such kernels for.
func (o *op) multiplyFew(p product) bool {
	if !fewSided(p.win, p.in.C, p.out.C) || p.table || p.part != (part{}) || p.z != 0 || p.moments != 0 { // the latter are parts of catConv
		return false
	}
	if p.out.C <= p.in.C {
		o.multiplyToFew(p)
		return true
	}
	return o.multiplyFromFew(p)
}

// multiplyToFew runs a product to few channels, which are fp32.
func (o *op) multiplyToFew(p product) {
	few, wide := p.out.C, p.in.C
	p.mask = o.widened(p.mask, p.out, p.maskIn)
	if p.yIn == bf16 {
		stored, wide := o.at(p.y, p.out, bf16), o.temporary(p.out, fp32)
		if p.add {
			o.convert(wide, stored)
		}
		p.y = ptr(wide)
		defer o.convert(stored, wide)
	}
	if shared := fewCoresShared + ceil(wide, fewCoresChunk)*fewCoresOfMany; o.fewOnCores(few, wide, true) && shared <= mmaShared {
		x, voxel := o.rounded(p.x, p.in, p.xIn)
		l := driver.Launch{Grid: driver.D1(fewTiles(p.out, fewTile, fewCoresW)), Block: driver.D1(192), Shared: shared}
		o.launch("conv_few_mma", "wide_to_few_mma", l, p.y, x, voxel, p.w, p.bias, p.mask, few, wide, !p.swapped, p.scattered,
			p.out.D, p.out.H, p.out.W, p.relu, p.add, fewTile)
		return
	}
	o.inFP32(p.size(), unsuited(p.win, few, wide))
	least := few
	if p.xIn == bf16 {
		least = max(few, fewCoresMost+1) // there are no others
	}
	kernel, channels := fewKernel("wide_to_few", least)
	l := driver.Launch{Grid: driver.Dim{X: fewTiles(p.out, fewTile, fewTile), Y: ceil(few, channels), Z: 1}, Block: driver.D1(2 * fewTile * fewTile)}
	o.stored(p.xIn, "conv_few", kernel, l, p.y, p.x, p.w, p.bias, p.mask, few, wide, !p.swapped, p.scattered, p.out.D, p.out.H, p.out.W, p.relu, p.add)
}

// multiplyFromFew runs a product of few channels, if the kernels can.
func (o *op) multiplyFromFew(p product) bool {
	few, wide := p.in.C, p.out.C
	pieces := ceil(wide, p.yIn.channelsOf16())
	across := ceil(pieces, fewPieces)
	if p.mask != 0 && p.yIn == bf16 && p.maskIn != bf16 || across > mmaGridMax { // rounded, what of a mask is hardly positive would be 0
		return false
	}
	if p.yIn != bf16 {
		p.mask = o.widened(p.mask, p.out, p.maskIn)
	}
	p.x = o.widened(p.x, p.in, p.xIn)
	if o.fewOnCores(few, wide, p.swapped) && p.yIn == bf16 && wide%8 == 0 && p.bias == 0 && !p.relu {
		l := driver.Launch{Grid: driver.Dim{X: fewTiles(p.out, fewTile, fewCoresW), Y: ceil(wide, fewCoresCols), Z: 1}, Block: driver.D1(threads)}
		o.launch("conv_few_mma", "few_to_wide_mma", l, p.y, p.x, p.w, p.mask, few, wide, p.swapped, p.scattered, p.out.D, p.out.H, p.out.W, p.add)
		return true
	}
	o.inFP32(p.size(), unsuited(p.win, few, wide))
	kernel, _ := fewKernel("few_to_wide", few)
	l := driver.Launch{Grid: driver.Dim{X: fewTiles(p.out, 4*fewTile/p.yIn.channelsOf16(), fewTile), Y: across, Z: 1}, Block: driver.D1(ceil(pieces, across) * fewTile * fewTile)}
	o.stored(p.yIn, "conv_few", kernel, l, p.y, p.x, p.w, p.bias, p.mask, few, wide, p.swapped, p.scattered, p.out.D, p.out.H, p.out.W, p.relu, p.add)
	return true
}

// outerFew runs a gradient of weights that there are such kernels for.
func (o *op) outerFew(g outer) bool {
	if !fewSided(g.win, g.g.C, g.p.C) {
		return false
	}
	fewPlain := g.p.C <= g.g.C
	few, wide, fewAt, wideAt, fewIn, stored := g.g, g.p, g.gathered, g.plain, g.gIn, g.pIn
	if fewPlain {
		few, wide, fewAt, wideAt, fewIn, stored = wide, few, wideAt, fewAt, stored, fewIn
	}
	kernel, channels := fewKernel("few_grad", few.C)
	across, groups, tiles := ceil(wide.C, threads), ceil(few.C, channels), fewTiles(wide, fewTile, fewTile)
	cores := o.fewOnCores(few.C, wide.C, fewPlain != g.swapped)
	if cores {
		across, tiles = ceil(wide.C, fewCoresChunk), fewTiles(wide, fewTile, fewCoresW)
	}
	if across > mmaGridMax {
		return false
	}
	share := ceil(tiles, min(tiles, ceil(o.b.opt.spread, across*groups)))
	parts, n := ceil(tiles, share), 27*few.C*wide.C
	work := g.dw
	if parts > 1 || g.add || g.parts != nil {
		work = o.workspace(parts * n)
	}
	var columns driver.Ptr
	if g.columns != nil && !fewPlain && !cores {
		columns = o.workspace(parts * wide.C)
		*g.columns = columnParts{columns, parts}
	}
	l := driver.Launch{Grid: driver.Dim{X: parts, Y: across, Z: groups}}
	at := o.widened(fewAt, few, fewIn)
	if cores {
		l.Block = driver.D1(threads)
		x, voxel := o.rounded(wideAt, wide, stored)
		o.launch("conv_few_mma_grad", "few_grad_mma", l, work, x, voxel, at, few.C, wide.C, fewPlain != g.swapped, fewPlain, wide.D, wide.H, wide.W, tiles, share)
	} else {
		o.inFP32(g.size(), unsuited(g.win, few.C, wide.C))
		width := ceil(wide.C, across)
		l.Block = driver.D1(roundUp(threads/width*width, 32))
		o.stored(stored, "conv_few_grad", kernel, l, work, columns, wideAt, at, few.C, wide.C, fewPlain != g.swapped, fewPlain,
			wide.D, wide.H, wide.W, width, tiles, share)
	}
	switch {
	case g.parts != nil:
		*g.parts = sumParts{work, parts}
	case work != g.dw:
		o.finishColumns(g.dw, columnParts{work, parts}, n, g.add)
	}
	return true
}
