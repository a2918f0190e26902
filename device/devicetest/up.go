package devicetest

import "voxgrad/device"

func twice(s device.Shape) device.Shape { return shape(s.N, 2*s.D, 2*s.H, 2*s.W, s.C) }

func upTrials() []*trial {
	var ts []*trial
	for i, s := range []device.Shape{
		shape(2, 5, 6, 7, 3), shape(1, 1, 1, 1, 1), shape(1, 5, 1, 2, 8), shape(3, 2, 5, 3, 17), shape(1, 5, 5, 6, 24), shape(1, 3, 7, 5, 48),
		shape(1, 13, 16, 17, 24),
	} {
		ts = append(ts, &trial{
			method: "Upsample", name: s.String(), full: i == 0, large: s.Len() > 50000, flops: 16 * float64(twice(s).Len()),
			args: []arg{
				{name: "y", shape: twice(s), role: output, terms: 8},
				{name: "x", shape: s, make: normal(0, 1)},
			},
			call: func(b device.Backend, t tensors) { b.Upsample(t.at["y"], t.at["x"]) },
		}, &trial{
			method: "UpsampleGrad", name: s.String(), full: i == 0, large: s.Len() > 50000, flops: 16 * float64(twice(s).Len()),
			args: []arg{
				{name: "dx", shape: s, role: grad, terms: 64},
				{name: "dy", shape: twice(s), make: normal(0, 1)},
			},
			call: func(b device.Backend, t tensors) { b.UpsampleGrad(t.into("dx"), t.at["dy"]) },
		})
	}
	return ts
}

func upGradients() []*gradient {
	var gs []*gradient
	for _, s := range []device.Shape{shape(2, 3, 4, 5, 2), shape(1, 1, 2, 1, 1)} {
		gs = append(gs, &gradient{
			name: "Upsample/" + s.String(), methods: []string{"UpsampleGrad"},
			inputs: []leaf{{"x", s, normal(0, 1)}}, out: twice(s),
			forward:  func(b device.Backend, t tensors) { b.Upsample(t.at["y"], t.at["x"]) },
			backward: func(b device.Backend, t tensors) { b.UpsampleGrad(t.into("dx"), t.at["dy"]) },
		})
	}
	return gs
}
