package cuda

import (
	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// Dropout draws four words a thread.
func (b *Backend) Dropout(y, x device.Tensor, p float64, key uint64) {
	o := b.begin("Dropout")
	if o == nil {
		return
	}
	defer o.end()
	yp, xp := o.ptr("y", y), o.ptr("x", x)
	o.want(y.Shape == x.Shape, "y %v, x %v", y.Shape, x.Shape)
	o.drop(yp, xp, x.Len(), p, key, false)
}

// DropoutGrad draws the same words again.
func (b *Backend) DropoutGrad(dx device.Into, dy device.Tensor, p float64, key uint64) {
	if dx.Mode == device.Skip {
		return
	}
	o := b.begin("DropoutGrad")
	if o == nil {
		return
	}
	defer o.end()
	dxp, dyp := o.into("dx", dx), o.ptr("dy", dy)
	o.want(dx.Shape == dy.Shape, "dx %v, dy %v", dx.Shape, dy.Shape)
	o.apartInto(dx, dy)
	o.drop(dxp, dyp, dy.Len(), p, key, dx.Mode == device.Add)
}

func (o *op) drop(y, x driver.Ptr, n int, p float64, key uint64, add bool) {
	o.want(p >= 0 && p < 1, "probability %v is not in [0, 1)", p)
	limit := uint32(p * (1 << 32))
	o.launch("random", "dropout", o.perElement(n, 4), y, x, n, limit, float32(1/(1-p)), key, add)
}
