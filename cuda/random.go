package cuda

import "voxgrad/device"

// Dropout draws four words a thread.
func (o *op) Dropout(y, x device.Tensor, p float64, key uint64) {
	o.drop(device.Into{Tensor: y, Mode: device.Set}, x, p, key)
}

// DropoutGrad draws the same words again.
func (o *op) DropoutGrad(dx device.Into, dy device.Tensor, p float64, key uint64) {
	o.drop(dx, dy, p, key)
}

func (o *op) drop(y device.Into, x device.Tensor, p float64, key uint64) {
	limit := uint32(p * (1 << 32))
	o.stored(elementOf(x), "random", "dropout", PerElement(x.Len(), 4), y, x, x.Len(), limit, float32(1/(1-p)), o.numbers(uint32(key), uint32(key>>32)), y.Mode == device.Add)
}
