package cuda

import (
	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// Blend is one pass.
func (b *Backend) Blend(y, x, z device.Tensor, p, q float64) {
	o := b.begin("Blend")
	if o == nil {
		return
	}
	defer o.end()
	yp, xp, zp := o.ptr("y", y), o.ptr("x", x), o.ptr("z", z)
	o.want(y.Shape == x.Shape && y.Shape == z.Shape, "y %v, x %v, z %v", y.Shape, x.Shape, z.Shape)
	o.launch("intensity", "blend", o.perElement(y.Len(), 4), yp, xp, zp, y.Len(), float32(p), float32(q))
}

// Min takes the minimum of many blocks' minima.
func (b *Backend) Min(least, x device.Tensor) {
	o := b.begin("Min")
	if o == nil {
		return
	}
	defer o.end()
	lp, xp := o.ptr("least", least), o.ptr("x", x)
	o.want(least.Shape == device.Scalar(), "least %v", least.Shape)
	o.apart(least, x)
	l := o.shares(x.Len(), 4)
	part := o.workspace(l.Grid.X)
	o.launch("intensity", "min_part", l, part, xp, x.Len())
	o.launch("intensity", "min_finish", blocks(1, threads), lp, part, l.Grid.X)
}

// perLine is the launch of a kernel with a warp for every line along W.
func (o *op) perLine(s device.Shape) (l driver.Launch, lines int) {
	lines = s.N * s.D * s.H
	o.numbered(lines)
	o.numbered(s.W * s.C)
	return blocks(ceil(lines, threads/32), threads), lines
}

// BiasField is computed in float64 up to the exponential.
func (b *Backend) BiasField(y, x, coef device.Tensor, order int) {
	o := b.begin("BiasField")
	if o == nil {
		return
	}
	defer o.end()
	yp, xp, cp := o.ptr("y", y), o.ptr("x", x), o.ptr("coef", coef)
	o.want(0 <= order && order <= 4, "order %d is not 0 … 4", order)
	o.want(y.Shape == x.Shape && coef.Shape == device.Vec((order+1)*(order+2)*(order+3)/6), "y %v, x %v, coef %v, order %d", y.Shape, x.Shape, coef.Shape, order)
	o.apart(y, coef)
	l, lines := o.perLine(x.Shape)
	o.launch("intensity", "bias_field", l, yp, xp, cp, lines, x.D, x.H, x.W, x.C, order)
}

// Noise draws four words a thread.
func (b *Backend) Noise(y, x device.Tensor, sd float64, key uint64) {
	o := b.begin("Noise")
	if o == nil {
		return
	}
	defer o.end()
	yp, xp := o.ptr("y", y), o.ptr("x", x)
	o.want(y.Shape == x.Shape, "y %v, x %v", y.Shape, x.Shape)
	o.launch("intensity", "noise", o.perElement(x.Len(), 4), yp, xp, x.Len(), float32(sd), key)
}
