package dataset

import (
	"fmt"
	"path/filepath"
	"strings"
)

// folderLayout is a set with one folder per case and fixed file names in it.
// Names are without the ending.
type folderLayout struct {
	name      string
	dirs      string   // pattern of a case's folder, relative to the set's
	times     []string // all needed
	consensus string
	rater     string // with %d for the rater's number
	raters    int
	brain     string
	white     string // white matter
}

var folderLayouts = []folderLayout{
	{
		name: "challenge", dirs: "*",
		times:     []string{"flair_time01_on_middle_space", "flair_time02_on_middle_space"},
		consensus: "ground_truth", rater: "ground_truth_expert%d", raters: 4, brain: "brain_mask",
	},
	{
		name: "longitudinal", dirs: "*",
		times:     []string{"flair_time01", "flair_time02"},
		consensus: "new_lesions", brain: "brainmask",
	},
	{
		name: "cross-sectional", dirs: "*",
		times:     []string{"flair"},
		consensus: "lesions", brain: "brainmask", white: "white_matter",
	},
	{
		name: "msseg2016", dirs: "Center_*/Patient_*",
		times:     []string{"Preprocessed_Data/FLAIR_preprocessed"},
		consensus: "Masks/Consensus", rater: "Masks/ManualSegmentation_%d", raters: 7, brain: "Masks/Brain_Mask",
	},
}

func (f folderLayout) looks() string {
	var names []string
	for _, t := range f.times {
		names = append(names, t+".nii.gz")
	}
	return f.dirs + "/" + strings.Join(names, " and ")
}

// find takes every folder with at least one of the layout's images for a case,
// so that a missing second image is reported and the folder not passed over.
func (f folderLayout) find(root string, opt Options) ([]Case, error) {
	dirs, err := subfolders(root, f.dirs)
	if err != nil {
		return nil, err
	}
	var cases []Case
	for _, d := range dirs {
		full := filepath.Join(root, d)
		id := strings.ReplaceAll(filepath.ToSlash(d), "/", "_")
		c := Case{ID: id, Patient: id}
		for _, t := range f.times {
			if p, ok := nifti(filepath.Join(full, t)); ok {
				c.Times = append(c.Times, p)
			} else {
				c.Missing = append(c.Missing, filepath.Join(d, t)+".nii.gz")
			}
		}
		if len(c.Times) == 0 {
			continue
		}
		consensus, _ := nifti(filepath.Join(full, f.consensus))
		where := filepath.Join(d, f.consensus) + ".nii.gz"
		raters := map[int]string{}
		for n := 1; n <= f.raters; n++ {
			if p, ok := nifti(filepath.Join(full, fmt.Sprintf(f.rater, n))); ok {
				raters[n] = p
			}
		}
		if f.raters > 0 {
			where += fmt.Sprintf(" or %s.nii.gz", fmt.Sprintf(strings.Replace(f.rater, "%d", "{1..%d}", 1), f.raters))
		}
		chooseTruth(&c, opt.Truth, consensus, raters, where)
		c.Brain, _ = nifti(filepath.Join(full, f.brain))
		if f.white != "" {
			c.WhiteMatter, _ = nifti(filepath.Join(full, f.white))
		}
		cases = append(cases, c)
	}
	return cases, nil
}
