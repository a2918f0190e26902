package cuda

import (
	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// samples calls f for groups of samples of source i, with the offsets of the first in floats of the source and of the fine tensor, the source's
// shape, and a workspace for the products of all taps, [voxel][27][cout], which is bounded but for one sample. It returns how many
// groups there were.
func (c *catConv) samples(i int, f func(k, coarse, fine int, s device.Shape, z driver.Ptr)) int {
	s := c.in[i].X.Shape
	one := s.Voxels() * taps3 * c.cout
	most := min(s.N, max(1, c.b.opt.taps/(4*one)))
	z := c.workspace(most * one)
	groups := ceil(s.N, most)
	for k := range groups {
		part := s
		part.N = min(most, s.N-k*most)
		f(k, k*most*s.Voxels()*s.C, k*most*8*s.Voxels()*c.cout, part, z)
	}
	return groups
}

// vectors is how many of width channels a source of shape s has for so many channels, and the width.
func (o *op) vectors(s device.Shape, c int) (n uint32, width int) {
	width = widthOf(c)
	return o.numbered(s.Rows() * (c / width)), width
}

// trilinear is the product p of source i.
func (c *catConv) trilinear(i int, p product) {
	c.samples(i, func(_, coarse, fine int, s device.Shape, z driver.Ptr) {
		c.multiply(product{y: z, x: p.x + driver.Ptr(4*coarse), w: p.w, part: p.part, in: s, out: s.WithC(taps3 * c.cout), win: window1})
		n, width := c.vectors(s, c.cout)
		c.launch("trilinear", entry("tri_combine", width), PerElement(int(n), 1), p.y+driver.Ptr(4*fine), z, p.bias, n, s.D, s.H, s.W, c.cout, p.relu, p.add)
	})
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
	o.stats(first, x, s)
	part, parts := o.gradSums(o.square(x, s, to.mean), x, to.mean, s)
	o.launch("batchnorm", "batchnorm_squares_finish", blocks(s.C, threads), to.mean, to.invstd, to.runMean, to.runVar, part, parts, 8*s.Rows(), to.eps, to.momentum)
}

// gradTrilinear gathers dy to the taps of each coarse voxel, which products go on from.
func (c *catGrad) gradTrilinear(i int) {
	s, g := c.in[i], c.g.In[i]
	x, cols := ptr(s.X), taps3*c.cout
	gather := func(fine int, s device.Shape, z driver.Ptr) {
		n, width := c.vectors(s, c.cout)
		l := PerElement(int(n), 1)
		l.Grid.Y = 3
		c.launch("trilinear", entry("tri_gather", width), l, z, c.dy+driver.Ptr(4*fine), n, s.D, s.H, s.W, c.cout)
	}
	sums := sourceSums{rt: c.cout, rc: cols}
	var kept driver.Ptr // the taps of all samples
	if c.needR {
		sums.r = c.workspace(s.X.C * cols)
		groups := c.samples(i, func(k, coarse, fine int, s device.Shape, z driver.Ptr) {
			gather(fine, s, z)
			c.outer(outer{dw: sums.r, gathered: x + driver.Ptr(4*coarse), plain: z, g: s, p: s.WithC(cols), win: window1, add: k > 0})
			kept = z
		})
		if groups > 1 {
			kept = 0
		}
	}
	c.parameters(i, &sums)
	if g.X.Mode == device.Skip {
		return
	}
	p := product{w: c.w, part: c.scaled(i), win: window1, swapped: true, add: g.X.Mode == device.Add}
	var q, shift driver.Ptr
	if c.passes { // Uᵀ(shift + scale·Ux), a voxel standing for eight
		q, shift = c.square(x, s.X.Shape, 0), c.workspace(s.X.C)
		c.launch("memory", "blend", PerElement(s.X.C, 4), shift, sums.shift, sums.shift, s.X.C, float32(4), float32(4))
		p.bias, p.zscale = shift, sums.scale
	}
	product := func(coarse int, s device.Shape, z driver.Ptr) {
		p.x, p.y, p.in, p.out = z, into(g.X)+driver.Ptr(4*coarse), s.WithC(cols), s
		if m := ptr(g.X.Mask); m != 0 {
			p.mask = m + driver.Ptr(4*coarse)
		}
		if c.passes {
			p.z = q + driver.Ptr(4*coarse)
		}
		c.multiply(p)
	}
	if kept != 0 {
		product(0, s.X.Shape, kept)
		return
	}
	c.samples(i, func(_, coarse, fine int, s device.Shape, z driver.Ptr) {
		gather(fine, s, z)
		product(coarse, s, z)
	})
}
