package cpu

import (
	"math"

	"voxgrad/device"
)

// RegionStats takes the mean in a first pass and the deviations from it in a second.
func (b *Backend) RegionStats(stats, x, mask device.Tensor) {
	if b.failed() {
		return
	}
	const op = "RegionStats"
	sd, xd, md := b.get(op, "stats", stats), b.get(op, "x", x), b.get(op, "mask", mask)
	want(op, stats.Shape == device.Vec(2) && mask.Shape == x.Shape, "stats %v, x %v, mask %v", stats.Shape, x.Shape, mask.Shape)
	apart(op, stats, x, mask)
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
func (b *Backend) Select(y, mask, p, q device.Tensor) {
	if b.failed() {
		return
	}
	const op = "Select"
	yd, md, pd, qd := b.get(op, "y", y), b.get(op, "mask", mask), b.get(op, "a", p), b.get(op, "b", q)
	want(op, y.Shape == mask.Shape && y.Shape == p.Shape && y.Shape == q.Shape,
		"y %v, mask %v, a %v, b %v", y.Shape, mask.Shape, p.Shape, q.Shape)
	apart(op, y, mask)
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
