package bench

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"voxgrad/device"
	"voxgrad/device/meta"
)

// Shapes scale the cases of Ops.
type Shapes struct {
	Width int // of the networks, 24 as published
	Patch int // edge of the cubic patch, a multiple of 8
	Batch int
}

// Published is width 24 on one patch of 64³.
var Published = Shapes{Width: 24, Patch: 64, Batch: 1}

// Check reports what cannot be measured.
func (s Shapes) Check() error {
	switch {
	case s.Width < 1 || s.Width > 1024:
		return fmt.Errorf("width %d is outside 1 … 1024", s.Width)
	case s.Patch < 8 || s.Patch%8 != 0 || s.Patch > 1024:
		return fmt.Errorf("patch %d: an edge that is a multiple of 8, up to 1024", s.Patch)
	case s.Batch < 1 || s.Batch > 1024:
		return fmt.Errorf("batch %d is outside 1 … 1024", s.Batch)
	}
	return nil
}

// level is channels on a grid 2^-Down of the patch's.
type level struct{ cin, cout, down int }

// convs are the convolutions of the networks: the segmenter's from
// conv1 to conv10, then the detector's four fusions. conv_out is
// by itself.
func (s Shapes) convs() []level {
	w := s.Width
	return []level{
		{1, w, 0}, {w, 2 * w, 0}, {2 * w, 2 * w, 1}, {2 * w, 4 * w, 1}, {4 * w, 4 * w, 2}, {4 * w, 8 * w, 2}, {8 * w, 16 * w, 3},
		{24 * w, 8 * w, 2}, {12 * w, 4 * w, 1}, {6 * w, 4 * w, 0}, {4 * w, 2, 0},
		{4 * w, 2 * w, 0}, {8 * w, 4 * w, 1}, {16 * w, 8 * w, 2}, {32 * w, 16 * w, 3},
	}
}

func (s Shapes) ups() []level {
	w := s.Width
	return []level{{16 * w, 16 * w, 3}, {8 * w, 8 * w, 2}, {4 * w, 4 * w, 1}}
}

func (s Shapes) shape(c, down int) device.Shape {
	e := s.Patch >> down
	return device.Shape{N: s.Batch, D: e, H: e, W: e, C: c}
}

// Ops are the cases of single ops at the layers of the segmenter and the detector, and of those on images.
func Ops(s Shapes) []Case {
	var cs []Case
	add := func(op string, down int, channels string, args []device.Shape, call func(b device.Backend, t []device.Tensor)) {
		name := fmt.Sprintf("%s/%s/grid=%d", op, channels, s.Patch>>down)
		if s.Batch > 1 {
			name += fmt.Sprintf("/batch=%d", s.Batch)
		}
		cs = append(cs, Tensors(name, args, call))
	}
	pair := func(l level) string { return fmt.Sprintf("cin=%d/cout=%d", l.cin, l.cout) }
	for _, l := range s.convs() {
		x, y, w, bias := s.shape(l.cin, l.down), s.shape(l.cout, l.down), device.Weights(3, l.cin, l.cout), device.Vec(l.cout)
		add("Conv/fwd", l.down, pair(l), []device.Shape{y, x, w, bias}, func(b device.Backend, t []device.Tensor) {
			b.Conv(t[0], t[1], t[2], t[3], device.Conv3x3x3, device.ReLU)
		})
		if l.cin > 1 { // an image wants no gradient
			add("Conv/gradX", l.down, pair(l), []device.Shape{x, y, w}, func(b device.Backend, t []device.Tensor) {
				b.ConvGradX(set(t[0]), t[1], t[2], device.Conv3x3x3)
			})
		}
		add("Conv/gradW", l.down, pair(l), []device.Shape{w, bias, x, y}, func(b device.Backend, t []device.Tensor) {
			b.ConvGradW(set(t[0]), set(t[1]), t[2], t[3], device.Conv3x3x3)
		})
	}
	for _, l := range s.ups() {
		x, y, w, bias := s.shape(l.cin, l.down), s.shape(l.cout, l.down-1), device.Weights(2, l.cin, l.cout), device.Vec(l.cout)
		add("ConvT/fwd", l.down, pair(l), []device.Shape{y, x, w, bias}, func(b device.Backend, t []device.Tensor) {
			b.ConvT(t[0], t[1], t[2], t[3], device.ConvT2x2x2)
		})
		add("ConvT/gradX", l.down, pair(l), []device.Shape{x, y, w}, func(b device.Backend, t []device.Tensor) {
			b.ConvTGradX(set(t[0]), t[1], t[2], device.ConvT2x2x2)
		})
		add("ConvT/gradW", l.down, pair(l), []device.Shape{w, bias, x, y}, func(b device.Backend, t []device.Tensor) {
			b.ConvTGradW(set(t[0]), set(t[1]), t[2], t[3], device.ConvT2x2x2)
		})
		c := fmt.Sprintf("c=%d", l.cin)
		add("Upsample/fwd", l.down, c, []device.Shape{y, x}, func(b device.Backend, t []device.Tensor) { b.Upsample(t[0], t[1]) })
		add("Upsample/grad", l.down, c, []device.Shape{x, y}, func(b device.Backend, t []device.Tensor) { b.UpsampleGrad(set(t[0]), t[1]) })
	}
	cs = append(append(append(cs, s.memoryBound()...), s.adam()), s.imaging()...)
	seen := map[string]bool{} // layers may be of one shape
	return slices.DeleteFunc(cs, func(c Case) bool {
		again := seen[c.Name]
		seen[c.Name] = true
		return again
	})
}

func set(t device.Tensor) device.Into { return device.Into{Tensor: t, Mode: device.Set} }

// Tensors is a case on tensors of the given shapes, which hold numbers of [-1, 1).
func Tensors(name string, args []device.Shape, call func(b device.Backend, t []device.Tensor)) Case {
	return filled(name, args, nil, call)
}

// filled is Tensors where fill[i], if there is one, makes the contents of argument i.
func filled(name string, args []device.Shape, fill []func(device.Shape) []float32, call func(b device.Backend, t []device.Tensor)) Case {
	return Case{Name: name, Open: func(dev device.Backend) (run, closeCase func(), err error) {
		var t []device.Tensor
		closeCase = func() {
			for _, x := range t {
				dev.Free(x)
			}
		}
		for i, s := range args {
			x := dev.Alloc(s)
			t = append(t, x)
			if err := dev.Sync(); err != nil {
				closeCase()
				return nil, nil, err
			}
			if _, counts := dev.(*meta.Backend); counts {
				continue
			}
			if i < len(fill) && fill[i] != nil {
				dev.Upload(x, fill[i](s))
			} else {
				dev.Upload(x, numbers(s.Len(), uint64(i)))
			}
		}
		return func() { call(dev, t) }, closeCase, nil
	}}
}

// numbers repeats itself after a while: drawing 10⁸ takes longer than measuring.
func numbers(n int, seed uint64) []float32 {
	const period = 1<<16 + 1
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range min(n, period) {
		x[i] = 2*r.Float32() - 1
	}
	for i := period; i < n; i += copy(x[i:], x[:period]) {
	}
	return x
}
