package device

// DiceOptions chooses among the segmentation losses.
type DiceOptions struct {
	Eps            float64 // e in the formula
	ForegroundOnly bool    // mean over the last channel alone instead of all
	CrossEntropy   float64 // weight of the added cross-entropy
}

// Loss turns a network's output into one number and back. loss and dloss are
// Scalar tensors on the device.
type Loss interface {
	// Softmax over channels: p[r,c] = exp(x[r,c] − max) / Σ. p may be x.
	Softmax(p, x Tensor)

	// DiceLoss, softmax and soft Dice (and cross-entropy) in one. g has x's shape
	// and holds the target of each channel, usually 0 or 1. With
	// p = softmax(x) and, per channel, sums over batch and voxels
	//
	//	I = Σ p·g,  P = Σ p,  G = Σ g
	//	loss = 1 − mean over c of (2I + Eps)/(P + G + Eps)
	//	     + CrossEntropy · (−1/R) Σ over rows r and channels c of g·log p
	//
	// R = rows of x. log p is computed as x − max − log Σ. sums, Vec(3·C), keeps I, P, G
	// (I of all channels first) for the gradient; prob, optional, receives p.
	DiceLoss(loss, sums, prob, x, g Tensor, opt DiceOptions)

	// DiceLossGrad: dx = dloss[0] · ∂loss/∂x, through the softmax. dx may not be x.
	DiceLossGrad(dx Into, dloss, sums, x, g Tensor, opt DiceOptions)

	// MSE: loss = Σ (x − g)² / number of elements
	MSE(loss, x, g Tensor)

	// MSEGrad: dx = dloss[0] · 2(x − g) / number of elements
	MSEGrad(dx Into, dloss, x, g Tensor)
}

func (do Ops) Softmax(p, x Tensor) {
	do(&Call{Op: "Softmax", Args: []Arg{out("p", &p, &x), in("x", &x)},
		Run:  func(b NetworkOps) { b.Softmax(p, x) },
		rule: func(c *Call) { c.shaped(x.Shape, "x's shape", "p") },
	})
}

func (do Ops) DiceLoss(loss, sums, prob, x, g Tensor, opt DiceOptions) {
	do(&Call{Op: "DiceLoss", Args: []Arg{out("loss", &loss), out("sums", &sums), optional(out("prob", &prob)), in("x", &x), in("g", &g)},
		Run: func(b NetworkOps) { b.DiceLoss(loss, sums, prob, x, g, opt) },
		rule: func(c *Call) {
			c.shaped(Scalar(), "a number", "loss")
			c.shaped(Vec(3*x.C), "three sums a channel of x", "sums")
			c.shaped(x.Shape, "x's shape", "prob", "g")
		},
	})
}

func (do Ops) DiceLossGrad(dx Into, dloss, sums, x, g Tensor, opt DiceOptions) {
	do(&Call{Op: "DiceLossGrad", Args: []Arg{grad("dx", &dx), in("dloss", &dloss), in("sums", &sums), in("x", &x), in("g", &g)},
		Run: func(b NetworkOps) { b.DiceLossGrad(dx, dloss, sums, x, g, opt) },
		rule: func(c *Call) {
			c.shaped(Scalar(), "a number", "dloss")
			c.shaped(Vec(3*x.C), "three sums a channel of x", "sums")
			c.shaped(x.Shape, "x's shape", "dx", "g")
		},
	})
}

func (do Ops) MSE(loss, x, g Tensor) {
	do(&Call{Op: "MSE", Args: []Arg{out("loss", &loss), in("x", &x), in("g", &g)},
		Run: func(b NetworkOps) { b.MSE(loss, x, g) },
		rule: func(c *Call) {
			c.shaped(Scalar(), "a number", "loss")
			c.shaped(x.Shape, "x's shape", "g")
		},
	})
}

func (do Ops) MSEGrad(dx Into, dloss, x, g Tensor) {
	do(&Call{Op: "MSEGrad", Args: []Arg{grad("dx", &dx), in("dloss", &dloss), in("x", &x), in("g", &g)},
		Run: func(b NetworkOps) { b.MSEGrad(dx, dloss, x, g) },
		rule: func(c *Call) {
			c.shaped(Scalar(), "a number", "dloss")
			c.shaped(x.Shape, "x's shape", "dx", "g")
		},
	})
}
