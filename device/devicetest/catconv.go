package devicetest

import (
	"fmt"
	"math"

	"voxgrad/device"
)

// catGeometry is one call of CatConv: the fine grid, and the sources' channels, before and behind
// their upsampling.
type catGeometry struct {
	grid  device.Shape // of y
	up    []device.Upsampling
	c     []int
	full  bool
	large bool
}

func catGeometries() []catGeometry {
	const (
		asIs = device.AsIs
		tri  = device.Trilinear
		tr   = device.Transposed
	)
	ups := func(u ...device.Upsampling) []device.Upsampling { return u }
	return []catGeometry{
		{grid: shape(2, 4, 6, 8, 3), up: ups(tri, asIs), c: []int{3, 2}, full: true},
		{grid: shape(1, 2, 4, 6, 17), up: ups(tri, asIs), c: []int{17, 3}},
		{grid: shape(1, 2, 2, 2, 1), up: ups(tri), c: []int{1}},
		{grid: shape(1, 4, 10, 6, 24), up: ups(tri, asIs), c: []int{8, 24}},
		{grid: shape(2, 4, 6, 8, 3), up: ups(tr, asIs), c: []int{3, 2}, full: true},
		{grid: shape(1, 12, 10, 14, 8), up: ups(tr, asIs), c: []int{2, 3}}, // many voxels: composite weights pay
		{grid: shape(1, 6, 6, 10, 10), up: ups(tr, asIs), c: []int{8, 9}},  // the same for tensor cores
		{grid: shape(1, 2, 2, 2, 1), up: ups(tr), c: []int{1}},
		{grid: shape(1, 2, 4, 6, 24), up: ups(tr, asIs), c: []int{17, 8}},
		{grid: shape(2, 5, 6, 7, 3), up: ups(asIs, asIs), c: []int{5, 4}, full: true},
		{grid: shape(1, 5, 3, 6, 8), up: ups(asIs, asIs), c: []int{4, 4}},
		{grid: shape(1, 1, 1, 3, 2), up: ups(asIs), c: []int{4}, full: true},
		{grid: shape(1, 5, 7, 9, 8), up: ups(asIs), c: []int{17}},
		{grid: shape(1, 6, 5, 5, 17), up: ups(asIs), c: []int{24}},
		// Whole panels of 16 channels, and voxels enough for composite weights.
		{grid: shape(1, 18, 10, 14, 32), up: ups(tr, asIs), c: []int{16, 16}},
		{grid: shape(1, 16, 36, 18, 24), up: ups(tri, asIs), c: []int{48, 24}, large: true}, // several pieces of lines
		{grid: shape(1, 16, 16, 18, 48), up: ups(tr, asIs), c: []int{24, 24}, large: true},
	}
}

func (g catGeometry) name() string {
	s := fmt.Sprintf("%dx%dx%dx%d/", g.grid.N, g.grid.D, g.grid.H, g.grid.W)
	for i, c := range g.c {
		if i > 0 {
			s += "+"
		}
		s += fmt.Sprint(c, [...]string{"", "tri", "conv"}[g.up[i]])
	}
	return s + fmt.Sprintf("→%d", g.grid.C)
}

func (g catGeometry) channels() (n int) {
	for _, c := range g.c {
		n += c
	}
	return n
}

// source is the shape of source i.
func (g catGeometry) source(i int) device.Shape {
	s := g.grid.WithC(g.c[i])
	if g.up[i] != device.AsIs {
		s.D, s.H, s.W = s.D/2, s.H/2, s.W/2
	}
	return s
}

// sources are the arguments of all sources; at finds the tensors of the call.
func (g catGeometry) sources(t tensors) (in []device.Source) {
	for i, up := range g.up {
		k := fmt.Sprint(i)
		in = append(in, device.Source{X: t.at["x"+k], Up: up, W: t.at["up"+k+".w"], B: t.at["up"+k+".b"], W4: t.at["up"+k+".w4"]})
	}
	return in
}

