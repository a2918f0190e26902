package devicetest

import (
	"fmt"
	"math"

	"voxgrad/device"
)

func imageShapes() []device.Shape {
	return []device.Shape{shape(2, 5, 6, 7, 3), shape(1, 1, 1, 1, 1), shape(1, 7, 9, 11, 1)}
}

// Vectors that fill several blocks, and several pieces of a processor's work.
var someBlocks, manyBlocks = device.Vec(1<<12 + 3), device.Vec(1<<16 + 3)

// least is normal about mean with its smallest value at an element, from the end if negative.
func least(mean, v float64, at int) values {
	return func(d draw) []float32 {
		x := normal(mean, 1)(d)
		x[(at+len(x))%len(x)] = float32(v)
		return x
	}
}

func minTrials() []*trial {
	var ts []*trial
	for i, s := range append(imageShapes(), shape(3, 1, 1, 1, 4), someBlocks, manyBlocks) {
		for k, c := range []struct {
			name string
			x    values
		}{
			{"first", least(0, -9, 0)}, {"last", least(0, -9, -1)}, {"NaN last", least(0, math.NaN(), -1)},
			{"NaN first", least(0, math.NaN(), 0)}, {"all NaN", constant(math.NaN())}, {"positive", least(20, 3, 1)},
			{"negative", least(-20, -90, -2)}, {"none smaller", constant(5)}, {"infinite", constant(math.Inf(1))},
			{"minus infinity", least(0, math.Inf(-1), 4)},
		} {
			if s == manyBlocks && k > 2 {
				break
			}
			ts = append(ts, &trial{
				method: "Min", name: fmt.Sprintf("%v/%s", s, c.name), full: i == 0 && c.name == "first", large: s == manyBlocks,
				args: []arg{
					{name: "least", shape: device.Scalar(), role: output},
					{name: "x", shape: s, make: c.x, free: true},
				},
				call: func(b device.Backend, t tensors) { imaging(b).Min(t.at["least"], t.at["x"]) },
			})
		}
	}
	return ts
}

func biasFieldTrials() []*trial {
	var ts []*trial
	for i, s := range append(imageShapes(), shape(1, 1, 6, 9, 1), shape(2, 5, 1, 8, 1), shape(1, 5, 7, 1, 2), shape(1, 2, 3, 70, 1)) {
		for order := range 5 {
			// Large coefficients nearly cancel: a sum in float32 would show.
			for _, size := range []float64{0.3, 3} {
				ts = append(ts, &trial{
					method: "BiasField", name: fmt.Sprintf("%v/order=%d/size=%g", s, order, size), full: i == 0 && order == 2 && size < 1,
					alias: [][2]string{{"y", "x"}},
					args: []arg{
						{name: "y", shape: s, role: output, terms: 4},
						{name: "x", shape: s, make: normal(1, 0.3)},
						{name: "coef", shape: device.Vec((order + 1) * (order + 2) * (order + 3) / 6), make: uniform(-size, size)},
					},
					call: func(b device.Backend, t tensors) {
						imaging(b).BiasField(t.at["y"], t.at["x"], t.at["coef"], order)
					},
				})
			}
		}
	}
	return ts
}

var noiseKeys = []uint64{0, 0xfedcba9876543210, 1 << 32}

func noiseTrials() []*trial {
	var ts []*trial
	for i, s := range append(imageShapes(), someBlocks, manyBlocks) {
		for _, key := range noiseKeys {
			call := func(sd float64) func(b device.Backend, t tensors) {
				return func(b device.Backend, t tensors) { imaging(b).Noise(t.at["y"], t.at["x"], sd, key) }
			}
			// Nothing but z, which must be the same to the bit.
			ts = append(ts, &trial{
				method: "Noise", name: fmt.Sprintf("%v/key=%x/bits", s, key), call: call(1), large: s == manyBlocks,
				args: []arg{
					{name: "y", shape: s, role: output},
					{name: "x", shape: s, make: constant(0)},
				},
			}, &trial{
				method: "Noise", name: fmt.Sprintf("%v/key=%x", s, key), full: i == 0 && key == 0, large: s == manyBlocks, call: call(0.07),
				alias: [][2]string{{"y", "x"}},
				args: []arg{
					{name: "y", shape: s, role: output, terms: 2},
					{name: "x", shape: s, make: normal(0, 1)},
				},
			})
		}
	}
	return ts
}
