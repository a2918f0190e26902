package synth

import (
	"fmt"
	"math"

	"voxgrad/augment"
	"voxgrad/internal/settings"
)

// HeadOptions state how scans are drawn from label maps. Every range is this project's choice; real numbers are
// uniform in theirs.
type HeadOptions struct {
	SpacingMM float64 `toml:"spacing_mm" comment:"voxels of the drawn scans, mm"`
	RimMM     int     `toml:"rim_mm" comment:"fluid that many whole mm around the closed brain is found as brain; not in scans with lesions"`

	TurnDegrees float64 `toml:"turn_degrees" comment:"largest turn of the head about each axis"`
	ScaleSD     float64 `toml:"scale_sd" comment:"standard deviation of the logarithm of the stretch along each axis"`
	ShearSD     float64 `toml:"shear_sd" comment:"standard deviation of each shear"`
	ShiftMM     float64 `toml:"shift_mm" comment:"largest shift of the brain's centre from the patch's, along each axis"`
	BendMM      float64 `toml:"bend_mm" comment:"largest standard deviation of the smooth deformation"`
	BendCellMM  float64 `toml:"bend_cell_mm" comment:"distance of the deformation's control points"`

	FlairLike   float64 `toml:"flair_like" comment:"probability that tissues are ordered as in FLAIR; else every class has any intensity"`
	Flow        float64 `toml:"flow" comment:"probability that flow brightens parts of the fluid, in FLAIR-like scans"`
	TextureMax  float64 `toml:"texture_max" comment:"largest standard deviation of a class's fine texture, as a share of its intensity"`
	PatchyMax   float64 `toml:"patchy_max" comment:"the same of its coarse texture"`
	AirMax      float64 `toml:"air_max" comment:"brightest air, in one of four scans; else air is 0"`
	GammaMax    float64 `toml:"gamma_max" comment:"intensities are raised to a power from 1/gamma_max to gamma_max"`
	CutFace     float64 `toml:"cut_face" comment:"probability, for each face, that the field of view ends before it"`
	CutMM       float64 `toml:"cut_mm" comment:"how far it does at most"`
	Tight       float64 `toml:"tight" comment:"probability that the field of view is the brain's box and tight_mm at most around it, as scans are cropped"`
	TightMM     float64 `toml:"tight_mm" comment:"of tight"`
	Stripped    float64 `toml:"stripped" comment:"probability that all outside the brain is 0 already"`
	ThickSlices float64 `toml:"thick_slices" comment:"probability of slices thicker than the voxels"`
	SliceMinMM  float64 `toml:"slice_min_mm" comment:"thinnest of them"`
	SliceMaxMM  float64 `toml:"slice_max_mm" comment:"thickest"`
	SliceGap    float64 `toml:"slice_gap" comment:"largest gap between slices, as a share of their thickness"`
	SliceAxial  float64 `toml:"slice_axial" comment:"probability that thick slices are axial; else coronal or sagittal"`
}

// DefaultHeads are the documented choices, for whole heads of any contrast.
func DefaultHeads() HeadOptions {
	return HeadOptions{
		SpacingMM:   2,
		TurnDegrees: 20, ScaleSD: 0.08, ShearSD: 0.04, ShiftMM: 30, BendMM: 4, BendCellMM: 32,
		FlairLike: 0.5, Flow: 0.4, TextureMax: 0.12, PatchyMax: 0.12, AirMax: 0.2, GammaMax: 1.5,
		CutFace: 0.15, CutMM: 60, Tight: 0.15, TightMM: 10, Stripped: 0.08,
		ThickSlices: 0.6, SliceMinMM: 2, SliceMaxMM: 8, SliceGap: 0.3, SliceAxial: 0.7,
	}
}

