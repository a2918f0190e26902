package device

// Intensity changes values where they are.
type Intensity interface {
	// Min: least[0] = the smallest element of x, all samples and channels; NaN if one is NaN.
	Min(least, x Tensor)

	// BiasField multiplies x by the exponential of a polynomial of the position:
	//
	//	u[a] = (i[a] − (n[a]−1)/2) / ((n[a]−1)/2), 0 where n[a] = 1
	//	y[i] = x[i] · exp(Σ coef[k] · u[0]^p · u[1]^q · u[2]^r)
	//
	// over p = 0..order, q = 0..order−p, r = 0..order−p−q, r fastest, k counting along.
	// coef is Vec((order+1)(order+2)(order+3)/6), order 0..4. The sum is computed in float64.
	// y may be x.
	BiasField(y, x, coef Tensor, order int)

	// Noise: y[i] = x[i] + sd · z(key, i), z standard normal: rng.Normal32, the same
	// bits on every device. i is the linear index. y may be x.
	Noise(y, x Tensor, sd float64, key uint64)
}

// MaxFieldOrder is the highest order of BiasField's polynomial.
const MaxFieldOrder = 4

func (do Ops) Min(least, x Tensor) {
	do(&Call{Op: "Min", Args: []Arg{out("least", &least), in("x", &x)},
		Run:  func(b NetworkOps) { b.(ImagingOps).Min(least, x) },
		rule: func(c *Call) { c.shaped(Scalar(), "a number", "least") },
	})
}

func (do Ops) BiasField(y, x, coef Tensor, order int) {
	do(&Call{Op: "BiasField", Args: []Arg{out("y", &y, &x), in("x", &x), in("coef", &coef)},
		Run: func(b NetworkOps) { b.(ImagingOps).BiasField(y, x, coef, order) },
		rule: func(c *Call) {
			if order < 0 || order > MaxFieldOrder {
				c.refuse("order %d is not 0 … %d", order, MaxFieldOrder)
			}
			c.shaped(x.Shape, "x's shape", "y")
			c.shaped(Vec((order+1)*(order+2)*(order+3)/6), "the terms of the order", "coef")
		},
	})
}

func (do Ops) Noise(y, x Tensor, sd float64, key uint64) {
	do(&Call{Op: "Noise", Args: []Arg{out("y", &y, &x), in("x", &x)},
		Run:  func(b NetworkOps) { b.(ImagingOps).Noise(y, x, sd, key) },
		rule: func(c *Call) { c.shaped(x.Shape, "x's shape", "y") },
	})
}
