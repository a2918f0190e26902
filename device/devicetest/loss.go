package devicetest

import (
	"fmt"

	"voxgrad/device"
)

func lossShapes() []device.Shape {
	return []device.Shape{
		shape(2, 5, 6, 7, 2), shape(1, 5, 5, 5, 1), shape(1, 7, 6, 9, 3), shape(3, 5, 5, 6, 8), shape(1, 5, 6, 5, 17), shape(2, 1, 1, 1, 24),
	}
}

// logits have the size that makes the softmax neither flat nor a step; the far
// ones overflow an exponential that forgets to subtract the maximum.
var logitKinds = []struct {
	name string
	x    values
}{{"", normal(0, 2)}, {"/far", normal(20, 100)}}

func softmaxTrials() []*trial {
	var ts []*trial
	for i, s := range lossShapes() {
		for _, kind := range logitKinds {
			ts = append(ts, &trial{
				method: "Softmax", name: s.String() + kind.name, full: i == 0, alias: [][2]string{{"p", "x"}},
				args: []arg{
					{name: "p", shape: s, role: output, terms: 16},
					{name: "x", shape: s, make: kind.x},
				},
				call: func(b device.Backend, t tensors) { b.Softmax(t.at["p"], t.at["x"]) },
			})
		}
	}
	return ts
}

func diceOptions() map[string]device.DiceOptions {
	return map[string]device.DiceOptions{
		"mean":          {Eps: 0.5},
		"foreground":    {Eps: 0.5, ForegroundOnly: true},
		"mean+ce":       {Eps: 0.5, CrossEntropy: 0.7},
		"foreground+ce": {Eps: 0.5, ForegroundOnly: true, CrossEntropy: 1.5},
	}
}

// targets are classes or, for blurred or averaged masks, anything in [0, 1].
var targetKinds = []struct {
	name string
	g    values
}{{"onehot", oneHot()}, {"soft", uniform(0, 1)}, {"empty", constant(0)}}

// diceSums draws I, P and G as a batch of r rows would have them.
func diceSums(r float64) values {
	return func(d draw) []float32 {
		n := d.shape.C / 3
		x := make([]float32, d.shape.C)
		for c := range n {
			p, g := d.Uniform(0.2, 0.8)*r, d.Uniform(0.2, 0.8)*r
			x[c], x[n+c], x[2*n+c] = float32(d.Uniform(0.1, 0.9)*min(p, g)), float32(p), float32(g)
		}
		return x
	}
}

func diceTrials() []*trial {
	var ts []*trial
	for i, s := range lossShapes() {
		for _, optName := range []string{"mean", "foreground", "mean+ce", "foreground+ce"} {
			opt := diceOptions()[optName]
			for _, kind := range targetKinds {
				for _, logits := range logitKinds {
					r := float64(s.Rows())
					v, one := device.Vec(3*s.C), device.Scalar()
					name := fmt.Sprintf("%v/%s/%s%s", s, optName, kind.name, logits.name)
					full := i == 0 && optName == "mean+ce" && kind.name == "soft" && logits.name == ""
					ts = append(ts, &trial{
						method: "DiceLoss", name: name, full: full,
						args: []arg{
							{name: "loss", shape: one, role: output, terms: r + 16, scale: 1},
							{name: "sums", shape: v, role: output, terms: r + 16},
							{name: "prob", shape: s, role: output, terms: 16, group: 1},
							{name: "x", shape: s, make: logits.x},
							{name: "g", shape: s, make: kind.g},
						},
						call: func(b device.Backend, t tensors) {
							b.DiceLoss(t.at["loss"], t.at["sums"], t.at["prob"], t.at["x"], t.at["g"], opt)
						},
					}, &trial{
						method: "DiceLossGrad", name: name, full: full,
						args: []arg{
							{name: "dx", shape: s, role: grad, terms: 64, scale: 1 / r},
							{name: "dloss", shape: one, make: away(0.5)},
							{name: "sums", shape: v, make: diceSums(r)},
							{name: "x", shape: s, make: logits.x},
							{name: "g", shape: s, make: kind.g},
						},
						call: func(b device.Backend, t tensors) {
							b.DiceLossGrad(t.into("dx"), t.at["dloss"], t.at["sums"], t.at["x"], t.at["g"], opt)
						},
					})
				}
			}
		}
	}
	return ts
}

func mseTrials() []*trial {
	var ts []*trial
	for i, s := range lossShapes() {
		ts = append(ts, &trial{
			method: "MSE", name: s.String(), full: i == 0, flops: 3 * float64(s.Len()),
			args: []arg{
				{name: "loss", shape: device.Scalar(), role: output, terms: float64(s.Len()) + 4},
				{name: "x", shape: s, make: normal(0.5, 1)},
				{name: "g", shape: s, make: normal(0, 1)},
			},
			call: func(b device.Backend, t tensors) { b.MSE(t.at["loss"], t.at["x"], t.at["g"]) },
		}, &trial{
			method: "MSEGrad", name: s.String(), full: i == 0, flops: 2 * float64(s.Len()),
			args: []arg{
				{name: "dx", shape: s, role: grad, terms: 4},
				{name: "dloss", shape: device.Scalar(), make: away(0.5)},
				{name: "x", shape: s, make: normal(0.5, 1)},
				{name: "g", shape: s, make: normal(0, 1)},
			},
			call: func(b device.Backend, t tensors) { b.MSEGrad(t.into("dx"), t.at["dloss"], t.at["x"], t.at["g"]) },
		})
	}
	return ts
}

func lossGradients() []*gradient {
	var gs []*gradient
	one := device.Scalar()
	for _, s := range []device.Shape{shape(2, 3, 3, 4, 2), shape(1, 2, 3, 3, 3)} {
		for _, optName := range []string{"mean", "foreground", "mean+ce", "foreground+ce"} {
			opt := diceOptions()[optName]
			for _, kind := range targetKinds {
				gs = append(gs, &gradient{
					name: fmt.Sprintf("DiceLoss/%v/%s/%s", s, optName, kind.name), methods: []string{"DiceLossGrad"},
					inputs: []leaf{{"x", s, normal(0, 1)}},
					work:   []leaf{{"g", s, kind.g}, {"sums", device.Vec(3 * s.C), constant(0)}},
					out:    one,
					forward: func(b device.Backend, t tensors) {
						b.DiceLoss(t.at["y"], t.at["sums"], device.Tensor{}, t.at["x"], t.at["g"], opt)
					},
					backward: func(b device.Backend, t tensors) {
						b.DiceLossGrad(t.into("dx"), t.at["dy"], t.at["sums"], t.at["x"], t.at["g"], opt)
					},
				})
			}
		}
		gs = append(gs, &gradient{
			name: "MSE/" + s.String(), methods: []string{"MSEGrad"},
			inputs: []leaf{{"x", s, normal(0, 1)}}, work: []leaf{{"g", s, normal(0, 1)}}, out: one,
			forward:  func(b device.Backend, t tensors) { b.MSE(t.at["y"], t.at["x"], t.at["g"]) },
			backward: func(b device.Backend, t tensors) { b.MSEGrad(t.into("dx"), t.at["dy"], t.at["x"], t.at["g"]) },
		})
	}
	return gs
}
