package volume

import (
	"math"

	"voxgrad/internal/par"
	"voxgrad/internal/rng"
)

// anatomy is a head as distance fields in mm. Places below are in the brain's
// frame: x to the right, y to the front, z up, the half axes of the brain's box
// being 1; radius is the mean half axis in mm.
type anatomy struct {
	grid    Grid
	spacing [3]float64
	half    [3]float64 // mm
	radius  float64    // mm

	mask      []bool
	fluid     []float32 // to the fluid around the brain and in sulci; below 0 inside it
	cortex    []float32 // to cortical grey matter; below 0 inside it
	ventricle []float32 // to the ventricles; below 0 inside them
	deep      []float32 // share of deep grey nuclei
	cap       []float32 // brightness of periventricular caps and rims: not lesions
	choroid   []float32 // share of choroid plexus
}

// foldCell is the scale of gyri: about 2.6 cells lie between two sulci.
const foldCell = 0.058

// newAnatomy draws a head.
func newAnatomy(o PhantomOptions) *anatomy {
	a := &anatomy{spacing: o.Spacing, grid: Grid{Size: o.Size}}
	for d := range 3 {
		a.grid.Affine[d][d] = o.Spacing[d]
		a.grid.Affine[d][3] = -float64(o.Size[d]-1) / 2 * o.Spacing[d]
		a.half[d] = 0.47 * float64(o.Size[d]) * o.Spacing[d]
		a.radius += a.half[d] / 3
	}
	n := a.grid.Len()
	a.mask = make([]bool, n)
	for _, f := range []*[]float32{&a.fluid, &a.cortex, &a.ventricle, &a.deep, &a.cap, &a.choroid} {
		*f = make([]float32, n)
	}
	h := newHead(o, a)
	var warp [3][]float32
	for d, name := range []string{"warp x", "warp y", "warp z"} {
		warp[d] = newLattice(0.55*a.radius, o.Seed, name).field(o.Size, o.Spacing)
	}
	par.For(o.Size[2], func(k int) {
		for j := range o.Size[1] {
			for i := range o.Size[0] {
				x := a.grid.Index(i, j, k)
				p := a.grid.World(float64(i), float64(j), float64(k))
				for d := range 3 {
					p[d] = p[d]/a.half[d] + 0.03*float64(warp[d][x])
				}
				a.set(x, p, h)
			}
		}
	})
	return a
}

// head is what is random about an anatomy, apart from the warp.
type head struct {
	folds, width, depth *lattice
	plexus, bumps       *lattice
	ventricles          []capsule
	nuclei              [][2][3]float64 // centre and half axes
	tips                [][3]float64    // of the horns, where caps sit
	tipGain             []float64
	thickness           float64 // mm of cortex
	openness            float64 // mm of fluid in half a sulcus
	rim                 float64
}

// capsule is a segment with a radius at each end; radii in units of the mean half
// axis.
type capsule struct {
	a, b   [3]float64
	ra, rb float64
}

