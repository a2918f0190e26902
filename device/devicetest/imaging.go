package devicetest

import (
	"errors"

	"voxgrad/device"
)

// imagingCases are those of more than one call; most are calls that panic for something that
// checkMisuse does not know.
func imagingCases() []Case {
	type call struct {
		what string
		f    func(b device.Backend, t func(s device.Shape) device.Tensor)
	}
	x, one, two := shape(1, 3, 4, 5, 1), device.Scalar(), device.Vec(2)
	set := func(t device.Tensor) device.Into { return device.Into{Tensor: t, Mode: device.Set} }
	along := func(what string, y, x, m device.Shape, axis int) call {
		return call{what, func(b device.Backend, t func(device.Shape) device.Tensor) {
			imaging(b).AlongAxis(set(t(y)), t(x), t(m), axis)
		}}
	}
	orient := func(what string, y device.Shape, perm [3]int) call {
		return call{what, func(b device.Backend, t func(device.Shape) device.Tensor) {
			imaging(b).Orient(t(y), t(x), perm, [3]bool{})
		}}
	}
	field := func(what string, terms, order int) call {
		return call{what, func(b device.Backend, t func(device.Shape) device.Tensor) {
			imaging(b).BiasField(t(x), t(x), t(device.Vec(terms)), order)
		}}
	}
	peak := func(what string, s device.Shape) call {
		return call{what, func(b device.Backend, t func(device.Shape) device.Tensor) { imaging(b).KSpacePeak(t(two), t(s), t(s)) }}
	}
	spike := func(what string, s device.Shape, at [3]int) call {
		return call{what, func(b device.Backend, t func(device.Shape) device.Tensor) {
			imaging(b).KSpaceSpike(t(s), t(s), t(two), at, 1)
		}}
	}
	wave := func(what string, s device.Shape, at [3]int) call {
		return call{what, func(b device.Backend, t func(device.Shape) device.Tensor) {
			imaging(b).SpikeInImage(t(s), t(s), t(two), at, 1)
		}}
	}
	put := func(what string, n int) call {
		return call{what, func(b device.Backend, t func(device.Shape) device.Tensor) {
			b.PutSample(t(shape(2, 3, 4, 5, 1)), n, t(x))
		}}
	}
	take := func(what string, n int) call {
		return call{what, func(b device.Backend, t func(device.Shape) device.Tensor) {
			b.TakeSample(t(x), t(shape(2, 3, 4, 5, 1)), n)
		}}
	}
	channels, samples := x.WithC(2), shape(2, 3, 4, 5, 1)
	var cases []Case
	for _, m := range []struct {
		method string
		calls  []call
	}{
		{"AlongAxis", []call{
			along("axis 3", x, x, device.Matrix(5, 5), 3),
			along("axis −1", x, x, device.Matrix(5, 5), -1),
			along("another axis's extent", shape(1, 3, 5, 5, 1), x, device.Matrix(5, 5), 1),
			along("a matrix the other way round", shape(1, 3, 4, 7, 1), x, device.Matrix(5, 7), 2),
			along("a matrix that is no matrix", x, x, shape(1, 1, 3, 1, 3), 0),
		}},
		{"Orient", []call{
			orient("an axis twice", x, [3]int{0, 1, 1}), orient("axis 3", x, [3]int{0, 1, 3}), orient("axis −1", x, [3]int{-1, 1, 2}),
			orient("the shape of the inverse", shape(1, 5, 3, 4, 1), [3]int{1, 2, 0}),
		}},
		{"Resample", []call{
			{"other channels", func(b device.Backend, t func(device.Shape) device.Tensor) {
				imaging(b).Resample(t(channels), t(x), t(one), [3][4]float64{})
			}},
		}},
		{"BiasField", []call{
			field("order −1", 1, -1), field("order 5", 56, 5), field("too few coefficients", 19, 3), field("too many coefficients", 21, 3),
		}},
		{"KSpacePeak", []call{peak("two channels", channels), peak("two samples", samples)}},
		{"KSpaceSpike", []call{
			spike("two channels", channels, [3]int{}), spike("two samples", samples, [3]int{}),
			spike("behind the end", x, [3]int{0, 4, 0}), spike("before the start", x, [3]int{0, 0, -1}),
		}},
		{"SpikeInImage", []call{
			wave("behind the end", x, [3]int{0, 0, 5}), wave("before the start", x, [3]int{-1, 0, 0}),
		}},
		{"PutSample", []call{put("sample −1", -1), put("sample 2 of 2", 2)}},
		{"TakeSample", []call{take("sample −1", -1), take("sample 2 of 2", 2)}},
	} {
		cases = append(cases, Case{Name: m.method + "/wrong arguments", Methods: []string{m.method}, check: plain(func(b device.Backend) error {
			var errs []error
			for _, c := range m.calls {
				mem := arena{b: b}
				alloc := func(s device.Shape) device.Tensor {
					t := mem.alloc(c.what, s)
					b.Fill(t, 1)
					return t
				}
				errs = append(errs, namedPanic(m.method, c.what, func() { c.f(b, alloc) }))
				mem.free()
			}
			return errors.Join(errs...)
		})})
	}
	return append(cases, Case{Name: "AlongAxis/conjugate frequencies", Methods: []string{"AlongAxis"}, check: plain(checkConjugate)})
}
