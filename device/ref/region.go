package ref

import (
	"math"

	"voxgrad/device"
)

// RegionStats implements device.Region.
func (b *Backend[F]) RegionStats(stats, x, mask device.Tensor) {
	const op = "RegionStats"
	sd, xd, md := b.get(op, "stats", stats), b.get(op, "x", x), b.get(op, "mask", mask)
	want(op, stats.Shape == device.Vec(2) && mask.Shape == x.Shape, "stats %v, x %v, mask %v", stats.Shape, x.Shape, mask.Shape)
	apart(op, stats, x, mask)
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
func (b *Backend[F]) RegionNoise(y, x, mask, stats device.Tensor, key uint64) {
	const op = "RegionNoise"
	yd, xd, md, sd := b.get(op, "y", y), b.get(op, "x", x), b.get(op, "mask", mask), b.get(op, "stats", stats)
	want(op, y.Shape == x.Shape && mask.Shape == x.Shape && stats.Shape == device.Vec(2),
		"y %v, x %v, mask %v, stats %v", y.Shape, x.Shape, mask.Shape, stats.Shape)
	apart(op, y, mask, stats)
	for i := range yd {
		yd[i] = xd[i]
		if md[i] > 0.5 {
			yd[i] = F(float64(sd[0]) + float64(sd[1])*standardNormal(key, i))
		}
	}
}

// Select implements device.Region.
func (b *Backend[F]) Select(y, mask, p, q device.Tensor) {
	const op = "Select"
	yd, md, pd, qd := b.get(op, "y", y), b.get(op, "mask", mask), b.get(op, "a", p), b.get(op, "b", q)
	want(op, y.Shape == mask.Shape && y.Shape == p.Shape && y.Shape == q.Shape,
		"y %v, mask %v, a %v, b %v", y.Shape, mask.Shape, p.Shape, q.Shape)
	apart(op, y, mask)
	for i := range yd {
		if md[i] > 0.5 {
			yd[i] = pd[i]
		} else {
			yd[i] = qd[i]
		}
	}
}
