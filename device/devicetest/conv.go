package devicetest

import (
	"fmt"
	"math"

	"voxgrad/device"
)

// geometry is one convolution: x's shape and what is done with it.
type geometry struct {
	x     device.Shape
	cout  int
	win   device.ConvParams
	full  bool
	large bool
}

func (g geometry) name() string {
	w := fmt.Sprintf("k%ds%dp%d", g.win.K, g.win.Stride, g.win.Pad)
	return fmt.Sprintf("%dx%dx%dx%d/c%d→%d/%s", g.x.N, g.x.D, g.x.H, g.x.W, g.x.C, g.cout, w)
}

func (g geometry) weights() device.Shape { return device.Weights(g.win.K, g.x.C, g.cout) }

func shape(n, d, h, w, c int) device.Shape { return device.Shape{N: n, D: d, H: h, W: w, C: c} }

func convGeometries() []geometry {
	gs := []geometry{
		{x: shape(2, 5, 6, 7, 3), cout: 5, win: device.Conv3x3x3, full: true},
		{x: shape(1, 5, 5, 5, 1), cout: 1, win: device.Conv3x3x3},
		{x: shape(3, 7, 5, 6, 1), cout: 8, win: device.Conv3x3x3},
		{x: shape(1, 6, 9, 5, 3), cout: 17, win: device.Conv3x3x3},
		{x: shape(2, 5, 7, 9, 8), cout: 3, win: device.Conv3x3x3},
		{x: shape(1, 5, 5, 8, 17), cout: 24, win: device.Conv3x3x3},
		{x: shape(1, 5, 6, 5, 24), cout: 48, win: device.Conv3x3x3},
		{x: shape(1, 6, 5, 5, 48), cout: 17, win: device.Conv3x3x3},
		{x: shape(2, 5, 5, 9, 24), cout: 2, win: device.Conv3x3x3},
		{x: shape(1, 9, 10, 9, 2), cout: 24, win: device.Conv3x3x3}, // several tiles of 8³
		{x: shape(1, 5, 9, 10, 13), cout: 1, win: device.Conv3x3x3},
		{x: shape(1, 2, 3, 9, 6), cout: 9, win: device.Conv3x3x3},
		{x: shape(2, 1, 1, 1, 8), cout: 8, win: device.Conv3x3x3},   // every tap but one is outside
		{x: shape(1, 1, 2, 3, 24), cout: 24, win: device.Conv3x3x3}, // thinner than the kernel
		{x: shape(1, 2, 3, 40, 8), cout: 8, win: device.Conv3x3x3},  // long rows
		// Tiles of 96 columns over a sum of 12 channels, half a step of eight left: forward and
		// weights, then the gradient of x.
		{x: shape(1, 1, 2, 3, 12), cout: 96, win: device.Conv3x3x3},
		{x: shape(1, 1, 2, 3, 96), cout: 12, win: device.Conv3x3x3},
		// Whole panels of 16 channels: what Winograd's way asks for.
		{x: shape(1, 5, 7, 6, 16), cout: 32, win: device.Conv3x3x3},
		{x: shape(2, 3, 4, 5, 48), cout: 16, win: device.Conv3x3x3},
		{x: shape(1, 1, 1, 2, 32), cout: 32, win: device.Conv3x3x3},
		{x: shape(2, 5, 6, 7, 8), cout: 3, win: device.ConvParams{K: 1, Stride: 1}},
		{x: shape(1, 5, 7, 6, 3), cout: 8, win: device.ConvParams{K: 3, Stride: 1}}, // no padding
		{x: shape(2, 6, 7, 9, 3), cout: 8, win: device.ConvParams{K: 3, Stride: 2, Pad: 1}},
		{x: shape(1, 7, 6, 8, 8), cout: 3, win: device.ConvParams{K: 2, Stride: 2}}, // the last plane of D unused
		{x: shape(1, 5, 6, 7, 2), cout: 3, win: device.ConvParams{K: 5, Stride: 1, Pad: 2}},
		{x: shape(2, 5, 6, 9, 9), cout: 8, win: device.CompositeWindow}, // the last plane of D and W unused
	}
	for _, g := range []geometry{
		{x: shape(1, 17, 20, 33, 24), cout: 24},
		{x: shape(2, 9, 16, 16, 24), cout: 48},
		{x: shape(1, 9, 17, 31, 1), cout: 24},
		{x: shape(1, 5, 5, 5, 144), cout: 96},
		{x: shape(1, 9, 13, 19, 48), cout: 64},
		{x: shape(1, 13, 32, 65, 8), cout: 2},
	} {
		g.win, g.large = device.Conv3x3x3, true
		gs = append(gs, g)
	}
	return gs
}

