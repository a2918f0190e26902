package ref

import "voxgrad/device"

// PutSample implements device.Batch.
func (b loops[F]) PutSample(batch device.Tensor, n int, x device.Tensor) {
	copy(row(b.data(batch), n, x.Len()), b.data(x))
}

// TakeSample implements device.Batch.
func (b loops[F]) TakeSample(x, batch device.Tensor, n int) {
	copy(b.data(x), row(b.data(batch), n, x.Len()))
}