func (g catGeometry) sourceArgs() (args []arg) {
	for i, up := range g.up {
		k := fmt.Sprint(i)
		args = append(args, arg{name: "x" + k, shape: g.source(i), make: perChannel(0.5, 1)})
		if up == device.Transposed {
			args = append(args, arg{name: "up" + k + ".w", shape: device.Weights(2, g.c[i], g.c[i]), make: normal(0, 1/math.Sqrt(float64(g.c[i])))},
				arg{name: "up" + k + ".b", shape: device.Vec(g.c[i]), make: normal(0, 0.5), group: i + 1})
		}
	}
	return args
}

func (g catGeometry) normArgs() []arg {
	v := device.Vec(g.channels())
	return []arg{
		{name: "gamma", shape: v, make: away(0.5)}, {name: "beta", shape: v, make: normal(0, 1)},
		{name: "mean", shape: v, make: normal(0, 0.5)}, {name: "invstd", shape: v, make: uniform(0.5, 1.5)},
	}
}

func normalization(t tensors) device.Normalization {
	return device.Normalization{Gamma: t.at["gamma"], Beta: t.at["beta"], Mean: t.at["mean"], InvStd: t.at["invstd"]}
}

func catConvTrials() []*trial {
	var ts []*trial
	for _, g := range catGeometries() {
		c := g.channels()
		v, w, b := device.Vec(c), device.Weights(3, c, g.grid.C), device.Vec(g.grid.C)
		m := float64(g.grid.Rows())
		k := float64(27 * c)
		add := func(method, what string, flops float64, args []arg, call func(be device.Backend, t tensors)) {
			ts = append(ts, &trial{method: method, name: g.name() + what, full: g.full, large: g.large, conv: true, flops: flops, args: args, call: call})
		}
		work := 2 * k * float64(g.grid.Len())
		ofStats := g.sourceArgs()
		ofStats[0].free = len(g.c) == 1 // a source alone goes with any number of samples
		add("CatConvStats", "", 0, append([]arg{
			{name: "mean", shape: v, role: output, terms: m, scale: 2},
			{name: "invstd", shape: v, role: output, terms: m + 4},
			{name: "runMean", shape: v, role: state, make: normal(0, 1), terms: m, scale: 2, group: 9},
			{name: "runVar", shape: v, role: state, make: uniform(0.5, 2), terms: m, group: 9},
		}, ofStats...), func(be device.Backend, t tensors) {
			be.CatConvStats(t.at["mean"], t.at["invstd"], g.sources(t), t.at["runMean"], t.at["runVar"], 0.01, 0.3)
		})
		weights := arg{name: "w", shape: w, make: normal(0, 1/math.Sqrt(k))}
		for _, act := range []device.Act{device.ReLU, device.Linear} {
			args := []arg{{name: "y", shape: g.grid, role: output, terms: k, scale: 2}}
			for i, up := range g.up {
				if (device.Source{X: device.Tensor{Shape: g.source(i)}, Up: up, W: device.Tensor{Shape: device.Weights(2, g.c[i], g.c[i])}}).Composite() {
					terms := 8 * float64(g.c[i])
					args = append(args, arg{name: fmt.Sprintf("up%d.w4", i), shape: device.Weights(4, g.c[i], g.grid.C), role: output, terms: terms, group: 8})
				}
			}
			args = append(append(args, g.sourceArgs()...), g.normArgs()...)
			add("CatConv", [...]string{"/linear", ""}[act], work, append(args, weights, arg{name: "b", shape: b, make: normal(0, 1), group: 9}),
				func(be device.Backend, t tensors) {
					be.CatConv(t.at["y"], g.sources(t), normalization(t), t.at["w"], t.at["b"], act)
				})
			if !g.full {
				break
			}
		}
		for _, fixed := range []bool{false, true} {
			var args []arg
			for i, up := range g.up {
				n := fmt.Sprint(i)
				dx := arg{name: "dx" + n, shape: g.source(i), role: grad, terms: 27 * float64(g.grid.C) * 8, scale: 2}
				args = append(args, dx, maskOf(dx))
				if up == device.Transposed {
					args = append(args, arg{name: "dup" + n + ".w", shape: device.Weights(2, g.c[i], g.c[i]), role: grad, terms: m, scale: math.Sqrt(m)},
						arg{name: "dup" + n + ".b", shape: device.Vec(g.c[i]), role: grad, terms: m, scale: math.Sqrt(m)})
				}
			}
			args = append(args, arg{name: "dgamma", shape: v, role: grad, terms: m, scale: 2 * math.Sqrt(m)}, arg{name: "dbeta", shape: v, role: grad, terms: m, scale: 2 * math.Sqrt(m)},
				arg{name: "dw", shape: w, role: grad, terms: m, scale: 2 * math.Sqrt(m)}, arg{name: "db", shape: b, role: grad, terms: m, scale: math.Sqrt(m)},
				arg{name: "dy", shape: g.grid, make: normal(0, 1)})
			args = append(append(append(args, g.sourceArgs()...), g.normArgs()...), weights)
			add("CatConvGrad", fmt.Sprintf("/fixed=%v", fixed), 2*work, args, func(be device.Backend, t tensors) {
				be.CatConvGrad(g.grads(t), t.at["dy"], g.sources(t), normalization(t), t.at["w"], fixed)
			})
		}
	}
	return ts
}

