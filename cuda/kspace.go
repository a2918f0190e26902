package cuda

import "voxgrad/device"

// KSpacePeak takes the largest of many blocks' largest elements.
func (o *op) KSpacePeak(peak, re, im device.Tensor) {
	l := o.shares(re.Len(), 4)
	part := o.workspace(2 * l.Grid.X)
	o.launch("kspace", "kspace_peak_part", l, part, re, im, re.Len())
	o.launch("kspace", "kspace_peak_finish", blocks(1, threads), peak, part, l.Grid.X)
}

// KSpaceSpike changes two elements.
func (o *op) KSpaceSpike(re, im, peak device.Tensor, at [3]int, ratio float64) {
	o.launch("kspace", "kspace_spike", blocks(1, 1), re, im, peak, (at[0]*re.H+at[1])*re.W+at[2], float32(ratio))
}

// SpikeInImage adds up turns in float64.
func (o *op) SpikeInImage(y, x, peak device.Tensor, at [3]int, ratio float64) {
	var turns [3]int // of a voxel, in parts of the extent; 0 … extent − 1
	for a, n := range x.Grid() {
		turns[a] = (at[a] - n/2 + n) % n
	}
	l, lines := o.perLine(x.Shape)
	o.launch("kspace", "spike_in_image", l, y, x, peak, lines, x.D, x.H, x.W, x.C, turns[0], turns[1], turns[2], float32(ratio/float64(x.Voxels())))
}
