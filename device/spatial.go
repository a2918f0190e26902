package device

// Matrix is the shape of a matrix: element (p,q) at p·cols+q.
func Matrix(rows, cols int) Shape { return Shape{1, 1, 1, rows, cols} }

// Spatial moves voxels, or mixes voxels of one line.
type Spatial interface {
	// AlongAxis multiplies every line of x along an axis by m, Matrix(rows, cols), with
	// cols = the extent of x along that axis and rows = the extent of y. Along W:
	//
	//	y[n,d,h,p,c] = Σ_q m[p,q] · x[n,d,h,q,c]       (Set; Add adds to what is there)
	//
	// Convolutions with any border, resampling on a regular grid and discrete Fourier
	// transforms are such products, and their matrices are made once per image in
	// float64 by the caller. A backend may skip coefficients that are zero: x must be finite.
	// Every sum is taken and rounded in the same way, over rising q, so that sums of terms
	// that are equal, or opposite, come out equal, or opposite, to the bit: Peak's ties need it.
	AlongAxis(y Into, x, m Tensor, axis int)

	// Orient: y[i] = x[j] with j[perm[a]] = i[a], or y's extent − 1 − i[a] where flip[a].
	// perm is a permutation of the three axes: y's extent along a is x's along perm[a].
	Orient(y, x Tensor, perm [3]int, flip [3]bool)

	// Resample, for every voxel i of y, with the point
	//
	//	c[a] = Σ_b to[a][b]·i[b] + to[a][3]
	//
	// of x (n its extents): if −0.5 ≤ c[a] < n[a] − 0.5 for every a, y[i] is x interpolated
	// linearly at c, each c[a] first limited to [0, n[a]−1]; else y[i] = outside[0]. Points are
	// computed in float64, as ((to[a][0]·i[0] + to[a][1]·i[1]) + to[a][2]·i[2]) + to[a][3].
	Resample(y, x, outside Tensor, to [3][4]float64)
}

// Along is s with extent n along an axis, 0 for D, 1 for H, 2 for W.
func Along(s Shape, axis, n int) Shape {
	switch axis {
	case 0:
		s.D = n
	case 1:
		s.H = n
	default:
		s.W = n
	}
	return s
}

func (do Ops) AlongAxis(y Into, x, m Tensor, axis int) {
	do(&Call{Op: "AlongAxis", Args: []Arg{grad("y", &y), in("x", &x), in("m", &m)},
		Flops: 2 * int64(y.Len()) * int64(m.C),
		Run:   func(b NetworkOps) { b.(ImagingOps).AlongAxis(y, x, m, axis) },
		rule: func(c *Call) {
			if axis < 0 || axis > 2 {
				c.refuse("axis %d is not 0, 1 or 2", axis)
			}
			c.need(m.Shape == Matrix(m.W, x.Grid()[axis]), "m must be a matrix with x's extent along axis %d, %d, as columns", axis, x.Grid()[axis])
			c.shaped(Along(x.Shape, axis, m.W), "m's rows along the axis", "y")
		},
	})
}

func (do Ops) Orient(y, x Tensor, perm [3]int, flip [3]bool) {
	do(&Call{Op: "Orient", Args: []Arg{out("y", &y), in("x", &x)},
		Run: func(b NetworkOps) { b.(ImagingOps).Orient(y, x, perm, flip) },
		rule: func(c *Call) {
			var seen [3]bool
			var grid [3]int
			for a, p := range perm {
				if p < 0 || p > 2 || seen[p] {
					c.refuse("%v is not a permutation of the axes", perm)
				}
				seen[p], grid[a] = true, x.Grid()[p]
			}
			c.shaped(x.WithGrid(grid), "x's axes permuted", "y")
		},
	})
}

func (do Ops) Resample(y, x, outside Tensor, to [3][4]float64) {
	do(&Call{Op: "Resample", Args: []Arg{out("y", &y), in("x", &x), in("outside", &outside)},
		Run: func(b NetworkOps) { b.(ImagingOps).Resample(y, x, outside, to) },
		rule: func(c *Call) {
			c.shaped(x.WithGrid(y.Grid()), "x's samples and channels", "y")
			c.shaped(Scalar(), "a number", "outside")
		},
	})
}
