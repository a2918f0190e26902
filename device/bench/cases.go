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
	cs = append(append(append(append(cs, s.catConvs()...), s.memoryBound()...), s.adam()), s.imaging()...)
	seen := map[string]bool{} // layers may be of one shape
	return slices.DeleteFunc(cs, func(c Case) bool {
		again := seen[c.Name]
		seen[c.Name] = true
		return again
	})
}

// catConvs are the convolutions behind a norm: on the way down from one tensor, on the way up from an
// upsampled one and a skip connection.
func (s Shapes) catConvs() (cs []Case) {
	w := s.Width
	add := func(name string, up device.Upsampling, cx, skip, cout, down int) {
		fine := s.shape(cx+skip, down)
		x := fine.WithC(cx)
		if up != device.AsIs {
			x = s.shape(cx, down+1)
		}
		v, weights, bias := device.Vec(cx+skip), device.Weights(3, cx+skip, cout), device.Vec(cout)
		// The sources' tensors from 0 on, then the vectors, w and b.
		in := []device.Shape{x}
		if skip > 0 {
			in = append(in, fine.WithC(skip))
		}
		if up == device.Transposed {
			in = append(in, device.Weights(2, cx, cx), device.Vec(cx))
		}
		n := len(in)
		sources := func(t []device.Tensor) []device.Source {
			all := []device.Source{{X: t[0], Up: up}}
			if skip > 0 {
				all = append(all, device.Source{X: t[1]})
			}
			if up == device.Transposed {
				all[0].W, all[0].B = t[n-2], t[n-1]
			}
			return all
		}
		norm := func(t []device.Tensor) device.Normalization {
			return device.Normalization{Gamma: t[n], Beta: t[n+1], Mean: t[n+2], InvStd: t[n+3]}
		}
		args := append(in, v, v, v, v, weights, bias, fine.WithC(cout))
		at := fmt.Sprintf("%s/cin=%d/cout=%d/grid=%d", name, cx+skip, cout, fine.D)
		cs = append(cs, Tensors("CatConvStats/"+at, args, func(b device.Backend, t []device.Tensor) {
			b.CatConvStats(t[n+2], t[n+3], sources(t), device.Tensor{}, device.Tensor{}, 1e-5, 0.1)
		}), Tensors("CatConv/fwd/"+at, args, func(b device.Backend, t []device.Tensor) {
			b.CatConv(t[n+6], sources(t), norm(t), t[n+4], t[n+5], device.ReLU)
		}), Tensors("CatConv/grad/"+at, append(append(args[:len(args):len(args)], in...), v, v, weights, bias), func(b device.Backend, t []device.Tensor) {
			d := t[len(args):]
			g := device.CatConvGrads{Gamma: set(d[n]), Beta: set(d[n+1]), W: set(d[n+2]), B: set(d[n+3])}
			for _, to := range sources(d) {
				grad := device.SourceGrad{X: set(to.X)}
				if !to.W.None() {
					grad.W, grad.B = set(to.W), set(to.B)
				}
				g.In = append(g.In, grad)
			}
			b.CatConvGrad(g, t[n+6], sources(t), norm(t), t[n+4], false)
		}))
	}
	for _, l := range s.convs()[1:7] {
		add("plain", device.AsIs, l.cin, 0, l.cout, l.down)
	}
	for l, up := range s.ups() {
		add("transposed", device.Transposed, up.cin, w<<(3-l), max(4*w, w<<(3-l)), up.down-1)
		add("trilinear", device.Trilinear, up.cin, w<<(3-l), max(4*w, w<<(3-l)), up.down-1)
	}
	return cs
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
			if _, hollow := dev.(Hollow); hollow {
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
