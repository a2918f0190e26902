package cpu

import (
	"voxgrad/device"
	"voxgrad/internal/rng"
)

// Dropout draws four words at a time.
func (b *Backend) Dropout(y, x device.Tensor, p float64, key uint64) {
	if b.failed() {
		return
	}
	const op = "Dropout"
	yd, xd := b.get(op, "y", y), b.get(op, "x", x)
	want(op, y.Shape == x.Shape, "y %v, x %v", y.Shape, x.Shape)
	drop(op, yd, xd, p, key, false)
}

// DropoutGrad draws the same words again.
func (b *Backend) DropoutGrad(dx device.Into, dy device.Tensor, p float64, key uint64) {
	if dx.Mode == device.Skip || b.failed() {
		return
	}
	const op = "DropoutGrad"
	dxd, dyd := b.get(op, "dx", dx.Tensor), b.get(op, "dy", dy)
	want(op, dx.Shape == dy.Shape, "dx %v, dy %v", dx.Shape, dy.Shape)
	apartInto(op, dx, dy)
	drop(op, dxd, dyd, p, key, dx.Mode == device.Add)
}

func drop(op string, y, x []float32, p float64, key uint64, add bool) {
	want(op, p >= 0 && p < 1, "probability %v is not in [0, 1)", p)
	limit := uint32(p * (1 << 32))
	scale := float32(1 / (1 - p))
	elements(len(x), func(lo, hi int) { // span is a multiple of four
		for ; lo < hi; lo += 4 {
			words := rng.Philox(key, uint64(lo)/4)
			for i := lo; i < min(lo+4, hi); i++ {
				v := float32(0)
				if words[i-lo] >= limit {
					v = x[i] * scale
				}
				if add {
					v += y[i]
				}
				y[i] = v
			}
		}
	})
}