// Check reports what is wrong with the options, in words of the config file.
func (o HeadOptions) Check() error {
	for _, err := range []error{
		settings.Within("spacing_mm", o.SpacingMM, 0.25, 8),
		settings.Within("rim_mm", float64(o.RimMM), 0, rimMost),
		settings.Within("turn_degrees", o.TurnDegrees, 0, 180),
		settings.Within("scale_sd", o.ScaleSD, 0, 0.5),
		settings.Within("shear_sd", o.ShearSD, 0, 0.5),
		settings.Within("shift_mm", o.ShiftMM, 0, 200),
		settings.Within("bend_mm", o.BendMM, 0, 20),
		settings.Within("bend_cell_mm", o.BendCellMM, 4, 400),
		settings.Within("flair_like", o.FlairLike, 0, 1),
		settings.Within("flow", o.Flow, 0, 1),
		settings.Within("texture_max", o.TextureMax, 0, 1),
		settings.Within("patchy_max", o.PatchyMax, 0, 1),
		settings.Within("air_max", o.AirMax, 0, 1),
		settings.Within("gamma_max", o.GammaMax, 1, 10),
		settings.Within("cut_face", o.CutFace, 0, 1),
		settings.Within("cut_mm", o.CutMM, 0, 400),
		settings.Within("tight", o.Tight, 0, 1),
		settings.Within("tight_mm", o.TightMM, 0, 100),
		settings.Within("stripped", o.Stripped, 0, 1),
		settings.Within("thick_slices", o.ThickSlices, 0, 1),
		settings.Range("slice", o.SliceMinMM, o.SliceMaxMM, 0.25, 50),
		settings.Within("slice_gap", o.SliceGap, 0, 2),
		settings.Within("slice_axial", o.SliceAxial, 0, 1),
	} {
		if err != nil {
			return fmt.Errorf("labels: %w", err)
		}
	}
	return nil
}

// Head is one drawn scan before the scanner: D, H, W run along x, y, z and W fastest.
type Head struct {
	Size  [3]int
	Image []float32 // the brightest tissues are about 1
	Brain []float32 // the share of each voxel that is brain, 0 outside the field of view
}

// Draw draws a scan of a whole head, with its brain near the middle of the patch. It depends on the options, the
// anatomy, the size and the stream alone.
func (o HeadOptions) Draw(s *augment.Stream, a *Anatomy, size [3]int) *Head {
	h := &Head{Size: size}
	w := o.warpAt(s, size, a.centre, o.ShiftMM)
	t := o.tissuesOf(s, s.Bool(o.FlairLike))
	t.fields(size)
	h.Image, h.Brain = w.render(a, t, size, o.RimMM)
	o.gamma(s, h.Image)
	if s.Bool(o.Stripped) {
		for i, b := range h.Brain {
			if b < 0.5 {
				h.Image[i] = 0
			}
		}
	}
	o.cut(s, h)
	return h
}

// Scanner adds to what a preset of augmentation drew what the slices do: last, for they are
// taken of everything else.
func (o HeadOptions) Scanner(s *augment.Stream, r augment.Recipe) augment.Recipe {
	if !s.Bool(o.ThickSlices) {
		return r
	}
	axis := 2
	if !s.Bool(o.SliceAxial) {
		axis = s.Intn(2)
	}
	thick := s.Uniform(o.SliceMinMM, o.SliceMaxMM) / o.SpacingMM
	step := thick * (1 + s.Uniform(0, o.SliceGap))
	up := augment.Linear
	if s.Bool(0.3) {
		up = augment.BSpline3
	}
	return append(r, augment.Slices{Axis: axis, Thickness: thick, Step: step, Start: s.Float64() * step, Up: up})
}

// warp maps voxels of a patch to an anatomy's.
type warp struct {
	to   [3][4]float64 // affine
	bend [3][]float32  // added, in voxels of the anatomy; nil: none

	// moved is added to the patch's voxels before everything else; nil: nothing.
	moved [3][]float32
}

// warpAt draws where a patch is in an anatomy: its middle at a voxel of the anatomy, but for a shift.
func (o HeadOptions) warpAt(s *augment.Stream, size [3]int, centre [3]float64, shiftMM float64) warp {
	m := [3][3]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}
	for axis := range 3 {
		t := s.Uniform(-1, 1) * o.TurnDegrees * math.Pi / 180
		r := [3][3]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}
		p, q := (axis+1)%3, (axis+2)%3
		r[p][p], r[p][q], r[q][p], r[q][q] = math.Cos(t), -math.Sin(t), math.Sin(t), math.Cos(t)
		m = times(m, r)
	}
	shape := [3][3]float64{}
	for p := range 3 {
		for q := range 3 {
			if p == q {
				shape[p][q] = math.Exp(o.ScaleSD * s.Normal())
			} else {
				shape[p][q] = o.ShearSD * s.Normal()
			}
		}
	}
	m = times(m, shape)
	if s.Bool(0.5) { // left and right
		for p := range 3 {
			m[p][0] = -m[p][0]
		}
	}
	var w warp
	var shift [3]float64
	for p := range shift {
		shift[p] = float64(size[p]-1)/2 + s.Uniform(-1, 1)*shiftMM/o.SpacingMM
	}
	for p := range 3 {
		w.to[p][3] = centre[p]
		for q := range 3 {
			w.to[p][q] = m[p][q] * o.SpacingMM
			w.to[p][3] -= w.to[p][q] * shift[q]
		}
	}
	amount := float32(s.Uniform(0, o.BendMM))
	if amount > 0 {
		for p := range w.bend {
			w.bend[p] = augment.SmoothField(s, size, o.BendCellMM/o.SpacingMM)
			for i := range w.bend[p] {
				w.bend[p][i] *= amount
			}
		}
	}
	return w
}

