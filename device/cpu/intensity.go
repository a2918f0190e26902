package cpu

import (
	"math"

	"voxgrad/device"
	"voxgrad/internal/par"
	"voxgrad/internal/rng"
)

// Blend computes in float32.
func (b *Backend) Blend(y, x, z device.Tensor, p, q float64) {
	if b.failed() {
		return
	}
	const op = "Blend"
	yd, xd, zd := b.get(op, "y", y), b.get(op, "x", x), b.get(op, "z", z)
	want(op, y.Shape == x.Shape && y.Shape == z.Shape, "y %v, x %v, z %v", y.Shape, x.Shape, z.Shape)
	p32, q32 := float32(p), float32(q)
	elements(len(yd), func(lo, hi int) {
		y, x, z := yd[lo:hi], xd[lo:hi], zd[lo:hi]
		for i := range y {
			y[i] = p32*x[i] + q32*z[i]
		}
	})
}

// Min takes the least of each piece, then of those.
func (b *Backend) Min(least, x device.Tensor) {
	if b.failed() {
		return
	}
	const op = "Min"
	l, xd := b.get(op, "least", least), b.get(op, "x", x)
	want(op, least.Shape == device.Scalar(), "least %v", least.Shape)
	apart(op, least, x)
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

// Field turns the polynomial into one of u[2] for each line.
func (b *Backend) Field(y, x, coef device.Tensor, order int) {
	if b.failed() {
		return
	}
	const op = "Field"
	yd, xd, cd := b.get(op, "y", y), b.get(op, "x", x), b.get(op, "coef", coef)
	want(op, 0 <= order && order <= maxOrder, "order %d is not 0 … %d", order, maxOrder)
	want(op, y.Shape == x.Shape && coef.Shape == device.Vec((order+1)*(order+2)*(order+3)/6),
		"y %v, x %v, coef %v, order %d", y.Shape, x.Shape, coef.Shape, order)
	apart(op, y, coef)
	lines(x.Shape, func(n, d, h int) {
		along := lineOfField(cd, order, centred(d, x.D), centred(h, x.H))
		at := ((n*x.D+d)*x.H + h) * x.W * x.C
		for w := range x.W {
			u, s := centred(w, x.W), 0.0
			for r := order; r >= 0; r-- {
				s = s*u + along[r]
			}
			gain := float32(math.Exp(s))
			for c := range x.C {
				yd[at+w*x.C+c] = xd[at+w*x.C+c] * gain
			}
		}
	})
}

const maxOrder = 4

// centred is position i of n, from −1 to 1.
func centred(i, n int) float64 {
	if n == 1 {
		return 0
	}
	half := float64(n-1) / 2
	return (float64(i) - half) / half
}

// lineOfField is, for each power of u[2], its coefficient where u[0] and u[1] are given.
func lineOfField(coef []float32, order int, u0, u1 float64) (along [maxOrder + 1]float64) {
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

// noiseSpan is the number of elements of one piece of a loop that draws numbers, a
// multiple of four.
const noiseSpan = 1 << 13

// normals draws the numbers of elements lo, lo+1, … ; lo is a multiple of four.
func normals(z []float32, key uint64, lo int) {
	for i := 0; i < len(z); i += 4 {
		for k, w := range rng.Philox(key, uint64(lo+i)/4) {
			if i+k < len(z) {
				z[i+k] = rng.Normal32(w)
			}
		}
	}
}

// Noise draws four numbers at a time.
func (b *Backend) Noise(y, x device.Tensor, sd float64, key uint64) {
	if b.failed() {
		return
	}
	const op = "Noise"
	yd, xd := b.get(op, "y", y), b.get(op, "x", x)
	want(op, y.Shape == x.Shape, "y %v, x %v", y.Shape, x.Shape)
	sd32 := float32(sd)
	par.Chunks(len(yd), noiseSpan, func(lo, hi int) {
		var z [noiseSpan]float32
		normals(z[:hi-lo], key, lo)
		for i, z := range z[:hi-lo] {
			yd[lo+i] = xd[lo+i] + sd32*z
		}
	})
}
