package metrics

import (
	"fmt"
	"math"

	"voxgrad/volume"
)

// Result is one pair of masks measured. Groups that were not asked for, or that
// the case does not define, are nil.
type Result struct {
	Voxel   *Voxel
	Surface *Surface
	Lesion  *LesionScores

	// Tested is set where the truth is empty, and only then; the three groups are
	// nil in that case.
	Tested *Tested

	// The lesions above the size limit, one by one, where Lesion or Tested is set.
	TruthLesions, PredLesions []Lesion
}

// EmptyTruth says whether nothing is marked in the truth: a case without (new)
// lesions.
func (r *Result) EmptyTruth() bool { return r.Tested != nil }

// Evaluate measures pred against truth. Values are truncated towards zero; the
// distinct ones in ascending order are the labels 0, 1, 2, …, of which 0 is the
// background. Where the two masks have the same number of labels, they are
// compared label by label by the voxel and surface measures; else every label
// counts as 1.
//
// Errors name the file: masks in different spaces, voxels that are NaN, negative
// or above 65535, options out of range.
func Evaluate(truth, pred *volume.Volume, o Options) (Result, error) {
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	if err := sameGrid(truth, pred); err != nil {
		return Result{}, err
	}
	spacing := truth.Spacing()
	for _, s := range spacing {
		if !(s >= minSpacing && s <= maxSpacing) {
			return Result{}, fmt.Errorf("%s: voxels of %v×%v×%v mm: sides from %v to %v mm are possible",
				truth.Name(), spacing[0], spacing[1], spacing[2], minSpacing, maxSpacing)
		}
	}
	t, err := readLabels(truth)
	if err != nil {
		return Result{}, err
	}
	p, err := readLabels(pred)
	if err != nil {
		return Result{}, err
	}
	if t.empty() {
		return falseAlarms(p, pred, spacing)
	}
	if t.values != p.values {
		t.binarise()
		p.binarise()
	}

	var r Result
	if o.wants(VoxelGroup) {
		r.Voxel = voxelMeasures(t, p)
	}
	if o.wants(SurfaceGroup) {
		r.Surface = surfaceMeasures(t, p, spacing, o.AnimaQuirks)
	}
	if o.wants(LesionGroup) {
		least := minVoxels(o.MinLesionMM3, spacing)
		a, err := findLesions(t, truth, spacing, least)
		if err != nil {
			return Result{}, err
		}
		b, err := findLesions(p, pred, spacing, least)
		if err != nil {
			return Result{}, err
		}
		r.Lesion = lesionMeasures(a, b, o)
		r.TruthLesions, r.PredLesions = a.found, b.found
	}
	return r, nil
}

// Sides of a voxel in mm within which no square or quotient leaves the range of
// a double.
const minSpacing, maxSpacing = 1e-6, 1e6

// emptyTruthLimitMM3 is the size limit where the truth is empty, whatever the
// options say.
const emptyTruthLimitMM3 = 3

func falseAlarms(m *labelled, pred *volume.Volume, spacing [3]float64) (Result, error) {
	found, err := findLesions(m, pred, spacing, minVoxels(emptyTruthLimitMM3, spacing))
	if err != nil {
		return Result{}, err
	}
	voxels := 0
	for _, l := range found.found {
		voxels += l.Voxels
	}
	return Result{
		Tested:      &Tested{Lesions: len(found.found), VolumeMM3: float64(voxels) * voxelVolume(spacing)},
		PredLesions: found.found,
	}, nil
}

// Measure is one value with its key.
type Measure struct {
	Key   string
	Value float64 // NaN: undefined
}

// Keys are all keys that Measures can give, in their order.
func Keys() []string {
	return []string{
		"jaccard", "dice", "sensitivity", "specificity", "ppv", "npv", "relative_volume_error",
		"hausdorff", "contour_mean_distance", "average_surface_distance",
		"lesion_sensitivity", "lesion_ppv", "lesion_f1", "truth_lesions", "pred_lesions",
		"tested_lesions", "tested_volume",
	}
}

// Measures lists what was measured, in the order of the keys that JSON and CSV
// output uses: jaccard, dice, sensitivity, specificity, ppv, npv,
// relative_volume_error (%), hausdorff, contour_mean_distance,
// average_surface_distance (mm), lesion_sensitivity, lesion_ppv, lesion_f1,
// truth_lesions, pred_lesions, tested_lesions, tested_volume (mm³).
//
// Groups that are nil are left out. Where the truth is empty the list is dice,
// lesion_sensitivity, lesion_ppv and lesion_f1, all NaN, then truth_lesions (0),
// pred_lesions (the same number as tested_lesions), tested_lesions and
// tested_volume: the tool defines the last two only, and the others are there
// because programs look for them.
func (r *Result) Measures() []Measure {
	var m []Measure
	if t := r.Tested; t != nil {
		nan := math.NaN()
		return append(m,
			Measure{"dice", nan}, Measure{"lesion_sensitivity", nan}, Measure{"lesion_ppv", nan}, Measure{"lesion_f1", nan},
			Measure{"truth_lesions", 0}, Measure{"pred_lesions", float64(t.Lesions)},
			Measure{"tested_lesions", float64(t.Lesions)}, Measure{"tested_volume", t.VolumeMM3})
	}
	if v := r.Voxel; v != nil {
		m = append(m, Measure{"jaccard", v.Jaccard}, Measure{"dice", v.Dice},
			Measure{"sensitivity", v.Sensitivity}, Measure{"specificity", v.Specificity},
			Measure{"ppv", v.PPV}, Measure{"npv", v.NPV}, Measure{"relative_volume_error", v.RelativeVolumeError})
	}
	if s := r.Surface; s != nil {
		m = append(m, Measure{"hausdorff", s.Hausdorff}, Measure{"contour_mean_distance", s.ContourMean},
			Measure{"average_surface_distance", s.Average})
	}
	if l := r.Lesion; l != nil {
		m = append(m, Measure{"lesion_sensitivity", l.Sensitivity}, Measure{"lesion_ppv", l.PPV}, Measure{"lesion_f1", l.F1},
			Measure{"truth_lesions", float64(len(r.TruthLesions))}, Measure{"pred_lesions", float64(len(r.PredLesions))})
	}
	return m
}

// Value is the measure with that key; ok is false where it is absent.
func (r *Result) Value(key string) (value float64, ok bool) {
	for _, m := range r.Measures() {
		if m.Key == key {
			return m.Value, true
		}
	}
	return 0, false
}
