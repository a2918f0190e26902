package cuda

import "voxgrad/device"

// RegionStats goes through x twice: the deviations need the mean.
func (b *Backend) RegionStats(stats, x, mask device.Tensor) {
	o := b.begin("RegionStats")
	if o == nil {
		return
	}
	defer o.end()
	sp, xp, mp := o.ptr("stats", stats), o.ptr("x", x), o.ptr("mask", mask)
	o.want(stats.Shape == device.Vec(2) && mask.Shape == x.Shape, "stats %v, x %v, mask %v", stats.Shape, x.Shape, mask.Shape)
	o.apart(stats, x, mask)
	l := o.shares(x.Len(), 4)
	parts, n := l.Grid.X, x.Len()
	part, moments := o.workspace(2*2*parts), o.workspace(2*2)
	o.launch("region", "region_sums", l, part, xp, mp, n)
	o.launch("region", "region_mean", blocks(1, threads), moments, part, parts)
	o.launch("region", "region_squares", l, part, xp, mp, n, moments)
	o.launch("region", "region_deviation", blocks(1, threads), sp, part, parts, moments)
}

// RegionNoise draws words for all elements, so that the mask decides no other's.
func (b *Backend) RegionNoise(y, x, mask, stats device.Tensor, key uint64) {
	o := b.begin("RegionNoise")
	if o == nil {
		return
	}
	defer o.end()
	yp, xp, mp, sp := o.ptr("y", y), o.ptr("x", x), o.ptr("mask", mask), o.ptr("stats", stats)
	o.want(y.Shape == x.Shape && mask.Shape == x.Shape && stats.Shape == device.Vec(2), "y %v, x %v, mask %v, stats %v", y.Shape, x.Shape, mask.Shape, stats.Shape)
	o.apart(y, mask, stats)
	o.launch("region", "region_noise", o.perElement(x.Len(), 4), yp, xp, mp, sp, x.Len(), key)
}

// Select is one pass.
func (b *Backend) Select(y, mask, p, q device.Tensor) {
	o := b.begin("Select")
	if o == nil {
		return
	}
	defer o.end()
	yp, mp, pp, qp := o.ptr("y", y), o.ptr("mask", mask), o.ptr("a", p), o.ptr("b", q)
	o.want(y.Shape == mask.Shape && y.Shape == p.Shape && y.Shape == q.Shape, "y %v, mask %v, a %v, b %v", y.Shape, mask.Shape, p.Shape, q.Shape)
	o.apart(y, mask)
	o.launch("region", "region_select", o.perElement(y.Len(), 4), yp, mp, pp, qp, y.Len())
}
