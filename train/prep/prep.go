// Package prep brings images to what the networks work on: a canonical (RAS+)
// 1 mm grid, zero outside the brain, intensities normalised. Training and
// inference share it.
package prep

import (
	"fmt"
	"math"
	"slices"

	"voxgrad/internal/warn"
	"voxgrad/volume"
)

// Settings state how images are prepared.
type Settings struct {
	Normalize     string `toml:"normalize" comment:"intensity normalisation: kde, median or none"`
	Interpolation string `toml:"interpolation" comment:"interpolation onto the 1 mm grid: linear or cubic (choice: linear)"`
	ResampleTimes bool   `toml:"resample_times" comment:"accept time points on different grids; later ones are resampled to the first"`
}

// Defaults are the published normalisation, linear interpolation, time points must
// share their grid.
func Defaults() Settings { return Settings{Normalize: string(volume.KDE), Interpolation: "linear"} }

// Check names a setting that makes no sense.
func (s Settings) Check() error {
	switch volume.Method(s.Normalize) {
	case volume.KDE, volume.Median, volume.NoScale:
	default:
		return fmt.Errorf("normalize = %q: want %s, %s or %s", s.Normalize, volume.KDE, volume.Median, volume.NoScale)
	}
	if s.Interpolation != "linear" && s.Interpolation != "cubic" {
		return fmt.Errorf("interpolation = %q: want linear or cubic", s.Interpolation)
	}
	return nil
}

func (s Settings) interp() volume.Interp {
	if s.Interpolation == "cubic" {
		return volume.Cubic
	}
	return volume.Linear
}

// Case is the images of one case as they were given.
type Case struct {
	Times []*volume.Volume // the time points

	// Brain is the brain mask, on the grid of the first time point or, with Space, on that
	// of Space. Nil: it is found in skull-stripped images, as what is brain in all of
	// them, unless NoMask.
	Brain  *volume.Mask
	NoMask bool // prepare without a brain mask: everything counts

	// Space, if set, is on the grid that all time points are brought to by Transforms
	// (one each, from points of the space to points of the scan; nil for none), with cubic
	// interpolation. Else all must be on the grid of the first, but for
	// Settings.ResampleTimes.
	Space      *volume.Volume
	Transforms []*Transform
}

// Transform is a registration's, with the file it came from for messages.
type Transform struct {
	volume.Transform
	Path string
}

// Prepared is a case ready for a network.
type Prepared struct {
	Aligned []*volume.Volume // the time points on one grid, NaN replaced by 0; results go back to it
	Masked  *volume.Mask     // the brain on that grid; nil: no mask, everything counts
	Images  []*volume.Volume // on one canonical 1 mm grid, normalised, 0 outside the brain
	Brain   *volume.Mask     // on the canonical grid; nil as Masked
	Left    []string         // in words, what of a brain is not searched; logged already
}

// leave notes what is not searched.
func (p *Prepared) leave(format string, args ...any) {
	p.Left = append(p.Left, fmt.Sprintf(format, args...))
	warn.Once(format, args...)
}

// Grid is the canonical 1 mm grid.
func (p *Prepared) Grid() volume.Grid { return p.Images[0].Grid }

// Images prepares a case, in this order: the brain is found where none is given,
// NaN outside it becomes 0, time points and brain are aligned, everything is
// resampled to the canonical grid, masked and normalised. Errors name the file: a field of view
// of less than 3 mm or more than 3 m, NaN or infinite voxels inside the brain, time points or mask in different spaces or
// without a common place, an empty or constant image. What leaves part of a scan
// unsearched, or is hardly a brain, is warned of.
func Images(c Case, s Settings) (*Prepared, error) {
	p, err := Align(c, s)
	if err != nil {
		return nil, err
	}
	grid, err := volume.Iso(p.Aligned[0].Grid, 1)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Aligned[0].Name(), err)
	}
	if p.Masked != nil {
		p.Brain = p.Masked.Resample(grid)
		p.lost()
	}
	for _, v := range p.Aligned {
		im := volume.Resample(v, grid, s.interp(), 0)
		if err := volume.NormalizeInPlace(im, p.Brain, volume.Method(s.Normalize)); err != nil {
			return nil, err
		}
		p.Images = append(p.Images, im)
	}
	return p, nil
}

// Align is the first part of Images: it fills in Aligned and Masked alone.
func Align(c Case, s Settings) (*Prepared, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	a := &aligner{c: c, s: s, p: &Prepared{}, ref: c.Times[0]}
	if c.Space != nil {
		a.ref = c.Space
	}
	if err := a.given(); err != nil {
		return nil, err
	}
	for n := range c.Times {
		if err := a.time(n); err != nil {
			return nil, err
		}
	}
	return a.p, a.check()
}