func convTGeometries() []geometry {
	return []geometry{
		{x: shape(2, 3, 4, 5, 3), cout: 5, win: device.ConvT2x2x2, full: true},
		{x: shape(1, 5, 5, 5, 1), cout: 1, win: device.ConvT2x2x2},
		{x: shape(3, 2, 5, 3, 8), cout: 8, win: device.ConvT2x2x2},
		{x: shape(1, 5, 3, 6, 17), cout: 24, win: device.ConvT2x2x2},
		{x: shape(1, 4, 5, 3, 48), cout: 48, win: device.ConvT2x2x2},
		{x: shape(2, 1, 1, 1, 24), cout: 17, win: device.ConvT2x2x2},
		{x: shape(2, 3, 4, 5, 3), cout: 8, win: device.Conv3x3x3},
		{x: shape(1, 3, 4, 5, 8), cout: 3, win: device.ConvParams{K: 3, Stride: 2, Pad: 1}},
		{x: shape(1, 4, 3, 5, 3), cout: 3, win: device.ConvParams{K: 2, Stride: 3}}, // voxels of y that nothing reaches
		{x: shape(2, 3, 2, 5, 8), cout: 10, win: device.CompositeWindow},
		{x: shape(1, 2, 3, 9, 16), cout: 32, win: device.CompositeWindow},
		{x: shape(1, 9, 8, 17, 96), cout: 96, win: device.ConvT2x2x2, large: true},
		{x: shape(2, 13, 16, 16, 24), cout: 24, win: device.ConvT2x2x2, large: true},
	}
}

// The largest number of terms of one element: of y and of dx K³ times the channels
// summed over, of dw and db the voxels. Weights are drawn so that results have size 1.

func convTrials() []*trial {
	var ts []*trial
	for _, g := range convGeometries() {
		y := g.win.Out(g.x, g.cout)
		taps := g.win.K * g.win.K * g.win.K
		flops := 2 * float64(y.Rows()*taps*g.x.C*g.cout)
		for _, act := range []device.Act{device.Linear, device.ReLU} {
			if g.large && act == device.Linear {
				continue
			}
			ts = append(ts, &trial{
				method: "Conv", name: g.name() + [...]string{"", "/relu"}[act], full: g.full, large: g.large, conv: true, flops: flops,
				args: []arg{
					{name: "y", shape: y, role: output, terms: float64(taps*g.x.C + 1)},
					{name: "x", shape: g.x, make: normal(0, 1), operand: true},
					{name: "w", shape: g.weights(), make: normal(0, 1/math.Sqrt(float64(taps*g.x.C))), operand: true},
					{name: "b", shape: device.Vec(g.cout), make: normal(0, 1), group: 1},
				},
				call: func(b device.Backend, t tensors) { b.Conv(t.at["y"], t.at["x"], t.at["w"], t.at["b"], g.win, act) },
			})
		}
		ts = append(ts, &trial{
			method: "ConvGradX", name: g.name(), full: g.full, large: g.large, conv: true, flops: flops,
			args: []arg{
				{name: "dx", shape: g.x, role: grad, terms: float64(taps * g.cout)},
				{name: "dy", shape: y, make: normal(0, 1), operand: true},
				{name: "w", shape: g.weights(), make: normal(0, 1/math.Sqrt(float64(taps*g.cout))), operand: true},
				maskOf(arg{name: "dx", shape: g.x}),
			},
			call: func(b device.Backend, t tensors) { b.ConvGradX(t.into("dx"), t.at["dy"], t.at["w"], g.win) },
		}, &trial{
			method: "ConvGradW", name: g.name(), full: g.full, large: g.large, conv: true, flops: flops,
			args: []arg{
				{name: "dw", shape: g.weights(), role: grad, terms: float64(y.Rows()), scale: math.Sqrt(float64(y.Rows()))},
				{name: "db", shape: device.Vec(g.cout), role: grad, terms: float64(y.Rows()), scale: math.Sqrt(float64(y.Rows()))},
				{name: "x", shape: g.x, make: normal(0, 1), operand: true},
				{name: "dy", shape: y, make: normal(0, 1), operand: true},
			},
			call: func(b device.Backend, t tensors) {
				b.ConvGradW(t.into("dw"), t.into("db"), t.at["x"], t.at["dy"], g.win)
			},
		})
	}
	return ts
}

