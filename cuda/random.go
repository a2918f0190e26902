package cuda

import (
	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// Dropout draws four words a thread.
func (o *op) Dropout(y, x device.Tensor, p float64, key uint64) {
	o.drop(ptr(y), ptr(x), x.Len(), p, key, false)
}

// DropoutGrad draws the same words again.
func (o *op) DropoutGrad(dx device.Into, dy device.Tensor, p float64, key uint64) {
	o.drop(into(dx), ptr(dy), dy.Len(), p, key, dx.Mode == device.Add)
}

func (o *op) drop(y, x driver.Ptr, n int, p float64, key uint64, add bool) {
	limit := uint32(p * (1 << 32))
	o.launch("random", "dropout", PerElement(n, 4), y, x, n, limit, float32(1/(1-p)), o.numbers(uint32(key), uint32(key>>32)), add)
}
