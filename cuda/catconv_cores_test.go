package cuda

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/device/ref"
	"voxgrad/internal/rng"
)

// folded is a call of CatConv's family whose rounded operands are known exactly: weights that are whole numbers of 14 bits, factors of the norm that are
// powers of two, and numbers of few bits elsewhere, so that sums of them in fp32 are exact before they are rounded. What the kernels compute is then, to within
// the bounds of fp32, what float64 makes of the rounded operands.
type folded struct {
	*wayUp
	operand func(float32) float32
}

func (w *twin) folded(operand func(float32) float32, kind device.Upsampling, coarse device.Shape, c, skip, cout int) *folded {
	whole := func(most int, unit float64) func() float64 {
		return func() float64 { return float64(w.draw.Intn(2*most+1)-most) * unit }
	}
	u := w.wayUp(kind, coarse, c, skip, cout, whole(127, 1./32))
	fine := device.Upsampled(coarse)
	u.skip, u.dy = w.values(fine.WithC(skip), whole(127, 1./32)), w.values(fine.WithC(cout), whole(127, 1./32))
	u.w = w.values(device.Weights(3, c+skip, cout), whole(8191, 1./(1<<15)))
	power := func() float64 { return float64(1+w.draw.Intn(2)) * float64(1-2*w.draw.Intn(2)) }
	u.gamma, u.invstd = w.values(device.Vec(c+skip), power), w.values(device.Vec(c+skip), power)
	if kind == device.Transposed {
		u.up, u.bias = w.values(device.Weights(2, coarse.C, c), whole(3, 1./4)), w.values(device.Vec(c), whole(15, 1./16))
	}
	return &folded{wayUp: u, operand: operand}
}

// sources are the call's, on the oracle.
func (u *folded) sources() []device.Source {
	return []device.Source{{X: u.coarse.ref, Up: u.kind, W: u.up.ref, B: u.bias.ref}, {X: u.skip.ref}}
}

func (u *folded) alloc(s device.Shape, v []float64) device.Tensor {
	t := u.ref.Alloc(s)
	copy(u.ref.Data(t), v)
	return t
}

// weights are a source's part times the norm's factors, what rounding adds to them, and both together.
func (u *folded) weights(i int) (exact, error, rounded device.Tensor) {
	from, n := 0, u.sources()[0].Out().C
	if i == 1 {
		from, n = n, u.skip.ref.C
	}
	all, cout := u.w.ref.W, u.w.ref.C
	gamma, invstd, w := u.ref.Data(u.gamma.ref), u.ref.Data(u.invstd.ref), u.ref.Data(u.w.ref)
	var v []float64
	for t := range taps3 {
		for c := range n {
			for o := range cout {
				v = append(v, w[(t*all+from+c)*cout+o]*gamma[from+c]*invstd[from+c])
			}
		}
	}
	return u.parts(device.Weights(3, n, cout), v)
}

func (u *folded) parts(s device.Shape, v []float64) (exact, error, rounded device.Tensor) {
	r, e := make([]float64, len(v)), make([]float64, len(v))
	for i := range v {
		r[i] = float64(u.operand(float32(v[i])))
		e[i] = r[i] - v[i]
	}
	return u.alloc(s, v), u.alloc(s, e), u.alloc(s, r)
}

// composite are the same for the window of a transposed convolution and the one behind it.
func (u *folded) composite() (exact, error, rounded device.Tensor) {
	plain, _, _ := u.weights(0)
	w, up := u.ref.Data(plain), u.ref.Data(u.up.ref)
	cx, cu, cout := u.coarse.ref.C, u.up.ref.C, u.w.ref.C
	v := make([]float64, 64*cx*cout)
	for k := range 8 {
		for t := range taps3 {
			q := ((k/4-t/9+2)*4+k/2%2-t/3%3+2)*4 + k%2 - t%3 + 2
			for i := range cx {
				for l := range cu {
					for o := range cout {
						v[(q*cx+i)*cout+o] += up[(k*cx+i)*cu+l] * w[(t*cu+l)*cout+o]
					}
				}
			}
		}
	}
	return u.parts(device.Weights(4, cx, cout), v)
}

