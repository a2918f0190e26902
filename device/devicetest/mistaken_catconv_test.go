package devicetest

import "voxgrad/device"

// catMistake composes with a wrong part.
type catMistake struct {
	*oracle
	on        func(b *oracle) device.Composer // nil: right
	sources   func(in []device.Source) []device.Source
	always    bool // statistics never depend on the sources
	interior  bool // the constant of a voxel in the middle everywhere
	statsOnly bool // sources is for the statistics alone
}

func (b catMistake) composed() device.Composed {
	if b.on != nil {
		return device.Composed{On: b.on(b.oracle)}
	}
	return device.Composed{On: b.oracle}
}

func (b catMistake) changed(in []device.Source) []device.Source {
	if b.sources == nil {
		return in
	}
	return b.sources(in)
}

func (b catMistake) CatConvStats(mean, invstd device.Tensor, in []device.Source, runMean, runVar device.Tensor, eps, momentum float64) {
	b.composed().CatConvStats(mean, invstd, b.changed(in), runMean, runVar, eps, momentum)
}

func (b catMistake) CatConv(y device.Tensor, in []device.Source, n device.Normalization, w, bias device.Tensor, act device.Act) {
	b.oracle.CatConv(y, in, n, w, bias, act) // for the composite weights
	if !b.statsOnly {
		in = b.changed(in)
	}
	if !b.interior {
		b.composed().CatConv(y, in, n, w, bias, act)
		return
	}
	// conv(α·z) + b + Σ w·β, as if every tap were inside.
	c := device.CatShape(in).C
	v := device.Vec(c)
	zero, sum := b.Alloc(v), b.Alloc(device.Vec(w.C))
	b.Fill(zero, 0)
	b.Fill(sum, 0)
	if !bias.None() {
		b.Copy(device.Into{Tensor: sum, Mode: device.Set}, bias)
	}
	for i, x := range b.Data(w) {
		k := i / w.C % c
		shift := b.Data(n.Beta)[k] - b.Data(n.Mean)[k]*b.Data(n.InvStd)[k]*b.Data(n.Gamma)[k]
		b.Data(sum)[i%w.C] += x * shift
	}
	b.composed().CatConv(y, in, device.Normalization{Gamma: n.Gamma, Beta: zero, Mean: zero, InvStd: n.InvStd}, w, sum, act)
	b.Free(zero)
	b.Free(sum)
}

func (b catMistake) CatConvGrad(g device.CatConvGrads, dy device.Tensor, in []device.Source, n device.Normalization, w device.Tensor, fixed bool) {
	b.composed().CatConvGrad(g, dy, in, n, w, fixed || b.always)
}

// nearest repeats each voxel eight times where it should interpolate.
type nearest struct{ *oracle }

func (b nearest) Upsample(y, x device.Tensor) {
	for i := range b.Data(y) {
		c := i % y.C
		p := i / y.C
		w, h, d, n := p%y.W, p/y.W%y.H, p/(y.W*y.H)%y.D, p/y.Voxels()
		b.Data(y)[i] = b.Data(x)[(((n*x.D+d/2)*x.H+h/2)*x.W+w/2)*x.C+c]
	}
}

// noClampGrad drops what the first voxel gets for the one beyond the border.
type noClampGrad struct{ *oracle }

func (b noClampGrad) UpsampleGrad(dx device.Into, dy device.Tensor) {
	b.oracle.UpsampleGrad(dx, dy)
	for i := range b.Data(dx.Tensor) {
		if i/dx.C%dx.W == 0 {
			b.Data(dx.Tensor)[i] *= 0.875 // of ¼ + ¾ + ¾ + ¼ = 2 the clamped ¼ is missing
		}
	}
}

func catMistakes() []mistake {
	of := func(m catMistake) func(*oracle) device.Backend {
		return func(b *oracle) device.Backend { m.oracle = b; return m }
	}
	reversed := func(in []device.Source) (out []device.Source) {
		for i := range in {
			if s := in[len(in)-1-i]; s.Out().C == in[i].Out().C {
				out = append(out, s)
			} else {
				out = append(out, in[i])
			}
		}
		return out
	}
	return []mistake{
		{"CatConv", "right", of(catMistake{}), true},
		{"CatConv", "the interior's constant at borders", of(catMistake{interior: true}), false},
		{"CatConv", "nearest instead of trilinear", of(catMistake{on: func(b *oracle) device.Composer { return nearest{b} }}), false},
		{"CatConvStats", "right", of(catMistake{}), true},
		{"CatConvStats", "of nearest instead of trilinear", of(catMistake{on: func(b *oracle) device.Composer { return nearest{b} }}), false},
		{"CatConvStats", "sources exchanged", of(catMistake{sources: reversed, statsOnly: true}), false},
		{"CatConvGrad", "right", of(catMistake{}), true},
		{"CatConvGrad", "statistics pass no gradient on", of(catMistake{always: true}), false},
		{"CatConvGrad", "no clamp in the transpose", of(catMistake{on: func(b *oracle) device.Composer { return noClampGrad{b} }}), false},
	}
}
