package cuda

import "voxgrad/device"

// RegionStats goes through x twice: the deviations need the mean.
func (o *op) RegionStats(stats, x, mask device.Tensor) {
	l := o.shares(x.Len(), 4)
	parts, n := l.Grid.X, x.Len()
	part, moments := o.workspace(2*2*parts), o.workspace(2*2)
	o.launch("region", "region_sums", l, part, x, mask, n)
	o.launch("region", "region_mean", blocks(1, threads), moments, part, parts)
	o.launch("region", "region_squares", l, part, x, mask, n, moments)
	o.launch("region", "region_deviation", blocks(1, threads), stats, part, parts, moments)
}

// RegionNoise draws words for all elements, so that the mask decides no other's.
func (o *op) RegionNoise(y, x, mask, stats device.Tensor, key uint64) {
	o.launch("region", "region_noise", PerElement(x.Len(), 4), y, x, mask, stats, x.Len(), key)
}

// Select is one pass.
func (o *op) Select(y, mask, p, q device.Tensor) {
	o.launch("region", "region_select", PerElement(y.Len(), 4), y, mask, p, q, y.Len())
}
