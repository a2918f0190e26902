package cuda

import (
	"math/bits"

	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// outer is a gradient of weights: for each kernel position k, the sum over the plain
// tensor's voxels v of gathered[v·Stride − Pad + k, i] · plain[v, o].
type outer struct {
	dw, gathered, plain driver.Ptr
	g, p                device.Shape
	win                 device.ConvParams
	swapped             bool // the gathered tensor's channels are dw's output channels
	add                 bool
}

// Shares of the voxels are chosen so that there are blocks enough for any card, from the
// shapes alone, and none is shorter than minShare.
const (
	wantBlocks = 1024
	minShare   = 128
)

// outer runs a gradient of weights: parts, then their sum in order.
func (o *op) outer(g outer) {
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
	across, down := ceil(g.p.C, t.cols), ceil(rows, t.rows)
	share := roundUp(max(minShare, ceil(voxels*across*down, wantBlocks)), 8)
	parts := ceil(voxels, share)
	n := rows * g.p.C
	work := o.workspace(parts * n)
	d, h, w := dividing(g.p.D), dividing(g.p.H), dividing(g.p.W)
	l := driver.Launch{Grid: driver.Dim{X: down, Y: across, Z: parts}, Block: driver.D1(t.threads)}
	o.launch("conv_grad", kernel+t.name, l, work, g.gathered, g.plain, g.g.D, g.g.H, g.g.W, g.g.C,
		voxels, g.p.D, g.p.H, g.p.W, g.p.C, g.win.K, g.win.Stride, g.win.Pad, share,
		d.mul, h.mul, w.mul, d.shift, h.shift, w.shift)
	ci, co := g.g.C, g.p.C
	if g.swapped {
		ci, co = co, ci
	}
	o.launch("conv_grad", "grad_finish", o.perElement(n, 1), g.dw, work, parts, n, ci, co, g.swapped, g.add)
}

// columnSums adds up the rows of x.
func (o *op) columnSums(sum, x driver.Ptr, s device.Shape, add bool) {
	share := max(minShare, ceil(s.Rows(), wantBlocks))
	parts := ceil(s.Rows(), share)
	work := o.workspace(parts * s.C)
	l := driver.Launch{Grid: driver.Dim{X: parts, Y: ceil(s.C, threads), Z: 1}, Block: driver.D1(threads)}
	o.launch("conv_grad", "column_sums", l, work, x, s.Rows(), s.C, share)
	o.launch("conv_grad", "column_finish", blocks(ceil(s.C, threads/32), threads), sum, work, parts, s.C, add)
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
