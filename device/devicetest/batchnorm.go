package devicetest

import (
	"fmt"
	"math"

	"voxgrad/device"
)

func normShapes() []device.Shape {
	return []device.Shape{
		shape(2, 5, 6, 7, 3), shape(1, 1, 1, 1, 1), shape(3, 5, 5, 9, 8), shape(1, 7, 6, 5, 17),
		shape(2, 5, 8, 5, 24), shape(1, 5, 6, 7, 48), shape(1, 1, 1, 2, 1), shape(1, 9, 9, 9, 1),
	}
}

func batchNormTrials() []*trial {
	var ts []*trial
	stats := func(s device.Shape, what string, x values, size float64, full, large bool) {
		v, m := device.Vec(s.C), float64(s.Rows())
		ts = append(ts, &trial{
			method: "BatchNormStats", name: s.String() + what, full: full, large: large, flops: 4 * float64(s.Len()),
			args: []arg{
				{name: "mean", shape: v, role: output, terms: m, scale: size},
				{name: "invstd", shape: v, role: output, terms: m + 4},
				{name: "x", shape: s, make: x, free: true},
				{name: "runMean", shape: v, role: state, make: normal(0, 1), terms: m, scale: size, group: 1},
				{name: "runVar", shape: v, role: state, make: uniform(0.5, 2), terms: m, group: 1},
			},
			call: func(b device.Backend, t tensors) {
				b.BatchNormStats(t.at["mean"], t.at["invstd"], t.at["x"], t.at["runMean"], t.at["runVar"], 0.01, 0.3)
			},
		})
	}
	for i, s := range normShapes() {
		stats(s, "", perChannel(1, 1), 1, i == 0, false)
		v := device.Vec(s.C)
		ts = append(ts, &trial{
			method: "BatchNormApply", name: s.String(), full: i == 0, flops: 2 * float64(s.Len()), alias: [][2]string{{"y", "x"}},
			args: []arg{
				{name: "y", shape: s, role: output, terms: 4},
				{name: "x", shape: s, make: perChannel(1, 1)},
				{name: "gamma", shape: v, make: away(0.5)},
				{name: "beta", shape: v, make: normal(0, 1)},
				{name: "mean", shape: v, make: normal(0, 1)},
				{name: "invstd", shape: v, make: uniform(0.5, 2)},
			},
			call: func(b device.Backend, t tensors) {
				b.BatchNormApply(t.at["y"], t.at["x"], t.at["gamma"], t.at["beta"], t.at["mean"], t.at["invstd"])
			},
		})
	}
	for i, c := range []int{3, 1, 8, 17, 384} {
		v := device.Vec(c)
		ts = append(ts, &trial{
			method: "BatchNormInvStd", name: v.String(), full: i == 0,
			args: []arg{
				{name: "invstd", shape: v, role: output, terms: 4},
				{name: "variance", shape: v, make: uniform(0, 2)},
			},
			call: func(b device.Backend, t tensors) { b.BatchNormInvStd(t.at["invstd"], t.at["variance"], 0.01) },
		})
	}
	// Statistics that a difference of two large numbers would miss, and none at all.
	stats(shape(2, 5, 6, 7, 3), "/offset", perChannel(100, 1), 100, false, false)
	stats(shape(1, 5, 5, 5, 8), "/equal", constant(3), 3, false, false)
	stats(shape(2, 16, 17, 19, 24), "/large", perChannel(1, 1), 1, false, true)

	for _, fixed := range []bool{false, true} {
		for i, s := range append(normShapes(), shape(2, 16, 17, 19, 24)) {
			v, m := device.Vec(s.C), float64(s.Rows())
			ts = append(ts, &trial{
				method: "BatchNormGrad", name: fmt.Sprintf("%v/fixed=%v", s, fixed), full: i == 0, large: m > 10000, flops: 8 * float64(s.Len()),
				alias: [][2]string{{"dx", "dy"}},
				args: []arg{
					// With few values the subtracted terms cancel dy all but wholly.
					{name: "dx", shape: s, role: grad, terms: 16, scale: 1},
					{name: "dgamma", shape: v, role: grad, terms: m, scale: math.Sqrt(m)},
					{name: "dbeta", shape: v, role: grad, terms: m, scale: math.Sqrt(m)},
					{name: "dy", shape: s, make: normal(0, 1)},
					{name: "x", shape: s, make: perChannel(0.5, 1)},
					{name: "gamma", shape: v, make: away(0.5)},
					{name: "mean", shape: v, make: normal(0, 0.5)},
					{name: "invstd", shape: v, make: uniform(0.5, 1.5)},
				},
				call: func(b device.Backend, t tensors) {
					b.BatchNormGrad(t.into("dx"), t.into("dgamma"), t.into("dbeta"), t.at["dy"], t.at["x"], t.at["gamma"], t.at["mean"], t.at["invstd"], fixed)
				},
			})
		}
	}
	return ts
}

func batchNormGradients() []*gradient {
	var gs []*gradient
	for _, s := range []device.Shape{shape(2, 3, 4, 5, 3), shape(1, 1, 1, 2, 2)} {
		v := device.Vec(s.C)
		leaves := []leaf{{"x", s, perChannel(1, 1)}, {"gamma", v, away(0.5)}, {"beta", v, normal(0, 1)}}
		backward := func(fixed bool) func(b device.Backend, t tensors) {
			return func(b device.Backend, t tensors) {
				b.BatchNormGrad(t.into("dx"), t.into("dgamma"), t.into("dbeta"), t.at["dy"], t.at["x"], t.at["gamma"], t.at["mean"], t.at["invstd"], fixed)
			}
		}
		gs = append(gs, &gradient{
			name: "BatchNorm/training/" + s.String(), methods: []string{"BatchNormGrad"},
			inputs: leaves, work: []leaf{{"mean", v, constant(0)}, {"invstd", v, constant(0)}}, out: s,
			forward: func(b device.Backend, t tensors) {
				b.BatchNormStats(t.at["mean"], t.at["invstd"], t.at["x"], device.Tensor{}, device.Tensor{}, 0.01, 0)
				b.BatchNormApply(t.at["y"], t.at["x"], t.at["gamma"], t.at["beta"], t.at["mean"], t.at["invstd"])
			},
			backward: backward(false),
		}, &gradient{
			name: "BatchNorm/fixed/" + s.String(), methods: []string{"BatchNormGrad"},
			inputs: leaves, work: []leaf{{"mean", v, normal(0, 1)}, {"invstd", v, uniform(0.5, 2)}}, out: s,
			forward: func(b device.Backend, t tensors) {
				b.BatchNormApply(t.at["y"], t.at["x"], t.at["gamma"], t.at["beta"], t.at["mean"], t.at["invstd"])
			},
			backward: backward(true),
		})
	}
	return gs
}
