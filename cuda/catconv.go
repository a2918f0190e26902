package cuda

import (
	"slices"

	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// catConv is one call of CatConv, CatConvGrad or CatConvStats. The normalisation is folded into the weights, with a row of
// constants for each presence of a voxel's neighbours (kernels/catconv.cu), so that each source is convolved as it
// is into the same output. An upsampled source is convolved on its own grid: behind a transposed convolution with composite
// weights (kernels/composite.cu), a trilinear one tap by tap (kernels/trilinear.cu).
type catConv struct {
	*op
	in   []device.Source
	n    device.Normalization
	z    device.Shape // of the concatenation
	cout int
	w    driver.Ptr
	from []int // first channel of each source in z
}

const taps3 = 27

func (o *op) newCatConv(in []device.Source, n device.Normalization, w device.Tensor) *catConv {
	c := &catConv{op: o, in: in, n: n, z: device.CatShape(in), cout: w.C, w: ptr(w)}
	at := 0
	for _, s := range in {
		c.from = append(c.from, at)
		at += s.Out().C
	}
	return c
}

// channels is the number of channels that source i has in z.
func (c *catConv) channels(i int) int { return c.in[i].Out().C }

// scaled is source i's part of the weights, times the norm's factors.
func (c *catConv) scaled(i int) part {
	return part{all: c.z.C, from: c.from[i], cut: c.cout, gamma: ptr(c.n.Gamma), invstd: ptr(c.n.InvStd)}
}

// plain is source i as a tensor: itself, or made in a workspace.
func (c *catConv) plain(i int) (driver.Ptr, element) {
	s := c.in[i]
	if s.Up == device.AsIs {
		return ptr(s.X), elementOf(s.X)
	}
	p := transposed(s)
	p.yIn = c.b.storedIn(p.out)
	p.y = ptr(c.temporary(p.out, p.yIn))
	c.multiply(p)
	return p.y, p.yIn
}

// transposed is the product that makes a source of a transposed convolution.
func transposed(s device.Source) product {
	return product{x: ptr(s.X), w: ptr(s.W), bias: ptr(s.B), xIn: elementOf(s.X), in: s.X.Shape, out: s.Out(), win: device.ConvT2x2x2, scattered: true}
}

// table is what every voxel gets that does not depend on a source: [64][cout].
func (c *catConv) table(bias driver.Ptr) driver.Ptr {
	taps := c.workspace(2 * len(c.in) * taps3 * c.cout)
	for i, s := range c.in {
		up := driver.Ptr(0)
		if s.Composite() {
			up = ptr(s.B)
		}
		l := driver.Launch{Grid: driver.Dim{X: ceil(c.cout, 32), Y: taps3, Z: 1}, Block: driver.D1(threads)}
		c.launch("catconv", "catconv_taps", l, taps+driver.Ptr(8*i*taps3*c.cout), c.w, c.n.Gamma, c.n.Beta, c.n.Mean, c.n.InvStd, up,
			c.z.C, c.from[i], c.channels(i), c.cout)
	}
	t := c.workspace(64 * c.cout)
	c.launch("catconv", "catconv_table", PerElement(64*c.cout, 1), t, taps, bias, len(c.in), c.cout)
	return t
}

// CatConv takes the upsampled sources first and applies the activation with the last one.
func (o *op) CatConv(y device.Tensor, in []device.Source, n device.Normalization, w, bias device.Tensor, act device.Act) {
	c := o.newCatConv(in, n, w)
	table := c.table(ptr(bias))
	order := device.UpsampledFirst(in)
	for k, i := range order {
		s := in[i]
		p := product{y: ptr(y), x: ptr(s.X), w: c.w, part: c.scaled(i), xIn: elementOf(s.X), yIn: elementOf(y), in: s.X.Shape, out: y.Shape,
			win: device.Conv3x3x3, add: k > 0, relu: k == len(order)-1 && act == device.ReLU}
		if k == 0 {
			p.bias, p.table = table, true
		}
		switch {
		case s.Up == device.Trilinear:
			c.trilinear(i, p)
			continue
		case s.Composite():
			p.w, p.part, p.win, p.scattered = c.compositeWeights(i), part{}, device.CompositeWindow, true
		case s.Up == device.Transposed:
			p.x, p.xIn = c.plain(i)
			p.in = s.Out()
		}
		c.multiply(p)
	}
}

// CatConvStats makes no upsampled tensor: the sums of a transposed convolution are taken tile by tile where it is computed, those
// of a trilinear interpolation U are Σ x·UᵀUx.
func (o *op) CatConvStats(mean, invstd device.Tensor, in []device.Source, runMean, runVar device.Tensor, eps, momentum float64) {
	at := func(t device.Tensor, c int) driver.Ptr {
		if t.None() {
			return 0
		}
		return ptr(t) + driver.Ptr(4*c)
	}
	from := 0
	for _, s := range in {
		u := s.Out()
		to := statistics{at(mean, from), at(invstd, from), at(runMean, from), at(runVar, from), eps, momentum}
		switch s.Up {
		case device.AsIs:
			o.stats(to, ptr(s.X), u, elementOf(s.X))
		case device.Trilinear:
			o.trilinearStats(to, o.widened(ptr(s.X), s.X.Shape, elementOf(s.X)), s.X.Shape)
		case device.Transposed:
			o.productStats(to, transposed(s))
		}
		from += u.C
	}
}

// productStats makes statistics of a product that is not stored: the moments of each block, put together.
func (o *op) productStats(to statistics, p product) {
	p.moments = 1 // any: the geometry does not depend on it but in being there
	g := p.geometry(o.b.opt.few)
	parts, rows, per, chunk := g.launch.Grid.X*g.launch.Grid.Z, p.in.Rows(), g.tile.rows, g.launch.Grid.X
	n := 4 * p.out.C * parts
	if c, ok := o.onTensorCores(p); ok {
		parts = c.parts()
		rows, per, chunk, n = p.out.Rows(), 0, parts, 2*(2*p.out.C+1)*parts
	}
	p.moments = o.workspace(n)
	o.multiply(p)
	o.finishStats(to, p.out.C, p.moments, parts, rows, per, chunk)
}

// catGrad is what CatConvGrad has of the whole.
type catGrad struct {
	*catConv
	g       device.CatConvGrads
	dy      driver.Ptr
	e       element      // of dy
	s       device.Shape // of dy
	columns columnParts  // of dy
	taps    driver.Ptr   // Σ dy of the voxels whose tap is inside, in float64: [27][cout]
	fixed   bool
	needR   bool // whether sums of z and dy are wanted
	passes  bool // whether a source takes a gradient from the statistics
}

// sourceSums are Σ z·dy of a source, in parts, at t·rt + c·rc + o, without the bias up of its transposed convolution, and what follows from them.
type sourceSums struct {
	r      sumParts
	up     driver.Ptr
	rt, rc int

	shift, scale driver.Ptr // the statistics pass shift[c] + scale[c]·z on to z; null where they are fixed
	passed       driver.Ptr // the same and α·dbeta, in float64
}

// CatConvGrad takes the sums of each source first, of which the gradients of weights and norm are made. A source as it
// is comes before the upsampled ones: its sums make those of dy's columns on the way.
func (o *op) CatConvGrad(g device.CatConvGrads, dy device.Tensor, in []device.Source, n device.Normalization, w device.Tensor, fixed bool) {
	c := &catGrad{catConv: o.newCatConv(in, n, w), g: g, dy: ptr(dy), e: elementOf(dy), s: dy.Shape, fixed: fixed}
	for _, s := range g.In {
		c.passes = c.passes || !fixed && (s.X.Mode != device.Skip || s.W.Mode != device.Skip || s.B.Mode != device.Skip)
	}
	c.needR = g.W.Mode != device.Skip || g.Gamma.Mode != device.Skip || c.passes
	order := device.UpsampledFirst(in)
	slices.Reverse(order)
	for _, i := range order {
		s := in[i]
		switch {
		case s.Up == device.Trilinear:
			c.gradTrilinear(i)
		case s.Composite():
			c.gradComposite(i)
		default:
			c.gradPlain(i)
		}
	}
}

// tapSums also is the bias's gradient.
func (c *catGrad) tapSums() {
	if c.columns.n == 0 {
		c.columns = c.columnParts(c.dy, c.s, c.e)
	}
	face := c.s.N * max(c.s.D*c.s.H, c.s.D*c.s.W, c.s.H*c.s.W)
	parts := ceil(face, minShare)
	part := c.workspace((taps3 - 1) * parts * c.cout)
	l := driver.Launch{Grid: driver.Dim{X: parts, Y: taps3 - 1, Z: ceil(c.cout, threads)}, Block: driver.D1(threads)}
	c.stored(c.e, "tapsums", "border_sums", l, part, c.dy, c.s.N, c.s.D, c.s.H, c.s.W, c.cout, minShare)
	c.taps = c.workspace(2 * taps3 * c.cout)
	c.launch("tapsums", "tap_sums", blocks(c.cout, threads), c.taps, c.g.B, c.g.B.Mode == device.Add, c.columns.at, c.columns.n, part, parts, c.cout)
}

// parameters makes the gradients of weights and norm, and what the statistics pass on.
func (c *catGrad) parameters(i int, s *sourceSums) {
	if up := c.g.In[i]; !c.needR && c.g.Beta.Mode == device.Skip && c.g.B.Mode == device.Skip && up.W.Mode == device.Skip && up.B.Mode == device.Skip {
		return
	}
	if c.taps == 0 {
		c.tapSums()
	}
	n := c.channels(i)
	shift, scale, passed := c.workspace(n), c.workspace(n), c.workspace(6*n)
	dw, dg, db := c.g.W, c.g.Gamma, c.g.Beta
	c.launch("catconv", "catconv_grads", blocks(n, 2*threads), dw, dw.Mode == device.Add, dg, dg.Mode == device.Add, db, db.Mode == device.Add, shift, scale, passed,
		s.r.at, c.taps, s.up, c.w, c.n.Gamma, c.n.Beta, c.n.Mean, c.n.InvStd, s.rt, s.rc, s.r.n, c.z.C, c.from[i], c.cout, float64(c.z.Rows()), c.fixed)
	s.passed = passed
	if c.passes {
		s.shift, s.scale = shift, scale
	}
}

// gradPlain is a source as it is, or one that is made.
func (c *catGrad) gradPlain(i int) {
	s, g, n := c.in[i], c.g.In[i], c.channels(i)
	u, e := c.plain(i)
	sums := sourceSums{rt: n * c.cout, rc: c.cout}
	if c.needR {
		sum := outer{parts: &sums.r, gathered: u, plain: c.dy, gIn: e, pIn: c.e, g: s.Out(), p: c.s, win: device.Conv3x3x3}
		if c.columns.n == 0 {
			sum.columns = &c.columns
		}
		c.outer(sum)
	}
	c.parameters(i, &sums)
	if g.X.Mode == device.Skip && g.W.Mode == device.Skip && g.B.Mode == device.Skip {
		return
	}
	p := product{y: into(g.X), x: c.dy, w: c.w, part: c.scaled(i), xIn: c.e, yIn: elementOf(g.X.Tensor), in: c.s, out: s.Out(), win: device.Conv3x3x3, scattered: true,
		swapped: true, add: g.X.Mode == device.Add}
	if c.passes {
		p.bias, p.z, p.zIn, p.zscale = sums.shift, u, e, sums.scale
	}
	if s.Up == device.AsIs {
		p.mask, p.maskIn = ptr(g.X.Mask), elementOf(g.X.Mask)
		c.multiply(p)
		return
	}
	p.yIn, p.add = c.b.storedIn(p.out), false
	p.y = ptr(c.temporary(p.out, p.yIn))
	c.multiply(p)
	du := p.y
	if g.X.Mode != device.Skip {
		c.multiply(product{y: into(g.X), x: du, w: ptr(s.W), xIn: p.yIn, yIn: elementOf(g.X.Tensor), in: s.Out(), out: s.X.Shape, win: device.ConvT2x2x2, swapped: true,
			add: g.X.Mode == device.Add, mask: ptr(g.X.Mask), maskIn: elementOf(g.X.Mask)})
	}
	if g.W.Mode != device.Skip {
		c.outer(outer{dw: into(g.W), gathered: du, plain: ptr(s.X), gIn: p.yIn, pIn: elementOf(s.X), g: s.Out(), p: s.X.Shape, win: device.ConvT2x2x2, swapped: true, add: g.W.Mode == device.Add})
	}
	if g.B.Mode != device.Skip {
		c.columnSums(into(g.B), du, s.Out(), p.yIn, g.B.Mode == device.Add)
	}
}
