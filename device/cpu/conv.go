package cpu

import (
	"voxgrad/device"
)

// Conv is one correlation.
func (b *engine) Conv(y, x, w, bias device.Tensor, win device.ConvParams, act device.Act) {
	yd, xd, wd, bd := data(y), data(x), data(w), data(bias)
	j := &correlation{in: xd, out: yd, is: x.Shape, os: y.Shape, bias: bd, act: act}
	b.gatherTaps(j, wd, win, false)
}

// ConvGradX is a transposed convolution of dy with the channels exchanged.
func (b *engine) ConvGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	dxd, dyd, wd := data(dx.Tensor), data(dy), data(w)
	j := &correlation{in: dyd, out: dxd, is: dy.Shape, os: dx.Shape, add: dx.Mode == device.Add}
	b.scatterTaps(j, wd, win, true)
}

// ConvT works by classes of output positions, see scatterTaps.
func (b *engine) ConvT(y, x, w, bias device.Tensor, win device.ConvParams) {
	yd, xd, wd, bd := data(y), data(x), data(w), data(bias)
	b.scatterTaps(&correlation{in: xd, out: yd, is: x.Shape, os: y.Shape, bias: bd}, wd, win, false)
}

// ConvTGradX is a convolution of dy with the channels exchanged.
func (b *engine) ConvTGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	dxd, dyd, wd := data(dx.Tensor), data(dy), data(w)
	j := &correlation{in: dyd, out: dxd, is: dy.Shape, os: dx.Shape, add: dx.Mode == device.Add}
	b.gatherTaps(j, wd, win, true)
}

// gatherTaps runs j as a convolution: output v reads v·Stride + k − Pad.
// swap exchanges the channels of w.
func (b *engine) gatherTaps(j *correlation, w []float32, win device.ConvParams, swap bool) {
	if win == conv3 && b.winogradPays(j.os.Grid(), j.is.C, j.os.C) {
		b.correlate3(j, w, swap, false)
		return
	}
	if win == device.CompositeWindow && swap && b.composite4(j.os, j.is.C, j.os.C) {
		b.collect4(j, w)
		return
	}
	taps := make([]int, win.K*win.K*win.K)
	for t := range taps {
		taps[t] = t
	}
	for i, n := range j.os.Grid() {
		j.axes[i] = axis{n: n, taps: win.K, step: win.Stride, off: -win.Pad, stride: 1}
	}
	b.correlateTaps(j, w, taps, swap)
}

// scatterTaps runs j as the adjoint of a convolution: input v adds to output
// v·Stride + k − Pad. Output positions z that are equal modulo Stride see the
// same taps k = first, first + Stride, …, and are one correlation over
// v = (z + Pad − k)/Stride with the taps in reverse.
func (b *engine) scatterTaps(j *correlation, w []float32, win device.ConvParams, swap bool) {
	if win == conv3 && b.winogradPays(j.os.Grid(), j.is.C, j.os.C) {
		b.correlate3(j, w, swap, true)
		return
	}
	if win == device.CompositeWindow && !swap && b.composite4(j.is, j.is.C, j.os.C) {
		b.spread4(j, w)
		return
	}
	s := win.Stride
	var class [3]int
	for class[0] = range s {
		for class[1] = range s {
			for class[2] = range s {
				var ks [3][]int
				for i, n := range j.os.Grid() {
					first := (class[i] + win.Pad) % s
					for k := first; k < win.K; k += s {
						ks[i] = append([]int{k}, ks[i]...)
					}
					j.axes[i] = axis{
						n: ceil(n-class[i], s), taps: len(ks[i]), step: 1,
						off:   (class[i]+win.Pad-first)/s - len(ks[i]) + 1,
						first: class[i], stride: s,
					}
				}
				if j.axes[0].n*j.axes[1].n*j.axes[2].n == 0 {
					continue
				}
				var taps []int
				for _, kd := range ks[0] {
					for _, kh := range ks[1] {
						for _, kw := range ks[2] {
							taps = append(taps, (kd*win.K+kh)*win.K+kw)
						}
					}
				}
				b.correlateTaps(j, w, taps, swap)
			}
		}
	}
}

func (b *engine) correlateTaps(j *correlation, w []float32, taps []int, swap bool) {
	cin, cout := j.is.C, j.os.C
	if swap {
		cin, cout = cout, cin
	}
	s := b.getScratch()
	defer b.putScratch(s)
	j.inBlock = inputBlock(j.is.C, len(taps))
	j.weights = s.floats(3, packedLen(len(taps), j.is.C, j.os.C))
	packWeights(j.weights, w, taps, cin, cout, j.inBlock, swap)
	j.pairs = 0
	if j.choosePairs(); j.pairs > 0 {
		width := j.axes[2].taps
		j.pairW = s.floats(4, ceil(j.is.C, j.inBlock)*j.pairs*pairLen(len(taps), width, j.inBlock))
		packPairs(j.pairW, w, taps, width, cin, cout, j.inBlock, swap, j.os.C/panel*panel, j.pairs)
	}
	b.correlate(j)
}
