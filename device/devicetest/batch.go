package devicetest

import (
	"fmt"

	"voxgrad/device"
)

func batchTrials() []*trial {
	var ts []*trial
	for i, s := range []device.Shape{shape(3, 5, 6, 7, 3), shape(1, 3, 4, 5, 1), shape(2, 9, 8, 7, 1), shape(4, 1, 1, 1, 1)} {
		one := s
		one.N = 1
		for n := range s.N {
			name, full := fmt.Sprintf("%v/%d", s, n), i == 0 && n == 1
			ts = append(ts, &trial{
				method: "PutSample", name: name, full: full,
				args: []arg{
					{name: "batch", shape: s, role: state, make: normal(0, 1), free: true}, // of any size
					{name: "x", shape: one, make: normal(0, 1)},
				},
				call: func(b device.Backend, t tensors) { b.PutSample(t.at["batch"], n, t.at["x"]) },
			}, &trial{
				method: "TakeSample", name: name, full: full,
				args: []arg{
					{name: "x", shape: one, role: output},
					{name: "batch", shape: s, make: normal(0, 1), free: true},
				},
				call: func(b device.Backend, t tensors) { b.TakeSample(t.at["x"], t.at["batch"], n) },
			})
		}
	}
	return ts
}
