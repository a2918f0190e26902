package cuda

import (
	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// PutSample copies into a part of batch, in what batch is stored in.
func (o *op) PutSample(batch device.Tensor, n int, x device.Tensor) {
	e := elementOf(batch)
	x = o.storedAs(x, e)
	if !wholeWords(x) {
		all, one := o.temporary(batch.Shape, fp32), o.storedAs(x, fp32)
		o.convert(all, batch)
		o.copySample(sample(all, n, one), ptr(one), one)
		o.convert(batch, all)
		return
	}
	o.copySample(sample(batch, n, x), ptr(x), x)
}

// TakeSample copies a part of batch.
func (o *op) TakeSample(x, batch device.Tensor, n int) {
	e := elementOf(batch)
	if one := o.at(0, x.Shape, e); !wholeWords(one) {
		batch = o.storedAs(batch, fp32)
		e = fp32
	}
	to := x
	if elementOf(x) != e {
		to = o.temporary(x.Shape, e)
	}
	o.copySample(ptr(to), sample(batch, n, to), to)
	if to.Mem != x.Mem {
		o.convert(x, to)
	}
}

// storedAs is a tensor in that type: itself, or in a workspace.
func (o *op) storedAs(x device.Tensor, e element) device.Tensor {
	if elementOf(x) == e {
		return x
	}
	y := o.temporary(x.Shape, e)
	o.convert(y, x)
	return y
}

// wholeWords reports whether the samples of a batch of x start at whole words.
func wholeWords(x device.Tensor) bool { return elementOf(x) == fp32 || x.Len()%2 == 0 }

// sample is where sample n, of the shape and type of x, begins.
func sample(batch device.Tensor, n int, x device.Tensor) driver.Ptr {
	return ptr(batch) + driver.Ptr(elementOf(x).bytes(n*x.Len()))
}

// copySample copies the words of x, one by one where one of the two does not start at a multiple of 16 bytes.
func (o *op) copySample(dst, src driver.Ptr, x device.Tensor) {
	name, words := "copy", int(elementOf(x).bytes(x.Len())/4)
	if (dst|src)%16 != 0 {
		name = "copy_words"
	}
	o.launch("memory", name, PerElement(words, 4), dst, src, words)
}