func convTTrials() []*trial {
	var ts []*trial
	for _, g := range convTGeometries() {
		y := g.win.OutT(g.x, g.cout)
		taps := g.win.K * g.win.K * g.win.K
		flops := 2 * float64(g.x.Rows()*taps*g.x.C*g.cout)
		ts = append(ts, &trial{
			method: "ConvT", name: g.name(), full: g.full, large: g.large, conv: true, flops: flops,
			args: []arg{
				{name: "y", shape: y, role: output, terms: float64(taps*g.x.C + 1)},
				{name: "x", shape: g.x, make: normal(0, 1), operand: true},
				{name: "w", shape: g.weights(), make: normal(0, 1/math.Sqrt(float64(g.x.C))), operand: true},
				{name: "b", shape: device.Vec(g.cout), make: normal(0, 1), group: 1},
			},
			call: func(b device.Backend, t tensors) { b.ConvT(t.at["y"], t.at["x"], t.at["w"], t.at["b"], g.win) },
		}, &trial{
			method: "ConvTGradX", name: g.name(), full: g.full, large: g.large, conv: true, flops: flops,
			args: []arg{
				{name: "dx", shape: g.x, role: grad, terms: float64(taps * g.cout)},
				{name: "dy", shape: y, make: normal(0, 1), operand: true},
				{name: "w", shape: g.weights(), make: normal(0, 1/math.Sqrt(float64(taps*g.cout))), operand: true},
			},
			call: func(b device.Backend, t tensors) { b.ConvTGradX(t.into("dx"), t.at["dy"], t.at["w"], g.win) },
		}, &trial{
			method: "ConvTGradW", name: g.name(), full: g.full, large: g.large, conv: true, flops: flops,
			args: []arg{
				{name: "dw", shape: g.weights(), role: grad, terms: float64(g.x.Rows()), scale: math.Sqrt(float64(g.x.Rows()))},
				{name: "db", shape: device.Vec(g.cout), role: grad, terms: float64(y.Rows()), scale: math.Sqrt(float64(y.Rows()))},
				{name: "x", shape: g.x, make: normal(0, 1), operand: true},
				{name: "dy", shape: y, make: normal(0, 1), operand: true},
			},
			call: func(b device.Backend, t tensors) {
				b.ConvTGradW(t.into("dw"), t.into("db"), t.at["x"], t.at["dy"], g.win)
			},
		})
	}
	return ts
}

func convGradients() []*gradient {
	var gs []*gradient
	for _, g := range []geometry{
		{x: shape(2, 5, 6, 7, 2), cout: 3, win: device.Conv3x3x3},
		{x: shape(1, 5, 6, 7, 2), cout: 3, win: device.ConvParams{K: 3, Stride: 2, Pad: 1}},
		{x: shape(1, 5, 4, 6, 2), cout: 2, win: device.ConvParams{K: 2, Stride: 2}},
	} {
		gs = append(gs, &gradient{
			name: "Conv/" + g.name(), methods: []string{"ConvGradX", "ConvGradW"},
			inputs: []leaf{{"x", g.x, normal(0, 1)}, {"w", g.weights(), normal(0, 1)}, {"b", device.Vec(g.cout), normal(0, 1)}},
			out:    g.win.Out(g.x, g.cout),
			forward: func(b device.Backend, t tensors) {
				b.Conv(t.at["y"], t.at["x"], t.at["w"], t.at["b"], g.win, device.Linear)
			},
			backward: func(b device.Backend, t tensors) {
				b.ConvGradX(t.into("dx"), t.at["dy"], t.at["w"], g.win)
				b.ConvGradW(t.into("dw"), t.into("db"), t.at["x"], t.at["dy"], g.win)
			},
		})
	}
	for _, g := range []geometry{
		{x: shape(2, 3, 4, 5, 2), cout: 3, win: device.ConvT2x2x2},
		{x: shape(1, 3, 4, 5, 2), cout: 3, win: device.ConvParams{K: 3, Stride: 2, Pad: 1}},
	} {
		gs = append(gs, &gradient{
			name: "ConvT/" + g.name(), methods: []string{"ConvTGradX", "ConvTGradW"},
			inputs: []leaf{{"x", g.x, normal(0, 1)}, {"w", g.weights(), normal(0, 1)}, {"b", device.Vec(g.cout), normal(0, 1)}},
			out:    g.win.OutT(g.x, g.cout),
			forward: func(b device.Backend, t tensors) {
				b.ConvT(t.at["y"], t.at["x"], t.at["w"], t.at["b"], g.win)
			},
			backward: func(b device.Backend, t tensors) {
				b.ConvTGradX(t.into("dx"), t.at["dy"], t.at["w"], g.win)
				b.ConvTGradW(t.into("dw"), t.into("db"), t.at["x"], t.at["dy"], g.win)
			},
		})
	}
	return gs
}
