// Package prep brings images to what the networks work on: a canonical (RAS+)
// 1 mm grid, zero outside the brain, intensities normalised. Training and
// inference share it.
package prep

import (
	"fmt"

	"voxgrad/volume"
)

// Settings say how images are prepared.
type Settings struct {
	Normalize     string `toml:"normalize" comment:"kde, median or none"`
	Interpolation string `toml:"interpolation" comment:"linear or cubic: onto the 1 mm grid (choice: linear)"`
	ResampleTimes bool   `toml:"resample_times" comment:"accept time points on different grids; later ones are resampled to the first"`
}

// Defaults: the published normalisation, linear interpolation, time points must
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

// Prepared is a case ready for a network.
type Prepared struct {
	Input  *volume.Volume   // the first image as given; results go back to its grid
	Images []*volume.Volume // on one canonical 1 mm grid, normalised, 0 outside the brain
	Brain  []bool           // of the canonical grid; nil: no mask, everything counts
	Masked []bool           // the brain on the grid of Input; nil as Brain
}

// Grid is the canonical 1 mm grid.
func (p *Prepared) Grid() volume.Grid { return p.Images[0].Grid }

// Images prepares the time points of one case. brain is the brain mask on the
// grid of the first image, or nil for none (see Auto). Errors name the file: NaN
// or infinite voxels, time points or mask in different spaces, an empty or
// constant image.
func Images(times []*volume.Volume, brain *volume.Volume, s Settings) (*Prepared, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	times, err := align(times, s)
	if err != nil {
		return nil, err
	}
	p := &Prepared{Input: times[0]}
	grid, err := volume.Iso(times[0].Grid, 1)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", times[0].Name(), err)
	}
	var mask *volume.Volume
	if brain != nil {
		if p.Masked, err = binary(brain, times[0]); err != nil {
			return nil, err
		}
		if p.Brain, err = Mask(brain, times[0], grid); err != nil {
			return nil, err
		}
		mask = volume.New(grid).FromMask(p.Brain)
		mask.Path = brain.Path
	}
	for _, v := range times {
		im, err := volume.Normalize(volume.Resample(v, grid, s.interp(), 0), mask, volume.Method(s.Normalize))
		if err != nil {
			return nil, err
		}
		p.Images = append(p.Images, im)
	}
	return p, nil
}

// Auto is the brain mask of skull-stripped time points: where all of them have
// brain by volume.BrainMask.
func Auto(times []*volume.Volume, s Settings) (*volume.Volume, error) {
	times, err := align(times, s)
	if err != nil {
		return nil, err
	}
	var brain *volume.Volume
	for _, v := range times {
		b, err := volume.BrainMask(v)
		if err != nil {
			return nil, err
		}
		if brain == nil {
			brain = b
			continue
		}
		for i, x := range b.Data {
			brain.Data[i] *= x
		}
	}
	brain.Path = ""
	return brain, nil
}

// Mask is a lesion or brain mask, which must lie on the grid of ref, on another
// grid: interpolated linearly, 0.5 and more counts. Where the grids share
// voxels that is the mask itself.
func Mask(mask, ref *volume.Volume, grid volume.Grid) ([]bool, error) {
	m, err := binary(mask, ref)
	if err != nil {
		return nil, err
	}
	r := volume.Resample(mask.FromMask(m), grid, volume.Linear, 0)
	out := make([]bool, len(r.Data))
	for i, x := range r.Data {
		out[i] = x >= 0.5
	}
	return out, nil
}

// CheckBinary refuses a mask that has other values than 0 and one above ½: an image
// in a mask's place, a map of probabilities, a mask of several classes.
func CheckBinary(mask *volume.Volume) error {
	if err := mask.CheckFinite(); err != nil {
		return err
	}
	one := float32(0)
	for _, x := range mask.Data {
		switch {
		case x == 0 || x == one:
		case one == 0 && x > 0.5:
			one = x
		default:
			return fmt.Errorf("%s: not a binary mask: it has the value %g beside others; make it 0 and 1 first", mask.Name(), x)
		}
	}
	return nil
}

// binary is a mask's voxels above 0.5, after a check that it is one and lies where
// ref does.
func binary(mask, ref *volume.Volume) ([]bool, error) {
	if err := CheckBinary(mask); err != nil {
		return nil, err
	}
	if err := volume.SameSpace(ref, mask); err != nil {
		return nil, err
	}
	out := make([]bool, len(mask.Data))
	for i, x := range mask.Data {
		out[i] = x > 0.5
	}
	return out, nil
}

// align checks the time points' voxels and spaces, and resamples later ones to
// the first where that is allowed.
func align(times []*volume.Volume, s Settings) ([]*volume.Volume, error) {
	out := make([]*volume.Volume, len(times))
	for i, v := range times {
		if err := v.CheckFinite(); err != nil {
			return nil, err
		}
		out[i] = v
		if i == 0 {
			continue
		}
		if err := volume.SameSpace(times[0], v); err != nil {
			if !s.ResampleTimes {
				return nil, err
			}
			out[i] = volume.Resample(v, times[0].Grid, s.interp(), 0)
		}
	}
	return out, nil
}
