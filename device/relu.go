package device

// Act is what a convolution does to its result before storing it.
type Act uint8

const (
	Linear Act = iota
	ReLU       // max(0, ·)
)

// Activation is what an activation needs in reverse; forward it is a part of the
// operation before it, see Conv.
type Activation interface {
	// ReLUGrad: dx[i] = dy[i] if y[i] > 0, else 0. dx may be dy with mode Set.
	ReLUGrad(dx Into, dy, y Tensor)
}

func (do Ops) ReLUGrad(dx Into, dy, y Tensor) {
	do(&Call{Op: "ReLUGrad", Args: []Arg{grad("dx", &dx, &dy), in("dy", &dy), in("y", &y)},
		Run:  func(b NetworkOps) { b.ReLUGrad(dx, dy, y) },
		rule: func(c *Call) { c.shaped(y.Shape, "y's shape", "dx", "dy") },
	})
}
