package devicetest

import (
	"fmt"
	"slices"

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
	// Longer than MaxNorm, shorter, and so short that the constant beside the norm counts.
	for _, c := range []struct{ norm, most float64 }{{40, 3}, {2, 3}, {1e-6, 1e-6}} {
		ts = append(ts, &trial{
			method: "Adam", name: fmt.Sprintf("norm %g of %g", c.norm, c.most), full: c.norm > c.most,
			args: []arg{
				{name: "W", shape: s, role: state, make: normal(0, 1), terms: 8},
				{name: "Grad", shape: s, make: normal(0, 1)},
				{name: "M", shape: s, role: state, make: normal(0, 0.1), terms: 4},
				{name: "V", shape: s, role: state, make: uniform(0, 1e-3), terms: 6},
				{name: "Norm", shape: device.Scalar(), make: constant(c.norm), group: 1},
			},
			call: func(b device.Backend, t tensors) {
				b.Adam([]device.AdamSlot{{W: t.at["W"], Grad: t.at["Grad"], M: t.at["M"], V: t.at["V"]}},
					device.AdamOptions{Step: 3, LR: 0.1, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, Norm: t.at["Norm"], MaxNorm: c.most})
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

// totalNormTrials have squares that float32 does not hold, too.
func totalNormTrials() []*trial {
	shapes := []device.Shape{device.Weights(3, 3, 5), device.Vec(1), device.Vec(8193), device.Weights(3, 17, 24), device.Vec(8)}
	var ts []*trial
	add := func(name string, full bool, shapes []device.Shape, size func(i int) float64) {
		tr := &trial{
			method: "TotalNorm", name: name, full: full,
			args: []arg{{name: "norm", shape: device.Scalar(), role: output, terms: 1}},
			call: func(b device.Backend, t tensors) {
				list := make([]device.Tensor, len(shapes))
				for i := range list {
					list[i] = t.at[fmt.Sprint("x", i)]
				}
				b.TotalNorm(t.at["norm"], list)
			},
		}
		for i, s := range shapes {
			tr.args = append(tr.args, arg{name: fmt.Sprint("x", i), shape: s, make: normal(size(i), size(i)), free: true})
		}
		ts = append(ts, tr)
	}
	same := func(v float64) func(int) float64 { return func(int) float64 { return v } }
	add("several", true, shapes, same(1))
	for k := range shapes { // each by far the largest
		add(fmt.Sprint("most in ", k), false, shapes, func(i int) float64 {
			if i == k {
				return 1
			}
			return 1e-3
		})
	}
	add("large", false, shapes, same(1e25))
	add("small", false, shapes, same(1e-25))
	add("one", false, []device.Shape{device.Vec(70001)}, same(1))
	add("many", false, slices.Repeat([]device.Shape{device.Vec(2)}, 300), same(1)) // more than one block has threads for
	add("nothing", false, nil, nil)
	return ts
}
