package ref

import "voxgrad/device"

// sample is the part of batch that PutSample writes and TakeSample reads.
func sample[F any](op string, batch []F, s device.Shape, n int, x device.Shape) []F {
	want(op, 0 <= n && n < s.N, "no sample %d in batch %v", n, s)
	one := s
	one.N = 1
	want(op, x == one, "x %v, batch %v", x, s)
	return row(batch, n, one.Len())
}

// PutSample implements device.Batch.
func (b *Backend[F]) PutSample(batch device.Tensor, n int, x device.Tensor) {
	const op = "PutSample"
	bd, xd := b.get(op, "batch", batch), b.get(op, "x", x)
	apart(op, batch, x)
	copy(sample(op, bd, batch.Shape, n, x.Shape), xd)
}

// TakeSample implements device.Batch.
func (b *Backend[F]) TakeSample(x, batch device.Tensor, n int) {
	const op = "TakeSample"
	xd, bd := b.get(op, "x", x), b.get(op, "batch", batch)
	apart(op, x, batch)
	copy(xd, sample(op, bd, batch.Shape, n, x.Shape))
}