// made is the upsampled source as it is, and as it is rounded.
func (u *folded) made() (exact, rounded device.Tensor) {
	s := u.sources()[0]
	x := u.ref.Alloc(s.Out())
	if s.Up == device.Trilinear {
		u.ref.Upsample(x, s.X)
		return x, x // it is never made
	}
	u.ref.ConvT(x, s.X, s.W, s.B, device.ConvT2x2x2)
	_, _, r := u.parts(s.Out(), u.ref.Data(x))
	return x, r
}

// add is to += x.
func (u *folded) add(to, x device.Tensor, factor float64) {
	for i, v := range u.ref.Data(x) {
		u.ref.Data(to)[i] += factor * v
	}
}

// forward is CatConv on both sides: what float64 makes of the operands as they are, and what rounding adds.
func (u *folded) forward(act device.Act) {
	of := func(p pair) device.Tensor { return p.dev }
	n := device.Normalization{Gamma: of(u.gamma), Beta: of(u.beta), Mean: of(u.mean), InvStd: of(u.invstd)}
	u.twin.b.CatConv(of(u.y), []device.Source{{X: of(u.coarse), Up: u.kind, W: of(u.up), B: of(u.bias)}, {X: of(u.skip)}}, n, of(u.w), of(u.b), act)
	n = device.Normalization{Gamma: u.gamma.ref, Beta: u.beta.ref, Mean: u.mean.ref, InvStd: u.invstd.ref}
	none, y, part := device.Tensor{}, u.y.ref, u.ref.Alloc(u.y.ref.Shape)
	u.ref.CatConv(y, u.sources(), n, u.w.ref, u.b.ref, device.Linear)
	_, e, _ := u.weights(1)
	u.ref.Conv(part, u.skip.ref, e, none, device.Conv3x3x3, device.Linear)
	u.add(y, part, 1)
	switch {
	case u.sources()[0].Composite():
		_, e, _ := u.composite()
		u.ref.ConvT(part, u.coarse.ref, e, none, device.CompositeWindow)
		u.add(y, part, 1)
	default:
		w, _, rounded := u.weights(0)
		x, stored := u.made()
		u.ref.Conv(part, stored, rounded, none, device.Conv3x3x3, device.Linear)
		u.add(y, part, 1)
		u.ref.Conv(part, x, w, none, device.Conv3x3x3, device.Linear)
		u.add(y, part, -1)
	}
	if act == device.ReLU {
		for i, v := range u.ref.Data(y) {
			u.ref.Data(y)[i] = max(v, 0)
		}
	}
}

// backward is CatConvGrad on both sides, in addition to what is there, masked where sources are not positive. Statistics are fixed: what they pass on to
// a source that is taken with composite weights goes through weights of its own.
func (u *folded) backward() {
	in := func(of func(pair) device.Tensor) ([]device.Source, device.Normalization, device.CatConvGrads) {
		add := func(p pair) device.Into { return device.Into{Tensor: of(p), Mode: device.Add} }
		g := device.CatConvGrads{In: []device.SourceGrad{{X: add(u.dx)}, {X: add(u.dskip)}}, Gamma: add(u.dgamma), Beta: add(u.dbeta), W: add(u.dw), B: add(u.db)}
		if u.kind == device.Transposed {
			g.In[0].W, g.In[0].B = add(u.dup), add(u.dbias)
		}
		return []device.Source{{X: of(u.coarse), Up: u.kind, W: of(u.up), B: of(u.bias)}, {X: of(u.skip)}},
			device.Normalization{Gamma: of(u.gamma), Beta: of(u.beta), Mean: of(u.mean), InvStd: of(u.invstd)}, g
	}
	sources, n, g := in(func(p pair) device.Tensor { return p.dev })
	g.In[0].X.Mask, g.In[1].X.Mask = u.coarse.dev, u.skip.dev
	u.twin.b.CatConvGrad(g, u.dy.dev, sources, n, u.w.dev, true)

	sources, n, g = in(func(p pair) device.Tensor { return p.ref })
	dy := u.dy.ref
	_, skipError, _ := u.weights(1)
	if s := sources[0]; s.Up == device.Transposed && !s.Composite() {
		_, upsampled := u.made()
		_, e, _ := u.weights(0)
		made, du := g, u.ref.Alloc(s.Out())
		made.In = []device.SourceGrad{{X: device.Into{Tensor: du, Mode: device.Set}}, g.In[1]}
		u.ref.CatConvGrad(made, dy, []device.Source{{X: upsampled}, sources[1]}, n, u.w.ref, true)
		u.ref.ConvGradX(device.Into{Tensor: du, Mode: device.Add}, dy, e, device.Conv3x3x3)
		stored, _, rounded := u.parts(du.Shape, u.ref.Data(du))
		if u.twin.b.storedIn(du.Shape) == bf16 {
			stored = rounded
		}
		u.ref.ConvTGradX(g.In[0].X, rounded, s.W, device.ConvT2x2x2)
		u.ref.ConvTGradW(g.In[0].W, device.Into{}, s.X, rounded, device.ConvT2x2x2)
		u.ref.ConvTGradW(device.Into{}, g.In[0].B, s.X, stored, device.ConvT2x2x2)
	} else {
		u.ref.CatConvGrad(g, dy, sources, n, u.w.ref, true)
		if s.Composite() {
			_, e, _ := u.composite()
			u.ref.ConvTGradX(g.In[0].X, dy, e, device.CompositeWindow)
		}
	}
	u.ref.ConvGradX(g.In[1].X, dy, skipError, device.Conv3x3x3)
	for _, p := range [][2]device.Tensor{{u.dx.ref, u.coarse.ref}, {u.dskip.ref, u.skip.ref}} {
		for i, m := range u.ref.Data(p[1]) {
			if !(m > 0) {
				u.ref.Data(p[0])[i] = 0
			}
		}
	}
}

