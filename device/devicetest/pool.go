package devicetest

import (
	"voxgrad/device"
	"voxgrad/device/ref"
)

func half(s device.Shape) device.Shape { return shape(s.N, s.D/2, s.H/2, s.W/2, s.C) }

// pooledFrom is the contents of y where x was drawn before.
func pooledFrom(x string) values {
	return func(d draw) []float32 {
		b := ref.New[float32]()
		in, out := b.Alloc(d.sizes[x]), b.Alloc(d.shape)
		b.Upload(in, d.seen[x])
		b.MaxPool(out, in)
		return download(b, out)
	}
}

func poolTrials() []*trial {
	var ts []*trial
	for i, s := range []device.Shape{
		shape(2, 5, 6, 7, 3), shape(1, 2, 2, 2, 1), shape(1, 9, 5, 8, 8), shape(3, 5, 7, 6, 17), shape(1, 6, 8, 9, 24), shape(1, 5, 5, 5, 48),
	} {
		for _, kind := range []struct {
			name string
			x    values
		}{{"", normal(0, 1)}, {"/ties", integers(-1, 1)}, {"/equal", constant(2)}, {"/negative", uniform(-3, -2)}} {
			ts = append(ts, &trial{
				method: "MaxPool", name: s.String() + kind.name, full: i == 0,
				args: []arg{
					{name: "y", shape: half(s), role: output},
					{name: "x", shape: s, make: kind.x},
				},
				call: func(b device.Backend, t tensors) { b.MaxPool(t.at["y"], t.at["x"]) },
			}, &trial{
				method: "MaxPoolGrad", name: s.String() + kind.name, full: i == 0,
				args: []arg{
					{name: "dx", shape: s, role: grad},
					{name: "dy", shape: half(s), make: normal(0, 1)},
					{name: "x", shape: s, make: kind.x},
					{name: "y", shape: half(s), make: pooledFrom("x")},
					maskOf(arg{name: "dx", shape: s}),
				},
				call: func(b device.Backend, t tensors) { b.MaxPoolGrad(t.into("dx"), t.at["dy"], t.at["x"], t.at["y"]) },
			})
		}
	}
	return ts
}

func poolGradients() []*gradient {
	s := shape(2, 5, 6, 7, 2)
	return []*gradient{{
		name: "MaxPool/" + s.String(), methods: []string{"MaxPoolGrad"},
		inputs: []leaf{{"x", s, spaced(0.1)}}, out: half(s), // no ties within reach of a difference
		forward:  func(b device.Backend, t tensors) { b.MaxPool(t.at["y"], t.at["x"]) },
		backward: func(b device.Backend, t tensors) { b.MaxPoolGrad(t.into("dx"), t.at["dy"], t.at["x"], t.at["y"]) },
	}}
}
