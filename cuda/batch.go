package cuda

import (
	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// PutSample copies into a part of batch.
func (o *op) PutSample(batch device.Tensor, n int, x device.Tensor) {
	o.copySample(sample(batch, n, x), ptr(x), x)
}

// TakeSample copies a part of batch.
func (o *op) TakeSample(x, batch device.Tensor, n int) {
	o.copySample(ptr(x), sample(batch, n, x), x)
}

// sample is where sample n, of the shape of x, begins.
func sample(batch device.Tensor, n int, x device.Tensor) driver.Ptr {
	return ptr(batch) + driver.Ptr(4*n*x.Len())
}

// copySample copies words where one of the two does not start at a multiple of 16 bytes.
func (o *op) copySample(dst, src driver.Ptr, x device.Tensor) {
	name := "copy"
	if (dst|src)%16 != 0 {
		name = "copy_words"
	}
	o.launch("memory", name, PerElement(x.Len(), 4), dst, src, x.Len())
}
