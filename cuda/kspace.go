package cuda

import "voxgrad/device"

// place panics unless at lies in s; the result is its linear index in one channel.
func (o *op) place(s device.Shape, at [3]int) int {
	for a, n := range s.Grid() {
		o.want(0 <= at[a] && at[a] < n, "position %v is outside %v", at, s)
	}
	return (at[0]*s.H+at[1])*s.W + at[2]
}

// single panics unless s is one image of one channel.
func (o *op) single(s device.Shape) {
	o.want(s.N == 1 && s.C == 1, "%v is not one image of one channel", s)
}

// KSpacePeak takes the largest of many blocks' largest elements.
func (b *Backend) KSpacePeak(peak, re, im device.Tensor) {
	o := b.begin("KSpacePeak")
	if o == nil {
		return
	}
	defer o.end()
	pp, rp, ip := o.ptr("peak", peak), o.ptr("re", re), o.ptr("im", im)
	o.want(peak.Shape == device.Vec(2) && re.Shape == im.Shape, "peak %v, re %v, im %v", peak.Shape, re.Shape, im.Shape)
	o.single(re.Shape)
	o.apart(peak, re, im)
	l := o.shares(re.Len(), 4)
	part := o.workspace(2 * l.Grid.X)
	o.launch("kspace", "kspace_peak_part", l, part, rp, ip, re.Len())
	o.launch("kspace", "kspace_peak_finish", blocks(1, threads), pp, part, l.Grid.X)
}

// KSpaceSpike changes two elements.
func (b *Backend) KSpaceSpike(re, im, peak device.Tensor, at [3]int, ratio float64) {
	o := b.begin("KSpaceSpike")
	if o == nil {
		return
	}
	defer o.end()
	rp, ip, pp := o.ptr("re", re), o.ptr("im", im), o.ptr("peak", peak)
	o.want(peak.Shape == device.Vec(2) && re.Shape == im.Shape, "re %v, im %v, peak %v", re.Shape, im.Shape, peak.Shape)
	o.single(re.Shape)
	o.apart(re, im, peak)
	o.apart(im, peak)
	o.launch("kspace", "kspace_spike", blocks(1, 1), rp, ip, pp, o.place(re.Shape, at), float32(ratio))
}

// SpikeInImage adds up turns in float64.
func (b *Backend) SpikeInImage(y, x, peak device.Tensor, at [3]int, ratio float64) {
	o := b.begin("SpikeInImage")
	if o == nil {
		return
	}
	defer o.end()
	yp, xp, pp := o.ptr("y", y), o.ptr("x", x), o.ptr("peak", peak)
	o.want(y.Shape == x.Shape && peak.Shape == device.Vec(2), "y %v, x %v, peak %v", y.Shape, x.Shape, peak.Shape)
	o.apart(y, peak)
	o.place(x.Shape, at)
	var turns [3]int // of a voxel, in parts of the extent; 0 … extent − 1
	for a, n := range x.Grid() {
		turns[a] = (at[a] - n/2 + n) % n
	}
	l, lines := o.perLine(x.Shape)
	o.launch("kspace", "spike_in_image", l, yp, xp, pp, lines, x.D, x.H, x.W, x.C, turns[0], turns[1], turns[2], float32(ratio/float64(x.Voxels())))
}
