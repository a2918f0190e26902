package cuda

import "voxgrad/device"

// ReLUGrad passes dy where y is positive.
func (b *Backend) ReLUGrad(dx device.Into, dy, y device.Tensor) {
	if dx.Mode == device.Skip {
		return
	}
	o := b.begin("ReLUGrad")
	if o == nil {
		return
	}
	defer o.end()
	dxp, dyp, yp := o.into("dx", dx), o.ptr("dy", dy), o.ptr("y", y)
	o.want(dx.Shape == y.Shape && dy.Shape == y.Shape, "dx %v, dy %v, y %v", dx.Shape, dy.Shape, y.Shape)
	o.apartInto(dx, dy, y)
	o.launch("relu", "relu_grad", o.perElement(y.Len(), 4), dxp, dyp, yp, y.Len(), dx.Mode == device.Add)
}
