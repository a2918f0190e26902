package devicetest

import (
	"fmt"

	"voxgrad/device"
	"voxgrad/internal/rng"
)

func dropoutTrials() []*trial {
	const key = 0xfedcba9876543210
	// A probability that equals the number of element 6 exactly: it is kept.
	edge := float64(rng.Word(key, 6)) / (1 << 32)
	var ts []*trial
	for i, s := range []device.Shape{shape(2, 5, 6, 7, 3), shape(1, 1, 1, 1, 1), shape(1, 5, 5, 9, 17), shape(1, 7, 8, 6, 24)} {
		for _, p := range []float64{0.5, 0, 0.1, 0.9, edge} {
			name := fmt.Sprintf("%v/p=%.6g", s, p)
			full := i == 0 && p == 0.5
			ts = append(ts, &trial{
				method: "Dropout", name: name, full: full, alias: [][2]string{{"y", "x"}},
				args: []arg{
					{name: "y", shape: s, role: output, terms: 1},
					{name: "x", shape: s, make: away(0.5)},
				},
				call: func(b device.Backend, t tensors) { b.Dropout(t.at["y"], t.at["x"], p, key) },
			}, &trial{
				method: "DropoutGrad", name: name, full: full, alias: [][2]string{{"dx", "dy"}},
				args: []arg{
					{name: "dx", shape: s, role: grad, terms: 1},
					{name: "dy", shape: s, make: away(0.5)},
				},
				call: func(b device.Backend, t tensors) { b.DropoutGrad(t.into("dx"), t.at["dy"], p, key) },
			})
		}
	}
	return ts
}

func dropoutGradients() []*gradient {
	s := shape(2, 3, 4, 5, 3)
	const key, p = 0x123456789abcdef, 0.4
	return []*gradient{{
		name: "Dropout/" + s.String(), methods: []string{"DropoutGrad"},
		inputs: []leaf{{"x", s, normal(0, 1)}}, out: s,
		forward:  func(b device.Backend, t tensors) { b.Dropout(t.at["y"], t.at["x"], p, key) },
		backward: func(b device.Backend, t tensors) { b.DropoutGrad(t.into("dx"), t.at["dy"], p, key) },
	}}
}
