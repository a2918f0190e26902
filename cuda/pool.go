package cuda

import "voxgrad/device"

func pooled(x device.Shape) device.Shape {
	return device.Shape{N: x.N, D: x.D / 2, H: x.H / 2, W: x.W / 2, C: x.C}
}

// MaxPool takes a NaN for the largest value.
func (b *Backend) MaxPool(y, x device.Tensor) {
	o := b.begin("MaxPool")
	if o == nil {
		return
	}
	defer o.end()
	yp, xp := o.ptr("y", y), o.ptr("x", x)
	o.want(y.Shape == pooled(x.Shape), "y %v, x %v", y.Shape, x.Shape)
	o.apart(y, x)
	width := widthOf(x.C)
	n := o.numbered(y.Len() / width)
	o.launch("pool", entry("maxpool", width), o.perElement(int(n), 1), yp, xp, n, x.D, x.H, x.W, x.C)
}

// MaxPoolGrad writes each element of dx once.
func (b *Backend) MaxPoolGrad(dx device.Into, dy, x, y device.Tensor) {
	if dx.Mode == device.Skip {
		return
	}
	o := b.begin("MaxPoolGrad")
	if o == nil {
		return
	}
	defer o.end()
	dxp, dyp, xp, yp := o.into("dx", dx), o.ptr("dy", dy), o.ptr("x", x), o.ptr("y", y)
	o.want(y.Shape == pooled(x.Shape) && dy.Shape == y.Shape && dx.Shape == x.Shape,
		"dx %v, dy %v, x %v, y %v", dx.Shape, dy.Shape, x.Shape, y.Shape)
	o.apart(dx.Tensor, dy, x, y)
	width := widthOf(x.C)
	n := o.numbered(x.N * ceil(x.D, 2) * ceil(x.H, 2) * ceil(x.W, 2) * (x.C / width))
	o.launch("pool", entry("maxpool_grad", width), o.perElement(int(n), 1), dxp, dyp, xp, yp, n, x.D, x.H, x.W, x.C, dx.Mode == device.Add)
}