func times(a, b [3][3]float64) (c [3][3]float64) {
	for i := range 3 {
		for j := range 3 {
			for k := range 3 {
				c[i][j] += a[i][k] * b[k][j]
			}
		}
	}
	return c
}

// tissues is how the classes look in a scan, and the textures of the patch.
type tissues struct {
	mean, other [classes]float32 // two tissues that a class is a mixture of
	change      [classes]float32 // how much brighter than in the first scan, of a head that was scanned
	from        [classes]float32 // of the mixture's field from which on it is the other one
	fine, rough [classes]float32 // standard deviations of the textures, as shares
	stream      *augment.Stream
	cells       [3]float64   // of the textures and of the mixture, voxels
	field       [3][]float32 // those of the patch, once drawn
}

// fields draws the textures of a patch.
func (t *tissues) fields(size [3]int) {
	for k, cell := range t.cells {
		t.field[k] = augment.SmoothField(t.stream, size, cell)
	}
}

// tissuesOf draws the intensities of the classes, any or as in FLAIR.
func (o HeadOptions) tissuesOf(s *augment.Stream, flair bool) *tissues {
	t := &tissues{stream: s}
	for c := range classes {
		t.mean[c], t.change[c] = float32(s.Float64()), 1
	}
	if flair {
		o.flair(s, t)
	}
	t.mean[Air] = 0
	if s.Bool(0.25) {
		t.mean[Air] = float32(s.Uniform(0, o.AirMax))
	}
	for c := range classes {
		t.fine[c], t.rough[c] = float32(s.Uniform(0, o.TextureMax)), float32(s.Uniform(0, o.PatchyMax))
		t.other[c], t.from[c] = t.mean[c], float32(math.Inf(1))
		u, from := s.Float64(), s.Uniform(-1, 2)
		if c.extracerebral() {
			t.other[c], t.from[c] = float32(u), float32(from)
			if flair {
				t.other[c] = float32(1.5 * u)
			}
		}
	}
	if flair && s.Bool(o.Flow) {
		level, from := t.mean[WhiteMatter]*float32(s.Uniform(0.3, 1)), float32(s.Uniform(0.8, 2))
		for _, c := range []Class{Ventricle, CSF} {
			t.other[c], t.from[c] = level, from
		}
	}
	t.cells = [3]float64{s.Uniform(1, 3), s.Uniform(4, 12) / o.SpacingMM, s.Uniform(4, 20) / o.SpacingMM}
	return t
}

// flair draws intensities as they are ordered in FLAIR: white matter about 0.6, so that fat
// may be brighter.
func (o HeadOptions) flair(s *augment.Stream, t *tissues) {
	white := s.Uniform(0.45, 0.75)
	grey, deep := white*s.Uniform(1, 1.35), white*s.Uniform(0.88, 1.22)
	fluid := white * s.Uniform(0.02, 0.35)
	for _, v := range []struct {
		c      Class
		lo, hi float64
	}{
		{WhiteMatter, white, white}, {Cortex, grey, grey}, {CerebellarWhiteMatter, white * 0.92, white * 1.08},
		{CerebellarCortex, grey * 0.9, grey * 1.08}, {Thalamus, deep * 0.95, deep * 1.05}, {Caudate, deep * 0.95, deep * 1.1},
		{Putamen, deep * 0.95, deep * 1.1}, {Pallidum, white * 0.8, white * 1.05}, {Hippocampus, grey * 0.95, grey * 1.15},
		{Amygdala, grey * 0.95, grey * 1.15}, {Accumbens, deep * 0.95, deep * 1.1}, {VentralDC, white * 0.9, white * 1.15},
		{BrainStem, white * 0.85, white * 1.15}, {Ventricle, fluid * 0.7, fluid * 1.1}, {CSF, fluid * 0.8, fluid*1.8 + white*0.1},
		{Choroid, fluid, grey}, {Vessel, fluid, white}, {SpinalCord, white * 0.8, white * 1.2},
		{Scalp, 0.2, 1.6}, {SoftTissue, 0.1, 0.9}, {Bone, 0, 0.35}, {Marrow, 0.1, 1.3}, {Dura, 0.1, 0.9},
		{Eye, 0.02, 0.3}, {Orbit, 0.1, 1.2}, {Nose, 0.1, 0.9}, {Vertebra, 0.1, 1}, {Chiasm, white * 0.8, white * 1.1},
	} {
		t.mean[v.c] = float32(s.Uniform(v.lo, v.hi))
	}
}

