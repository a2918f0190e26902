package cpu

import (
	"math"

	"voxgrad/device"
)

// RegionStats takes the mean in a first pass and the deviations from it in a second.
func (b *engine) RegionStats(stats, x, mask device.Tensor) {
	sd, xd, md := data(stats), data(x), data(mask)
	inside := rowSums(len(xd), 1, 2, func(acc []float64, lo, hi int) {
		mask := md[lo:hi]
		for i, v := range xd[lo:hi] {
			if mask[i] > 0.5 {
				acc[0] += float64(v)
				acc[1]++
			}
		}
	})
	if inside[1] == 0 {
		sd[0], sd[1] = 0, 0
		return
	}
	mean := inside[0] / inside[1]
	squares := rowSums(len(xd), 1, 1, func(acc []float64, lo, hi int) {
		mask := md[lo:hi]
		for i, v := range xd[lo:hi] {
			if mask[i] > 0.5 {
				d := float64(v) - mean
				acc[0] += d * d
			}
		}
	})
	sd[0], sd[1] = float32(mean), float32(math.Sqrt(squares[0]/inside[1]))
}

// Select copies from one or the other.
func (b *engine) Select(y, mask, p, q device.Tensor) {
	yd, md, pd, qd := data(y), data(mask), data(p), data(q)
	elements(len(yd), func(lo, hi int) {
		y, p, q := yd[lo:hi], pd[lo:hi], qd[lo:hi]
		for i, m := range md[lo:hi] {
			v := q[i]
			if m > 0.5 {
				v = p[i]
			}
			y[i] = v
		}
	})
}

// RegionNoise draws numbers only near the mask.
func (b *engine) RegionNoise(y, x, mask, stats device.Tensor, key uint64) {
	yd, xd, md, sd := data(y), data(x), data(mask), data(stats)
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
