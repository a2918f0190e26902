package cpu

import (
	"math"

	"voxgrad/device"
	"voxgrad/internal/rng"
)

// Dropout draws four words at a time.
func (b *engine) Dropout(y, x device.Tensor, p float64, key uint64) {
	yd, xd := data(y), data(x)
	drop(yd, xd, p, key, false)
}

// DropoutGrad draws the same words again.
func (b *engine) DropoutGrad(dx device.Into, dy device.Tensor, p float64, key uint64) {
	dxd, dyd := data(dx.Tensor), data(dy)
	drop(dxd, dyd, p, key, dx.Mode == device.Add)
}

func drop(y, x []float32, p float64, key uint64, add bool) {
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

// drawn is how many numbers are drawn at a time, so that they stay in the first cache.
const drawn = 256

// normals draws the numbers of the elements from lo, a multiple of four, on.
func (b *engine) normals(z *[drawn]float32, key uint64, lo int) {
	first := uint64(lo) / 4
	if b.simd && first+drawn/4 <= math.MaxUint32 {
		var words [drawn]uint32
		philoxAVX2(&words[0], key, uint32(first), drawn/32)
		normalsAVX2(&z[0], &words[0], drawn, rng.NormalTable())
		return
	}
	for i := 0; i < drawn; i += 4 {
		for k, w := range rng.Philox(key, first+uint64(i)/4) {
			z[i+k] = rng.Normal32(w)
		}
	}
}
