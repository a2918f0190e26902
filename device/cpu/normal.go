package cpu

import (
	"math"

	"voxgrad/device"
	"voxgrad/internal/rng"
)

// drawn is how many numbers are drawn at a time, so that they stay in the first cache.
const drawn = 256

// normals draws the numbers of the elements from lo, a multiple of four, on.
func (b *Backend) normals(z *[drawn]float32, key uint64, lo int) {
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

// Noise draws some numbers and adds them.
func (b *Backend) Noise(y, x device.Tensor, sd float64, key uint64) {
	if b.failed() {
		return
	}
	const op = "Noise"
	yd, xd := b.get(op, "y", y), b.get(op, "x", x)
	want(op, y.Shape == x.Shape, "y %v, x %v", y.Shape, x.Shape)
	sd32 := float32(sd)
	elements(len(yd), func(lo, hi int) {
		var z [drawn]float32
		for ; lo < hi; lo += drawn {
			b.normals(&z, key, lo)
			from := xd[lo:min(lo+drawn, hi)]
			to := yd[lo:][:len(from)]
			for i, v := range from {
				to[i] = v + sd32*z[i]
			}
		}
	})
}

// RegionNoise draws numbers only near the mask.
func (b *Backend) RegionNoise(y, x, mask, stats device.Tensor, key uint64) {
	if b.failed() {
		return
	}
	const op = "RegionNoise"
	yd, xd, md, sd := b.get(op, "y", y), b.get(op, "x", x), b.get(op, "mask", mask), b.get(op, "stats", stats)
	want(op, y.Shape == x.Shape && mask.Shape == x.Shape && stats.Shape == device.Vec(2),
		"y %v, x %v, mask %v, stats %v", y.Shape, x.Shape, mask.Shape, stats.Shape)
	apart(op, y, mask, stats)
	mean, dev := sd[0], sd[1]
	elements(len(yd), func(lo, hi int) {
		var z [drawn]float32
		for ; lo < hi; lo += drawn {
			from := xd[lo:min(lo+drawn, hi)]
			to, mask := yd[lo:][:len(from)], md[lo:][:len(from)]
			copy(to, from)
			ready := false
			for i, m := range mask {
				if m > 0.5 {
					if !ready {
						b.normals(&z, key, lo)
						ready = true
					}
					to[i] = mean + dev*z[i]
				}
			}
		}
	})
}
