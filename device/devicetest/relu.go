package devicetest

import "voxgrad/device"

func reluTrials() []*trial {
	var ts []*trial
	for i, s := range []device.Shape{shape(2, 3, 5, 7, 3), shape(1, 1, 1, 1, 1), shape(1, 5, 6, 9, 17), shape(3, 9, 5, 8, 24)} {
		ts = append(ts, &trial{
			method: "ReLUGrad", name: s.String(), full: i == 0, flops: float64(s.Len()),
			alias: [][2]string{{"dx", "dy"}},
			args: []arg{
				{name: "dx", shape: s, role: grad},
				{name: "dy", shape: s, make: normal(0, 1)},
				{name: "y", shape: s, make: relu()}, // half of them exactly 0, where the gradient is 0
			},
			call: func(b device.Backend, t tensors) { b.ReLUGrad(t.into("dx"), t.at["dy"], t.at["y"]) },
		})
	}
	return ts
}

// reluGradients go through ReLU alone: a 1³ convolution with weight 1, away from the kink.
func reluGradients() []*gradient {
	s := shape(1, 5, 6, 7, 1)
	return []*gradient{{
		name: "ReLU/" + s.String(), methods: []string{"ReLUGrad"},
		inputs: []leaf{{"x", s, away(0.1)}},
		work:   []leaf{{"one", device.Weights(1, 1, 1), constant(1)}},
		out:    s,
		forward: func(b device.Backend, t tensors) {
			b.Conv(t.at["y"], t.at["x"], t.at["one"], device.Tensor{}, device.ConvParams{K: 1, Stride: 1}, device.ReLU)
		},
		backward: func(b device.Backend, t tensors) { b.ReLUGrad(t.into("dx"), t.at["dy"], t.at["y"]) },
	}}
}
