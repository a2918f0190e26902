package prepare

import (
	"fmt"
	"slices"

	"voxgrad/internal/settings"
	"voxgrad/volume"
)

// Settings state which steps are made.
type Settings struct {
	Denoise  bool   `toml:"denoise" comment:"non-local means before everything else"`
	Strip    string `toml:"strip" comment:"brain extraction: auto (where a scan is not stripped already), all or none"`
	Bias     bool   `toml:"bias" comment:"take out the bias field of each scan whose brain is known, and of a pair the field by which the scans differ"`
	Register string `toml:"register" comment:"registration of the time points: auto (where they are not on one grid), all or none"`
	Atlas    string `toml:"atlas" comment:"registration to the atlas: affine, rigid (the sizes of the head are kept) or none (the position between the scans is kept)"`
}

// The values of Settings.Strip and Settings.Register.
const (
	Auto = "auto"
	All  = "all"
	None = "none"
)

// The values of Settings.Atlas beside None.
const (
	Affine = "affine"
	Rigid  = "rigid"
)

// Defaults make every step that the scans need, but for denoising.
func Defaults() Settings {
	return Settings{Strip: Auto, Bias: true, Register: Auto, Atlas: Affine}
}

// Check names a setting that makes no sense.
func (s Settings) Check() error {
	if err := settings.OneOf("strip", s.Strip, Auto, All, None); err != nil {
		return err
	}
	if err := settings.OneOf("register", s.Register, Auto, All, None); err != nil {
		return err
	}
	return settings.OneOf("atlas", s.Atlas, Affine, Rigid, None)
}

// Input is the scans of one patient, and what of the preparation is there already.
type Input struct {
	Times []*volume.Volume // one or two time points

	// Brain is a brain mask on the grid of a scan, or in voxels of it in another order; nil: it is
	// found. It serves both time points, through their registration.
	Brain *volume.Mask

	// Between is the rigid transform from points of the first scan to points of the second, of a
	// registration made elsewhere; nil: it is found.
	Between *volume.Transform

	// Extract finds the brain in a scan with skull, and how sure it is, from 0 to 1.
	Extract func(v *volume.Volume) (brain *volume.Mask, certainty float64, err error)
}

// Check names what of an input makes no sense.
func (in Input) Check() error {
	if n := len(in.Times); n != 1 && n != 2 {
		return fmt.Errorf("%d scans: one or two time points are prepared at once", n)
	}
	if in.Between != nil && len(in.Times) != 2 {
		return fmt.Errorf("a transform between time points goes with two of them")
	}
	for _, v := range in.Times {
		if err := usable(v); err != nil {
			return err
		}
	}
	if in.Between == nil {
		return nil
	}
	if mm := bent(*in.Between, in.Times[0].Centre()); !(mm <= mostBent) {
		return fmt.Errorf("the transform between the time points is not rigid: it puts points of a head up to %.3g mm from where a turn and a shift do; give a rigid one, or let the scans be registered", mm)
	}
	return nil
}

// mostBent is how far, mm, a transform may be from a rigid one in a head: no further than what registration is good to.
const mostBent = 0.5

// bent is how far t puts points on the three axes through a centre, a head's radius from it, from where the rigid transform
// next to t puts them, mm, at most.
func bent(t volume.Transform, centre [3]float64) (mm float64) {
	const radius = 90
	if t.Det() <= 0 {
		return 2 * radius // mirrored
	}
	r := nearestRigid(t, centre)
	for d := range 6 {
		p := centre
		p[d%3] += radius * float64(1-2*(d/3))
		mm = max(mm, distance(t.Apply(p), r.Apply(p)))
	}
	return mm
}

// Twins is the warning of two time points that hold the same image, as where one file was given
// twice or copied: nothing can be new in it.
func (in Input) Twins() string {
	if len(in.Times) != 2 || !slices.Equal(in.Times[0].Data, in.Times[1].Data) {
		return ""
	}
	return fmt.Sprintf("%s and %s hold the same image: nothing can be new between them", in.Times[0].Name(), in.Times[1].Name())
}

// thinnest is the extent, mm, below which a field of view holds too little of a head to be
// registered.
const thinnest = 40

// widest is the extent, mm, above which a field of view is not that of a head: most likely the
// header counts in another unit.
const widest = 800

// usable refuses what is no scan of a head, for what its grid and values alone say.
func usable(v *volume.Volume) error {
	s := v.Affine.Spacing()
	for a, n := range v.Size {
		if mm := float64(n) * s[a]; n < 4 || mm < thinnest {
			return fmt.Errorf("%s: a field of view of %.0f × %.0f × %.0f mm in %d × %d × %d voxels; at least 4 slices and %d mm of a head are needed along each axis",
				v.Name(), float64(v.Size[0])*s[0], float64(v.Size[1])*s[1], float64(v.Size[2])*s[2], v.Size[0], v.Size[1], v.Size[2], thinnest)
		}
		if float64(n)*s[a] > widest {
			return fmt.Errorf("%s: a field of view of %.0f × %.0f × %.0f mm, of a head at most %d mm: are the voxels of %.3g × %.3g × %.3g mm that the header states right, and in millimetres? mend them",
				v.Name(), float64(v.Size[0])*s[0], float64(v.Size[1])*s[1], float64(v.Size[2])*s[2], widest, s[0], s[1], s[2])
		}
	}
	first, finite := float32(0), 0
	differ := false
	for _, f := range v.Data {
		if f-f != 0 {
			continue
		}
		if finite == 0 {
			first = f
		}
		differ = differ || f != first
		finite++
	}
	switch {
	case finite == 0:
		return fmt.Errorf("%s: all voxels are NaN or infinite", v.Name())
	case !differ:
		return fmt.Errorf("%s: the image is empty: all voxels are %g", v.Name(), first)
	}
	return nil
}

// finite is v with 0 for what is NaN or infinite: v itself where nothing is.
func finite(v *volume.Volume) *volume.Volume {
	if v.CheckFinite() == nil {
		return v
	}
	out := v.Like()
	out.Path = v.Path
	for x, f := range v.Data {
		if f-f == 0 {
			out.Data[x] = f
		}
	}
	return out
}

// whole is an error where voxels of the brain are NaN or infinite.
func whole(v *volume.Volume, brain *volume.Mask) error {
	n := 0
	for x, in := range brain.Data {
		if f := v.Data[x]; in && f-f != 0 {
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("%s: %d voxels inside the brain are NaN or infinite; repair the image, or give a brain mask (--brainmask) that leaves them out", v.Name(), n)
	}
	return nil
}
