package devicetest

import (
	"fmt"

	"voxgrad/device"
)

func adamTrials() []*trial {
	var ts []*trial
	shapes := []device.Shape{device.Weights(3, 3, 5), device.Vec(1), device.Vec(17), device.Weights(2, 8, 7)}
	for i, step := range []int{1, 2, 7, 5000} {
		// A small gradient makes Eps matter; the moments are those of such gradients.
		for _, size := range []float64{1, 1e-3} {
			opt := device.AdamOptions{Step: step, LR: 0.1, Beta1: 0.9, Beta2: 0.99, Eps: 1e-3, WeightDecay: 0.3 * float64(i%2)}
			tr := &trial{method: "Adam", name: fmt.Sprintf("step%d/size%g", step, size), full: i == 0 && size == 1}
			for j, s := range shapes {
				n := fmt.Sprint(j)
				tr.args = append(tr.args,
					arg{name: "W" + n, shape: s, role: state, make: normal(0, 1), terms: 8},
					arg{name: "Grad" + n, shape: s, make: normal(0, size)},
					arg{name: "M" + n, shape: s, role: state, make: normal(0, size), terms: 4},
					arg{name: "V" + n, shape: s, role: state, make: uniform(0, size*size), terms: 4},
				)
			}
			tr.call = func(b device.Backend, t tensors) {
				var slots []device.AdamSlot
				for j := range shapes {
					n := fmt.Sprint(j)
					slots = append(slots, device.AdamSlot{W: t.at["W"+n], Grad: t.at["Grad"+n], M: t.at["M"+n], V: t.at["V"+n]})
				}
				b.Adam(slots, opt)
			}
			ts = append(ts, tr)
		}
	}
	// Zero moments and gradients must leave the weights alone, not divide by zero.
	s := device.Vec(24)
	ts = append(ts, &trial{
		method: "Adam", name: "zero",
		args: []arg{
			{name: "W", shape: s, role: state, make: normal(0, 1)},
			{name: "Grad", shape: s, make: constant(0)},
			{name: "M", shape: s, role: state, make: constant(0)},
			{name: "V", shape: s, role: state, make: constant(0)},
		},
		call: func(b device.Backend, t tensors) {
			b.Adam([]device.AdamSlot{{W: t.at["W"], Grad: t.at["Grad"], M: t.at["M"], V: t.at["V"]}},
				device.AdamOptions{Step: 1, LR: 0.1, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8})
		},
	})
	for _, found := range []float32{0, 1, 0.5} {
		ts = append(ts, &trial{
			method: "Adam", name: fmt.Sprint("guard of ", found), full: found == 0,
			args: []arg{
				{name: "W", shape: s, role: state, make: normal(0, 1), terms: 8},
				{name: "Grad", shape: s, make: normal(0, 1)},
				{name: "M", shape: s, role: state, make: normal(0, 1), terms: 4},
				{name: "V", shape: s, role: state, make: uniform(0, 1), terms: 4},
				{name: "Guard", shape: device.Vec(2), make: func(draw) []float32 { return []float32{found, 5} }, group: 1},
			},
			call: func(b device.Backend, t tensors) {
				b.Adam([]device.AdamSlot{{W: t.at["W"], Grad: t.at["Grad"], M: t.at["M"], V: t.at["V"]}},
					device.AdamOptions{Step: 3, LR: 0.1, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Guard: t.at["Guard"]})
			},
		})
	}
	return append(ts, &trial{
		method: "Adam", name: "no slots",
		call: func(b device.Backend, _ tensors) {
			b.Adam(nil, device.AdamOptions{Step: 1, LR: 0.1, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8})
		},
	})
}