func newHead(o PhantomOptions, a *anatomy) *head {
	s := rng.New(o.Seed, "phantom", "anatomy")
	big := s.Uniform(0.8, 1.4) // size of the ventricles
	h := &head{
		folds:     newLattice(foldCell*a.radius, o.Seed, "folds"),
		width:     newLattice(0.13*a.radius, o.Seed, "sulcal width"),
		depth:     newLattice(0.1*a.radius, o.Seed, "sulcal depth"),
		bumps:     newLattice(0.12*a.radius, o.Seed, "ventricle surface"),
		plexus:    newLattice(2.2, o.Seed, "choroid plexus"),
		thickness: min(2.8, 0.046*a.radius) * s.Uniform(0.9, 1.1),
		openness:  min(0.8, 0.0105*a.radius) * s.Uniform(0.6, 1.3),
		rim:       s.Uniform(0.04, 0.15),
	}
	frontal, front, back := [3]float64{0.13, 0.44, 0.02}, [3]float64{0.085, 0.2, 0.14}, [3]float64{0.1, -0.15, 0.17}
	atrium, occipital := [3]float64{0.25, -0.42, 0.06}, [3]float64{0.21, -0.68, 0}
	bend, temporal := [3]float64{0.38, -0.22, -0.22}, [3]float64{0.4, 0.06, -0.32}
	h.ventricles = []capsule{
		{frontal, front, 0.035 * big, 0.055 * big}, {front, back, 0.055 * big, 0.05 * big},
		{back, atrium, 0.05 * big, 0.08 * big}, {atrium, occipital, 0.08 * big, 0.015 * big},
		{atrium, bend, 0.07 * big, 0.035 * big}, {bend, temporal, 0.035 * big, 0.015 * big},
		{[3]float64{0, -0.18, -0.1}, [3]float64{0, 0.12, -0.06}, 0.025 * big, 0.02 * big},
	}
	h.nuclei = [][2][3]float64{
		{{0.2, 0.27, 0.05}, {0.07, 0.19, 0.11}},   // caudate
		{{0.36, 0.08, -0.06}, {0.09, 0.24, 0.15}}, // putamen
		{{0.15, -0.12, -0.04}, {0.12, 0.19, 0.13}},
	}
	for _, tip := range [][3]float64{frontal, occipital} {
		for _, side := range []float64{1, -1} {
			h.tips = append(h.tips, [3]float64{side * tip[0] * 1.25, tip[1] * 1.1, tip[2] + 0.02})
			h.tipGain = append(h.tipGain, s.Uniform(0.05, 0.4))
		}
	}
	return h
}

// set fills voxel x at place p.
func (a *anatomy) set(x int, p [3]float64, h *head) {
	mirrored := [3]float64{math.Abs(p[0]), p[1], p[2]}
	cerebellum := a.inEllipsoid(p, [3]float64{0, -0.52, -0.6}, [3]float64{0.58, 0.4, 0.36})
	stem := -a.toCapsule(mirrored, capsule{[3]float64{0, -0.1, -0.2}, [3]float64{0, -0.2, -0.98}, 0.2, 0.13})
	cerebrum, below := a.inCerebrum(mirrored)
	below = min(below, -cerebellum-0.018*a.radius) // the tentorium
	top := cerebrum
	cerebrum = min(cerebrum, below)
	depth := max(cerebrum, cerebellum, stem)
	a.mask[x] = depth > 0
	if !a.mask[x] {
		a.fluid[x], a.cortex[x], a.ventricle[x] = -9, -9, 99
		return
	}

	vent := math.Inf(1)
	for _, c := range h.ventricles {
		vent = min(vent, a.toCapsule(mirrored, c))
	}
	if vent < 0.2*a.radius {
		vent += 0.014 * a.radius * h.bumps.at([3]float64{p[0] * a.half[0], p[1] * a.half[1], p[2] * a.half[2]})
	}
	a.ventricle[x] = float32(vent)

	switch {
	case cerebrum >= stem && cerebrum >= cerebellum:
		fluid := min(cerebrum-h.openness, a.toSulcus(p, min(top, 2.5*below), h))
		a.fluid[x] = float32(fluid)
		a.cortex[x] = float32(max(fluid-h.thickness, h.thickness-vent-1))
	case cerebellum >= stem:
		// Folia: thin, nearly level leaves over a white core.
		t := (p[2]*a.half[2] + 0.3*p[1]*a.half[1] + 0.8*h.width.at([3]float64{p[0] * a.half[0], p[1] * a.half[1], p[2] * a.half[2]})) / (0.07 * a.radius)
		leaf := math.Abs(t-math.Round(t))*0.07*a.radius + 0.15*max(0, cerebellum-0.1*a.radius)
		a.fluid[x] = float32(min(cerebellum-0.6, leaf-0.15))
		a.cortex[x] = float32(min(cerebellum, leaf+0.5*max(0, cerebellum-0.15*a.radius)) - 0.022*a.radius)
	default:
		a.fluid[x], a.cortex[x] = float32(stem-0.5), 9
	}
	for _, n := range h.nuclei {
		a.deep[x] = max(a.deep[x], float32(saturate(a.inEllipsoid(mirrored, n[0], n[1])/2+0.5)))
	}
	if vent > -1.5 {
		caps := h.rim * math.Exp(-vent*vent/(2*1.1*1.1))
		for n, tip := range h.tips {
			d2 := 0.0
			for d := range 3 {
				d2 += square((p[d] - tip[d]) * a.half[d] / (0.075 * a.radius))
			}
			caps += h.tipGain[n] * math.Exp(-d2/2)
		}
		a.cap[x] = float32(caps)
	}
	if vent < 0 && p[1] < 0 {
		at := [3]float64{p[0] * a.half[0], p[1] * a.half[1], p[2] * a.half[2]}
		a.choroid[x] = float32(saturate(1.5 * (h.plexus.at(at) - 0.3)))
	}
}

