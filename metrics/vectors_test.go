package metrics

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
)

// What the challenge's tool wrote for pairs of masks.
type vectorFile struct {
	Cases []vectorCase `json:"cases"`
}

type vectorCase struct {
	Name string      `json:"name"`
	GT   string      `json:"gt"`
	Pred string      `json:"pred"`
	Runs []vectorRun `json:"runs"`
}

type vectorRun struct {
	Options []string                       `json:"options"`
	Full    map[string]map[string]*float64 `json:"full"`
	Lesions *struct {
		MinVoxels    int      `json:"min_voxels"`
		GTKept       []int    `json:"gt_kept_sizes"`
		PredKept     []int    `json:"pred_kept_sizes"`
		GTDetected   []int    `json:"gt_detected"`
		PredDetected []int    `json:"pred_detected"`
		Overlaps     [][3]int `json:"overlaps"`
	} `json:"lesions"`
}

var toolKeys = map[string]string{
	"Jaccard": "jaccard", "Dice": "dice", "Sensitivity": "sensitivity", "Specificity": "specificity",
	"PPV": "ppv", "NPV": "npv", "RelativeVolumeError": "relative_volume_error",
	"HausdorffDistance": "hausdorff", "ContourMeanDistance": "contour_mean_distance",
	"SurfaceDistance": "average_surface_distance", "SensL": "lesion_sensitivity", "PPVL": "lesion_ppv",
	"F1_score": "lesion_f1", "NbTestedLesions": "tested_lesions", "VolTestedLesions": "tested_volume",
}

// toolOptions are the options of a run of the tool.
func toolOptions(t *testing.T, args []string) Options {
	o := DefaultOptions()
	o.AnimaQuirks = true
	o.Groups = 0
	values := map[string]*float64{"-v": &o.MinLesionMM3, "-x": &o.Alpha, "-y": &o.Beta, "-z": &o.Gamma}
	groups := map[string]Groups{"-s": VoxelGroup, "-d": SurfaceGroup, "-l": LesionGroup}
	for n := 0; n < len(args); n++ {
		switch a := args[n]; {
		case values[a] != nil:
			n++
			f, err := strconv.ParseFloat(args[n], 64)
			require.NoError(t, err)
			*values[a] = f
		case groups[a] != 0:
			o.Groups |= groups[a]
		default:
			require.Contains(t, []string{"-X", "-a"}, a)
		}
	}
	if o.Groups == 0 {
		o.Groups = VoxelGroup
	}
	return o
}

// compareWithTool fails unless r has the tool's measures, no more and no fewer,
// and returns how many.
func compareWithTool(t *testing.T, want map[string]*float64, r Result) int {
	for name, w := range want {
		key, known := toolKeys[name]
		require.True(t, known, name)
		got, ok := r.Value(key)
		require.True(t, ok, key)
		switch {
		case w == nil:
			require.True(t, math.IsNaN(got), "%s: got %v, want NaN", key, got)
		case *w == 0:
			require.Zero(t, got, key)
		default:
			require.InEpsilon(t, *w, got, 1e-9, key)
		}
	}
	if !r.EmptyTruth() {
		for _, m := range r.Measures() {
			if strings.HasSuffix(m.Key, "_lesions") {
				continue // counts that the tool does not print
			}
			found := false
			for name := range want {
				found = found || toolKeys[name] == m.Key
			}
			require.True(t, found, "%s is not among the tool's measures", m.Key)
		}
	}
	return len(want)
}

