package device

// ConvParams is the geometry of a convolution or of a transposed one: a cubic
// kernel of edge K, a stride, and zero padding on every side.
type ConvParams struct{ K, Stride, Pad int }

// Conv3x3x3 is the 3³ window that keeps the grid.
var Conv3x3x3 = ConvParams{K: 3, Stride: 1, Pad: 1}

// ConvT2x2x2 is the 2³ stride 2 window of the transposed convolution that doubles
// the grid.
var ConvT2x2x2 = ConvParams{K: 2, Stride: 2, Pad: 0}

// Out is the shape of a convolution's result on x: empty if the window is larger
// than the padded x.
func (p ConvParams) Out(x Shape, cout int) Shape {
	e := func(n int) int {
		if n+2*p.Pad < p.K {
			return 0 // division would round up to one
		}
		return (n+2*p.Pad-p.K)/p.Stride + 1
	}
	return Shape{x.N, e(x.D), e(x.H), e(x.W), cout}
}

// OutT is the shape of a transposed convolution's result on x.
func (p ConvParams) OutT(x Shape, cout int) Shape {
	e := func(n int) int { return (n-1)*p.Stride - 2*p.Pad + p.K }
	return Shape{x.N, e(x.D), e(x.H), e(x.W), cout}
}

// Conv is convolution and transposed convolution, each with its two gradients.
// x: [N D H W Cin], w: Weights(K, Cin, Cout), b: Vec(Cout) or none.
type Conv interface {
	// Conv, for every n, output voxel (d,h,w) and output channel o:
	//
	//	s = b[o]
	//	for kd, kh, kw, i:
	//	    z = (d,h,w)·Stride + (kd,kh,kw) − Pad
	//	    if z inside x: s += x[n,z,i] · w[kd,kh,kw,i,o]
	//	y[n,d,h,w,o] = act(s)
	Conv(y, x, w, b Tensor, win ConvParams, act Act)

	// ConvGradX, the adjoint of Conv in x (act is the caller's affair, see ReLUGrad). dx may
	// have a mask:
	//
	//	dx[n,z,i] += dy[n,d,h,w,o] · w[kd,kh,kw,i,o]   over the same index set
	ConvGradX(dx Into, dy, w Tensor, win ConvParams)

	// ConvGradW, the adjoint in w and b:
	//
	//	dw[kd,kh,kw,i,o] += x[n,z,i] · dy[n,d,h,w,o]
	//	db[o]            += dy[n,d,h,w,o]
	ConvGradW(dw, db Into, x, dy Tensor, win ConvParams)

	// ConvT is the transposed convolution. For every n, input voxel (d,h,w),
	// kernel position and channels i, o (y starts as b[o] everywhere):
	//
	//	z = (d,h,w)·Stride + (kd,kh,kw) − Pad
	//	if z inside y: y[n,z,o] += x[n,d,h,w,i] · w[kd,kh,kw,i,o]
	ConvT(y, x, w, b Tensor, win ConvParams)

	// ConvTGradX:  dx[n,d,h,w,i] += dy[n,z,o] · w[kd,kh,kw,i,o]
	ConvTGradX(dx Into, dy, w Tensor, win ConvParams)

	// ConvTGradW:  dw[kd,kh,kw,i,o] += x[n,d,h,w,i] · dy[n,z,o];  db[o] += dy[n,z,o], each voxel of y once
	ConvTGradW(dw, db Into, x, dy Tensor, win ConvParams)
}

// check refuses weights and results that do not fit x.
func (p ConvParams) check(c *Call, x, w, y Shape, transposed bool) {
	c.need(p.K > 0 && p.Stride > 0 && p.Pad >= 0, "there is no convolution with %+v", p)
	want := p.Out
	if transposed {
		want = p.OutT
	}
	c.need(w == Weights(p.K, x.C, w.C) && y == want(x, w.C), "with %+v on %v, weights must be %v and the result %v",
		p, x, Weights(p.K, x.C, w.C), want(x, w.C))
}

