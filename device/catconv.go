package device

import (
	"fmt"
	"slices"
)

// Upsampling is how a Source doubles its extents.
type Upsampling uint8

const (
	AsIs       Upsampling = iota // not at all
	Trilinear                    // as Up.Upsample
	Transposed                   // a transposed convolution with ConvT2x2x2
)

// Source is a part of what CatConv concatenates.
type Source struct {
	X  Tensor // [N D H W Cx]
	Up Upsampling

	// W and B are the weights, Weights(2, Cx, C), and the bias, Vec(C), of a transposed
	// convolution; none for the other kinds.
	W, B Tensor

	// W4 is reserve space, as cuDNN calls it, of a source that is Composite: Weights(4, Cx, Cout), where CatConv leaves the composite weights
	//
	//	w4[q] = Σ over k − t + 1 = q of W[k]·diag(gamma·invstd)·w[t]
	//
	// for a CatConvGrad of the same arguments, which else makes them again. May be none.
	W4 Tensor
}

// Out is the shape of the source as it is concatenated: upsampled, with C channels.
func (s Source) Out() Shape {
	x := s.X.Shape
	switch s.Up {
	case Transposed:
		return ConvT2x2x2.OutT(x, s.W.C)
	case Trilinear:
		return Upsampled(x)
	}
	return x
}

// CatShape is the shape of the concatenation of sources.
func CatShape(in []Source) Shape {
	s := in[0].Out()
	for _, v := range in[1:] {
		s.C += v.Out().C
	}
	return s
}

// CompositeWindow is the window of a transposed 2³ convolution and a 3³ one behind it, taken as one transposed convolution:
//
//	w4[q] = Σ over k − t + 1 = q of W[k]·w[t]
var CompositeWindow = ConvParams{K: 4, Stride: 2, Pad: 1}

// Composite reports whether a source is better convolved with composite weights than made: these take 8 products for each
// fine voxel where 27 were needed, but cost more than they save where there are few voxels and many channels.
func (s Source) Composite() bool {
	const taps, saved = 27, 27 - 8
	return s.Up == Transposed && saved*s.Out().Rows() >= 3*8*taps*s.X.C/2
}

// UpsampledFirst is the order in which backends take sources into one output: those without a grid of their own last, for
// their convolution is the one that can end with an activation.
func UpsampledFirst(in []Source) []int {
	var up, plain []int
	for i, s := range in {
		if s.Up != AsIs {
			up = append(up, i)
		} else {
			plain = append(plain, i)
		}
	}
	return append(up, plain...)
}

// Normalization is what batch normalisation does to each channel; all are Vec(C).
type Normalization struct{ Gamma, Beta, Mean, InvStd Tensor }

// SourceGrad is where the gradients of a Source go.
type SourceGrad struct{ X, W, B Into }

// CatConvGrads are the gradients that CatConvGrad computes. In has one element for
// each source.
type CatConvGrads struct {
	In                []SourceGrad
	Gamma, Beta, W, B Into
}

// CatConv is conv(norm(cat(up(x₁), x₂, …))): the way up of a U-Net, where an upsampled
// coarse tensor meets a skip connection, the fusion of two time points, and, with
// one source, any convolution behind a batch normalisation. Neither the upsampled
// tensor nor the concatenation nor the normalised tensor need exist; a backend may use
// whatever is equal to the composition but for rounding.
type CatConv interface {
	// CatConvStats is BatchNormStats of
	//
	//	z = Concat(Upsample(x₁) or ConvT(x₁, w₁, b₁) or x₁, …)
	CatConvStats(mean, invstd Tensor, in []Source, runMean, runVar Tensor, eps, momentum float64)

	// CatConv: y = Conv(BatchNormApply(z), w, b) with the window Conv3x3x3, whose zero
	// padding is of the normalised tensor. b may be none.
	CatConv(y Tensor, in []Source, n Normalization, w, b Tensor, act Act)

	// CatConvGrad is the composition's gradient with dy in y; the activation is the
	// caller's affair, see ReLUGrad. If fixed, the statistics did not depend on z. The
	// gradient of a source may have a mask.
	CatConvGrad(g CatConvGrads, dy Tensor, in []Source, n Normalization, w Tensor, fixed bool)
}

