package meta

import "voxgrad/device"

// part is n elements of t, for a call that touches no more.
func part(t device.Tensor, n int) device.Tensor {
	t.Shape = device.Vec(n)
	return t
}

// AlongAxis counts a multiplication and an addition for each coefficient, zeros as well.
func (b *Backend) AlongAxis(y device.Into, x, m device.Tensor, axis int) {
	if y.Mode != device.Skip {
		b.call("AlongAxis", 2*int64(y.Len())*int64(m.C), list(x, m), y)
	}
}

// Orient counts.
func (b *Backend) Orient(y, x device.Tensor, perm [3]int, flip [3]bool) {
	b.call("Orient", 0, list(y, x))
}

// Resample counts one read of x.
func (b *Backend) Resample(y, x, outside device.Tensor, to [3][4]float64) {
	b.call("Resample", 0, list(y, x, outside))
}

// Blend counts.
func (b *Backend) Blend(y, x, z device.Tensor, p, q float64) { b.call("Blend", 0, list(y, x, z)) }

// Min counts.
func (b *Backend) Min(least, x device.Tensor) { b.call("Min", 0, list(least, x)) }

// BiasField counts.
func (b *Backend) BiasField(y, x, coef device.Tensor, order int) {
	b.call("BiasField", 0, list(y, x, coef))
}

// Noise counts.
func (b *Backend) Noise(y, x device.Tensor, sd float64, key uint64) { b.call("Noise", 0, list(y, x)) }

// KSpacePeak counts.
func (b *Backend) KSpacePeak(peak, re, im device.Tensor) { b.call("KSpacePeak", 0, list(peak, re, im)) }

// KSpaceSpike counts two elements, read and written.
func (b *Backend) KSpaceSpike(re, im, peak device.Tensor, at [3]int, ratio float64) {
	b.call("KSpaceSpike", 0, list(part(re, 2), part(im, 2), peak))
}

// SpikeInImage counts.
func (b *Backend) SpikeInImage(y, x, peak device.Tensor, at [3]int, ratio float64) {
	b.call("SpikeInImage", 0, list(y, x, peak))
}

// RegionStats counts one read of x and mask.
func (b *Backend) RegionStats(stats, x, mask device.Tensor) {
	b.call("RegionStats", 0, list(stats, x, mask))
}

// RegionNoise counts.
func (b *Backend) RegionNoise(y, x, mask, stats device.Tensor, key uint64) {
	b.call("RegionNoise", 0, list(y, x, mask, stats))
}

// Select counts a read of both.
func (b *Backend) Select(y, mask, p, q device.Tensor) { b.call("Select", 0, list(y, mask, p, q)) }

// PutSample counts one sample, read and written.
func (b *Backend) PutSample(batch device.Tensor, n int, x device.Tensor) {
	b.call("PutSample", 0, list(part(batch, x.Len()), x))
}

// TakeSample counts one sample, read and written.
func (b *Backend) TakeSample(x, batch device.Tensor, n int) {
	b.call("TakeSample", 0, list(x, part(batch, x.Len())))
}
