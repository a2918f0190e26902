// Package phantomset writes small data sets of phantoms for tests.
package phantomset

import (
	"fmt"
	"os"
	"path/filepath"

	"voxgrad/volume"
)

// Size is the phantoms' extent along x, y, z, at 1 mm.
var Size = [3]int{24, 26, 25}

// Write makes n phantoms and writes them twice: root/pairs in the challenge's
// layout, with the new lesions as the truth, and root/single with one time point
// and all its lesions.
func Write(root string, n int) error {
	for i := range n {
		o := volume.DefaultPhantom(uint64(100 + i))
		o.Size = Size
		o.WithoutNew = 0
		p, err := volume.NewPhantom(o)
		if err != nil {
			return err
		}
		for name, v := range map[string]*volume.Volume{
			"pairs/%s/flair_time01_on_middle_space.nii.gz": p.Time1,
			"pairs/%s/flair_time02_on_middle_space.nii.gz": p.Time2,
			"pairs/%s/ground_truth.nii.gz":                 p.NewLesions.Volume(),
			"pairs/%s/brain_mask.nii.gz":                   p.BrainMask.Volume(),
			"single/%s/flair.nii.gz":                       p.Time1,
			"single/%s/lesions.nii.gz":                     p.Lesions1.Volume(),
			"single/%s/brainmask.nii.gz":                   p.BrainMask.Volume(),
		} {
			path := filepath.Join(root, fmt.Sprintf(name, fmt.Sprintf("case%d", i)))
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				return err
			}
			if err := volume.Write(path, v, volume.Float32); err != nil {
				return err
			}
		}
	}
	return nil
}