// sourceArgs are the arguments of a call that point to sources.
func sourceArgs(sources []Source) (args []Arg) {
	for i := range sources {
		s := &sources[i]
		n := fmt.Sprint(i)
		args = append(args, in("x"+n, &s.X), optional(in("up"+n+".w", &s.W)), optional(in("up"+n+".b", &s.B)))
	}
	return args
}

// checkReserve holds that sources have room for composite weights to so many channels, if any.
func checkReserve(c *Call, sources []Source, cout int) {
	for i, s := range sources {
		c.need(s.W4.None() || s.Composite() && s.W4.Shape == Weights(4, s.X.C, cout), "up%d.w4 must be %v, of a source with composite weights", i, Weights(4, s.X.C, cout))
	}
}

// checkSources holds that sources make one tensor, and returns its shape.
func checkSources(c *Call, sources []Source) Shape {
	c.need(len(sources) > 0, "there is no source")
	for i, s := range sources {
		c.need(s.Up <= Transposed, "x%d: there is no upsampling %d", i, s.Up)
		if s.Up != Transposed {
			c.need(s.W.None() && s.B.None(), "x%d is not upsampled by a convolution and has no weights", i)
			continue
		}
		c.need(!s.W.None() && s.W.Shape == Weights(2, s.X.C, s.W.C), "up%d.w must be %v", i, Weights(2, s.X.C, s.W.C))
		c.need(s.B.None() || s.B.Shape == Vec(s.W.C), "up%d.b must be %v", i, Vec(s.W.C))
	}
	first := sources[0].Out()
	for i, s := range sources {
		c.need(s.Out().WithC(1) == first.WithC(1), "x%d becomes %v, which cannot be concatenated with %v", i, s.Out(), first)
	}
	return CatShape(sources)
}

// catConvFlops is the arithmetic of the composition.
func catConvFlops(sources []Source, cout int) int64 {
	n := convFlops(CatShape(sources), Weights(3, CatShape(sources).C, cout))
	for _, s := range sources {
		if s.Up == Transposed {
			n += convFlops(s.X.Shape, s.W.Shape)
		}
	}
	return n
}

// CatConvStats holds the shapes of the sources and of the vectors.
func (do Ops) CatConvStats(mean, invstd Tensor, sources []Source, runMean, runVar Tensor, eps, momentum float64) {
	sources = slices.Clone(sources)
	args := append([]Arg{out("mean", &mean), out("invstd", &invstd)}, sourceArgs(sources)...)
	do(&Call{Op: "CatConvStats", Args: append(args, optional(state("runMean", &runMean)), optional(state("runVar", &runVar))),
		Run: func(be NetworkOps) { be.CatConvStats(mean, invstd, sources, runMean, runVar, eps, momentum) },
		rule: func(c *Call) {
			z := checkSources(c, sources)
			c.need(runMean.None() == runVar.None(), "one of runMean and runVar is absent")
			c.shaped(Vec(z.C), "a value for each channel", "mean", "invstd", "runMean", "runVar")
		},
	})
}

// CatConv holds the shapes of the sources, of the vectors, of w, y and b, and the activation.
func (do Ops) CatConv(y Tensor, sources []Source, n Normalization, w, b Tensor, act Act) {
	sources = slices.Clone(sources)
	args := append([]Arg{out("y", &y)}, sourceArgs(sources)...)
	for i := range sources {
		args = append(args, optional(out(fmt.Sprintf("up%d.w4", i), &sources[i].W4)))
	}
	do(&Call{Op: "CatConv", Args: append(append(args, n.args()...), in("w", &w), optional(in("b", &b))),
		Flops: catConvFlops(sources, w.C),
		Run:   func(be NetworkOps) { be.CatConv(y, sources, n, w, b, act) },
		rule: func(c *Call) {
			z := checkSources(c, sources)
			checkReserve(c, sources, w.C)
			c.shaped(Vec(z.C), "a value for each channel", "gamma", "beta", "mean", "invstd")
			Conv3x3x3.check(c, z, w.Shape, y.Shape, false)
			c.shaped(Vec(w.C), "a value for each output channel", "b")
			c.need(act <= ReLU, "there is no activation %d", act)
		},
	})
}

