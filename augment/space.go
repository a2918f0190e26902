package augment

import "math"

// SpaceDraw draws a Space. Patches of real scans are cut through it, images and masks alike.
type SpaceDraw struct {
	P          float64 `toml:"p" comment:"training on a data set: probability that a patch is cut turned, stretched and bent (choice: 0)"`
	Degrees    float64 `toml:"degrees" comment:"largest turn about each axis"`
	ScaleMin   float64 `toml:"scale_min" comment:"smallest factor by which what is seen is enlarged, of each axis by itself"`
	ScaleMax   float64 `toml:"scale_max" comment:"largest"`
	BendMM     float64 `toml:"bend_mm" comment:"largest standard deviation of the elastic deformation"`
	BendCellMM float64 `toml:"bend_cell_mm" comment:"distance of its control points"`
}

// GammaDraw draws an exponent for the intensities of each image.
type GammaDraw struct {
	P   float64 `toml:"p" comment:"training on a data set: probability that an image's intensities, the brain's peak being 1, are raised to a power (choice: 0)"`
	Min float64 `toml:"min" comment:"smallest exponent"`
	Max float64 `toml:"max" comment:"largest"`
}

// Space is a smooth map from the voxels of a patch to places of the image that it is cut from: a turn and a stretch about the patch's
// middle, and a cubic B-spline.
type Space struct {
	size [3]int
	to   [3][4]float64
	bend [3][]float32 // added; nil: nothing
}

// DrawSpace draws the map of a patch of voxels of 1 mm; nil for none. Off, it draws nothing from s.
func (p Preset) DrawSpace(s *Stream, size [3]int) *Space {
	d := p.Space
	if d.P == 0 || !s.Bool(d.P) {
		return nil
	}
	m := [3][3]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}
	for axis := range 3 {
		t := uniform(s, -d.Degrees, d.Degrees) * math.Pi / 180
		i, j := (axis+1)%3, (axis+2)%3
		for r := range m { // times a rotation about the axis
			m[r][i], m[r][j] = m[r][i]*math.Cos(t)+m[r][j]*math.Sin(t), m[r][j]*math.Cos(t)-m[r][i]*math.Sin(t)
		}
	}
	for axis := range 3 {
		f := math.Exp(uniform(s, math.Log(d.ScaleMin), math.Log(d.ScaleMax)))
		for r := range m {
			m[r][axis] /= f
		}
	}
	sp := &Space{size: size}
	for r := range 3 {
		centre := float64(size[r]-1) / 2
		sp.to[r][3] = centre
		for c := range 3 {
			sp.to[r][c] = m[r][c]
			sp.to[r][3] -= m[r][c] * float64(size[c]-1) / 2
		}
	}
	if amount := float32(s.Uniform(0, d.BendMM)); amount > 0 {
		for a := range sp.bend {
			sp.bend[a] = SmoothField(s, size, d.BendCellMM)
			for i := range sp.bend[a] {
				sp.bend[a][i] *= amount
			}
		}
	}
	return sp
}

// Each visits the patch's voxels, D, H, W with W fastest, with where they are in the image, in voxels from the first one of the patch as it would be
// without the map.
func (sp *Space) Each(visit func(i int, at [3]float64)) {
	i := 0
	for d := range sp.size[0] {
		for h := range sp.size[1] {
			for w := range sp.size[2] {
				var at [3]float64
				for r, m := range sp.to {
					at[r] = m[0]*float64(d) + m[1]*float64(h) + m[2]*float64(w) + m[3]
					if sp.bend[r] != nil {
						at[r] += float64(sp.bend[r][i])
					}
				}
				visit(i, at)
				i++
			}
		}
	}
}

// DrawGamma raises the intensities of an image above 0 to a power that it draws, or leaves them. Off, it draws nothing from s.
func (p Preset) DrawGamma(s *Stream, image []float32) {
	d := p.Gamma
	if d.P == 0 || !s.Bool(d.P) {
		return
	}
	g := uniform(s, d.Min, d.Max)
	for i, x := range image {
		if x > 0 {
			image[i] = float32(math.Pow(float64(x), g))
		}
	}
}
