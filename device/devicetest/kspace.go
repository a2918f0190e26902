package devicetest

import (
	"fmt"
	"math"

	"voxgrad/device"
)

// conjugate makes the elements of opposite frequencies equal, or opposite in sign: a real
// image's real and imaginary part.
func conjugate(of values, sign float32) values {
	return func(d draw) []float32 {
		x := of(d)
		for i := range x {
			if k := partner(d.shape, i); k < i {
				x[i] = sign * x[k]
			} else if k == i && sign < 0 {
				x[i] = 0
			}
		}
		return x
	}
}

func kspacePeakTrials() []*trial {
	var ts []*trial
	for i, s := range []device.Shape{shape(1, 5, 6, 7, 1), shape(1, 1, 1, 1, 1), shape(1, 4, 4, 6, 1), shape(1, 23, 31, 50, 1)} {
		for _, c := range []struct {
			name   string
			re, im values
		}{
			{"random", normal(0, 1), normal(0, 1)},
			{"conjugate", conjugate(normal(0, 1), 1), conjugate(normal(0, 1), -1)},
			{"ties", integers(-3, 3), normal(0, 1)}, // many of the largest real part
			{"all ties", constant(2), integers(-3, 3)},
			{"all equal", constant(-2), constant(-1)},
			{"below zero", uniform(-9, -2), uniform(-9, -2)},
			{"infinite", constant(math.Inf(-1)), normal(0, 1)},
		} {
			ts = append(ts, &trial{
				method: "KSpacePeak", name: fmt.Sprintf("%v/%s", s, c.name), full: i == 0 && c.name == "random", large: s.Len() > 4000,
				args: []arg{
					{name: "peak", shape: device.Vec(2), role: output},
					{name: "re", shape: s, make: c.re},
					{name: "im", shape: s, make: c.im},
				},
				call: func(b device.Backend, t tensors) { imaging(b).KSpacePeak(t.at["peak"], t.at["re"], t.at["im"]) },
			})
		}
	}
	return ts
}

// positions are the zero frequency, both ends, and one between.
func positions(s device.Shape) map[string][3]int {
	return map[string][3]int{
		"DC": {s.D / 2, s.H / 2, s.W / 2}, "first": {}, "last": {s.D - 1, s.H - 1, s.W - 1}, "between": {s.D / 3, s.H - 1, s.W / 4},
	}
}

func kspaceSpikeTrials() []*trial {
	var ts []*trial
	for i, s := range []device.Shape{shape(1, 5, 6, 7, 1), shape(1, 1, 1, 1, 1), shape(1, 4, 3, 8, 1)} {
		for _, name := range []string{"DC", "first", "last", "between"} {
			at := positions(s)[name]
			ts = append(ts, &trial{
				method: "KSpaceSpike", name: fmt.Sprintf("%v/%s", s, name), full: i == 0 && name == "DC",
				args: []arg{
					{name: "re", shape: s, role: state, make: normal(0, 1), terms: 2},
					{name: "im", shape: s, role: state, make: normal(0, 1), terms: 2},
					{name: "peak", shape: device.Vec(2), make: away(2)},
				},
				call: func(b device.Backend, t tensors) {
					imaging(b).KSpaceSpike(t.at["re"], t.at["im"], t.at["peak"], at, 0.3)
				},
			})
		}
	}
	return ts
}

func spikeInImageTrials() []*trial {
	var ts []*trial
	for i, s := range []device.Shape{
		shape(2, 5, 6, 7, 3), shape(1, 1, 1, 1, 1), shape(1, 4, 3, 8, 1), shape(1, 2, 181, 9, 1), shape(1, 3, 2, 182, 1), shape(1, 181, 3, 4, 1),
	} {
		for _, name := range []string{"DC", "first", "last", "between"} {
			at := positions(s)[name]
			ratio := 0.3 * float64(s.Voxels()) // the wave is as high as the image
			ts = append(ts, &trial{
				method: "SpikeInImage", name: fmt.Sprintf("%v/%s", s, name), full: i == 0 && name == "DC", flops: 5 * float64(s.Len()),
				alias: [][2]string{{"y", "x"}},
				args: []arg{
					{name: "y", shape: s, role: output, terms: 4, scale: 1},
					{name: "x", shape: s, make: normal(0, 1)},
					{name: "peak", shape: device.Vec(2), make: away(2)},
				},
				call: func(b device.Backend, t tensors) {
					imaging(b).SpikeInImage(t.at["y"], t.at["x"], t.at["peak"], at, ratio)
				},
			})
		}
	}
	return ts
}
