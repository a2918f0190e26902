package device

// Pool is max-pooling over 2³ voxels with stride 2; a trailing odd plane is dropped.
type Pool interface {
	// MaxPool: y[n,d,h,w,c] = max of x[n,2d+i,2h+j,2w+k,c], i,j,k in {0,1}; NaN if
	// one of the eight is
	MaxPool(y, x Tensor)

	// MaxPoolGrad: dy goes to the first of the eight (i, then j, then k slowest to
	// fastest) that equals y; all other elements of dx, dropped planes included,
	// get 0. dx may have a mask.
	MaxPoolGrad(dx Into, dy, x, y Tensor)
}

// Pooled is the shape of x after MaxPool.
func Pooled(x Shape) Shape { return Shape{x.N, x.D / 2, x.H / 2, x.W / 2, x.C} }

func (do Ops) MaxPool(y, x Tensor) {
	do(&Call{Op: "MaxPool", Args: []Arg{out("y", &y), in("x", &x)},
		Run:  func(b NetworkOps) { b.MaxPool(y, x) },
		rule: func(c *Call) { c.shaped(Pooled(x.Shape), "half of x's extents", "y") },
	})
}

func (do Ops) MaxPoolGrad(dx Into, dy, x, y Tensor) {
	g, mask := masked(grad("dx", &dx))
	do(&Call{Op: "MaxPoolGrad", Args: []Arg{g, in("dy", &dy), in("x", &x), in("y", &y), mask},
		Run: func(b NetworkOps) { b.MaxPoolGrad(dx, dy, x, y) },
		rule: func(c *Call) {
			c.shaped(x.Shape, "x's shape", "dx")
			c.shaped(Pooled(x.Shape), "half of x's extents", "dy", "y")
		},
	})
}
