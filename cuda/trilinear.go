package cuda

import (
	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// tapBytes bounds the products of all taps that are there at once: what the L2 cache of a large card holds, so that they
// need not go to memory.
const tapBytes = 44 << 20

// planes is how many planes of a source of shape s, counted through all samples, have their taps, [voxel][27][cout], in so many
// bytes; at least one.
func (c *catConv) planes(s device.Shape, e element, bytes int) int {
	return min(s.N*s.D, max(1, bytes/(e.size()*s.H*s.W*taps3*c.cout)))
}

// planesOf is n planes of a source from plane k on: as a shape, and the offset in bytes.
func planesOf(s device.Shape, e element, k, n int) (of device.Shape, at driver.Ptr) {
	of = s
	of.N, of.D = 1, n
	return of, driver.Ptr(e.size() * k * s.H * s.W * s.C)
}

// vectors is how many of width channels a source of shape s has for so many channels, and the width.
func (o *op) vectors(s device.Shape, c int) (n uint32, width int) {
	width = widthOf(c)
	return o.numbered(s.Rows() * (c / width)), width
}

// trilinear is the product p of source i, tap products stored as y is: slab by slab of planes, into a ring, of which a plane is combined as soon as the one behind it is there.
func (c *catConv) trilinear(i int, p product) {
	s, e := c.in[i].X.Shape, p.yIn
	all, step := s.N*s.D, c.planes(s, e, c.b.opt.taps)
	ring := all
	if step < all {
		step = c.planes(s, e, c.b.opt.taps/2)
		ring = max(2, ceil(step+2, step)) * step
	}
	taps := s.WithC(taps3 * c.cout)
	of, _ := planesOf(taps, e, 0, ring)
	z := ptr(c.temporary(of, e))
	for have, done := 0, 0; have < all; {
		in, at := planesOf(s, p.xIn, have, min(step, all-have))
		out, to := planesOf(taps, e, have%ring, in.D)
		c.multiply(product{y: z + to, x: p.x + at, w: p.w, part: p.part, xIn: p.xIn, yIn: e, in: in, out: out, win: window1})
		have += in.D
		ready := have - 1
		if have == all {
			ready = all
		}
		if ready == done {
			continue
		}
		of, _ := planesOf(s, p.xIn, done, ready-done)
		n, width := c.vectors(of, c.cout)
		c.vectors(s, c.cout) // all of them must be counted
		c.stored(e, "trilinear", entry("tri_combine", width), PerElement(int(n), 1), p.y, z, p.bias, n, done, ring, s.D, s.H, s.W, c.cout, p.relu, p.add)
		done = ready
	}
}

// square is UᵀU(x − mean) of source x. mean may be null.
func (o *op) square(x driver.Ptr, s device.Shape, mean driver.Ptr) driver.Ptr {
	q := o.workspace(s.Len())
	n, width := o.vectors(s, s.C)
	o.launch("trilinear", entry("tri_square", width), PerElement(int(n), 1), q, x, mean, n, s.D, s.H, s.W, s.C)
	return q
}

// trilinearStats takes the mean of x, which is that of Ux, and then the squares about it.
func (o *op) trilinearStats(to statistics, x driver.Ptr, s device.Shape) {
	first := to
	first.runMean, first.runVar = 0, 0
	o.stats(first, x, s, fp32)
	part, parts := o.gradSums(o.square(x, s, to.mean), x, to.mean, s, fp32)
	o.launch("batchnorm", "batchnorm_squares_finish", blocks(s.C, threads), to.mean, to.invstd, to.runMean, to.runVar, part, parts, 8*s.Rows(), to.eps, to.momentum)
}

// gradTrilinear gathers dy to the taps of each coarse voxel, slab by slab of planes; both products read them at once. What the statistics pass
// on is added behind that: it comes of the sums of all slabs.
func (c *catGrad) gradTrilinear(i int) {
	s, g := c.in[i].X.Shape, c.g.In[i]
	x, xIn, cols := ptr(c.in[i].X), elementOf(c.in[i].X), taps3*c.cout
	sums := sourceSums{rt: c.cout, rc: cols}
	if c.needR {
		sums.r = sumParts{c.workspace(s.C * cols), 1}
	}
	var dx driver.Ptr
	if g.X.Mode != device.Skip {
		dx = c.workspace(s.Len())
	}
	c.vectors(s, c.cout) // all of them must be counted
	step := c.planes(s, c.e, c.b.opt.taps)
	taps, _ := planesOf(s.WithC(cols), c.e, 0, step)
	z := ptr(c.temporary(taps, c.e))
	for k := 0; k < s.N*s.D && (c.needR || dx != 0); k += step {
		of, at := planesOf(s, xIn, k, min(step, s.N*s.D-k))
		n, width := c.vectors(of, c.cout)
		l := PerElement(int(n), 1)
		l.Grid.Y = 3
		c.stored(c.e, "trilinear", entry("tri_gather", width), l, z, c.dy, n, k, s.D, s.H, s.W, c.cout)
		if c.needR {
			c.outer(outer{dw: sums.r.at, gathered: x + at, plain: z, gIn: xIn, pIn: c.e, g: of, p: of.WithC(cols), win: window1, add: k > 0})
		}
		if dx != 0 {
			_, to := planesOf(s, fp32, k, 0)
			c.multiply(product{y: dx + to, x: z, w: c.w, part: c.scaled(i), xIn: c.e, in: of.WithC(cols), out: of, win: window1, swapped: true})
		}
	}
	c.parameters(i, &sums)
	if dx == 0 {
		return
	}
	var q, shift driver.Ptr
	if c.passes { // Uᵀ(shift + scale·Ux), a voxel standing for eight
		q, shift = c.square(c.widened(x, s, xIn), s, 0), c.workspace(s.C)
		c.launch("memory", "blend", PerElement(s.C, 4), shift, sums.shift, sums.shift, s.C, float32(4), float32(4))
	}
	c.finishParts(product{y: into(g.X), yIn: elementOf(g.X.Tensor), out: s, bias: shift, z: q, zscale: sums.scale, mask: ptr(g.X.Mask), maskIn: elementOf(g.X.Mask),
		add: g.X.Mode == device.Add}, dx, 1)
}
