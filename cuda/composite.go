package cuda

import (
	"voxgrad/cuda/driver"
	"voxgrad/device"
)

var window1 = device.ConvParams{K: 1, Stride: 1}

// matrix is the shape of so many rows of c channels.
func matrix(rows, c int) device.Shape { return device.Shape{N: 1, D: 1, H: 1, W: rows, C: c} }

// compositeTile is that of kernels/composite.cu.
var compositeTile = tile{rows: 48, cols: 48, threads: 96}

// compositeWeights makes the window's weights of source i, Weights(4, Cx, Cout).
func (c *catConv) compositeWeights(i int) driver.Ptr {
	s, cx, cu := c.in[i], c.in[i].X.C, c.channels(i)
	w4 := ptr(s.W4)
	if w4 == 0 {
		w4 = c.workspace(64 * cx * c.cout)
	}
	l := driver.Launch{Grid: driver.Dim{X: ceil(cx, compositeTile.rows), Y: ceil(c.cout, compositeTile.cols), Z: 64}, Block: driver.D1(compositeTile.threads)}
	c.launch("composite", "composite_weights", l, w4, s.W, c.w, c.n.Gamma, c.n.InvStd, cx, cu, c.z.C, c.from[i], c.cout)
	return w4
}

// gradComposite takes the sums of x and dy by position of the window: images that a 3³ convolution makes of those of up; see kernels/composite.cu.
func (c *catGrad) gradComposite(i int) {
	s, g, cx, cu := c.in[i], c.g.In[i], c.in[i].X.C, c.channels(i)
	x, e, up, bias := ptr(s.X), elementOf(s.X), ptr(s.W), ptr(s.B)
	window, images4, images2 := device.ConvParams{K: 3, Stride: 1}, device.Shape{N: cx, D: 4, H: 4, W: 4, C: c.cout}, device.Shape{N: cx, D: 2, H: 2, W: 2, C: cu}
	sums4 := driver.Ptr(0)
	if c.needR || g.W.Mode != device.Skip {
		sums4 = c.workspace(images4.Len())
		c.outer(outer{dw: sums4, gathered: c.dy, plain: x, gIn: c.e, pIn: e, g: c.s, p: s.X.Shape, win: device.CompositeWindow, swapped: true, images: true})
	}
	sums := sourceSums{up: bias, rt: cu * c.cout, rc: c.cout}
	if c.needR {
		images := c.workspace(images2.Len())
		c.launch("composite", "up_images", PerElement(images2.Len(), 1), images, up, cx, cu)
		sums.r = sumParts{c.workspace(taps3 * cu * c.cout), 1}
		c.outer(outer{dw: sums.r.at, gathered: sums4, plain: images, exact: true, g: images4, p: images2, win: window, swapped: true})
	}
	c.parameters(i, &sums)

	if g.X.Mode != device.Skip {
		w4 := ptr(s.W4) // as CatConv left them
		if w4 == 0 {
			w4 = c.compositeWeights(i)
		}
		p := product{y: into(g.X), x: c.dy, w: w4, xIn: c.e, yIn: elementOf(g.X.Tensor), in: c.s, out: s.X.Shape, win: device.CompositeWindow,
			swapped: true, add: g.X.Mode == device.Add, mask: ptr(g.X.Mask), maskIn: elementOf(g.X.Mask)}
		if c.passes {
			// Σ over k of up[k]·(shift + scale·(bias + up[k]ᵀx)) = row + x·square
			p.bias = c.workspace(cx)
			c.launch("composite", "up_row", blocks(cx, threads), p.bias, up, sums.passed, bias, cx, cu)
			turned, scaled, square := c.workspace(8*cx*cu), c.workspace(8*cx*cu), c.workspace(cx*cx)
			c.launch("composite", "up_turned", PerElement(8*cx*cu, 1), turned, scaled, up, sums.scale, cx, cu)
			c.outer(outer{dw: square, gathered: turned, plain: scaled, exact: true, g: matrix(8*cu, cx), p: matrix(8*cu, cx), win: window1})
			c.multiply(product{y: p.y, x: x, w: square, xIn: e, yIn: p.yIn, in: s.X.Shape, out: s.X.Shape, win: window1, add: p.add})
			p.add = true
		}
		c.multiply(p)
	}
	var sum, second driver.Ptr
	if c.passes && (g.W.Mode != device.Skip || g.B.Mode != device.Skip) {
		sum = c.workspace(cx)
		c.columnSums(sum, x, s.X.Shape, e, false)
	}
	if g.W.Mode != device.Skip {
		conv := c.workspace(8 * cx * cu)
		c.multiply(product{y: conv, x: sums4, w: c.w, part: c.scaled(i), exact: true, in: images4, out: images2, win: window, swapped: true})
		if c.passes {
			squares := c.workspace(cx * cx)
			second = c.workspace(8 * cx * cu)
			c.outer(outer{dw: squares, gathered: x, plain: x, gIn: e, pIn: e, g: s.X.Shape, p: s.X.Shape, win: window1})
			c.multiply(product{y: second, x: squares, w: up, part: part{all: cx, cut: cu}, exact: true, in: matrix(cx, cx), out: matrix(cx, 8*cu), win: window1})
		}
		c.launch("composite", "up_grad_w", PerElement(8*cx*cu, 1), g.W, conv, second, sum, sums.passed, bias, cx, cu, g.W.Mode == device.Add)
	}
	if g.B.Mode != device.Skip {
		c.launch("composite", "up_grad_b", blocks(cu, threads), g.B, up, sum, sums.passed, bias, cx, cu, s.X.Rows(), g.B.Mode == device.Add)
	}
}
