package cuda

import "voxgrad/device"

// MaxPool takes a NaN for the largest value.
func (o *op) MaxPool(y, x device.Tensor) {
	width := widthOf(x.C)
	n := o.numbered(y.Len() / width)
	o.stored(elementOf(x), "pool", entry("maxpool", width), PerElement(int(n), 1), y, x, n, x.D, x.H, x.W, x.C)
}

// MaxPoolGrad writes each element of dx once.
func (o *op) MaxPoolGrad(dx device.Into, dy, x, y device.Tensor) {
	width := widthOf(x.C)
	n := o.numbered(x.N * ceil(x.D, 2) * ceil(x.H, 2) * ceil(x.W, 2) * (x.C / width))
	o.stored(elementOf(x), "pool", entry("maxpool_grad", width), PerElement(int(n), 1), dx, dy, x, y, ptr(dx.Mask), n, x.D, x.H, x.W, x.C, dx.Mode == device.Add)
}
