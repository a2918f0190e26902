package cpu

import (
	"math"

	"voxgrad/device"
)

// Min takes the least of each piece, then of those.
func (b *engine) Min(least, x device.Tensor) {
	l, xd := data(least), data(x)
	parts := make([]float32, ceil(len(xd), span))
	elements(len(xd), func(lo, hi int) {
		m := xd[lo]
		for _, v := range xd[lo:hi] {
			m = min(m, v)
		}
		parts[lo/span] = m
	})
	m := parts[0]
	for _, v := range parts {
		m = min(m, v)
	}
	l[0] = m
}

// BiasField turns the polynomial into one of u[2] for each line.
func (b *engine) BiasField(y, x, coef device.Tensor, order int) {
	yd, xd, cd := data(y), data(x), data(coef)
	u := make([]float64, x.W)
	for w := range u {
		u[w] = centred(w, x.W)
	}
	lines(x.Shape, func(n, d, h int) {
		along := lineOfField(cd, order, centred(d, x.D), centred(h, x.H))
		at := ((n*x.D+d)*x.H + h) * x.W * x.C
		for _, u := range u {
			s := along[order]
			for r := order - 1; r >= 0; r-- {
				s = s*u + along[r]
			}
			gain := exponential(s)
			for i := at; i < at+x.C; i++ {
				yd[i] = xd[i] * gain
			}
			at += x.C
		}
	})
}

// exponential is exp(s), rounded to float32 from a relative error of 3e-10: 2^k·exp(f) with
// |f| ≤ ½·ln 2 and the Taylor polynomial of degree 8.
func exponential(s float64) float32 {
	if !(math.Abs(s) < 700) { // nor NaN
		return float32(math.Exp(s))
	}
	k := math.Floor(s*math.Log2E + 0.5)
	f := s - k*math.Ln2
	f2 := f * f
	f4 := f2 * f2
	p := (1 + f) + (1./2+f*(1./6))*f2 + ((1./24+f*(1./120))+(1./720+f*(1./5040))*f2)*f4 + f4*f4*(1./40320)
	return float32(p * math.Float64frombits(uint64(int64(k)+1023)<<52))
}

// centred is position i of n, from −1 to 1.
func centred(i, n int) float64 {
	if n == 1 {
		return 0
	}
	half := float64(n-1) / 2
	return (float64(i) - half) / half
}

// lineOfField is, for each power of u[2], its coefficient where u[0] and u[1] are given.
func lineOfField(coef []float32, order int, u0, u1 float64) (along [device.MaxFieldOrder + 1]float64) {
	k, up := 0, 1.0
	for p := 0; p <= order; p++ {
		uq := up
		for q := 0; q <= order-p; q++ {
			for r := 0; r <= order-p-q; r++ {
				along[r] += float64(coef[k]) * uq
				k++
			}
			uq *= u1
		}
		up *= u0
	}
	return along
}

// Noise draws some numbers and adds them.
func (b *engine) Noise(y, x device.Tensor, sd float64, key uint64) {
	yd, xd := data(y), data(x)
	sd32 := float32(sd)
	elements(len(yd), func(lo, hi int) {
		var z [drawn]float32
		for ; lo < hi; lo += drawn {
			b.normals(&z, key, lo)
			from := xd[lo:min(lo+drawn, hi)]
			to := yd[lo:][:len(from)]
			for i, v := range from {
				to[i] = v + sd32*z[i]
			}
		}
	})
}
