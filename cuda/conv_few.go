package cuda

import (
	"fmt"

	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// Sizes of the kernels between few channels and many; see kernels/conv_few.cu.
const (
	fewTile   = 8 // voxels of a tile along an axis
	fewPieces = 4 // pieces of 16 bytes of channels of a block of few_to_wide
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

// fewTiles are the tiles of a grid, so many voxels deep.
func fewTiles(s device.Shape, depth int) int {
	return s.N * ceil(s.D, depth) * ceil(s.H, fewTile) * ceil(s.W, fewTile)
}

// channelsOf16 are the channels in 16 bytes.
func (e element) channelsOf16() int { return 32 / int(e.bytes(2)) }

// multiplyFew runs a product that there are such kernels for.
func (o *op) multiplyFew(p product) bool {
	if !fewSided(p.win, p.in.C, p.out.C) || p.table || p.part != (part{}) || p.z != 0 || p.moments != 0 { // the latter are parts of catConv
		return false
	}
	toFew := p.out.C <= p.in.C
	few, wide, stored := p.in.C, p.out.C, p.yIn
	if toFew {
		few, wide, stored = wide, few, p.xIn
	}
	if !toFew && p.mask != 0 && stored == bf16 && p.maskIn != bf16 {
		return false // rounded, what is hardly positive would be 0
	}
	if p.maskIn == bf16 && (toFew || stored != bf16) {
		p.mask = o.widened(p.mask, p.out, p.maskIn)
	}
	name, l := "few_to_wide", driver.Launch{}
	if toFew {
		name = "wide_to_few"
	}
	kernel, channels := fewKernel(name, few)
	if toFew {
		l.Grid, l.Block = driver.Dim{X: fewTiles(p.out, fewTile), Y: ceil(few, channels), Z: 1}, driver.D1(2*fewTile*fewTile)
	} else {
		pieces := ceil(wide, stored.channelsOf16())
		across := ceil(pieces, fewPieces)
		if across > mmaGridMax {
			return false
		}
		l.Grid, l.Block = driver.Dim{X: fewTiles(p.out, 4*fewTile/stored.channelsOf16()), Y: across, Z: 1}, driver.D1(ceil(pieces, across)*fewTile*fewTile)
	}
	// The few are fp32.
	if toFew && p.yIn == bf16 {
		stored, wide := o.at(p.y, p.out, bf16), o.temporary(p.out, fp32)
		if p.add {
			o.convert(wide, stored)
		}
		p.y = ptr(wide)
		defer o.convert(stored, wide)
	}
	if !toFew {
		p.x = o.widened(p.x, p.in, p.xIn)
	}
	o.stored(stored, "conv_few", kernel, l, p.y, p.x, p.w, p.bias, p.mask, few, wide, toFew != p.swapped, p.scattered,
		p.out.D, p.out.H, p.out.W, p.relu, p.add)
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
	across, groups := ceil(wide.C, threads), ceil(few.C, channels)
	if across > mmaGridMax {
		return false
	}
	width := ceil(wide.C, across)
	tiles := fewTiles(wide, fewTile)
	share := ceil(tiles, min(tiles, ceil(o.b.opt.spread, across*groups)))
	parts, n := ceil(tiles, share), 27*few.C*wide.C
	work := g.dw
	if parts > 1 || g.add || g.parts != nil {
		work = o.workspace(parts * n)
	}
	var columns driver.Ptr
	if g.columns != nil && !fewPlain {
		columns = o.workspace(parts * wide.C)
		*g.columns = columnParts{columns, parts}
	}
	l := driver.Launch{Grid: driver.Dim{X: parts, Y: across, Z: groups}, Block: driver.D1(roundUp(threads/width*width, 32))}
	o.stored(stored, "conv_few_grad", kernel, l, work, columns, wideAt, o.widened(fewAt, few, fewIn), few.C, wide.C, fewPlain != g.swapped, fewPlain,
		wide.D, wide.H, wide.W, width, tiles, share)
	switch {
	case g.parts != nil:
		*g.parts = sumParts{work, parts}
	case work != g.dw:
		o.finishColumns(g.dw, columnParts{work, parts}, n, g.add)
	}
	return true
}
