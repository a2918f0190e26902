package ref

import (
	"math"

	"voxgrad/device"
)

// RegionStats implements device.Region.
func (b loops[F]) RegionStats(stats, x, mask device.Tensor) {
	sd, xd, md := b.data(stats), b.data(x), b.data(mask)
	sum, n := 0.0, 0.0
	for i, v := range xd {
		if md[i] > 0.5 {
			sum, n = sum+float64(v), n+1
		}
	}
	sd[0], sd[1] = 0, 0
	if n == 0 {
		return
	}
	mean, square := sum/n, 0.0
	for i, v := range xd {
		if md[i] > 0.5 {
			square += (float64(v) - mean) * (float64(v) - mean)
		}
	}
	sd[0], sd[1] = F(mean), F(math.Sqrt(square/n))
}

// RegionNoise implements device.Region.
func (b loops[F]) RegionNoise(y, x, mask, stats device.Tensor, key uint64) {
	yd, xd, md, sd := b.data(y), b.data(x), b.data(mask), b.data(stats)
	for i := range yd {
		yd[i] = xd[i]
		if md[i] > 0.5 {
			yd[i] = F(float64(sd[0]) + float64(sd[1])*standardNormal(key, i))
		}
	}
}

// Select implements device.Region.
func (b loops[F]) Select(y, mask, p, q device.Tensor) {
	yd, md, pd, qd := b.data(y), b.data(mask), b.data(p), b.data(q)
	for i := range yd {
		if md[i] > 0.5 {
			yd[i] = pd[i]
		} else {
			yd[i] = qd[i]
		}
	}
}
