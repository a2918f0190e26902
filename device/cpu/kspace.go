package cpu

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

// KSpacePeak takes the largest of each piece, then of those.
func (b *Backend) KSpacePeak(peak, re, im device.Tensor) {
	if b.failed() {
		return
	}
	const op = "KSpacePeak"
	pd, rd, id := b.get(op, "peak", peak), b.get(op, "re", re), b.get(op, "im", im)
	want(op, peak.Shape == device.Vec(2) && re.Shape == im.Shape, "peak %v, re %v, im %v", peak.Shape, re.Shape, im.Shape)
	wantSingle(op, re.Shape)
	apart(op, peak, re, im)
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
func (b *Backend) KSpaceSpike(re, im, peak device.Tensor, at [3]int, ratio float64) {
	if b.failed() {
		return
	}
	const op = "KSpaceSpike"
	rd, id, pd := b.get(op, "re", re), b.get(op, "im", im), b.get(op, "peak", peak)
	want(op, peak.Shape == device.Vec(2) && re.Shape == im.Shape, "re %v, im %v, peak %v", re.Shape, im.Shape, peak.Shape)
	wantSingle(op, re.Shape)
	wantPosition(op, re.Shape, at)
	apart(op, re, im, peak)
	apart(op, im, peak)
	k := (at[0]*re.H+at[1])*re.W + at[2]
	rd[k] += float32(ratio * float64(pd[0]))
	id[k] += float32(ratio * float64(pd[1]))
}

// SpikeInImage turns the cosine of a sum into products: along a line only one phase changes.
func (b *Backend) SpikeInImage(y, x, peak device.Tensor, at [3]int, ratio float64) {
	if b.failed() {
		return
	}
	const op = "SpikeInImage"
	yd, xd, pd := b.get(op, "y", y), b.get(op, "x", x), b.get(op, "peak", peak)
	want(op, y.Shape == x.Shape && peak.Shape == device.Vec(2), "y %v, x %v, peak %v", y.Shape, x.Shape, peak.Shape)
	wantPosition(op, x.Shape, at)
	apart(op, y, peak)
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
