package devicetest

import (
	"fmt"
	"math"

	"voxgrad/device"
)

// halves draws masks whose values lie on both sides of one half, at it, and nowhere.
func halves() values {
	levels := []float32{0, 0.5, math.Nextafter32(0.5, 1), math.Nextafter32(0.5, 0), 1, float32(math.NaN()), float32(math.Inf(1)), -3}
	return func(d draw) []float32 {
		x := make([]float32, d.shape.Len())
		for i := range x {
			x[i] = levels[d.Intn(len(levels))]
		}
		return x
	}
}

// single is 1 at an element, from the end if negative, and 0 elsewhere.
func single(at int) values {
	return func(d draw) []float32 {
		x := make([]float32, d.shape.Len())
		x[(at+len(x))%len(x)] = 1
		return x
	}
}

var masks = []struct {
	name string
	make values
}{
	{"random", integers(0, 1)}, {"last", single(-1)}, {"halves", halves()}, {"soft", uniform(0, 1)}, {"first", single(0)},
	{"empty", constant(0)}, {"one half everywhere", constant(0.5)}, {"full", constant(1)},
}

func regionTrials() []*trial {
	var ts []*trial
	two := device.Vec(2)
	for i, s := range append(imageShapes(), someBlocks, manyBlocks) {
		for k, m := range masks {
			large := s == manyBlocks
			if large && k > 1 {
				break
			}
			full := i == 0 && m.name == "random"
			name := fmt.Sprintf("%v/%s", s, m.name)
			for _, x := range []struct {
				name string
				make values
			}{{"", normal(0, 1)}, {"/far", normal(1000, 1)}} {
				ts = append(ts, &trial{
					method: "RegionStats", name: name + x.name, full: full && x.name == "", large: large,
					args: []arg{
						{name: "stats", shape: two, role: output, terms: 1},
						{name: "x", shape: s, make: x.make},
						{name: "mask", shape: s, make: m.make},
					},
					call: func(b device.Backend, t tensors) {
						imaging(b).RegionStats(t.at["stats"], t.at["x"], t.at["mask"])
					},
				})
			}
			key := noiseKeys[i%len(noiseKeys)]
			noise := func(name string, full bool, terms float64, stats values) *trial {
				return &trial{
					method: "RegionNoise", name: name, full: full, large: large, alias: [][2]string{{"y", "x"}},
					args: []arg{
						{name: "y", shape: s, role: output, terms: terms},
						{name: "x", shape: s, make: normal(0, 1)},
						{name: "mask", shape: s, make: m.make},
						{name: "stats", shape: two, make: stats},
					},
					call: func(b device.Backend, t tensors) {
						imaging(b).RegionNoise(t.at["y"], t.at["x"], t.at["mask"], t.at["stats"], key)
					},
				}
			}
			unit := func(draw) []float32 { return []float32{0, 1} }
			ts = append(ts, noise(name, full, 2, uniform(0.5, 2)), noise(name+"/bits", false, 0, unit), &trial{
				method: "Select", name: name, full: full, large: large, alias: [][2]string{{"y", "a"}, {"y", "b"}},
				args: []arg{
					{name: "y", shape: s, role: output},
					{name: "mask", shape: s, make: m.make},
					{name: "a", shape: s, make: normal(0, 1)},
					{name: "b", shape: s, make: normal(0, 1)},
				},
				call: func(b device.Backend, t tensors) {
					imaging(b).Select(t.at["y"], t.at["mask"], t.at["a"], t.at["b"])
				},
			})
		}
	}
	return ts
}
