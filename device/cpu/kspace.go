package cpu

import (
	"math"

	"voxgrad/device"
)

// KSpacePeak takes the largest of each piece, then of those.
func (b *engine) KSpacePeak(peak, re, im device.Tensor) {
	pd, rd, id := data(peak), data(re), data(im)
	n := ceil(len(rd), span)
	rs, is := make([]float32, n), make([]float32, n)
	elements(len(rd), func(lo, hi int) {
		rs[lo/span], is[lo/span] = largest(rd[lo:hi], id[lo:hi])
	})
	pd[0], pd[1] = largest(rs, is)
}

func largest(re, im []float32) (r, i float32) {
	r, i = re[0], im[0]
	im = im[:len(re)]
	for k, v := range re {
		if v >= r && (v > r || im[k] > i) {
			r, i = v, im[k]
		}
	}
	return r, i
}

// KSpaceSpike changes one element.
func (b *engine) KSpaceSpike(re, im, peak device.Tensor, at [3]int, ratio float64) {
	rd, id, pd := data(re), data(im), data(peak)
	k := (at[0]*re.H+at[1])*re.W + at[2]
	rd[k] += float32(ratio * float64(pd[0]))
	id[k] += float32(ratio * float64(pd[1]))
}

// SpikeInImage turns the cosine of a sum into products: along a line only one phase changes.
func (b *engine) SpikeInImage(y, x, peak device.Tensor, at [3]int, ratio float64) {
	yd, xd, pd := data(y), data(x), data(peak)
	g := x.Grid()
	turns := func(a, i int) float64 { return float64((at[a]-g[a]/2)*i%g[a]) / float64(g[a]) }
	sin, cos := make([]float64, x.W), make([]float64, x.W)
	for w := range x.W {
		sin[w], cos[w] = math.Sincos(2 * math.Pi * turns(2, w))
	}
	re, im := ratio*float64(pd[0])/float64(x.Voxels()), ratio*float64(pd[1])/float64(x.Voxels())
	lines(x.Shape, func(n, d, h int) {
		s, c := math.Sincos(2 * math.Pi * (turns(0, d) + turns(1, h)))
		p, q := re*c-im*s, re*s+im*c
		line := ((n*x.D+d)*x.H + h) * x.W * x.C
		for w := range x.W {
			v := float32(p*cos[w] - q*sin[w])
			for i := line + w*x.C; i < line+(w+1)*x.C; i++ {
				yd[i] = xd[i] + v
			}
		}
	})
}