// convFlops is 2 for each voxel of the grid that the kernel is laid on and each weight.
func convFlops(grid, w Shape) int64 { return 2 * int64(grid.Rows()) * int64(w.Len()) }

func (do Ops) Conv(y, x, w, b Tensor, win ConvParams, act Act) {
	do(&Call{Op: "Conv", Args: []Arg{out("y", &y), in("x", &x), in("w", &w), optional(in("b", &b))},
		Flops: convFlops(y.Shape, w.Shape),
		Run:   func(be NetworkOps) { be.Conv(y, x, w, b, win, act) },
		rule: func(c *Call) {
			win.check(c, x.Shape, w.Shape, y.Shape, false)
			c.shaped(Vec(w.C), "a value for each output channel", "b")
			c.need(act <= ReLU, "there is no activation %d", act)
		},
	})
}

func (do Ops) ConvGradX(dx Into, dy, w Tensor, win ConvParams) {
	g, mask := masked(grad("dx", &dx))
	do(&Call{Op: "ConvGradX", Args: []Arg{g, in("dy", &dy), in("w", &w), mask},
		Flops: convFlops(dy.Shape, w.Shape),
		Run:   func(be NetworkOps) { be.ConvGradX(dx, dy, w, win) },
		rule:  func(c *Call) { win.check(c, dx.Shape, w.Shape, dy.Shape, false) },
	})
}

func (do Ops) ConvGradW(dw, db Into, x, dy Tensor, win ConvParams) {
	do.gradW("ConvGradW", dw, db, x, dy, win, false)
}

func (do Ops) gradW(op string, dw, db Into, x, dy Tensor, win ConvParams, transposed bool) {
	w, grid := Weights(win.K, x.C, dy.C), dy.Shape
	if transposed {
		grid = x.Shape
	}
	call := &Call{Op: op, Args: []Arg{grad("dw", &dw), grad("db", &db), in("x", &x), in("dy", &dy)},
		Flops: convFlops(grid, w),
		Run: func(be NetworkOps) {
			if transposed {
				be.ConvTGradW(dw, db, x, dy, win)
			} else {
				be.ConvGradW(dw, db, x, dy, win)
			}
		},
		rule: func(c *Call) {
			win.check(c, x.Shape, w, dy.Shape, transposed)
			c.shaped(w, "the weights", "dw")
			c.shaped(Vec(dy.C), "a value for each output channel", "db")
		},
	}
	if dw.Mode == Skip { // the bias alone needs dy alone
		call.Flops, call.Bytes = 0, bytesOf(dy, db.Tensor)
		if db.Mode == Add {
			call.Bytes += bytesOf(db.Tensor)
		}
	}
	do(call)
}

func (do Ops) ConvT(y, x, w, b Tensor, win ConvParams) {
	do(&Call{Op: "ConvT", Args: []Arg{out("y", &y), in("x", &x), in("w", &w), optional(in("b", &b))},
		Flops: convFlops(x.Shape, w.Shape),
		Run:   func(be NetworkOps) { be.ConvT(y, x, w, b, win) },
		rule: func(c *Call) {
			win.check(c, x.Shape, w.Shape, y.Shape, true)
			c.shaped(Vec(w.C), "a value for each output channel", "b")
		},
	})
}

func (do Ops) ConvTGradX(dx Into, dy, w Tensor, win ConvParams) {
	do(&Call{Op: "ConvTGradX", Args: []Arg{grad("dx", &dx), in("dy", &dy), in("w", &w)},
		Flops: convFlops(dx.Shape, w.Shape),
		Run:   func(be NetworkOps) { be.ConvTGradX(dx, dy, w, win) },
		rule:  func(c *Call) { win.check(c, dx.Shape, w.Shape, dy.Shape, true) },
	})
}

func (do Ops) ConvTGradW(dw, db Into, x, dy Tensor, win ConvParams) {
	do.gradW("ConvTGradW", dw, db, x, dy, win, true)
}
