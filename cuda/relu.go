package cuda

import "voxgrad/device"

// ReLUGrad passes dy where y is positive.
func (o *op) ReLUGrad(dx device.Into, dy, y device.Tensor) {
	o.stored(elementOf(y), "relu", "relu_grad", PerElement(y.Len(), 4), dx, dy, y, y.Len(), dx.Mode == device.Add)
}
