package cuda

import (
	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// PutSample copies into a part of batch.
func (b *Backend) PutSample(batch device.Tensor, n int, x device.Tensor) {
	o := b.begin("PutSample")
	if o == nil {
		return
	}
	defer o.end()
	bp, xp := o.ptr("batch", batch), o.ptr("x", x)
	o.copySample(bp+o.sample(batch, n, x), xp, x)
}

// TakeSample copies a part of batch.
func (b *Backend) TakeSample(x, batch device.Tensor, n int) {
	o := b.begin("TakeSample")
	if o == nil {
		return
	}
	defer o.end()
	xp, bp := o.ptr("x", x), o.ptr("batch", batch)
	o.copySample(xp, bp+o.sample(batch, n, x), x)
}

// sample is where sample n begins, of the shape of x.
func (o *op) sample(batch device.Tensor, n int, x device.Tensor) driver.Ptr {
	one := batch.Shape
	one.N = 1
	o.want(0 <= n && n < batch.N, "no sample %d in batch %v", n, batch.Shape)
	o.want(x.Shape == one, "x %v, batch %v", x.Shape, batch.Shape)
	o.apart(batch, x)
	return driver.Ptr(4 * n * x.Len())
}

// copySample copies words where one of the two does not start at a multiple of 16 bytes.
func (o *op) copySample(dst, src driver.Ptr, x device.Tensor) {
	name := "copy"
	if (dst|src)%16 != 0 {
		name = "copy_words"
	}
	o.launch("memory", name, o.perElement(x.Len(), 4), dst, src, x.Len())
}
