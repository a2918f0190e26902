package ref

import (
	"math"

	"voxgrad/device"
	"voxgrad/internal/rng"
)

// Blend implements device.Intensity.
func (b *Backend[F]) Blend(y, x, z device.Tensor, p, q float64) {
	const op = "Blend"
	yd, xd, zd := b.get(op, "y", y), b.get(op, "x", x), b.get(op, "z", z)
	want(op, y.Shape == x.Shape && y.Shape == z.Shape, "y %v, x %v, z %v", y.Shape, x.Shape, z.Shape)
	for i := range yd {
		yd[i] = F(p*float64(xd[i]) + q*float64(zd[i]))
	}
}

// Min implements device.Intensity.
func (b *Backend[F]) Min(least, x device.Tensor) {
	const op = "Min"
	l, xd := b.get(op, "least", least), b.get(op, "x", x)
	want(op, least.Shape == device.Scalar(), "least %v", least.Shape)
	apart(op, least, x)
	m := xd[0]
	for _, v := range xd {
		m = min(m, v)
	}
	l[0] = m
}

// BiasField implements device.Intensity.
func (b *Backend[F]) BiasField(y, x, coef device.Tensor, order int) {
	const op = "BiasField"
	yd, xd, cd := b.get(op, "y", y), b.get(op, "x", x), b.get(op, "coef", coef)
	want(op, 0 <= order && order <= 4, "order %d is not 0 … 4", order)
	want(op, y.Shape == x.Shape && coef.Shape == device.Vec((order+1)*(order+2)*(order+3)/6),
		"y %v, x %v, coef %v, order %d", y.Shape, x.Shape, coef.Shape, order)
	apart(op, y, coef)
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
func (b *Backend[F]) Noise(y, x device.Tensor, sd float64, key uint64) {
	const op = "Noise"
	yd, xd := b.get(op, "y", y), b.get(op, "x", x)
	want(op, y.Shape == x.Shape, "y %v, x %v", y.Shape, x.Shape)
	for i := range yd {
		yd[i] = F(float64(xd[i]) + sd*standardNormal(key, i))
	}
}