// inCerebrum is how deep p, on the right side, is below the convex surface of
// the hemispheres and above their base.
func (a *anatomy) inCerebrum(p [3]float64) (outer, base float64) {
	q := [3]float64{p[0], p[1], (p[2] - 0.08) / 0.92}
	r := math.Sqrt(q[0]*q[0] + q[1]*q[1] + q[2]*q[2])
	// Below, the frontal lobes end higher than the temporal ones.
	lobe := math.Exp(-square((p[0]-0.56)/0.24) - square((p[1]-0.12)/0.42))
	floor := -0.3 - 0.4*lobe - 0.12*saturate(-p[1])
	return (1 - r) * a.radius, (p[2] - floor) * a.half[2] * 0.85
}

// toSulcus is the distance to the nearest sulcus or fissure of p, which is depth
// mm under the surface.
func (a *anatomy) toSulcus(p [3]float64, depth float64, h *head) float64 {
	// Walls of folds stand upright on the surface: noise over directions, with
	// little change along the radius.
	r := math.Sqrt(p[0]*p[0] + p[1]*p[1] + p[2]*p[2])
	var dir [3]float64
	for d := range 3 {
		dir[d] = p[d] * a.half[d] * (0.75/max(r, 0.65) + 0.25)
	}
	vary := h.width.at(dir)
	width := h.openness * min(0.4+0.6*vary, 1.5)
	reach := 0.29 * a.radius
	wall := math.Inf(1)
	if depth < reach+4*h.thickness {
		f, slope := h.folds.slope(dir)
		wall = math.Abs(f)/math.Hypot(slope, 0.6/(foldCell*a.radius)) - max(width, -0.5)
		wall = math.Hypot(max(wall, 0), max(0, depth-reach*(1+0.25*h.depth.at(dir)))) + min(wall, 0)
	}
	// The fissure between the hemispheres, above and around the corpus callosum.
	ring := math.Hypot(p[1]/0.62, (p[2]-0.06)/0.36)
	fissure := max(math.Abs(p[0]+0.012*vary)*a.half[0]-0.8*h.openness, (1-ring)*0.4*a.radius)
	// The lateral sulcus.
	z := p[2] + 0.14 - 0.4*p[1] + 0.05*vary
	lateral := math.Abs(z)*a.half[2] - h.openness*(0.5+0.4*vary)
	beyond := math.Hypot(max(0, (0.56-math.Abs(p[0]))*a.half[0]), max(0, (math.Abs(p[1]-0.08)-0.38)*a.half[1]))
	lateral = math.Hypot(max(lateral, 0), beyond) + min(lateral, 0)
	return min(wall, fissure, lateral)
}

// inEllipsoid is about how many mm p is inside an ellipsoid.
func (a *anatomy) inEllipsoid(p, centre, axes [3]float64) float64 {
	r, size := 0.0, 0.0
	for d := range 3 {
		r += square((p[d] - centre[d]) / axes[d])
		size += axes[d] * a.half[d] / 3
	}
	return (1 - math.Sqrt(r)) * size
}

// toCapsule is the distance of p to the surface of c, below 0 inside.
func (a *anatomy) toCapsule(p [3]float64, c capsule) float64 {
	var ab, ap [3]float64
	dot, length := 0.0, 0.0
	for d := range 3 {
		ab[d], ap[d] = (c.b[d]-c.a[d])*a.half[d], (p[d]-c.a[d])*a.half[d]
		dot += ab[d] * ap[d]
		length += ab[d] * ab[d]
	}
	t := saturate(dot / length)
	sum := 0.0
	for d := range 3 {
		sum += square(ap[d] - t*ab[d])
	}
	return math.Sqrt(sum) - (c.ra+(c.rb-c.ra)*t)*a.radius
}
