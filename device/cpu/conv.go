package cpu

import (
	"voxgrad/device"
)

// checkConv holds what x, w and y of a convolution must satisfy.
func checkConv(op string, x, w, y device.Shape, win device.ConvParams) {
	want(op, win.K > 0 && win.Stride > 0 && win.Pad >= 0, "no such window: %+v", win)
	want(op, w == device.Weights(win.K, x.C, w.C) && y == win.Out(x, w.C), "x %v, w %v, y %v, window %+v", x, w, y, win)
}

func checkConvT(op string, x, w, y device.Shape, win device.ConvParams) {
	want(op, win.K > 0 && win.Stride > 0 && win.Pad >= 0, "no such window: %+v", win)
	want(op, w == device.Weights(win.K, x.C, w.C) && y == win.OutT(x, w.C), "x %v, w %v, y %v, window %+v", x, w, y, win)
}

// Conv is one correlation.
func (b *Backend) Conv(y, x, w, bias device.Tensor, win device.ConvParams, act device.Act) {
	if b.failed() {
		return
	}
	const op = "Conv"
	yd, xd, wd, bd := b.get(op, "y", y), b.get(op, "x", x), b.get(op, "w", w), b.opt(op, "b", bias)
	checkConv(op, x.Shape, w.Shape, y.Shape, win)
	want(op, bias.None() || bias.Shape == device.Vec(w.C), "b %v, w %v", bias.Shape, w.Shape)
	want(op, act == device.Linear || act == device.ReLU, "no such activation: %d", act)
	apart(op, y, x, w, bias)
	j := &correlation{in: xd, out: yd, is: x.Shape, os: y.Shape, bias: bd, act: act}
	b.gatherTaps(j, wd, win, false)
}

// ConvGradX is a transposed convolution of dy with the channels exchanged.
func (b *Backend) ConvGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	if dx.Mode == device.Skip || b.failed() {
		return
	}
	const op = "ConvGradX"
	dxd, dyd, wd := b.get(op, "dx", dx.Tensor), b.get(op, "dy", dy), b.get(op, "w", w)
	checkConv(op, dx.Shape, w.Shape, dy.Shape, win)
	apart(op, dx.Tensor, dy, w)
	j := &correlation{in: dyd, out: dxd, is: dy.Shape, os: dx.Shape, add: dx.Mode == device.Add}
	b.scatterTaps(j, wd, win, true)
}

// ConvT works by classes of output positions, see scatterTaps.
func (b *Backend) ConvT(y, x, w, bias device.Tensor, win device.ConvParams) {
	if b.failed() {
		return
	}
	const op = "ConvT"
	yd, xd, wd, bd := b.get(op, "y", y), b.get(op, "x", x), b.get(op, "w", w), b.opt(op, "b", bias)
	checkConvT(op, x.Shape, w.Shape, y.Shape, win)
	want(op, bias.None() || bias.Shape == device.Vec(w.C), "b %v, w %v", bias.Shape, w.Shape)
	apart(op, y, x, w, bias)
	b.scatterTaps(&correlation{in: xd, out: yd, is: x.Shape, os: y.Shape, bias: bd}, wd, win, false)
}

// ConvTGradX is a convolution of dy with the channels exchanged.
func (b *Backend) ConvTGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	if dx.Mode == device.Skip || b.failed() {
		return
	}
	const op = "ConvTGradX"
	dxd, dyd, wd := b.get(op, "dx", dx.Tensor), b.get(op, "dy", dy), b.get(op, "w", w)
	checkConvT(op, dx.Shape, w.Shape, dy.Shape, win)
	apart(op, dx.Tensor, dy, w)
	j := &correlation{in: dyd, out: dxd, is: dy.Shape, os: dx.Shape, add: dx.Mode == device.Add}
	b.gatherTaps(j, wd, win, true)
}

// ConvGradW sums outer products. With fewer output than input channels and no stride, the
// roles of x and dy are exchanged, so that lanes are not left empty:
//
//	dw[k,i,o] = Σ over u of dy[u + (K−1−k) − (K−1−Pad), o] · x[u, i]
func (b *Backend) ConvGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	if dw.Mode == device.Skip && db.Mode == device.Skip || b.failed() {
		return
	}
	const op = "ConvGradW"
	xd, dyd := b.get(op, "x", x), b.get(op, "dy", dy)
	checkGradW(op, dw, db, x, dy, win, checkConv)
	if dwd := b.into(op, "dw", dw); dwd != nil {
		mirrored := device.ConvParams{K: win.K, Stride: 1, Pad: win.K - 1 - win.Pad}
		if win.Stride == 1 && mirrored.Pad >= 0 && lanesUsed(dy.C) < lanesUsed(x.C) {
			b.gradW(dwd, dw.Mode, newOuterSum(dyd, xd, dy.Shape, x.Shape, mirrored), true, true)
		} else {
			b.gradW(dwd, dw.Mode, newOuterSum(xd, dyd, x.Shape, dy.Shape, win), false, false)
		}
	}
	b.channelSums(b.into(op, "db", db), db.Mode, dyd, dy.C)
}

// ConvTGradW is ConvGradW with x and dy exchanged.
func (b *Backend) ConvTGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	if dw.Mode == device.Skip && db.Mode == device.Skip || b.failed() {
		return
	}
	const op = "ConvTGradW"
	xd, dyd := b.get(op, "x", x), b.get(op, "dy", dy)
	checkGradW(op, dw, db, x, dy, win, checkConvT)
	if dwd := b.into(op, "dw", dw); dwd != nil {
		b.gradW(dwd, dw.Mode, newOuterSum(dyd, xd, dy.Shape, x.Shape, win), true, false)
	}
	b.channelSums(b.into(op, "db", db), db.Mode, dyd, dy.C)
}

func checkGradW(op string, dw, db device.Into, x, dy device.Tensor, win device.ConvParams,
	check func(op string, x, w, y device.Shape, win device.ConvParams)) {
	ws := device.Weights(win.K, x.C, dy.C)
	check(op, x.Shape, ws, dy.Shape, win)
	want(op, fits(dw, ws) && fits(db, device.Vec(dy.C)), "dw %v, db %v, x %v, dy %v", dw.Shape, db.Shape, x.Shape, dy.Shape)
	apartInto(op, dw, x, x, dy)
	apartInto(op, db, x, x, dy, dw.Tensor)
}

// lanesUsed is the share of a panel's lanes that c channels fill.
func lanesUsed(c int) float64 { return float64(c) / float64(ceil(c, panel)*panel) }

func (b *Backend) gradW(dw []float32, mode device.Mode, o *outerSum, swap, flip bool) {
	s := b.getScratch()
	defer b.putScratch(s)
	o.partial = s.floats(3, o.partialLen())
	o.run(b)
	o.store(dw, mode, swap, flip)
}

// gatherTaps runs j as a convolution: output v reads v·Stride + k − Pad.
// swap exchanges the channels of w.
func (b *Backend) gatherTaps(j *correlation, w []float32, win device.ConvParams, swap bool) {
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
func (b *Backend) scatterTaps(j *correlation, w []float32, win device.ConvParams, swap bool) {
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

func (b *Backend) correlateTaps(j *correlation, w []float32, taps []int, swap bool) {
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
