package device

// KSpace is for transforms that look at single frequencies. Positions count
// from the lowest frequency: position q along an axis of n holds frequency q − n/2
// (rounded down). re and im have one sample and one channel; the image of KSpaceSpike may have more.
type KSpace interface {
	// KSpacePeak: peak, Vec(2), is the largest element of the complex array re + i·im: the one with
	// the largest real part and, of those, with the largest imaginary part.
	KSpacePeak(peak, re, im Tensor)

	// KSpaceSpike: re[at] += ratio·peak[0], im[at] += ratio·peak[1].
	KSpaceSpike(re, im, peak Tensor, at [3]int, ratio float64)

	// SpikeInImage adds what a spike of ratio·peak at a position becomes in each image, with M = D·H·W
	// and f[a] = at[a] − n[a]/2 (rounded down):
	//
	//	φ = 2π · Σ_a f[a]·i[a]/n[a]
	//	y[i] = x[i] + ratio/M · (peak[0]·cos φ − peak[1]·sin φ)
	//
	// y may be x. Every phase is reduced to one turn in integers before it is rounded.
	SpikeInImage(y, x, peak Tensor, at [3]int, ratio float64)
}

// single refuses what is not one image of one channel.
func (c *Call) single(s Shape) {
	if s.N != 1 || s.C != 1 {
		c.refuse("%v is not one image of one channel", s)
	}
}

// position refuses a position outside s.
func (c *Call) position(s Shape, at [3]int) {
	for a, n := range s.Grid() {
		if at[a] < 0 || at[a] >= n {
			c.refuse("position %v is outside %v", at, s)
		}
	}
}

func (do Ops) KSpacePeak(peak, re, im Tensor) {
	do(&Call{Op: "KSpacePeak", Args: []Arg{out("peak", &peak), in("re", &re), in("im", &im)},
		Run: func(b NetworkOps) { b.(ImagingOps).KSpacePeak(peak, re, im) },
		rule: func(c *Call) {
			c.single(re.Shape)
			c.shaped(re.Shape, "re's shape", "im")
			c.shaped(Vec(2), "a complex number", "peak")
		},
	})
}

func (do Ops) KSpaceSpike(re, im, peak Tensor, at [3]int, ratio float64) {
	do(&Call{Op: "KSpaceSpike", Args: []Arg{state("re", &re), state("im", &im), in("peak", &peak)},
		Bytes: 4 * (2 + 2 + 2),
		Run:   func(b NetworkOps) { b.(ImagingOps).KSpaceSpike(re, im, peak, at, ratio) },
		rule: func(c *Call) {
			c.single(re.Shape)
			c.shaped(re.Shape, "re's shape", "im")
			c.shaped(Vec(2), "a complex number", "peak")
			c.position(re.Shape, at)
		},
	})
}

func (do Ops) SpikeInImage(y, x, peak Tensor, at [3]int, ratio float64) {
	do(&Call{Op: "SpikeInImage", Args: []Arg{out("y", &y, &x), in("x", &x), in("peak", &peak)},
		Run: func(b NetworkOps) { b.(ImagingOps).SpikeInImage(y, x, peak, at, ratio) },
		rule: func(c *Call) {
			c.shaped(x.Shape, "x's shape", "y")
			c.shaped(Vec(2), "a complex number", "peak")
			c.position(x.Shape, at)
		},
	})
}
