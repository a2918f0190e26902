package cuda

import (
	"math"

	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// checkConv holds what x, w and y of a convolution must satisfy, and the sizes
// that the kernels count in 32 bits.
func (o *op) checkConv(x, w, y device.Shape, win device.ConvParams) {
	o.want(win.K > 0 && win.Stride > 0 && win.Pad >= 0, "no such window: %+v", win)
	o.want(w == device.Weights(win.K, x.C, w.C) && y == win.Out(x, w.C), "x %v, w %v, y %v, window %+v", x, w, y, win)
	o.checkSizes(x, y, win)
}

func (o *op) checkSizes(x, y device.Shape, win device.ConvParams) {
	for _, s := range []device.Shape{x, y} {
		// From the first to the last position of a window in x, at most.
		step := (win.K-1)*(s.H*s.W+s.W+1)*s.C + roundUp(s.C, 8)
		o.want(s.Rows() < math.MaxInt32-1<<10 && max(step, (win.K+1)*s.H*s.W*s.C) < math.MaxInt32, "%v has too many voxels", s)
	}
	o.want(win.Stride <= 32, "a stride of %d is too large", win.Stride)
}

// Conv gathers x.
func (b *Backend) Conv(y, x, w, bias device.Tensor, win device.ConvParams, act device.Act) {
	o := b.begin("Conv")
	if o == nil {
		return
	}
	defer o.end()
	p := product{y: o.ptr("y", y), x: o.ptr("x", x), w: o.ptr("w", w), bias: o.opt("b", bias),
		in: x.Shape, out: y.Shape, win: win, relu: act == device.ReLU}
	o.checkConv(x.Shape, w.Shape, y.Shape, win)
	o.want(bias.None() || bias.Shape == device.Vec(w.C), "b %v, w %v", bias.Shape, w.Shape)
	o.want(act == device.Linear || act == device.ReLU, "no such activation: %d", act)
	o.apart(y, x, w, bias)
	o.multiply(p)
}

// ConvGradX scatters dy with the channels of w exchanged.
func (b *Backend) ConvGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	if dx.Mode == device.Skip {
		return
	}
	o := b.begin("ConvGradX")
	if o == nil {
		return
	}
	defer o.end()
	p := product{y: o.into("dx", dx), x: o.ptr("dy", dy), w: o.ptr("w", w),
		in: dy.Shape, out: dx.Shape, win: win, scattered: true, swapped: true, add: dx.Mode == device.Add}
	o.checkConv(dx.Shape, w.Shape, dy.Shape, win)
	o.apart(dx.Tensor, dy, w)
	o.multiply(p)
}

// ConvGradW gathers x.
func (b *Backend) ConvGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	if dw.Mode == device.Skip && db.Mode == device.Skip {
		return
	}
	o := b.begin("ConvGradW")
	if o == nil {
		return
	}
	defer o.end()
	xp, dyp, dwp, dbp := o.ptr("x", x), o.ptr("dy", dy), o.into("dw", dw), o.into("db", db)
	ws := device.Weights(win.K, x.C, dy.C)
	o.checkConv(x.Shape, ws, dy.Shape, win)
	o.checkGradW(dw, db, x, dy, ws)
	if dw.Mode != device.Skip {
		o.outer(outer{dw: dwp, gathered: xp, plain: dyp, g: x.Shape, p: dy.Shape, win: win, add: dw.Mode == device.Add})
	}
	if db.Mode != device.Skip {
		o.columnSums(dbp, dyp, dy.Shape, db.Mode == device.Add)
	}
}

func (o *op) checkGradW(dw, db device.Into, x, dy device.Tensor, ws device.Shape) {
	o.want(fits(dw, ws) && fits(db, device.Vec(dy.C)), "dw %v, db %v, x %v, dy %v", dw.Shape, db.Shape, x.Shape, dy.Shape)
	o.apartInto(dw, device.Tensor{}, x, dy)
	if db.Mode != device.Skip {
		o.apart(db.Tensor, x, dy, dw.Tensor)
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
	in, out       device.Shape
	win           device.ConvParams
	scattered     bool // input voxel u meets output u·Stride − Pad + k; else output v meets input v·Stride − Pad + k
	swapped       bool // w is [k, output channel, input channel]
	relu, add     bool
}

// multiply runs a product.
func (o *op) multiply(p product) {
	t, kernel, rows := tileFor(p.out.C), "conv_", roundUp(p.in.C, 8)
	module := "conv"
	if p.in.C%4 != 0 {
		module, kernel, rows = "conv_flat", "conv_flat_", p.in.C
		if t != thin {
			t = slim
		}
	}
	pitch := roundUp(p.out.C, t.cols)
	w := o.packed(p, rows, pitch)
	classes, voxels := 1, p.out.Rows()
	if s := p.win.Stride; p.scattered && s > 1 {
		classes = s * s * s
		voxels = p.out.N * ceil(p.out.D, s) * ceil(p.out.H, s) * ceil(p.out.W, s)
	}
	l := driver.Launch{Grid: driver.Dim{X: ceil(voxels, t.rows), Y: pitch / t.cols, Z: classes}, Block: driver.D1(t.threads)}
	o.launch(module, kernel+t.name, l, p.y, p.x, w, p.bias, p.in.N, p.in.D, p.in.H, p.in.W, p.in.C,
		p.out.D, p.out.H, p.out.W, p.out.C, p.win.K, p.win.Stride, p.win.Pad, p.scattered, rows, pitch, p.relu, p.add)
}

// packed is the weights with rows input and pitch output channels a kernel
// position, zero beyond their own: w itself if it has them.
func (o *op) packed(p product, rows, pitch int) driver.Ptr {
	if !p.swapped && rows == p.in.C && pitch == p.out.C {
		return p.w
	}
	n := p.win.K * p.win.K * p.win.K * rows * pitch
	packed := o.workspace(n)
	o.launch("conv_pack", "pack_weights", o.perElement(n, 1), packed, p.w, n, rows, pitch, p.in.C, p.out.C, p.swapped)
	return packed
}

// roundUp is the first multiple of d not below n.
func roundUp(n, d int) int { return ceil(n, d) * d }
