package cpu

import "voxgrad/device"

// PutSample copies into the batch.
func (b *engine) PutSample(batch device.Tensor, n int, x device.Tensor) {
	to, xd := data(batch)[n*x.Len():][:x.Len()], data(x)
	elements(len(to), func(lo, hi int) { copy(to[lo:hi], xd[lo:hi]) })
}

// TakeSample copies out of the batch.
func (b *engine) TakeSample(x, batch device.Tensor, n int) {
	xd, from := data(x), data(batch)[n*x.Len():][:x.Len()]
	elements(len(from), func(lo, hi int) { copy(xd[lo:hi], from[lo:hi]) })
}