type aligner struct {
	c     Case
	s     Settings
	p     *Prepared
	ref   *volume.Volume // on the grid that everything is brought to
	found []*volume.Mask // brains that were found, on that grid
}

// given brings the brain mask that was given to the common grid.
func (a *aligner) given() (err error) {
	if a.c.Brain == nil || a.c.NoMask {
		return nil
	}
	if a.p.Masked, err = a.c.Brain.On(a.ref); err == nil || a.c.Space == nil {
		return err
	}
	onFirst, other := a.c.Brain.On(a.c.Times[0])
	if other != nil {
		return fmt.Errorf("%w; with a common space the brain mask is on the grid of the space or of the first scan", err)
	}
	t := volume.Identity
	if a.transform(0) != nil {
		t = a.transform(0).Transform
	}
	a.p.Masked = onFirst.ResampleThrough(a.ref.Grid, t)
	return nil
}

func (a *aligner) transform(n int) *Transform {
	if n < len(a.c.Transforms) {
		return a.c.Transforms[n]
	}
	return nil
}

// time brings time point n to the common grid, with the brain found in it.
func (a *aligner) time(n int) error {
	v := a.c.Times[n]
	if err := extent(v); err != nil {
		return err
	}
	bad := notFinite(v)
	if bad != nil {
		if a.c.NoMask {
			return v.CheckFinite()
		}
		v = withZeros(v, bad)
	}
	var brain *volume.Mask
	if a.p.Masked == nil && !a.c.NoMask {
		var err error
		if brain, err = volume.BrainMask(v); err != nil {
			return err
		}
		if why := brain.Implausible(); why != "" {
			warn.Once("%s: the brain found in it, all that is not 0, is hardly one: %s; if it is not a whole brain, give a mask (--brainmask)", v.Name(), why)
		}
	}
	t, moved, err := a.way(n, v)
	if err != nil {
		return err
	}
	if bad != nil {
		inside := brain
		if inside == nil {
			inside = a.p.Masked
			if moved { // what is inside without a doubt, for the mask's edge was moved
				inside = volume.ResampleThrough(inside.Volume(), v.Grid, t.Inverse(), volume.Linear, 0).Above(0.99)
			}
		}
		if err := outside(v, bad, inside); err != nil {
			return err
		}
	}
	out := v
	if moved {
		in := a.s.interp()
		if a.c.Space != nil {
			in = volume.Cubic
		}
		out = volume.ResampleThrough(v, a.ref.Grid, t, in, 0)
		out.Path, out.Source = v.Path, a.ref.Source
		if brain != nil {
			brain = brain.ResampleThrough(a.ref.Grid, t)
		}
	}
	inside := a.p.Masked
	if brain != nil {
		a.found, inside = append(a.found, brain), brain
	}
	a.p.Aligned = append(a.p.Aligned, out)
	if moved {
		return a.covers(n, t, inside)
	}
	return nil
}

// way is the transform that brings time point n to the common grid; moved is false
// where it is there already.
func (a *aligner) way(n int, v *volume.Volume) (t volume.Transform, moved bool, err error) {
	if a.c.Space != nil {
		if tr := a.transform(n); tr != nil {
			return tr.Transform, true, nil
		}
		return volume.Identity, true, nil
	}
	if n == 0 {
		return volume.Identity, false, nil
	}
	if err := volume.SameSpace(a.ref, v); err != nil {
		if !a.s.ResampleTimes && !v.Grid.Reordered(a.ref.Grid) { // the same voxels along other axes need no interpolation
			return t, false, err
		}
		return volume.Identity, true, nil
	}
	return volume.Identity, false, nil
}

// Shares of the brain that a scan may leave out without a word, and that a transform
// in the right direction covers.
const (
	leftOut = 0.01
	covered = 0.5
)

