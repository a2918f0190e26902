package ref

import (
	"math"

	"voxgrad/device"
)

// KSpacePeak implements device.KSpace.
func (b loops[F]) KSpacePeak(peak, re, im device.Tensor) {
	pd, rd, id := b.data(peak), b.data(re), b.data(im)
	r, i := rd[0], id[0]
	for k := range rd {
		if rd[k] > r || rd[k] == r && id[k] > i {
			r, i = rd[k], id[k]
		}
	}
	pd[0], pd[1] = r, i
}

// KSpaceSpike implements device.KSpace.
func (b loops[F]) KSpaceSpike(re, im, peak device.Tensor, at [3]int, ratio float64) {
	rd, id, pd := b.data(re), b.data(im), b.data(peak)
	k := voxel(re.Shape, 0, at)
	rd[k] = F(float64(rd[k]) + ratio*float64(pd[0]))
	id[k] = F(float64(id[k]) + ratio*float64(pd[1]))
}

// SpikeInImage implements device.KSpace.
func (b loops[F]) SpikeInImage(y, x, peak device.Tensor, at [3]int, ratio float64) {
	yd, xd, pd := b.data(y), b.data(x), b.data(peak)
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
