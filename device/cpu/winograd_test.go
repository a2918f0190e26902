package cpu

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
)

func drawn32(n int, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 3))
	x := make([]float32, n)
	for i := range x {
		x[i] = 2*r.Float32() - 1
	}
	return x
}

// apart is the largest difference in parts of what the conformance table allows a sum of terms.
func apart(a, b []float32, terms int) float64 {
	top, worst := 0.0, 0.0
	for i := range a {
		top = max(top, math.Abs(float64(b[i])))
		if d := math.Abs(float64(a[i]) - float64(b[i])); !(d <= worst) {
			worst = d
		}
	}
	return worst / (8 * 0x1p-24 * math.Sqrt(float64(terms)) * top)
}

// planted runs f with a value of a table exchanged for its zero value or for true.
func planted[T comparable](at *T, f func() float64) float64 {
	right := *at
	defer func() { *at = right }()
	var wrong T
	if v, ok := any(&wrong).(*bool); ok {
		*v = !any(right).(bool)
	}
	*at = wrong
	return f()
}

// Each mistake must show beside the direct way, and without one nothing may.
func TestPlantedInWinograd(t *testing.T) {
	const cin, cout = 32, 16
	coarse := device.Shape{N: 1, D: 5, H: 3, W: 7, C: cin}
	fine := device.Shape{N: 1, D: 10, H: 6, W: 14, C: cout}
	plain := coarse.WithC(cout)
	direct, b := New(), New()
	direct.engine.winograds = never
	x, w, w4 := drawn32(coarse.Len(), 1), drawn32(27*cin*cout, 2), drawn32(64*cin*cout, 3)
	dy, dyFine := drawn32(plain.Len(), 4), drawn32(fine.Len(), 5)

	forward := func(mistake func(*winograd)) float64 {
		want, got := make([]float32, plain.Len()), make([]float32, plain.Len())
		direct.engine.gatherTaps(&correlation{in: x, out: want, is: coarse, os: plain}, w, conv3, false)
		j := correlation{in: x, out: got, is: coarse, os: plain}
		o := j.winograd()
		o.classes = []winoClass{plainClass(false)}
		mistake(o)
		o.run(&b.engine, w, 3, false)
		return apart(got, want, 27*cin)
	}
	spread := func(mistake func(*winograd)) float64 {
		want, got := make([]float32, fine.Len()), make([]float32, fine.Len())
		direct.engine.scatterTaps(&correlation{in: x, out: want, is: coarse, os: fine}, w4, device.CompositeWindow, false)
		j := correlation{in: x, out: got, is: coarse, os: fine}
		o := j.winograd()
		o.grid, o.strideOut, o.spread = coarse.Grid(), 2, true
		o.classes = parityClasses([2][3]int{{3, 1, -1}, {-1, 2, 0}})
		mistake(o)
		o.run(&b.engine, w4, 4, false)
		return apart(got, want, 8*cin)
	}
	weights := func(mistake func(*winoSum)) float64 {
		want, got := make([]float32, len(w)), make([]float32, len(w))
		direct.engine.convGradW(want, device.Set, x, dy, coarse, plain, conv3)
		o := &winoSum{x: x, dy: dy, xs: coarse, dys: plain, grid: plain.Grid(), stride: 1, width: 3, classes: []winoClass{plainClass(false)}}
		mistake(o)
		b.engine.winoGradW(o, got, device.Set)
		return apart(got, want, plain.Rows())
	}
	weights4 := func(mistake func(*winoSum)) float64 {
		want, got := make([]float32, len(w4)), make([]float32, len(w4))
		direct.engine.gradW4(want, x, dyFine, coarse, fine)
		o := &winoSum{x: x, dy: dyFine, xs: coarse, dys: fine, grid: coarse.Grid(), stride: 2, width: 4,
			classes: parityClasses([2][3]int{{3, 1, -1}, {-1, 2, 0}})}
		mistake(o)
		b.engine.winoGradW(o, got, device.Set)
		return apart(got, want, coarse.Rows())
	}
	require.Less(t, forward(func(*winograd) {}), 1.0)
	require.Less(t, spread(func(*winograd) {}), 1.0)
	require.Less(t, weights(func(*winoSum) {}), 1.0)
	require.Less(t, weights4(func(*winoSum) {}), 1.0)
	for name, wrong := range map[string]float64{
		"forward: window mirrored":             forward(func(o *winograd) { o.classes[0] = plainClass(true) }),
		"forward: axes exchanged":              forward(func(o *winograd) { o.classes[0].taps[0] = [3]int{2, 1, 0} }),
		"forward: a tap missed":                forward(func(o *winograd) { o.classes[0].taps[2][2] = -1 }),
		"forward: the activation":              forward(func(o *winograd) { o.act = device.ReLU }),
		"forward: the last plane left out":     forward(func(o *winograd) { o.grid[0]-- }),
		"spread: two classes exchanged":        spread(func(o *winograd) { o.classes[1].first, o.classes[2].first = o.classes[2].first, o.classes[1].first }),
		"spread: one class for all":            spread(func(o *winograd) { o.classes = o.classes[:1] }),
		"spread: taps of the other parity":     spread(func(o *winograd) { o.classes[5].taps[1] = o.classes[7].taps[1] }),
		"forward: a plane with the other sign": planted(&planesIn[1].sub, func() float64 { return forward(func(*winograd) {}) }),
		"forward: a plane for another":         planted(&planesIn[3].y, func() float64 { return forward(func(*winograd) {}) }),
		"weights: a plane with the other sign": planted(&planesBack[2].sub, func() float64 { return weights(func(*winoSum) {}) }),
		"weights: a plane left out":            planted(&planesBack[1].y, func() float64 { return weights(func(*winoSum) {}) }),
		"weights: window mirrored":             weights(func(o *winoSum) { o.classes[0] = plainClass(true) }),
		"weights: the last plane left out":     weights(func(o *winoSum) { o.grid[0]-- }),
		"weights4: two classes exchanged":      weights4(func(o *winoSum) { o.classes[3].first, o.classes[4].first = o.classes[4].first, o.classes[3].first }),
		"weights4: taps of the other parity":   weights4(func(o *winoSum) { o.classes[0].taps[2] = o.classes[1].taps[2] }),
	} {
		require.False(t, wrong < 1, "%s went unnoticed: %.2g of the bound", name, wrong)
		t.Logf("%s: %.3g times the bound", name, wrong)
	}
}

