package ref

import (
	"voxgrad/device"
	"voxgrad/internal/rng"
)

// drop is x/(1−p) where kept, else 0.
func drop[F ~float32 | ~float64](op string, x []F, p float64, key uint64) []float64 {
	want(op, p >= 0 && p < 1, "probability %v is not in [0, 1)", p)
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
func (b *Backend[F]) Dropout(y, x device.Tensor, p float64, key uint64) {
	const op = "Dropout"
	yd, xd := b.get(op, "y", y), b.get(op, "x", x)
	want(op, y.Shape == x.Shape, "y %v, x %v", y.Shape, x.Shape)
	for i, v := range drop(op, xd, p, key) {
		yd[i] = F(v)
	}
}

// DropoutGrad implements device.Random.
func (b *Backend[F]) DropoutGrad(dx device.Into, dy device.Tensor, p float64, key uint64) {
	const op = "DropoutGrad"
	if dx.Mode == device.Skip {
		return
	}
	dyd := b.get(op, "dy", dy)
	want(op, dx.Shape == dy.Shape, "dx %v, dy %v", dx.Shape, dy.Shape)
	mayAlias(op, dx, dy)
	b.put(op, "dx", dx, drop(op, dyd, p, key))
}
