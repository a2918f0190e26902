package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
)

var isbiName = regexp.MustCompile(`^(training\d+_\d+)_flair_pp\.nii(\.gz)?$`)

// findISBI lists the longitudinal challenge of ISBI 2015: several visits of a
// patient, each a case of one time point, two raters.
func findISBI(root string, opt Options) ([]Case, error) {
	dirs, err := subfolders(root, "training*/preprocessed")
	if err != nil {
		return nil, err
	}
	var cases []Case
	for _, d := range dirs {
		patient := filepath.Dir(d)
		entries, err := os.ReadDir(filepath.Join(root, d))
		if err != nil {
			return nil, fmt.Errorf("data set %s: %w", root, err)
		}
		for _, e := range entries {
			m := isbiName.FindStringSubmatch(e.Name())
			if m == nil {
				continue
			}
			c := Case{ID: m[1], Patient: filepath.Base(patient), Times: []string{filepath.Join(root, d, e.Name())}}
			raters := map[int]string{}
			for n := 1; n <= 2; n++ {
				if p, ok := nifti(filepath.Join(root, patient, "masks", fmt.Sprintf("%s_mask%d", m[1], n))); ok {
					raters[n] = p
				}
			}
			chooseTruth(&c, opt.Truth, "", raters, filepath.Join(patient, "masks", m[1]+"_mask{1,2}.nii"))
			cases = append(cases, c)
		}
	}
	sort.Slice(cases, func(i, j int) bool { return cases[i].ID < cases[j].ID })
	return cases, nil
}
