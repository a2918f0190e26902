package cuda

import (
	"voxgrad/device"
	"voxgrad/device/cpu"
)

// folding is CatConv's family with weights that are rounded after the norm was folded into them, as tensor cores have it: what the processor makes of
// them as they are, which is linear in them, and what their rounding adds. Sources and dy are taken as they are stored; where the kernels store
// a partial sum in between, that is not rounded here.
type folding struct {
	*cpu.Backend
	r *rounding
}

// source is one of a call and its part of the weights.
type source struct {
	device.Source
	exact, error device.Tensor // of Weights(3, channels, cout), times the norm's factors
	composite    device.Tensor // what rounding adds to those of CompositeWindow, if the source is taken so
	suited       bool
}

func (f folding) tensor(s device.Shape, v []float32) device.Tensor {
	t := f.Alloc(s)
	f.Upload(t, v)
	return t
}

func (f folding) values(t device.Tensor) []float32 {
	v := make([]float32, t.Len())
	f.Download(v, t)
	return v
}

// roundings are what rounding adds.
func roundings(v []float32) []float32 {
	e := make([]float32, len(v))
	for i, x := range v {
		e[i] = toBF16(x) - x
	}
	return e
}

// sources folds the norm into the weights. free gives everything back.
func (f folding) sources(in []device.Source, n device.Normalization, w device.Tensor) (all []source, free func()) {
	gamma, invstd, wv := f.values(n.Gamma), f.values(n.InvStd), f.values(w)
	from, cout := 0, w.C
	for _, s := range in {
		c := s.Out().C
		v := make([]float32, 0, taps3*c*cout)
		for t := range taps3 {
			for k := from; k < from+c; k++ {
				for o := range cout {
					v = append(v, wv[(t*w.W+k)*cout+o]*(gamma[k]*invstd[k]))
				}
			}
		}
		from += c
		at := source{Source: s, exact: f.tensor(device.Weights(3, c, cout), v), suited: min(c, cout) >= mmaLeast}
		switch {
		case s.Composite():
			cx := s.X.C
			if at.suited = min(cx, cout) >= mmaLeast; !at.suited {
				break
			}
			up, w4 := f.values(s.W), make([]float32, 64*cx*cout)
			for k := range 8 {
				for t := range taps3 {
					q := ((k/4-t/9+2)*4+k/2%2-t/3%3+2)*4 + k%2 - t%3 + 2
					for i := range cx {
						for l := range c {
							for o := range cout {
								w4[(q*cx+i)*cout+o] += up[(k*cx+i)*c+l] * v[(t*c+l)*cout+o]
							}
						}
					}
				}
			}
			at.composite = f.tensor(device.Weights(4, cx, cout), roundings(w4))
		case at.suited:
			at.error = f.tensor(device.Weights(3, c, cout), roundings(v))
		}
		all = append(all, at)
	}
	return all, func() {
		for _, s := range all {
			for _, t := range []device.Tensor{s.exact, s.error, s.composite} {
				if !t.None() {
					f.Free(t)
				}
			}
		}
	}
}

// made calls back with a source as it is convolved, upsampled where it is.
func (f folding) made(s source, with func(u device.Tensor)) {
	u := s.X
	if s.Up != device.AsIs {
		u = f.Alloc(s.Out())
		defer f.Free(u)
	}
	switch s.Up {
	case device.Transposed:
		f.ConvT(u, s.X, s.W, s.B, device.ConvT2x2x2)
	case device.Trilinear:
		f.Upsample(u, s.X)
	}
	with(u)
}

func (f folding) CatConv(y device.Tensor, in []device.Source, n device.Normalization, w, b device.Tensor, act device.Act) {
	f.Backend.CatConv(y, in, n, w, b, device.Linear)
	sources, free := f.sources(in, n, w)
	defer free()
	part := f.Alloc(y.Shape)
	defer f.Free(part)
	add := func() { f.Copy(device.Into{Tensor: y, Mode: device.Add}, part) }
	for _, s := range sources {
		switch {
		case !s.suited:
		case s.Composite():
			f.ConvT(part, s.X, s.composite, device.Tensor{}, device.CompositeWindow)
			add()
		default:
			f.made(s, func(u device.Tensor) {
				f.Conv(part, u, s.error, device.Tensor{}, device.Conv3x3x3, device.Linear)
				add()
				if s.Up != device.Transposed {
					return
				}
				// It is stored in between.
				e := f.tensor(u.Shape, roundings(f.values(u)))
				defer f.Free(e)
				f.Conv(part, e, s.exact, device.Tensor{}, device.Conv3x3x3, device.Linear)
				add()
			})
		}
	}
	if act == device.ReLU {
		v := f.values(y)
		for i := range v {
			if v[i] < 0 {
				v[i] = 0
			}
		}
		f.Upload(y, v)
	}
}

func (f folding) CatConvGrad(g device.CatConvGrads, dy device.Tensor, in []device.Source, n device.Normalization, w device.Tensor, fixed bool) {
	sources, free := f.sources(in, n, w)
	defer free()
	exact := device.CatConvGrads{Gamma: g.Gamma, Beta: g.Beta, W: g.W, B: g.B}
	for i, k := range g.In {
		if k.X.Mode != device.Skip {
			k.X = device.Into{Tensor: f.Alloc(in[i].X.Shape), Mode: device.Set}
		}
		exact.In = append(exact.In, k)
	}
	f.Backend.CatConvGrad(exact, dy, in, n, w, fixed)
	for i, s := range sources {
		to, dx := g.In[i].X, exact.In[i].X
		if to.Mode == device.Skip {
			continue
		}
		dx.Mode = device.Add
		switch {
		case !s.suited:
		case s.Composite():
			f.ConvTGradX(dx, dy, s.composite, device.CompositeWindow)
		case s.Up == device.AsIs:
			f.ConvGradX(dx, dy, s.error, device.Conv3x3x3)
		default:
			du := f.Alloc(s.Out())
			f.ConvGradX(device.Into{Tensor: du, Mode: device.Set}, dy, s.error, device.Conv3x3x3)
			if s.Up == device.Transposed {
				f.ConvTGradX(dx, du, s.W, device.ConvT2x2x2)
			} else {
				f.UpsampleGrad(dx, du)
			}
			f.Free(du)
		}
		if to.Mode == device.Add {
			f.Copy(dx, to.Tensor)
		}
		if !to.Mask.None() {
			f.ReLUGrad(device.Into{Tensor: dx.Tensor, Mode: device.Set}, dx.Tensor, to.Mask)
		}
		f.Copy(device.Into{Tensor: to.Tensor, Mode: device.Set}, dx.Tensor)
		f.Free(dx.Tensor)
	}
}
