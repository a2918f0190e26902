package dataset

import (
	"fmt"

	"voxgrad/internal/rng"
)

// Split says which cases train and which validate, as indices into Set.Cases.
type Split struct{ Train, Valid []int }

// KFold splits by patient into folds parts and returns the split in which part
// fold (from 0) validates. Patients are shuffled by the seed; the parts differ by
// at most one patient. All folds of one seed together validate every case once.
// One fold alone means no split: every case both trains and validates, which is
// all that a single patient allows.
func (s *Set) KFold(seed uint64, folds, fold int) (Split, error) {
	patients := s.Patients()
	if folds < 1 {
		return Split{}, fmt.Errorf("%d folds: want 1 (no split) or more", folds)
	}
	if fold < 0 || fold >= folds {
		return Split{}, fmt.Errorf("fold %d: with %d folds it must be 0 to %d", fold, folds, folds-1)
	}
	if len(patients) < folds {
		return Split{}, fmt.Errorf("%s has %d patients, too few for %d folds; choose fewer folds", s.Root, len(patients), folds)
	}
	if folds == 1 {
		var all []int
		for i := range s.Cases {
			all = append(all, i)
		}
		return Split{Train: all, Valid: all}, nil
	}
	valid := map[string]bool{}
	for i, p := range rng.New(seed, "folds").Perm(len(patients)) {
		if i%folds == fold {
			valid[patients[p]] = true
		}
	}
	var out Split
	for i, c := range s.Cases {
		if valid[c.Patient] {
			out.Valid = append(out.Valid, i)
		} else {
			out.Train = append(out.Train, i)
		}
	}
	return out, nil
}
