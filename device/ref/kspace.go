package ref

import (
	"math"

	"voxgrad/device"
)

// wantSingle panics unless s is one image of one channel.
func wantSingle(op string, s device.Shape) {
	want(op, s.N == 1 && s.C == 1, "%v is not one image of one channel", s)
}

// wantPosition panics unless at lies in s.
func wantPosition(op string, s device.Shape, at [3]int) {
	for a, n := range s.Grid() {
		want(op, 0 <= at[a] && at[a] < n, "position %v is outside %v", at, s)
	}
}

// KSpacePeak implements device.Spectrum.
func (b *Backend[F]) KSpacePeak(peak, re, im device.Tensor) {
	const op = "KSpacePeak"
	pd, rd, id := b.get(op, "peak", peak), b.get(op, "re", re), b.get(op, "im", im)
	want(op, peak.Shape == device.Vec(2) && re.Shape == im.Shape, "peak %v, re %v, im %v", peak.Shape, re.Shape, im.Shape)
	wantSingle(op, re.Shape)
	apart(op, peak, re, im)
	r, i := rd[0], id[0]
	for k := range rd {
		if rd[k] > r || rd[k] == r && id[k] > i {
			r, i = rd[k], id[k]
		}
	}
	pd[0], pd[1] = r, i
}

// KSpaceSpike implements device.Spectrum.
func (b *Backend[F]) KSpaceSpike(re, im, peak device.Tensor, at [3]int, ratio float64) {
	const op = "KSpaceSpike"
	rd, id, pd := b.get(op, "re", re), b.get(op, "im", im), b.get(op, "peak", peak)
	want(op, peak.Shape == device.Vec(2) && re.Shape == im.Shape, "re %v, im %v, peak %v", re.Shape, im.Shape, peak.Shape)
	wantSingle(op, re.Shape)
	wantPosition(op, re.Shape, at)
	apart(op, re, im, peak)
	apart(op, im, peak)
	k := voxel(re.Shape, 0, at)
	rd[k] = F(float64(rd[k]) + ratio*float64(pd[0]))
	id[k] = F(float64(id[k]) + ratio*float64(pd[1]))
}

// SpikeInImage implements device.Spectrum.
func (b *Backend[F]) SpikeInImage(y, x, peak device.Tensor, at [3]int, ratio float64) {
	const op = "SpikeInImage"
	yd, xd, pd := b.get(op, "y", y), b.get(op, "x", x), b.get(op, "peak", peak)
	want(op, y.Shape == x.Shape && peak.Shape == device.Vec(2), "y %v, x %v, peak %v", y.Shape, x.Shape, peak.Shape)
	wantPosition(op, x.Shape, at)
	apart(op, y, peak)
	size := x.Grid()
	voxels(x.Shape, func(_ int, i [3]int, k int) {
		turns := 0.0
		for a, n := range size {
			turns += float64((at[a]-n/2)*i[a]%n) / float64(n)
		}
		sin, cos := math.Sincos(2 * math.Pi * turns)
		wave := ratio / float64(x.Voxels()) * (float64(pd[0])*cos - float64(pd[1])*sin)
		for c := range x.C {
			yd[k+c] = F(float64(xd[k+c]) + wave)
		}
	})
}