// args are the arguments of a call that point to n.
func (n *Normalization) args() []Arg {
	return []Arg{in("gamma", &n.Gamma), in("beta", &n.Beta), in("mean", &n.Mean), in("invstd", &n.InvStd)}
}

// CatConvGrad holds the shapes of all gradients, of the sources, the vectors, w and dy.
func (do Ops) CatConvGrad(g CatConvGrads, dy Tensor, sources []Source, n Normalization, w Tensor, fixed bool) {
	sources, g.In = slices.Clone(sources), slices.Clone(g.In)
	var args []Arg
	for i := range g.In {
		s, k := &g.In[i], fmt.Sprint(i)
		x, mask := masked(grad("dx"+k, &s.X))
		args = append(args, x, grad("dup"+k+".w", &s.W), grad("dup"+k+".b", &s.B), mask)
	}
	args = append(args, grad("dgamma", &g.Gamma), grad("dbeta", &g.Beta), grad("dw", &g.W), grad("db", &g.B), in("dy", &dy))
	args = append(append(append(args, sourceArgs(sources)...), n.args()...), in("w", &w))
	for i := range sources {
		args = append(args, optional(in(fmt.Sprintf("up%d.w4", i), &sources[i].W4)))
	}
	do(&Call{Op: "CatConvGrad", Args: args, Flops: 2 * catConvFlops(sources, w.C),
		Run: func(be NetworkOps) { be.CatConvGrad(g, dy, sources, n, w, fixed) },
		rule: func(c *Call) {
			z := checkSources(c, sources)
			checkReserve(c, sources, w.C)
			c.need(len(g.In) == len(sources), "%d sources and gradients of %d", len(sources), len(g.In))
			for i, s := range sources {
				k := fmt.Sprint(i)
				c.shaped(s.X.Shape, "the source", "dx"+k)
				if s.Up == Transposed {
					c.shaped(s.W.Shape, "the weights", "dup"+k+".w")
					c.shaped(Vec(s.W.C), "the bias", "dup"+k+".b")
				} else {
					c.need(g.In[i].W.Mode == Skip && g.In[i].B.Mode == Skip, "x%d has no weights to have gradients", i)
				}
			}
			v := Vec(z.C)
			c.shaped(v, "a value for each channel", "gamma", "beta", "mean", "invstd", "dgamma", "dbeta")
			Conv3x3x3.check(c, z, w.Shape, dy.Shape, false)
			c.shaped(w.Shape, "the weights", "dw")
			c.shaped(Vec(w.C), "a value for each output channel", "db")
		},
	})
}

// Composer is what the composition that defines CatConv is made of.
type Composer interface {
	Alloc(s Shape) Tensor
	Free(t Tensor)
	Copy(dst Into, src Tensor)
	Activation
	Conv
	BatchNorm
	Up
	Channels
}

// Composed is CatConv as its definition has it, for the oracle, and for backends without a
// better way. It allocates, and frees, the tensors in between.
type Composed struct{ On Composer }

// concatenation returns z, and whether it is a tensor of its own: one source as it is is z itself.
func (c Composed) concatenation(in []Source) (z Tensor, owned bool) {
	z, owned = c.upsampled(in[0])
	for _, s := range in[1:] {
		u, own := c.upsampled(s)
		both := c.On.Alloc(z.WithC(z.C + u.C))
		c.On.Concat(both, z, u)
		c.free(z, owned)
		c.free(u, own)
		z, owned = both, true
	}
	return z, owned
}

func (c Composed) free(t Tensor, owned bool) {
	if owned {
		c.On.Free(t)
	}
}

