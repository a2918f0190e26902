package cuda

import (
	"voxgrad/cuda/driver"
	"voxgrad/device"
)

var window1 = device.ConvParams{K: 1, Stride: 1}

// compositeWeights makes the window's weights of source i, Weights(4, Cx, Cout).
func (c *catConv) compositeWeights(i int) driver.Ptr {
	s, cx, cu := c.in[i], c.in[i].X.C, c.channels(i)
	w4 := ptr(s.W4)
	if w4 == 0 {
		w4 = c.workspace(64 * cx * c.cout)
	}
	n := c.scaled(i)
	c.weightProduct(matrices{kernel: "nn", which: compositeProduct, blocks: 64, c: w4, a: ptr(s.W), b: c.channel(i), m: cx, n: c.cout, k: cu, lda: cu, ldb: c.cout,
		aStep: cx * cu, bStep: c.z.C * c.cout, gamma: n.gamma + driver.Ptr(4*n.from), invstd: n.invstd + driver.Ptr(4*n.from)})
	return w4
}

// channel is where source i's channels of a position's weights begin.
func (c *catConv) channel(i int) driver.Ptr { return c.w + driver.Ptr(4*c.from[i]*c.cout) }

// gradComposite takes the sums of x and dy by position of the composite window, of which those of both windows behind it are made; see kernels/composite.cu.
func (c *catGrad) gradComposite(i int) {
	s, g, cx, cu := c.in[i], c.g.In[i], c.in[i].X.C, c.channels(i)
	x, e, up, bias := ptr(s.X), elementOf(s.X), ptr(s.W), ptr(s.B)
	sums4 := driver.Ptr(0)
	if c.needR || g.W.Mode != device.Skip {
		sums4 = c.workspace(64 * cx * c.cout)
		c.outer(outer{dw: sums4, gathered: c.dy, plain: x, gIn: c.e, pIn: e, g: c.s, p: s.X.Shape, win: device.CompositeWindow, swapped: true})
	}
	sums := sourceSums{up: bias, rt: cu * c.cout, rc: c.cout}
	if c.needR {
		sums.r = c.weightProduct(matrices{kernel: "tn", which: tapsProduct, blocks: taps3, terms: 8, a: up, b: sums4, m: cu, n: c.cout, k: cx, lda: cu, ldb: c.cout, aStep: cx * cu, bStep: cx * c.cout})
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
			passed := c.wholeProduct(matrices{kernel: "nt", which: squareProduct, blocks: 1, terms: 8, a: up, b: up, m: cx, n: cx, k: cu, lda: cu, ldb: cu, aStep: cx * cu, bStep: cx * cu, gamma: sums.scale})
			c.multiply(product{y: p.y, x: x, w: passed, xIn: e, yIn: p.yIn, in: s.X.Shape, out: s.X.Shape, win: window1, add: p.add})
			p.add = true
		}
		c.multiply(p)
	}
	var sum, ofStats driver.Ptr
	if c.passes && (g.W.Mode != device.Skip || g.B.Mode != device.Skip) {
		sum = c.workspace(cx)
		c.columnSums(sum, x, s.X.Shape, e, false)
	}
	if g.W.Mode != device.Skip {
		n := c.scaled(i)
		ofW := c.weightProduct(matrices{kernel: "nt", which: upsProduct, blocks: 8, terms: taps3, a: sums4, b: c.channel(i), m: cx, n: cu, k: c.cout, lda: c.cout, ldb: c.cout,
			aStep: cx * c.cout, bStep: c.z.C * c.cout, gamma: n.gamma + driver.Ptr(4*n.from), invstd: n.invstd + driver.Ptr(4*n.from), columns: true})
		if c.passes {
			squares := c.workspace(cx * cx)
			c.outer(outer{dw: squares, gathered: x, plain: x, gIn: e, pIn: e, g: s.X.Shape, p: s.X.Shape, win: window1})
			ofStats = c.weightProduct(matrices{kernel: "nn", which: secondProduct, blocks: 8, a: squares, b: up, m: cx, n: cu, k: cx, lda: cx, ldb: cu, bStep: cx * cu}).at
		}
		c.launch("composite", "up_grad_w", PerElement(8*cx*cu, 1), g.W, ofW.at, ofW.n, ofStats, sum, sums.passed, bias, cx, cu, g.W.Mode == device.Add)
	}
	if g.B.Mode != device.Skip {
		c.launch("composite", "up_grad_b", blocks(cu, threads), g.B, up, sum, sums.passed, bias, cx, cu, s.X.Rows(), g.B.Mode == device.Add)
	}
}