// Both ways of a transposed source, by the number of voxels, and a trilinear one, in one and in several slabs, each with a whole sum a block and with shares of
// it: weights are folded before they are rounded, tables, masks and norms are fp32.
func TestCatConvOnTensorCores(t *testing.T) {
	for _, k := range onTensorCores {
		for _, g := range []struct {
			kind   device.Upsampling
			coarse device.Shape
			c      int
			skip   int
			cout   int
		}{
			{device.Transposed, device.Shape{N: 2, D: 2, H: 3, W: 9, C: 9}, 8, 11, 10},
			{device.Transposed, device.Shape{N: 1, D: 2, H: 2, W: 3, C: 24}, 16, 8, 28}, // few voxels: made
			{device.Trilinear, device.Shape{N: 2, D: 3, H: 2, W: 5, C: 12}, 12, 8, 9},
		} {
			for _, blocks := range []int{1, mmaBlocks} {
				name := fmt.Sprintf("%v: %v of %v, %d blocks", k.precision, g.kind, g.coarse, blocks)
				d, b := emulatedCores(t, k.precision)
				b.opt.blocks = blocks
				if g.kind == device.Trilinear {
					b.opt.taps = blocks * 4 * 2 * 5 * 27 * 9 // one plane at a time, or all
				}
				w := &twin{t, b, ref.New[float64](), rng.New(1, name)}
				u := w.folded(k.opt.Operand, g.kind, g.coarse, g.c, g.skip, g.cout)
				act := device.Act(blocks % 2)
				u.forward(act)
				w.near(u.y, 2e-5, "y of "+name)
				u.backward()
				for what, p := range map[string]pair{"dskip": u.dskip, "dbeta": u.dbeta, "db": u.db} {
					w.near(p, 2e-5, what+" of "+name)
				}
				if g.kind == device.Transposed { // the taps of dy that a trilinear one gathers are rounded
					bound := 1e-4
					if g.c == 16 {
						bound = 5e-4 // a gradient that is stored in between is the nearest other number here and there
					}
					for what, p := range map[string]pair{"dx": u.dx, "dw": u.dw, "dgamma": u.dgamma, "dup": u.dup, "dbias": u.dbias} {
						w.near(p, bound, what+" of "+name)
					}
				}
				core := 0
				for kernel, s := range d.Stats() {
					if strings.HasPrefix(kernel, "mma_"+k.precision.String()) {
						core += int(s.Launches)
					}
					require.False(t, kernel == "concat" || strings.HasPrefix(kernel, "batchnorm"), "%s: %s", name, kernel)
				}
				require.GreaterOrEqual(t, core, 2, name)
				require.NoError(t, b.Close())
			}
		}
	}
}
