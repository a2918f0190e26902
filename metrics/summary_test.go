package metrics

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
)

// fixture: two cases with lesions, one of which pred misses, one whose only lesion
// is too small, and two without lesions.
func fixture(t *testing.T) []Case {
	o := DefaultOptions()
	some, other := row(0, 1, 1, 1, 1, 0, 0, 0, 0, 0), row(0, 0, 0, 0, 0, 1, 1, 1, 1, 1)
	small, empty := row(1, 0, 0, 0, 0, 0, 0, 0, 0, 0), row(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	return []Case{
		{"hit", evaluate(t, some, some, o)},
		{"missed", evaluate(t, some, empty, o)},
		{"small", evaluate(t, small, some, o)},
		{"clean", evaluate(t, empty, empty, o)},
		{"alarm", evaluate(t, empty, other, o)},
	}
}

func TestSummarizeSeparatesCasesWithoutLesions(t *testing.T) {
	s, err := Summarize(fixture(t), DefaultBootstrap())
	require.NoError(t, err)
	require.Equal(t, 3, s.With)
	require.Equal(t, 2, s.Without)
	require.Equal(t, Rule, s.Rule)
	for _, c := range []struct {
		key          string
		n, undefined int
		mean         float64
	}{
		{"dice", 3, 0, 1.0 / 3}, {"lesion_f1", 3, 0, 1.0 / 3}, {"lesion_sensitivity", 2, 1, 0.5},
		{"ppv", 2, 1, 0.5}, {"hausdorff", 2, 1, 2}, {"tested_lesions", 2, 0, 0.5}, {"tested_volume", 2, 0, 2.5},
	} {
		m, ok := s.Measure(c.key)
		require.True(t, ok, c.key)
		require.Equal(t, c.n, m.N, c.key)
		require.Equal(t, c.undefined, m.Undefined, c.key)
		require.InDelta(t, c.mean, m.Mean, 1e-15, c.key)
		require.True(t, m.Low <= m.Mean && m.Mean <= m.High, c.key)
	}
	_, ok := s.Measure("truth_lesions")
	require.False(t, ok)
	require.Equal(t, "tested_volume", s.Measures[len(s.Measures)-1].Key)

	s, err = Summarize(nil, DefaultBootstrap())
	require.NoError(t, err)
	require.Zero(t, s.With+s.Without+len(s.Measures))
}

func TestDescribe(t *testing.T) {
	s, err := Describe("x", []float64{4, math.NaN(), 1, 3}, DefaultBootstrap())
	require.NoError(t, err)
	require.Equal(t, 3, s.N)
	require.Equal(t, 1, s.Undefined)
	require.InDelta(t, 8.0/3, s.Mean, 1e-15)
	require.InDelta(t, math.Sqrt(7.0/3), s.SD, 1e-15)
	require.Equal(t, 3.0, s.Median)

	s, err = Describe("x", []float64{2}, DefaultBootstrap())
	require.NoError(t, err)
	b, err := json.Marshal(s)
	require.NoError(t, err)
	require.JSONEq(t, `{"key":"x","n":1,"undefined":0,"mean":2,"sd":null,"median":2,"low":null,"high":null}`, string(b))

	s, err = Describe("x", []float64{math.NaN()}, DefaultBootstrap())
	require.NoError(t, err)
	require.True(t, math.IsNaN(s.Mean))
	_, err = Describe("x", []float64{math.Inf(1)}, DefaultBootstrap())
	require.Error(t, err)
}

// scored is a case with that Dice.
func scored(name string, dice float64) Case {
	return Case{name, Result{Voxel: &Voxel{Dice: dice, PPV: math.NaN()}}}
}

func TestCompare(t *testing.T) {
	var a, b []Case
	for n := range 8 {
		name := fmt.Sprint(n)
		a = append(a, scored(name, 0.6+float64(n)*0.011))
		b = append([]Case{scored(name, 0.5+float64(n)*0.01)}, b...) // another order
	}
	got, err := Compare(a, b, []string{"dice", "jaccard", "ppv", "hausdorff"}, DefaultBootstrap())
	require.NoError(t, err)
	dice := got[0]
	require.Equal(t, 8, dice.N)
	require.Equal(t, 2.0/256, dice.Test.P) // all eight differences are positive
	require.Equal(t, 36.0, dice.Test.Plus)
	require.InDelta(t, 0.6385, dice.MeanA, 1e-12)
	require.InDelta(t, 0.535, dice.MeanB, 1e-12)
	require.InDelta(t, 0.1035, dice.Difference, 1e-12)
	require.True(t, dice.Low > 0.1 && dice.Low < 0.1035 && dice.High > 0.1035 && dice.High < 0.107)
	require.Equal(t, 1.0, got[1].Test.P) // all equal
	require.Equal(t, 2*dice.Test.P, dice.Adjusted)
	for _, c := range got[2:] { // NaN, and not measured
		require.Equal(t, 8, c.Undefined)
		require.True(t, math.IsNaN(c.Test.P) && math.IsNaN(c.Adjusted))
	}
	out, err := json.Marshal(got)
	require.NoError(t, err)
	require.Contains(t, string(out), `"p":null`)
	require.Contains(t, string(out), `"p":0.0078125,"exact":true,"p_holm":0.015625`)
}

func TestCompareRefusesUnpairedCases(t *testing.T) {
	a, b := scored("a", 1), scored("b", 1)
	for want, pair := range map[string][2][]Case{
		`"b" is missing from the second`: {{a, b}, {a}},
		`"b" is missing from the first`:  {{a}, {b, a}},
		`second method has case "a" tw`:  {{a}, {a, a}},
		`first method has case "a" twic`: {{a, a}, {a}},
	} {
		_, err := Compare(pair[0], pair[1], []string{"dice"}, DefaultBootstrap())
		require.ErrorContains(t, err, want)
	}
}

func TestRaters(t *testing.T) {
	// Rater A marks voxels 1 to 4, B 2 to 5, C nothing in case two.
	load := func(rater, name string) (*volume.Volume, error) {
		switch {
		case rater == "C" && name == "two":
			return row(0, 0, 0, 0, 0, 0, 0), nil
		case rater == "B":
			return row(0, 0, 1, 1, 1, 1, 0), nil
		case rater == "D":
			return nil, errors.New("no such file")
		}
		return row(0, 1, 1, 1, 1, 0, 0), nil
	}
	pairs, err := Raters([]string{"A", "B", "C"}, []string{"one", "two"}, load, EvaluateLabels, DefaultOptions(), DefaultBootstrap())
	require.NoError(t, err)
	require.Len(t, pairs, 6)
	for n, names := range [][2]string{{"A", "B"}, {"A", "C"}, {"B", "A"}, {"B", "C"}, {"C", "A"}, {"C", "B"}} {
		require.Equal(t, names, [2]string{pairs[n].Truth, pairs[n].Pred})
	}
	dice, _ := pairs[0].Summary.Measure("dice")
	require.Equal(t, 0.75, dice.Mean)
	dice, _ = pairs[1].Summary.Measure("dice") // C against A: 1 and 0
	require.Equal(t, 0.5, dice.Mean)
	require.Equal(t, 1, pairs[4].Summary.Without) // A against C
	volume, _ := pairs[4].Summary.Measure("tested_volume")
	require.Equal(t, 4.0, volume.Mean)

	_, err = Raters([]string{"A", "D"}, []string{"one"}, load, EvaluateLabels, DefaultOptions(), DefaultBootstrap())
	require.ErrorContains(t, err, "rater D, case one: no such file")
	_, err = Raters([]string{"A"}, []string{"one"}, load, EvaluateLabels, DefaultOptions(), DefaultBootstrap())
	require.ErrorContains(t, err, "it takes two")
	bad := DefaultOptions()
	bad.Alpha = 2
	_, err = Raters([]string{"A", "B"}, []string{"one"}, load, EvaluateLabels, bad, DefaultBootstrap())
	require.ErrorContains(t, err, "raters A and B, case one")
}

func TestMarks(t *testing.T) {
	for p, want := range map[float64]string{0.0009: "***", 0.001: "**", 0.01: "*", 0.049: "*", 0.05: "", 1: "", math.NaN(): ""} {
		require.Equal(t, want, Marks(p), p)
	}
}

func TestAgainstOthers(t *testing.T) {
	// Case one: A and B overlap by 3 of 4 voxels, C marks what A marks. Case two: A
	// and B mark the same, C nothing.
	load := func(rater, name string) (*volume.Volume, error) {
		switch {
		case name == "two" && rater == "C":
			return row(0, 0, 0, 0, 0, 0, 0), nil
		case name == "one" && rater == "B":
			return row(0, 0, 1, 1, 1, 1, 0), nil
		}
		return row(0, 1, 1, 1, 1, 0, 0), nil
	}
	pairs, err := Raters([]string{"A", "B", "C"}, []string{"one", "two"}, load, EvaluateLabels, DefaultOptions(), DefaultBootstrap())
	require.NoError(t, err)
	got, err := AgainstOthers(pairs, []string{"dice", "lesion_f1"}, DefaultBootstrap())
	require.NoError(t, err)
	want := map[string]float64{
		"A": ((0.75+1)/2 + 1) / 2,    // in case two, C as the truth is empty: not defined
		"B": ((0.75+0.75)/2 + 1) / 2, //
		"C": ((1+0.75)/2 + 0) / 2,    // found nothing in case two
	}
	require.Len(t, got, 3)
	for n, m := range got {
		require.Equal(t, string(rune('A'+n)), m.Rater)
		require.Equal(t, 2, m.Measures[0].N, m.Rater)
		require.Equal(t, "dice", m.Measures[0].Key)
		require.InDelta(t, want[m.Rater], m.Measures[0].Mean, 1e-15, m.Rater)
		require.LessOrEqual(t, m.Measures[0].Low, m.Measures[0].Mean)
	}
}