// grads are the places of the call's gradients.
func (g catGeometry) grads(t tensors) device.CatConvGrads {
	d := device.CatConvGrads{Gamma: t.into("dgamma"), Beta: t.into("dbeta"), W: t.into("dw"), B: t.into("db")}
	for i := range g.up {
		k := fmt.Sprint(i)
		d.In = append(d.In, device.SourceGrad{X: t.into("dx" + k), W: t.into("dup" + k + ".w"), B: t.into("dup" + k + ".b")})
	}
	return d
}

func catConvGradients() []*gradient {
	var gs []*gradient
	for _, g := range []catGeometry{
		{grid: shape(1, 2, 4, 4, 2), up: []device.Upsampling{device.Trilinear, device.AsIs}, c: []int{2, 1}},
		{grid: shape(1, 2, 4, 2, 2), up: []device.Upsampling{device.Transposed, device.AsIs}, c: []int{2, 1}},
	} {
		v := device.Vec(g.channels())
		var leaves []leaf
		for _, a := range append(g.sourceArgs(), g.normArgs()[:2]...) {
			leaves = append(leaves, leaf{a.name, a.shape, a.make})
		}
		leaves = append(leaves, leaf{"w", device.Weights(3, g.channels(), g.grid.C), normal(0, 0.3)}, leaf{"b", device.Vec(g.grid.C), normal(0, 1)})
		for _, fixed := range []bool{false, true} {
			work := []leaf{{"mean", v, normal(0, 1)}, {"invstd", v, uniform(0.5, 2)}}
			gs = append(gs, &gradient{
				name: fmt.Sprintf("CatConv/fixed=%v/%s", fixed, g.name()), methods: []string{"CatConvGrad"},
				inputs: leaves, work: work, out: g.grid,
				forward: func(b device.Backend, t tensors) {
					if !fixed {
						b.CatConvStats(t.at["mean"], t.at["invstd"], g.sources(t), device.Tensor{}, device.Tensor{}, 0.01, 0)
					}
					b.CatConv(t.at["y"], g.sources(t), normalization(t), t.at["w"], t.at["b"], device.Linear)
				},
				backward: func(b device.Backend, t tensors) {
					b.CatConvGrad(g.grads(t), t.at["dy"], g.sources(t), normalization(t), t.at["w"], fixed)
				},
			})
		}
	}
	return gs
}