// covers looks at how much of the brain, or of the common grid where there is none,
// the moved time point n covers: little means a wrong transform.
func (a *aligner) covers(n int, t volume.Transform, brain *volume.Mask) error {
	v, out := a.c.Times[n], a.p.Aligned[n]
	all := brain
	if all == nil || all.Count() == 0 {
		all = volume.NewMask(a.ref.Grid)
		for x := range all.Data {
			all.Data[x] = true
		}
	}
	share := coverage(all, v.Grid, t)
	tr := a.transform(n)
	nothing := share == 0 || !slices.ContainsFunc(out.Data, func(f float32) bool { return f != 0 }) || brain != nil && brain.Count() == 0 && a.p.Masked == nil
	inverse := 0.0
	if tr != nil {
		inverse = coverage(all, v.Grid, t.Inverse())
	}
	switch {
	case nothing && tr != nil && inverse > max(share, covered):
		return fmt.Errorf("%s: nothing of the scan lies in the common space after %s; with the inverse of the transform it does: is it the transform's inverse? it must map points of the common space to points of the scan", v.Name(), tr.Path)
	case nothing && tr != nil:
		return fmt.Errorf("%s: nothing of the scan lies in the common space after %s: is it the transform's inverse, or that of another scan? it must map points of the common space to points of the scan", v.Name(), tr.Path)
	case nothing:
		return fmt.Errorf("%s and %s do not overlap: their centres are %.3g mm apart; register one to the other", a.ref.Name(), v.Name(), centresApart(a.ref.Grid, v.Grid))
	case 1-share > leftOut && brain != nil:
		hint := ""
		if tr != nil && inverse > share+leftOut {
			hint = fmt.Sprintf("; with the inverse of %s it would be %.0f %%", tr.Path, 100*(1-inverse))
		}
		a.p.leave("%s: %.0f %% of the brain lies outside this scan's field of view, where nothing can be found%s", v.Name(), 100*(1-share), hint)
	}
	return nil
}

// check completes Masked and looks at what the time points have in common.
func (a *aligner) check() error {
	p := a.p
	if len(p.Aligned) == 2 && p.Aligned[0].Size == p.Aligned[1].Size && slices.Equal(p.Aligned[0].Data, p.Aligned[1].Data) {
		warn.Once("%s and %s hold the same image: nothing can be new between them", p.Aligned[0].Name(), p.Aligned[1].Name())
	}
	if a.c.NoMask {
		return nil
	}
	if p.Masked != nil {
		if p.Masked.Count() == 0 {
			return fmt.Errorf("%s: the brain mask is empty", p.Masked.Name())
		}
		if why := p.Masked.Implausible(); why != "" {
			warn.Once("%s: hardly the mask of a brain: %s", p.Masked.Name(), why)
		}
		return a.small()
	}
	p.Masked = a.found[0]
	any := a.found[0].Count()
	for _, b := range a.found[1:] {
		for x, in := range b.Data {
			if in && !p.Masked.Data[x] {
				any++
			}
			p.Masked.Data[x] = p.Masked.Data[x] && in
		}
	}
	p.Masked.Path = ""
	n := p.Masked.Count()
	if n == 0 {
		return fmt.Errorf("%s and %s: no voxel is brain in both: are they registered to one another?", p.Aligned[0].Name(), p.Aligned[len(p.Aligned)-1].Name())
	}
	if share := 1 - float64(n)/float64(any); share > leftOut {
		p.leave("%s and %s: %.1f %% of the voxels that are brain in one of them are 0 in the other and are left out; give a brain mask (--brainmask) to search them", p.Aligned[0].Name(), p.Aligned[len(p.Aligned)-1].Name(), 100*share)
	}
	return nil
}

// leastBrain is the share of a scan's non-zero voxels below which a given brain mask
// is hardly one: a brain has a twentieth even of a wide field of view full of noise.
const leastBrain = 0.02

// enclosed is the volume, mm³, from which on holes of a given brain mask are told of: a lesion's.
const enclosed = 3

// small warns of a given brain mask that leaves out what a user would want searched:
// nearly all of the scan (the mask of something else), part of a skull-stripped scan's
// brain, or tissue that the mask encloses, as where lesions were cut out of it.
func (a *aligner) small() error {
	p := a.p
	scan := p.Aligned[0]
	if p.Masked.Size != scan.Size {
		return nil
	}
	filled, err := volume.FillHoles(p.Masked.Data, p.Masked.Size)
	if err != nil {
		return fmt.Errorf("%s: %w", p.Masked.Name(), err)
	}
	inside, all, holes := 0, 0, 0
	for x, f := range scan.Data {
		if f == 0 || f != f {
			continue
		}
		all++
		switch {
		case p.Masked.Data[x]:
			inside++
		case filled[x]:
			holes++
		}
	}
	spacing := scan.Affine.Spacing()
	mm3 := float64(holes) * spacing[0] * spacing[1] * spacing[2]
	out := 1 - float64(inside)/float64(max(1, all))
	switch {
	case inside > 0 && 1-out < leastBrain:
		p.leave("%s: hardly the mask of a brain: it holds %.2g %% of the non-zero voxels of %s, and nothing is searched elsewhere: is it a mask of lesions?", p.Masked.Name(), 100*(1-out), scan.Name())
	case inside > 0 && mm3 > enclosed:
		p.leave("%s: the mask has holes: %d non-zero voxels of %s (%.3g ml) are enclosed by it but not in it, and nothing is searched there: fill its holes if lesions may be in them", p.Masked.Name(), holes, scan.Name(), mm3/1000)
	}
	if inside > 0 && 1-out >= leastBrain && out > leftOut && scan.NonZero().Implausible() == "" {
		p.leave("%s: the mask leaves out %.2g %% of the non-zero voxels of %s, which looks skull-stripped, and nothing is searched there; without --brainmask all of them are", p.Masked.Name(), 100*out, scan.Name())
	}
	return nil
}

