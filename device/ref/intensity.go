package ref

import (
	"math"

	"voxgrad/device"
	"voxgrad/internal/rng"
)

// Min implements device.Intensity.
func (b loops[F]) Min(least, x device.Tensor) {
	l, xd := b.data(least), b.data(x)
	m := xd[0]
	for _, v := range xd {
		m = min(m, v)
	}
	l[0] = m
}

// BiasField implements device.Intensity.
func (b loops[F]) BiasField(y, x, coef device.Tensor, order int) {
	yd, xd, cd := b.data(y), b.data(x), b.data(coef)
	size := x.Grid()
	voxels(x.Shape, func(_ int, i [3]int, at int) {
		var u [3]float64
		for a := range u {
			if half := float64(size[a]-1) / 2; half > 0 {
				u[a] = (float64(i[a]) - half) / half
			}
		}
		s, k := 0.0, 0
		for p := 0; p <= order; p++ {
			for q := 0; q <= order-p; q++ {
				for r := 0; r <= order-p-q; r++ {
					s += float64(cd[k]) * math.Pow(u[0], float64(p)) * math.Pow(u[1], float64(q)) * math.Pow(u[2], float64(r))
					k++
				}
			}
		}
		gain := math.Exp(s)
		for c := range x.C {
			yd[at+c] = F(float64(xd[at+c]) * gain)
		}
	})
}

// standardNormal is the number of the element with linear index i.
func standardNormal(key uint64, i int) float64 {
	return float64(rng.Normal32(rng.Word(key, uint64(i))))
}

// Noise implements device.Intensity.
func (b loops[F]) Noise(y, x device.Tensor, sd float64, key uint64) {
	yd, xd := b.data(y), b.data(x)
	for i := range yd {
		yd[i] = F(float64(xd[i]) + sd*standardNormal(key, i))
	}
}
