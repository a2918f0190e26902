package prepare

import (
	"fmt"

	"voxgrad/internal/settings"
	"voxgrad/volume"
)

// Settings say which steps are made.
type Settings struct {
	Denoise  bool   `toml:"denoise" comment:"non-local means before everything else"`
	Strip    string `toml:"strip" comment:"brain extraction: auto (where a scan is not stripped already), all or none"`
	Bias     bool   `toml:"bias" comment:"correct the bias field of each scan, and for a pair the field by which they differ"`
	Register string `toml:"register" comment:"registration of the time points: auto (where they are not on one grid), all or none"`
	Atlas    bool   `toml:"atlas" comment:"register to the atlas; otherwise the prepared space keeps the position of the scan"`
}

// The values of Settings.Strip and Settings.Register.
const (
	Auto = "auto"
	All  = "all"
	None = "none"
)

// Defaults make every step that the scans need, but for denoising.
func Defaults() Settings {
	return Settings{Strip: Auto, Bias: true, Register: Auto, Atlas: true}
}

// Check names a setting that makes no sense.
func (s Settings) Check() error {
	for name, v := range map[string]string{"strip": s.Strip, "register": s.Register} {
		if err := settings.OneOf(name, v, Auto, All, None); err != nil {
			return err
		}
	}
	return nil
}

// Input is the scans of one patient, and what of the preparation is there already.
type Input struct {
	Times []*volume.Volume // one or two time points

	// Brain masks on the grids of the scans; nil for none. A single mask serves both time
	// points, through the registration.
	Brains []*volume.Mask

	// Transforms from points of the prepared space to points of each scan; nil: they are found.
	Transforms []*volume.Transform
}

// Check names what of an input makes no sense.
func (in Input) Check() error {
	if n := len(in.Times); n != 1 && n != 2 {
		return fmt.Errorf("%d scans: one or two time points are prepared at once", n)
	}
	return nil
}