// subvoxels is the number of places along each axis at which a voxel's class is looked up: partial volume.
const subvoxels = 2

// partial lists where in a voxel classes are looked up: offsets in voxels of the anatomy, with the half that
// rounding by truncation needs.
func (w warp) partial() (offset [subvoxels * subvoxels * subvoxels][3]float32) {
	for k := range offset {
		for p := range 3 {
			for q, at := range [3]int{k / (subvoxels * subvoxels), k / subvoxels % subvoxels, k % subvoxels} {
				offset[k][p] += float32(w.to[p][q] * ((float64(at)+0.5)/subvoxels - 0.5))
			}
			offset[k][p] += 0.5
		}
	}
	return offset
}

// each visits the voxels of a patch with where they are in the anatomy.
func (w warp) each(size [3]int, visit func(i int, at [3]float32)) {
	i := 0
	for d := range size[0] {
		for h := range size[1] {
			for x := range size[2] {
				q := [3]float64{float64(d), float64(h), float64(x)}
				if w.moved[0] != nil {
					for p := range q {
						q[p] += float64(w.moved[p][i])
					}
				}
				var at [3]float32
				for p := range 3 {
					at[p] = float32(w.to[p][0]*q[0] + w.to[p][1]*q[1] + w.to[p][2]*q[2] + w.to[p][3])
					if w.bend[p] != nil {
						at[p] += w.bend[p][i]
					}
				}
				visit(i, at)
				i++
			}
		}
	}
}

// render looks up the classes and mixes their intensities; the brain has a rim of fluid of that many mm.
func (w warp) render(a *Anatomy, t *tissues, size [3]int, rim int) (image, brain []float32) {
	n := size[0] * size[1] * size[2]
	image, brain = make([]float32, n), make([]float32, n)
	offset := w.partial()
	w.each(size, func(i int, at [3]float32) {
		var sum, in float32
		for k := range offset {
			o := &offset[k]
			v := a.at(at[0]+o[0], at[1]+o[1], at[2]+o[2])
			sum += t.look(Class(v&classBits), i)
			if within(v, rim) {
				in++
			}
		}
		image[i], brain[i] = max(sum/float32(len(offset)), 0), in/float32(len(offset))
	})
	return image, brain
}

// look is the intensity of a class in a voxel.
func (t *tissues) look(c Class, i int) float32 {
	mean := t.mean[c]
	if t.field[2][i] > t.from[c] {
		mean = t.other[c]
	}
	return mean * (1 + t.fine[c]*t.field[0][i] + t.rough[c]*t.field[1][i])
}

// visit is render with lesions and bright rims of the ventricles, both shares of white matter's intensity.
func (w warp) visit(a *Anatomy, t *tissues, size [3]int, bright []float32, rim rim) []float32 {
	image := make([]float32, size[0]*size[1]*size[2])
	offset := w.partial()
	white := t.white(a)
	w.each(size, func(i int, at [3]float32) {
		var sum float32
		patchy := t.field[1][i]
		lesion := w.sample(bright, size, i) * max(1+0.2*patchy, 0)
		if a.scan != nil {
			image[i] = max(a.shows(at, &t.change)+lesion, 0)
			return
		}
		for k := range offset {
			o := &offset[k]
			j := a.index(at[0]+o[0], at[1]+o[1], at[2]+o[2])
			if j < 0 {
				continue
			}
			c := Class(a.voxels[j] & classBits)
			sum += t.look(c, i)
			if c == WhiteMatter {
				sum += white * rim.at(a.sites.near[j]&rimBits, patchy)
			}
		}
		image[i] = max(sum/float32(len(offset))+white*lesion, 0)
	})
	return image
}