// lost warns where voxels of the brain have no counterpart on the canonical grid, so
// that nothing can be found in them: parts thinner than its voxels.
func (p *Prepared) lost() {
	if p.Masked.Grid.Reordered(p.Brain.Grid) {
		return
	}
	back := volume.Resample(p.Brain.Volume(), p.Masked.Grid, volume.Linear, 0)
	lost := 0
	for x, in := range p.Masked.Data {
		if in && back.Data[x] == 0 {
			lost++
		}
	}
	if share := float64(lost) / float64(p.Masked.Count()); share > leftOut/10 {
		p.leave("%s: %.1f %% of the brain's voxels, in parts thinner than the 1 mm grid, are lost on it; nothing can be found there", p.Aligned[0].Name(), 100*share)
	}
}

// Longest sides of a field of view, mm, beyond which a header counts in another unit of length.
const shortest, longest = 3, 3000

// extent is an error where a scan has a size that no part of a head has.
func extent(v *volume.Volume) error {
	s := v.Affine.Spacing()
	x, y, z := float64(v.Size[0])*s[0], float64(v.Size[1])*s[1], float64(v.Size[2])*s[2]
	if mm := max(x, y, z); mm >= shortest && mm <= longest {
		return nil
	}
	return fmt.Errorf("%s: a field of view of %.3g × %.3g × %.3g mm, which no head has: are the voxels of %.3g × %.3g × %.3g mm that the header states right, and in millimetres? mend them",
		v.Name(), x, y, z, s[0], s[1], s[2])
}

// notFinite is the voxels that are NaN or infinite; nil where there is none.
func notFinite(v *volume.Volume) *volume.Mask {
	var m *volume.Mask
	for x, f := range v.Data {
		if f-f != 0 {
			if m == nil {
				m = &volume.Mask{Grid: v.Grid, Data: make([]bool, len(v.Data)), Source: v.Source}
			}
			m.Data[x] = true
		}
	}
	return m
}

func withZeros(v *volume.Volume, bad *volume.Mask) *volume.Volume {
	out := v.Like()
	out.Path = v.Path
	for x, f := range v.Data {
		if !bad.Data[x] {
			out.Data[x] = f
		}
	}
	return out
}

// outside refuses NaN inside the brain and warns of it outside, where it is
// background.
func outside(v *volume.Volume, bad, brain *volume.Mask) error {
	n, first := 0, -1
	for x, b := range bad.Data {
		if b && brain.Data[x] {
			if n++; first < 0 {
				first = x
			}
		}
	}
	if n > 0 {
		g := bad.Grid
		return fmt.Errorf("%s: %d voxels inside the brain are NaN or infinite, the first at (%d, %d, %d); repair the image, or give a brain mask (--brainmask) that leaves them out",
			v.Name(), n, first%g.Size[0], first/g.Size[0]%g.Size[1], first/g.Size[0]/g.Size[1])
	}
	warn.Once("%s: %d of %d voxels are NaN or infinite, none of them inside the brain; they are taken as background", v.Name(), bad.Count(), len(bad.Data))
	return nil
}

// coverage is the share of a mask's voxels whose places t maps into a grid.
func coverage(m *volume.Mask, g volume.Grid, t volume.Transform) float64 {
	to := g.Affine.Inverse().Mul(t).Mul(m.Affine)
	n, in := 0, 0
	for x, b := range m.Data {
		if !b {
			continue
		}
		n++
		p := to.Apply([3]float64{float64(x % m.Size[0]), float64(x / m.Size[0] % m.Size[1]), float64(x / m.Size[0] / m.Size[1])})
		inside := true
		for a, at := range p {
			inside = inside && at >= -0.5 && at <= float64(g.Size[a])-0.5
		}
		if inside {
			in++
		}
	}
	return float64(in) / float64(max(1, n))
}

func centresApart(a, b volume.Grid) float64 {
	p, q := a.Centre(), b.Centre()
	return math.Hypot(math.Hypot(p[0]-q[0], p[1]-q[1]), p[2]-q[2])
}