// The kernels of the passes have the bits of their twins.
func TestPassesHaveTheBitsOfTheirTwins(t *testing.T) {
	if !haveAVX2 {
		t.Skip("no AVX2 here")
	}
	plain := NewPortable()
	for _, fast := range []*Backend{open(true, false), New()} {
		for _, n := range []int{24, 32} { // whole vectors of either kind
			for kind := winoIn; kind <= winoWeightsBack; kind++ {
				for u := all4; u <= tail; u++ {
					if kind >= winoWeights && u != all4 {
						continue
					}
					a := passArgs{src: drawn32(4000, 6), n: n, count: 3, rows: 5, srcStep: n, dstStep: 3 * n, srcNext: 4 * n, dstNext: n, srcRow: 12 * n, dstRow: 13 * n}
					c := a
					a.dst, c.dst = drawn32(4000, 7), drawn32(4000, 7) // what is not written must stay
					fast.engine.pass(kind, u, &a)
					plain.engine.pass(kind, u, &c)
					require.Equal(t, c.dst, a.dst, "pass %d, %d", kind, u)
				}
			}
			for _, sign := range []uint32{0, 1 << 31} {
				a := pairArgs{x: drawn32(4000, 6), y: drawn32(4000, 8), n: n, count: 3, rows: 5, dstNext: n, xNext: n + 1, yNext: n + 3, dstRow: 4 * n, xRow: 5 * n, yRow: 6 * n, sign: sign}
				c := a
				a.dst, c.dst = drawn32(4000, 7), drawn32(4000, 7)
				fast.engine.pair(&a)
				plain.engine.pair(&c)
				require.Equal(t, c.dst, a.dst, "sign %x", sign)
			}
		}
	}
}

// Panels, rows and what is left of either: the tiles agree with each other to the bit and with plain Go to rounding.
func TestTilesAgree(t *testing.T) {
	if !haveAVX2 {
		t.Skip("no AVX2 here")
	}
	for _, panels := range []int{1, 2, 3, 4, 7} {
		for _, rows := range []int{1, 5, 8, 13, 24, 25} {
			for _, add := range []int{0, 1} {
				run := func(b *Backend, mistake func(*corrArgs)) []float32 {
					a := corrArgs{x: drawn32(3000, 8), w: drawn32(panels*4*7*panel, 9), bias: drawn32(panels*panel, 10), y: drawn32(rows*(panels+1)*panel, 11),
						xoff: make([]int, padded(rows)), yoff: make([]int, padded(rows)), taps: []int{0, 31, 77, 5}, run: 7, step: 3,
						rows: rows, panels: panels, wStep: 4 * 7 * panel, yStep: panel, add: add, floor: -0.5}
					dense(a.xoff, rows, 11)
					dense(a.yoff, rows, (panels+1)*panel)
					mistake(&a)
					b.engine.corr(&a)
					return a.y
				}
				right := func(*corrArgs) {}
				want := run(NewPortable(), right)
				got := run(open(true, false), right)
				require.Less(t, apart(got, want, 28), 1.0)
				if haveAVX512 {
					require.Equal(t, got, run(open(true, true), right), "%d panels, %d rows", panels, rows)
				}
				for name, mistake := range map[string]func(*corrArgs){
					"another row": func(a *corrArgs) {
						for v := range a.xoff {
							a.xoff[v]++
						}
					},
					"a panel left out": func(a *corrArgs) { a.panels-- },
					"a tap left out":   func(a *corrArgs) { a.taps = a.taps[:3] },
					"not added":        func(a *corrArgs) { a.add = 1 - a.add },
					"no floor":         func(a *corrArgs) { a.floor = negInf },
					"another step":     func(a *corrArgs) { a.step = 1 },
				} {
					require.False(t, apart(run(New(), mistake), want, 28) < 1, "%s: %d panels, %d rows", name, panels, rows)
				}
			}
		}
	}
}
