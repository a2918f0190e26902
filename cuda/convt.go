package cuda

import (
	"voxgrad/device"
)

func (o *op) checkConvT(x, w, y device.Shape, win device.ConvParams) {
	o.want(win.K > 0 && win.Stride > 0 && win.Pad >= 0, "no such window: %+v", win)
	o.want(w == device.Weights(win.K, x.C, w.C) && y == win.OutT(x, w.C), "x %v, w %v, y %v, window %+v", x, w, y, win)
	o.checkSizes(x, y, win)
}

// ConvT scatters x.
func (b *Backend) ConvT(y, x, w, bias device.Tensor, win device.ConvParams) {
	o := b.begin("ConvT")
	if o == nil {
		return
	}
	defer o.end()
	p := product{y: o.ptr("y", y), x: o.ptr("x", x), w: o.ptr("w", w), bias: o.opt("b", bias),
		in: x.Shape, out: y.Shape, win: win, scattered: true}
	o.checkConvT(x.Shape, w.Shape, y.Shape, win)
	o.want(bias.None() || bias.Shape == device.Vec(w.C), "b %v, w %v", bias.Shape, w.Shape)
	o.apart(y, x, w, bias)
	o.multiply(p)
}

// ConvTGradX gathers dy with the channels of w exchanged.
func (b *Backend) ConvTGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	if dx.Mode == device.Skip {
		return
	}
	o := b.begin("ConvTGradX")
	if o == nil {
		return
	}
	defer o.end()
	p := product{y: o.into("dx", dx), x: o.ptr("dy", dy), w: o.ptr("w", w),
		in: dy.Shape, out: dx.Shape, win: win, swapped: true, add: dx.Mode == device.Add}
	o.checkConvT(dx.Shape, w.Shape, dy.Shape, win)
	o.apart(dx.Tensor, dy, w)
	o.multiply(p)
}

// ConvTGradW gathers dy.
func (b *Backend) ConvTGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	if dw.Mode == device.Skip && db.Mode == device.Skip {
		return
	}
	o := b.begin("ConvTGradW")
	if o == nil {
		return
	}
	defer o.end()
	xp, dyp, dwp, dbp := o.ptr("x", x), o.ptr("dy", dy), o.into("dw", dw), o.into("db", db)
	ws := device.Weights(win.K, x.C, dy.C)
	o.checkConvT(x.Shape, ws, dy.Shape, win)
	o.checkGradW(dw, db, x, dy, ws)
	if dw.Mode != device.Skip {
		o.outer(outer{dw: dwp, gathered: dyp, plain: xp, g: dy.Shape, p: x.Shape, win: win, swapped: true, add: dw.Mode == device.Add})
	}
	if db.Mode != device.Skip {
		o.columnSums(dbp, dyp, dy.Shape, db.Mode == device.Add)
	}
}