func testVectors(t *testing.T, dir string) (values, runs, cases int) {
	b, err := os.ReadFile(filepath.Join(dir, "vectors.json"))
	require.NoError(t, err)
	var file vectorFile
	require.NoError(t, json.Unmarshal(b, &file))
	for _, c := range file.Cases {
		truth, err := volume.Read(filepath.Join(dir, c.GT))
		require.NoError(t, err)
		pred, err := volume.Read(filepath.Join(dir, c.Pred))
		require.NoError(t, err)
		for _, run := range c.Runs {
			t.Run(c.Name+strings.Join(run.Options, ""), func(t *testing.T) {
				o := toolOptions(t, run.Options)
				r, err := EvaluateLabels(truth, pred, o)
				require.NoError(t, err)
				if isBinary(truth) && isBinary(pred) {
					masks, err := Evaluate(truth.Above(0.5), pred.Above(0.5), o)
					require.NoError(t, err)
					require.True(t, sameMeasures(r, masks))
				}
				for part, want := range run.Full {
					if part == "global" {
						values += compareWithTool(t, want, r)
						continue
					}
					label, err := strconv.Atoi(strings.TrimPrefix(part, "cluster"))
					require.NoError(t, err)
					values += compareWithTool(t, want, clusterResult(t, truth, pred, label, r, o))
				}
				if len(run.Lesions.GTKept)+len(run.Lesions.PredKept) > 0 {
					compareLesions(t, run, truth, r, o)
				}
				runs++
			})
		}
		cases++
	}
	return values, runs, cases
}

// clusterResult is what the tool writes for one label: the label as a pair of
// binary masks, but for two distances, which it does not compute anew.
func clusterResult(t *testing.T, truth, pred *volume.Volume, label int, global Result, o Options) Result {
	only := func(v *volume.Volume, label int) *volume.Volume {
		m, err := readLabels(v)
		require.NoError(t, err)
		out := v.Like()
		for x, l := range m.labels {
			if int(l) == label {
				out.Data[x] = 1
			}
		}
		return out
	}
	r, err := EvaluateLabels(only(truth, label), only(pred, label), o)
	require.NoError(t, err)
	first, err := EvaluateLabels(only(truth, 1), only(pred, 1), o)
	require.NoError(t, err)
	r.Surface.ContourMean = global.Surface.ContourMean
	r.Surface.Average = first.Surface.Average
	return r
}

func isBinary(v *volume.Volume) bool {
	for _, x := range v.Data {
		if x != 0 && x != 1 {
			return false
		}
	}
	return true
}

// sameMeasures reports whether two results have the same measures; NaN equals NaN.
func sameMeasures(a, b Result) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func compareLesions(t *testing.T, run vectorRun, truth *volume.Volume, r Result, o Options) {
	sizes := func(ls []Lesion) (sizes, found []int) {
		for n, l := range ls {
			require.Equal(t, n+1, l.Number)
			sizes = append(sizes, l.Voxels)
			found = append(found, map[bool]int{true: 1}[l.Found])
		}
		return sizes, found
	}
	limit := o.MinLesionMM3
	if r.EmptyTruth() {
		limit = 3
	}
	require.EqualValues(t, run.Lesions.MinVoxels, LesionVoxels(limit, truth.Spacing()))
	kept, found := sizes(r.PredLesions)
	require.Equal(t, list(run.Lesions.PredKept), list(kept))
	if r.EmptyTruth() {
		return
	}
	require.Equal(t, list(run.Lesions.PredDetected), list(found))
	kept, found = sizes(r.TruthLesions)
	require.Equal(t, list(run.Lesions.GTKept), list(kept))
	require.Equal(t, list(run.Lesions.GTDetected), list(found))
	inTruth, inPred := map[int]int{}, map[int]int{}
	for _, v := range run.Lesions.Overlaps {
		inTruth[v[0]] += v[2]
		inPred[v[1]] += v[2]
	}
	for _, l := range r.TruthLesions {
		require.Equal(t, inTruth[l.Number], l.Overlap)
	}
	for _, l := range r.PredLesions {
		require.Equal(t, inPred[l.Number], l.Overlap)
	}
}

func list(n []int) string { return fmt.Sprint(n) }

func TestSelectedVectorsOfTheTool(t *testing.T) {
	values, _, cases := testVectors(t, filepath.Join("testdata", "vectors"))
	require.Equal(t, 27, cases)
	require.Greater(t, values, 300)
}

func TestAllVectorsOfTheTool(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "vectors", "metrics")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the vectors are not beside this checkout: ", err)
	}
	values, runs, cases := testVectors(t, dir)
	t.Logf("%d values of %d runs over %d pairs of masks", values, runs, cases)
	require.Greater(t, values, 600, "the file has lost most of its values")
}
