package ref

import (
	"voxgrad/device"
	"voxgrad/internal/rng"
)

// drop is x/(1−p) where kept, else 0.
func drop[F ~float32 | ~float64](x []F, p float64, key uint64) []float64 {
	limit := uint32(p * (1 << 32))
	y := make([]float64, len(x))
	for i, v := range x {
		if rng.Word(key, uint64(i)) >= limit {
			y[i] = float64(v) / (1 - p)
		}
	}
	return y
}

// Dropout implements device.Random.
func (b loops[F]) Dropout(y, x device.Tensor, p float64, key uint64) {
	yd, xd := b.data(y), b.data(x)
	for i, v := range drop(xd, p, key) {
		yd[i] = F(v)
	}
}

// DropoutGrad implements device.Random.
func (b loops[F]) DropoutGrad(dx device.Into, dy device.Tensor, p float64, key uint64) {
	dyd := b.data(dy)
	b.put(dx, drop(dyd, p, key))
}