// white is the intensity of white matter.
func (t *tissues) white(a *Anatomy) float32 {
	if a.scan != nil {
		return 1
	}
	return t.mean[WhiteMatter]
}

// rim is the bright lining of the ventricles: how bright at them, and how many mm wide.
type rim struct{ bright, wide float32 }

// at is the rim's share so many mm from a ventricle; it is patchy, as the coarse texture is.
func (r rim) at(mm uint8, patchy float32) float32 {
	return r.bright * max(1-float32(mm-1)/r.wide, 0) * min(max(0.6+0.4*patchy, 0), 1.2)
}

// sample is a field of the patch where voxel i was moved to, by linear interpolation; 0 outside.
func (w warp) sample(field []float32, size [3]int, i int) float32 {
	if w.moved[0] == nil {
		return field[i]
	}
	p := unindex(i, size)
	var b [3]int
	var f [3]float32
	for a := range p {
		u := float32(p[a]) + w.moved[a][i]
		if u < 0 || u > float32(size[a]-1) {
			return 0
		}
		b[a] = min(int(u), size[a]-2)
		f[a] = u - float32(b[a])
	}
	sum := float32(0)
	for k := range 8 {
		weight, at := float32(1), b
		for a := range b {
			if k>>a&1 == 1 {
				at[a]++
				weight *= f[a]
			} else {
				weight *= 1 - f[a]
			}
		}
		if weight > 0 {
			sum += weight * field[index(at, size)]
		}
	}
	return sum
}

// index is the voxel at a position that is rounded by truncation; −1 outside.
func (a *Anatomy) index(x, y, z float32) int {
	if x < 0 || y < 0 || z < 0 {
		return -1
	}
	i, j, k := int(x), int(y), int(z)
	if i >= a.Size[0] || j >= a.Size[1] || k >= a.Size[2] {
		return -1
	}
	return (k*a.Size[1]+j)*a.Size[0] + i
}

// at is the voxel at a position that is rounded by truncation; air outside.
func (a *Anatomy) at(x, y, z float32) uint8 {
	if i := a.index(x, y, z); i >= 0 {
		return a.voxels[i]
	}
	return 0
}

// gamma raises intensities to a power.
func (o HeadOptions) gamma(s *augment.Stream, image []float32) {
	g := math.Exp(s.Uniform(-1, 1) * math.Log(o.GammaMax))
	for i, v := range image {
		image[i] = float32(math.Pow(float64(v), g))
	}
}

// cut ends the field of view.
func (o HeadOptions) cut(s *augment.Stream, h *Head) {
	lo, hi := [3]int{}, h.Size
	for p := range 3 {
		for face := range 2 {
			by := int(s.Uniform(0, o.CutMM) / o.SpacingMM)
			if !s.Bool(o.CutFace) || by > h.Size[p]/3 {
				continue
			}
			if face == 0 {
				lo[p] = by
			} else {
				hi[p] = h.Size[p] - by
			}
		}
	}
	if s.Bool(o.Tight) {
		box := h.box()
		for p := range 3 {
			lo[p] = max(lo[p], box[0][p]-int(s.Uniform(0, o.TightMM)/o.SpacingMM+0.5))
			hi[p] = min(hi[p], box[1][p]+int(s.Uniform(0, o.TightMM)/o.SpacingMM+0.5))
		}
	}
	i := 0
	for d := range h.Size[0] {
		for y := range h.Size[1] {
			for x := range h.Size[2] {
				if d < lo[0] || d >= hi[0] || y < lo[1] || y >= hi[1] || x < lo[2] || x >= hi[2] {
					h.Image[i], h.Brain[i] = 0, 0
				}
				i++
			}
		}
	}
}

// box is the brain's, the upper end excluded.
func (h *Head) box() [2][3]int {
	var list []int32
	for i, b := range h.Brain {
		if b > 0.5 {
			list = append(list, int32(i))
		}
	}
	if list == nil {
		return [2][3]int{{}, h.Size}
	}
	return bounds(list, h.Size)
}