// upsampled returns a source as it is concatenated, and whether that is a tensor of its own.
func (c Composed) upsampled(s Source) (Tensor, bool) {
	if s.Up == AsIs {
		return s.X, false
	}
	u := c.On.Alloc(s.Out())
	if s.Up == Trilinear {
		c.On.Upsample(u, s.X)
	} else {
		c.On.ConvT(u, s.X, s.W, s.B, ConvT2x2x2)
	}
	return u, true
}

// CatConvStats implements CatConv.
func (c Composed) CatConvStats(mean, invstd Tensor, in []Source, runMean, runVar Tensor, eps, momentum float64) {
	z, owned := c.concatenation(in)
	c.On.BatchNormStats(mean, invstd, z, runMean, runVar, eps, momentum)
	c.free(z, owned)
}

// CatConv implements CatConv.
func (c Composed) CatConv(y Tensor, in []Source, n Normalization, w, b Tensor, act Act) {
	z, owned := c.concatenation(in)
	normed := z
	if !owned {
		normed = c.On.Alloc(z.Shape)
	}
	c.On.BatchNormApply(normed, z, n.Gamma, n.Beta, n.Mean, n.InvStd)
	c.On.Conv(y, normed, w, b, Conv3x3x3, act)
	c.On.Free(normed)
}

// CatConvGrad implements CatConv.
func (c Composed) CatConvGrad(g CatConvGrads, dy Tensor, in []Source, n Normalization, w Tensor, fixed bool) {
	g.In = slices.Clone(g.In)
	for i := range g.In {
		if x := &g.In[i].X; x.Mode != Skip && !x.Mask.None() {
			defer c.On.ReLUGrad(Into{Tensor: x.Tensor, Mode: Set}, x.Tensor, x.Mask)
			x.Mask = Tensor{}
		}
	}
	z, owned := c.concatenation(in)
	dz := c.On.Alloc(z.Shape)
	if g.W.Mode != Skip || g.B.Mode != Skip {
		c.On.BatchNormApply(dz, z, n.Gamma, n.Beta, n.Mean, n.InvStd)
		c.On.ConvGradW(g.W, g.B, dz, dy, Conv3x3x3)
	}
	if !owned { // z is the source itself
		if x := g.In[0].X; x.Mode != Skip || g.Gamma.Mode != Skip || g.Beta.Mode != Skip {
			c.On.ConvGradX(Into{Tensor: dz, Mode: Set}, dy, w, Conv3x3x3)
			c.On.BatchNormGrad(x, g.Gamma, g.Beta, dz, z, n.Gamma, n.Mean, n.InvStd, fixed)
		}
		c.On.Free(dz)
		return
	}
	c.On.ConvGradX(Into{Tensor: dz, Mode: Set}, dy, w, Conv3x3x3)
	c.On.BatchNormGrad(Into{Tensor: dz, Mode: Set}, g.Gamma, g.Beta, dz, z, n.Gamma, n.Mean, n.InvStd, fixed)
	c.On.Free(z)
	for i, s := range in {
		du := dz
		if rest := dz.C - s.Out().C; rest > 0 {
			du = c.On.Alloc(dz.WithC(s.Out().C))
			tail := c.On.Alloc(dz.WithC(rest))
			c.On.Split(Into{Tensor: du, Mode: Set}, Into{Tensor: tail, Mode: Set}, dz)
			c.On.Free(dz)
			dz = tail
		}
		to := g.In[i]
		if to.X.Mode != Skip {
			switch s.Up {
			case Trilinear:
				c.On.UpsampleGrad(to.X, du)
			case Transposed:
				c.On.ConvTGradX(to.X, du, s.W, ConvT2x2x2)
			default:
				c.On.Copy(to.X, du)
			}
		}
		if to.W.Mode != Skip || to.B.Mode != Skip {
			c.On.ConvTGradW(to.W, to.B, s.X, du, ConvT2x2x2)
		}
		c.On.Free(du)
	}
}
