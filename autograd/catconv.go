package autograd

import "voxgrad/device"

// Source is a part of what CatConv concatenates: X as it is, or upsampled. W and B are the weights and
// the bias of a transposed convolution, else nil. See device.Source.
type Source struct {
	X    *Var
	Up   device.Upsampling
	W, B *Var
}

// CatConvTrain is a 3³ convolution of the batch-normalised concatenation of sources, some of
// them upsampled, with an optional ReLU: Conv(BatchNormTrain(Concat(Upsample(x₁), x₂)), w, b), of
// which nothing in between exists. gamma, beta, runMean, runVar: Vec(C); w: Weights(3, C, Cout);
// b: Vec(Cout) or nil.
func (t *Tape) CatConvTrain(in []Source, gamma, beta *Var, runMean, runVar device.Tensor, eps, momentum float64, w, b *Var, act device.Act) *Var {
	return t.catConv(in, gamma, beta, w, b, act, false, []device.Shape{gamma.Shape, gamma.Shape},
		func(s []device.Source, side []device.Tensor) (mean, invstd device.Tensor) {
			t.dev.CatConvStats(side[0], side[1], s, runMean, runVar, eps, momentum)
			return side[0], side[1]
		})
}

// CatConvEval is CatConvTrain with given statistics, which it leaves as they are.
func (t *Tape) CatConvEval(in []Source, gamma, beta *Var, mean, variance device.Tensor, eps float64, w, b *Var, act device.Act) *Var {
	return t.catConv(in, gamma, beta, w, b, act, true, []device.Shape{gamma.Shape},
		func(_ []device.Source, side []device.Tensor) (device.Tensor, device.Tensor) {
			t.dev.BatchNormInvStd(side[0], variance, eps)
			return mean, side[0]
		})
}

func (t *Tape) catConv(in []Source, gamma, beta, w, b *Var, act device.Act, fixed bool, side []device.Shape,
	stats func(in []device.Source, side []device.Tensor) (mean, invstd device.Tensor)) *Var {
	args := []*Var{gamma, beta, w, b}
	for _, s := range in {
		args = append(args, s.X, s.W, s.B)
	}
	sources := func(v []device.Tensor) (s []device.Source) {
		for i := range in {
			s = append(s, device.Source{X: v[4+3*i], Up: in[i].Up, W: v[5+3*i], B: v[6+3*i]})
		}
		return s
	}
	reserve := make([]int, len(in)) // the result that is a source's, 0 if there is none
	for i, s := range sources(tensors(args)) {
		if s.Composite() && t.wants(args) {
			side = append(side, device.Weights(4, s.X.C, w.C))
			reserve[i] = len(side)
		}
	}
	reserved := func(v, out []device.Tensor) []device.Source {
		s := sources(v)
		for i, at := range reserve {
			if at > 0 {
				s[i].W4 = out[at]
			}
		}
		return s
	}
	var norm device.Normalization
	var masked []int
	read := make([]int, 4, len(args))
	copy(read, []int{0, 1, 2, 3})
	for i := range in {
		read = append(read, 4+3*i, 5+3*i, 6+3*i)
		masked = append(masked, 4+3*i)
	}
	saved := make([]int, len(side), len(side)+1)
	for i := range saved {
		saved[i] = 1 + i
	}
	if act == device.ReLU {
		saved = append(saved, 0)
	}
	shape := device.CatShape(sources(tensors(args))).WithC(w.C)
	out := t.Apply(Op{
		Name: "catconv", In: args, Out: []device.Shape{shape}, Side: side,
		Forward: func(out, v []device.Tensor) {
			s := reserved(v, out)
			norm = device.Normalization{Gamma: v[0], Beta: v[1]}
			norm.Mean, norm.InvStd = stats(s, out[1:])
			t.dev.CatConv(out[0], s, norm, v[2], v[3], act)
		},
		Reverse: func(s Saved, dy []device.Tensor, dx []device.Into) {
			g := device.CatConvGrads{Gamma: dx[0], Beta: dx[1], W: dx[2], B: dx[3]}
			for i := range in {
				g.In = append(g.In, device.SourceGrad{X: dx[4+3*i], W: dx[5+3*i], B: dx[6+3*i]})
			}
			t.dev.CatConvGrad(g, dy[0], reserved(s.In, s.Out), norm, s.In[2], fixed)
		},
		SaveIn: read, SaveOut: saved, ReLU: act == device.ReLU, Masked: masked,
	})
	for _, v := range out[1:] {
		t.Release(v)
	}
	return out[0]
}
