package cpu

import (
	"math"

	"voxgrad/device"
	"voxgrad/internal/rng"
)

// Dropout draws words a cache line after the other.
func (b *engine) Dropout(y, x device.Tensor, p float64, key uint64) {
	yd, xd := data(y), data(x)
	b.drop(yd, xd, p, key, false)
}

// DropoutGrad draws the same words again.
func (b *engine) DropoutGrad(dx device.Into, dy device.Tensor, p float64, key uint64) {
	dxd, dyd := data(dx.Tensor), data(dy)
	b.drop(dxd, dyd, p, key, dx.Mode == device.Add)
}

func (b *engine) drop(y, x []float32, p float64, key uint64, add bool) {
	limit := int64(p * (1 << 32))
	scale := float32(1 / (1 - p))
	elements(len(x), func(lo, hi int) { // span is a multiple of drawn
		var words [drawn]uint32
		for ; lo < hi; lo += drawn {
			b.words(&words, key, lo)
			from := x[lo:min(lo+drawn, hi)]
			to := y[lo:][:len(from)]
			for i, v := range from {
				keep := ^uint32((int64(words[i]) - limit) >> 63) // no branch, half of which would be guessed wrong
				v = math.Float32frombits(math.Float32bits(v*scale) & keep)
				if add {
					v += to[i]
				}
				to[i] = v
			}
		}
	})
}

// drawn is how many numbers are drawn at a time, so that they stay in the first cache.
const drawn = 256

// words draws the words of the elements from lo, a multiple of four, on.
func (b *engine) words(w *[drawn]uint32, key uint64, lo int) {
	first := uint64(lo) / 4
	if b.simd && first+drawn/4 <= math.MaxUint32 {
		philoxAVX2(&w[0], key, uint32(first), drawn/32)
		return
	}
	for i := 0; i < drawn; i += 4 {
		four := rng.Philox(key, first+uint64(i)/4)
		copy(w[i:], four[:])
	}
}

// normals draws the numbers of the elements from lo, a multiple of four, on.
func (b *engine) normals(z *[drawn]float32, key uint64, lo int) {
	var words [drawn]uint32
	b.words(&words, key, lo)
	if b.simd {
		normalsAVX2(&z[0], &words[0], drawn, rng.NormalTable())
		return
	}
	for i, w := range words {
		z[i] = rng.Normal32(w)
	}
}
