package device

// Region works on the voxels where a mask is above one half; a NaN is not. mask has x's shape.
type Region interface {
	// RegionStats: stats, Vec(2), receives the mean and the standard deviation (divided by the
	// number of voxels) of x inside the mask, over all samples and channels; 0, 0 if it is empty.
	// Sums are in float64.
	RegionStats(stats, x, mask Tensor)

	// RegionNoise: y[i] = stats[0] + stats[1]·z(key, i) inside the mask, else x[i], z as in
	// Noise. y may be x.
	RegionNoise(y, x, mask, stats Tensor, key uint64)

	// Select: y[i] = a[i] inside the mask, else b[i]. y may be a or b.
	Select(y, mask, a, b Tensor)
}

func (do Ops) RegionStats(stats, x, mask Tensor) {
	do(&Call{Op: "RegionStats", Args: []Arg{out("stats", &stats), in("x", &x), in("mask", &mask)},
		Run: func(b NetworkOps) { b.(ImagingOps).RegionStats(stats, x, mask) },
		rule: func(c *Call) {
			c.shaped(Vec(2), "a mean and a deviation", "stats")
			c.shaped(x.Shape, "x's shape", "mask")
		},
	})
}

func (do Ops) RegionNoise(y, x, mask, stats Tensor, key uint64) {
	do(&Call{Op: "RegionNoise", Args: []Arg{out("y", &y, &x), in("x", &x), in("mask", &mask), in("stats", &stats)},
		Run: func(b NetworkOps) { b.(ImagingOps).RegionNoise(y, x, mask, stats, key) },
		rule: func(c *Call) {
			c.shaped(x.Shape, "x's shape", "y", "mask")
			c.shaped(Vec(2), "a mean and a deviation", "stats")
		},
	})
}

func (do Ops) Select(y, mask, a, b Tensor) {
	do(&Call{Op: "Select", Args: []Arg{out("y", &y, &a, &b), in("mask", &mask), in("a", &a), in("b", &b)},
		Run:  func(be NetworkOps) { be.(ImagingOps).Select(y, mask, a, b) },
		rule: func(c *Call) { c.shaped(mask.Shape, "the mask's shape", "y", "a", "b") },
	})
}
