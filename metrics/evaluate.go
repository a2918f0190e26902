package metrics

import (
	"bytes"
	"encoding/json"
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

// EmptyTruth reports whether nothing is marked in the truth: a case without (new)
// lesions.
func (r *Result) EmptyTruth() bool { return r.Tested != nil }

// Evaluate measures the mask pred against truth. The two are compared where their
// voxels are in the world: a mask stored with other axes on the same grid is put into
// the truth's order first. A mask without any background counts as an empty one, as in
// the challenge's tool.
//
// Errors name the files: masks on different grids, options out of range.
func Evaluate(truth, pred *volume.Mask, o Options) (Result, error) {
	t, err := labelMask(truth)
	if err != nil {
		return Result{}, err
	}
	if pred, err = sameOrder(truth, pred); err != nil {
		return Result{}, err
	}
	p, err := labelMask(pred)
	if err != nil {
		return Result{}, err
	}
	return measure(t, p, o)
}

// EvaluateLabels is Evaluate of images as the challenge's tool reads them, several
// labels in one image: values are truncated towards zero; the distinct ones in
// ascending order are the labels 0, 1, 2, …, of which 0 is the background. Where the two
// have the same number of labels, they are compared label by label by the voxel and surface
// measures; else every label counts as 1.
//
// Errors are those of Evaluate and voxels that are NaN, negative or above 65535.
func EvaluateLabels(truth, pred *volume.Volume, o Options) (Result, error) {
	t, err := readLabels(truth)
	if err != nil {
		return Result{}, err
	}
	if pred, err = sameOrder(truth, pred); err != nil {
		return Result{}, err
	}
	p, err := readLabels(pred)
	if err != nil {
		return Result{}, err
	}
	return measure(t, p, o)
}

func measure(t, p *labelled, o Options) (Result, error) {
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	spacing := t.image.Spacing()
	for _, s := range spacing {
		if !(s >= minSpacing && s <= maxSpacing) {
			return Result{}, fmt.Errorf("%s: voxels of %v×%v×%v mm: sides from %v to %v mm are possible",
				t.image.Name(), spacing[0], spacing[1], spacing[2], minSpacing, maxSpacing)
		}
	}
	if t.empty() {
		return falseAlarms(p, spacing)
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
		least := LesionVoxels(o.MinLesionMM3, spacing)
		a, err := findLesions(t, spacing, least)
		if err != nil {
			return Result{}, err
		}
		b, err := findLesions(p, spacing, least)
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

func falseAlarms(m *labelled, spacing [3]float64) (Result, error) {
	found, err := findLesions(m, spacing, LesionVoxels(emptyTruthLimitMM3, spacing))
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

// Groups is a set of measures to compute.
type Groups uint8

const (
	VoxelGroup   Groups = 1 << iota // overlap of voxels: Dice and the like
	SurfaceGroup                    // distances; they take most of the time
	LesionGroup                     // detection of lesions
	AllGroups    = VoxelGroup | SurfaceGroup | LesionGroup
)

// Options are the parameters of Evaluate. Start from DefaultOptions.
type Options struct {
	// Groups to compute; 0 means all. Without effect where the truth is empty.
	Groups Groups

	// MinLesionMM3: connected components of this volume or less are ignored, in
	// both masks, by the lesion measures (only by them). Where the truth is empty
	// the limit is always 3 mm³, as in the challenge's tool. At least 0.
	MinLesionMM3 float64

	// Alpha: a lesion can be detected only if more than this fraction of it lies
	// in lesions of the other mask. In (0, 1].
	Alpha float64

	// Beta: a lesion of the other mask with more than this fraction of itself
	// outside all lesions speaks against detection. In (0, 1].
	Beta float64

	// Gamma: the lesions of the other mask are looked at, largest overlap first,
	// until they make up this fraction of the overlap. In (0, 1].
	Gamma float64

	// AnimaQuirks makes average_surface_distance what the challenge's tool prints
	// under SurfaceDistance: a running minimum that is nearly always close to 0. Use
	// it only to compare with the tool.
	AnimaQuirks bool
}

// DefaultOptions are all measures with the thresholds of the challenge:
// 3 mm³, 10 %, 70 %, 65 %.
func DefaultOptions() Options {
	return Options{Groups: AllGroups, MinLesionMM3: 3, Alpha: 0.10, Beta: 0.70, Gamma: 0.65}
}

// Validate reports which value is out of range, if any.
func (o Options) Validate() error {
	if o.Groups&^AllGroups != 0 {
		return fmt.Errorf("metrics: unknown group in Groups %#b", o.Groups)
	}
	if !(o.MinLesionMM3 >= 0) || math.IsInf(o.MinLesionMM3, 1) {
		return fmt.Errorf("metrics: smallest lesion volume %v mm³: it must be 0 or more", o.MinLesionMM3)
	}
	for _, p := range []struct {
		name  string
		value float64
	}{{"alpha", o.Alpha}, {"beta", o.Beta}, {"gamma", o.Gamma}} {
		if !(p.value > 0 && p.value <= 1) {
			return fmt.Errorf("metrics: %s is %v: it must be above 0 and at most 1", p.name, p.value)
		}
	}
	return nil
}

func (o Options) wants(g Groups) bool { return o.Groups == 0 || o.Groups&g != 0 }

// Voxel holds the measures that count voxels, over the complete masks. With I
// voxels in both, N(·) voxels in one, TN in neither, FP = N(pred) − I and
// FN = N(truth) − I.
//
// Where truth and pred have the same number of labels, and more than one besides
// the background, I and N are summed over the labels, and FP in Specificity and FN
// in NPV are divided by the number of labels, as the challenge's tool does.
type Voxel struct {
	Jaccard             float64 // I / (N(truth) + N(pred) − I)
	Dice                float64 // 2I / (N(truth) + N(pred))
	Sensitivity         float64 // I / (I + FN)
	Specificity         float64 // TN / (TN + FP)
	PPV                 float64 // I / (I + FP); NaN where pred is empty
	NPV                 float64 // TN / (TN + FN)
	RelativeVolumeError float64 // 100 (N(pred) − N(truth)) / N(truth), in percent, signed
}

func voxelMeasures(truth, pred *labelled) *Voxel {
	var both, neither, nTruth, nPred int
	for x, t := range truth.labels {
		p := pred.labels[x]
		if t|p == 0 {
			neither++
			continue
		}
		if t == p {
			both++
		}
		if t != 0 {
			nTruth++
		}
		if p != 0 {
			nPred++
		}
	}
	kinds := float64(truth.values - 1)
	i, t, p, tn := float64(both), float64(nTruth), float64(nPred), float64(neither)
	return &Voxel{
		Jaccard:             i / (t + p - i),
		Dice:                2 * i / (t + p),
		Sensitivity:         i / t,
		Specificity:         tn / (tn + (p-i)/kinds),
		PPV:                 i / p,
		NPV:                 tn / (tn + (t-i)/kinds),
		RelativeVolumeError: 100 * (p - t) / t,
	}
}

// MarshalJSON is one object with a key for each of Measures, in that order; null
// for NaN. Values keep all their digits.
func (r Result) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for n, m := range r.Measures() {
		if n > 0 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(m.Key)
		b.Write(key)
		b.WriteByte(':')
		value, err := json.Marshal(number(m.Value))
		if err != nil {
			return nil, err
		}
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// number is a float64 that is null in JSON where it is NaN.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(n)) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}
