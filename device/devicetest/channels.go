package devicetest

import (
	"fmt"

	"voxgrad/device"
)

func channelsTrials() []*trial {
	var ts []*trial
	for i, c := range []struct {
		grid   device.Shape
		ca, cb int
	}{
		{shape(2, 5, 6, 7, 0), 3, 5}, {shape(1, 5, 5, 5, 0), 1, 1}, {shape(1, 6, 9, 5, 0), 8, 24},
		{shape(3, 5, 5, 7, 0), 24, 17}, {shape(1, 7, 5, 6, 0), 48, 1}, {shape(2, 1, 1, 1, 0), 1, 48},
	} {
		a, b, y := c.grid.WithC(c.ca), c.grid.WithC(c.cb), c.grid.WithC(c.ca+c.cb)
		name := fmt.Sprintf("%v/c%d+%d", y, c.ca, c.cb)
		ts = append(ts, &trial{
			method: "Concat", name: name, full: i == 0,
			args: []arg{
				{name: "y", shape: y, role: output},
				{name: "a", shape: a, make: normal(0, 1)},
				{name: "b", shape: b, make: normal(0, 1)},
			},
			call: func(b device.Backend, t tensors) { b.Concat(t.at["y"], t.at["a"], t.at["b"]) },
		}, &trial{
			method: "Split", name: name, full: i == 0,
			args: []arg{
				{name: "da", shape: a, role: grad},
				{name: "db", shape: b, role: grad},
				{name: "dy", shape: y, make: normal(0, 1)},
			},
			call: func(b device.Backend, t tensors) { b.Split(t.into("da"), t.into("db"), t.at["dy"]) },
		})
	}
	return ts
}

func channelsGradients() []*gradient {
	y := shape(2, 2, 3, 4, 5)
	return []*gradient{{
		name: "Concat/" + y.String(), methods: []string{"Split"},
		inputs: []leaf{{"a", y.WithC(2), normal(0, 1)}, {"b", y.WithC(3), normal(0, 1)}}, out: y,
		forward:  func(b device.Backend, t tensors) { b.Concat(t.at["y"], t.at["a"], t.at["b"]) },
		backward: func(b device.Backend, t tensors) { b.Split(t.into("da"), t.into("db"), t.at["dy"]) },
	}}
}
