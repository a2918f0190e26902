package device

// Up is trilinear upsampling by two, align_corners = false: along each axis
//
//	out[2i]   = ¾·in[i] + ¼·in[max(i−1, 0)]
//	out[2i+1] = ¾·in[i] + ¼·in[min(i+1, n−1)]
type Up interface {
	// Upsample: y[n,:,:,:,c] is x[n,:,:,:,c] interpolated along D, H and W.
	Upsample(y, x Tensor)

	// UpsampleGrad is the transpose of that linear map.
	UpsampleGrad(dx Into, dy Tensor)
}

// Upsampled is the shape of x after Upsample.
func Upsampled(x Shape) Shape { return Shape{x.N, 2 * x.D, 2 * x.H, 2 * x.W, x.C} }

func (do Ops) Upsample(y, x Tensor) {
	do(&Call{Op: "Upsample", Args: []Arg{out("y", &y), in("x", &x)},
		Run:  func(b NetworkOps) { b.Upsample(y, x) },
		rule: func(c *Call) { c.shaped(Upsampled(x.Shape), "twice x's extents", "y") },
	})
}

func (do Ops) UpsampleGrad(dx Into, dy Tensor) {
	do(&Call{Op: "UpsampleGrad", Args: []Arg{grad("dx", &dx), in("dy", &dy)},
		Run:  func(b NetworkOps) { b.UpsampleGrad(dx, dy) },
		rule: func(c *Call) { c.shaped(Upsampled(dx.Shape), "twice dx's extents", "dy") },
	})
}
