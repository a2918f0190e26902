package device

// Random is everything that draws numbers. Numbers come from Philox4x32-10
// (internal/rng): the element with linear index i uses the word i mod 4 of the
// block with counter i div 4 under the given key, on every device.
type Random interface {
	// Dropout: y[i] = x[i]/(1−p) if u(key,i) ≥ p, else 0, with u the word divided
	// by 2³² (compared as an integer: word ≥ ⌊p·2³²⌋). p is in [0, 1). y may be x.
	Dropout(y, x Tensor, p float64, key uint64)

	// DropoutGrad: dx[i] = dy[i]/(1−p) if kept, else 0. dx may be dy with mode Set.
	DropoutGrad(dx Into, dy Tensor, p float64, key uint64)
}

func (do Ops) Dropout(y, x Tensor, p float64, key uint64) {
	do(&Call{Op: "Dropout", Args: []Arg{out("y", &y, &x), in("x", &x)},
		Run: func(b NetworkOps) { b.Dropout(y, x, p, key) },
		rule: func(c *Call) {
			c.shaped(x.Shape, "x's shape", "y")
			c.need(p >= 0 && p < 1, "probability %v is not in [0, 1)", p)
		},
	})
}

func (do Ops) DropoutGrad(dx Into, dy Tensor, p float64, key uint64) {
	do(&Call{Op: "DropoutGrad", Args: []Arg{grad("dx", &dx, &dy), in("dy", &dy)},
		Run: func(b NetworkOps) { b.DropoutGrad(dx, dy, p, key) },
		rule: func(c *Call) {
			c.shaped(dy.Shape, "dy's shape", "dx")
			c.need(p >= 0 && p < 1, "probability %v is not in [0, 1)", p)
		},
	})
}
