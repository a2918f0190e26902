package cpu

import "voxgrad/device"

// sample is the part of batch that PutSample writes and TakeSample reads.
func sample(op string, batch []float32, s device.Shape, n int, x device.Shape) []float32 {
	want(op, 0 <= n && n < s.N, "no sample %d in batch %v", n, s)
	one := s
	one.N = 1
	want(op, x == one, "x %v, batch %v", x, s)
	return batch[n*one.Len():][:one.Len()]
}

// PutSample copies into the batch.
func (b *Backend) PutSample(batch device.Tensor, n int, x device.Tensor) {
	if b.failed() {
		return
	}
	const op = "PutSample"
	bd, xd := b.get(op, "batch", batch), b.get(op, "x", x)
	to := sample(op, bd, batch.Shape, n, x.Shape)
	apart(op, batch, x)
	elements(len(to), func(lo, hi int) { copy(to[lo:hi], xd[lo:hi]) })
}

// TakeSample copies out of the batch.
func (b *Backend) TakeSample(x, batch device.Tensor, n int) {
	if b.failed() {
		return
	}
	const op = "TakeSample"
	xd, bd := b.get(op, "x", x), b.get(op, "batch", batch)
	from := sample(op, bd, batch.Shape, n, x.Shape)
	apart(op, x, batch)
	elements(len(from), func(lo, hi int) { copy(xd[lo:hi], from[lo:hi]) })
}
