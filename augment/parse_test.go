package augment

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

// good is one working set of parameters for each transform.
var good = map[string]string{
	"blur":               `{"sigma_vox": [1, 0, 2.5]}`,
	"edge":               `{"sigma_vox": 1.25, "amount": 0.5}`,
	"axial_mean":         `{"axis": 1, "size": 4, "origin": -1}`,
	"anisotropy_torchio": `{"axis": 0, "factor": 2.5, "up": "linear"}`,
	"anisotropy_clamp":   `{"axis": 2, "factor": 1.5}`,
	"anisotropy_zoom":    `{"axis": 2, "factor": 3}`,
	"slices":             `{"axis": 1, "thickness_vox": 2.5, "step_vox": 3, "start_vox": 1, "up": "bspline3"}`,
	"noise":              `{"sigma": 0.05, "mean": -1, "seed": 9007199254740991}`,
	"bias_field":         `{"order": 1, "coefficients": [0, 0.1, -0.2, 0.3]}`,
	"motion":             `{"degrees_lps": [[1, 2, 3]], "translation_mm_lps": [[0, -1, 0.5]], "times": [0.4]}`,
	"motion_safe":        `{"degrees_lps": [[1, 2, 3], 4], "translation_mm_lps": [0, 1], "times": [0.4, 0.6], "affine_ras": [[1,0,0,-3],[0,2,0,0],[0,0,1,0],[0,0,0,1]], "segment_axis": 1}`,
	"spike":              `{"positions": [[0.1, 0.5, 0.9], [0, 0, 0]], "intensity": 2}`,
	"spike_fixedmax":     `{"positions": [], "intensity": 0}`,
	"ghosting":           `{"num_ghosts": 4, "axis": 0, "intensity": 0.5, "restore": 0.1}`,
	"flip":               `{"axes": [2, 0]}`,
	"rot90":              `{"k": -1, "axes": [2, 1]}`,
	"orient":             `{"perm": [1, 2, 0], "flip": [true, false, true]}`,
}

func TestParsedTransformsComeBackFromJSON(t *testing.T) {
	require.Equal(t, len(parsers), len(good))
	var all Recipe
	for _, name := range Transforms() {
		one, err := Parse(name, []byte(good[name]))
		require.NoError(t, err)
		require.Equal(t, name, one.Name())
		require.NotEmpty(t, one.String())
		require.NoError(t, one.Check([3]int{5, 6, 7}))
		require.Error(t, one.Check([3]int{5, 6, 0}))
		all = append(all, one)
	}
	b, err := json.Marshal(all)
	require.NoError(t, err)
	var back Recipe
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, all, back)

	var none Recipe
	require.NoError(t, json.Unmarshal([]byte(`[]`), &none))
	require.Empty(t, none)
	b, err = json.Marshal(Recipe{})
	require.NoError(t, err)
	require.Equal(t, "[]", string(b))
}

func TestParseTakesParametersInMillimetres(t *testing.T) {
	blur, err := Parse("blur", []byte(`{"sigma_mm": 1.5, "spacing_mm": [1, 0.5, 3]}`))
	require.NoError(t, err)
	require.Equal(t, Blur{Sigma: Triple{1.5, 3, 0.5}, Truncate: 4}, blur)
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, params, want string }{
		{"blurr", `{}`, `no transform "blurr"; known are anisotropy_clamp, `},
		{"Blur", `{}`, `no transform "Blur"`},
		{"gosting", `{}`, "; did you mean ghosting?"},
		{"blur", ``, "give either sigma_vox"},
		{"blur", `{}`, "transform blur: give either sigma_vox"},
		{"blur", `[1]`, "must be a JSON object"},
		{"blur", `{"sigma_vox": 1`, "not JSON"},
		{"blur", `{"sigma_vox": 1}}`, "something follows"},
		{"blur", `{"sigma_vox": 1} 2`, "something follows"},
		{"blur", `{"sigma": 1}`, `no parameter "sigma"; known are sigma_vox, sigma_mm, spacing_mm, truncate, mode`},
		{"blur", `{"Sigma_Vox": 1}`, `no parameter "Sigma_Vox"`},
		{"blur", `{"sigma_vox": 1, "sigma_vox": 2}`, "sigma_vox is given twice"},
		{"blur", `{"sigma_vox": 0}`, "a standard deviation must be above 0"},
		{"blur", `{"sigma_vox": [0, 0, 0]}`, "a standard deviation must be above 0"},
		{"blur", `{"sigma_vox": -1}`, "sigma -1: standard deviations must be positive"},
		{"blur", `{"sigma_vox": [1, -1, 1]}`, "must be positive"},
		{"blur", `{"sigma_vox": [1, 1]}`, "sigma_vox: want one number or three, not [1, 1]"},
		{"blur", `{"sigma_vox": [1, 1, null]}`, "null"},
		{"blur", `{"sigma_vox": "1"}`, "want one number or three"},
		{"blur", `{"sigma_vox": NaN}`, "not JSON"},
		{"blur", `{"sigma_vox": 1e999}`, "sigma_vox: want one number"},
		{"blur", `{"sigma_vox": 1e9}`, "sigma 1e+09: the kernel must reach less than 100000 voxels"},
		{"blur", `{"sigma_vox": 1, "sigma_mm": 1}`, "give either"},
		{"blur", `{"sigma_mm": 1, "spacing_mm": [1, 1, 0]}`, "spacing_mm"},
		{"blur", `{"sigma_vox": 1, "mode": "wrap"}`, `mode "wrap": only "reflect" is possible`},
		{"blur", `{"sigma_vox": 1, "truncate": 0}`, "truncate 0: must be above 0"},
		{"edge", `{"sigma_vox": 1, "amount": 0}`, "amount 0: must be above 0"},
		{"edge", `{"sigma_vox": 0}`, "must be above 0"},
		{"axial_mean", `{}`, "size is missing"},
		{"axial_mean", `{"size": 0}`, "size 0: must be at least 1"},
		{"axial_mean", `{"size": 2.5}`, "size: 2.5 is not a whole number"},
		{"axial_mean", `{"size": 2, "axis": 3}`, "axis 3: must be 0, 1 or 2"},
		{"axial_mean", `{"size": 2, "origin": 1}`, "origin 1"},
		{"axial_mean", `{"size": 2, "origin": -2}`, "origin -2"},
		{"anisotropy_clamp", `{"axis": -1, "factor": 2}`, "axis -1"},
		{"anisotropy_clamp", `{"axis": 1, "factor": 0.5}`, "factor 0.5: must be at least 1"},
		{"anisotropy_clamp", `{"axis": 1}`, "factor is missing"},
		{"anisotropy_clamp", `{"axis": 1, "factor": null}`, "factor must not be null"},
		{"anisotropy_clamp", `{"axis": 1, "factor": 2, "up": "cubic"}`, `up "cubic"`},
		{"anisotropy_zoom", `{"axis": 1, "factor": 2, "up": "linear"}`, `up "linear"`},
		{"anisotropy_clamp", `{"axis": 1, "factor": 1e300}`, "factor 1e+300: must be at least 1 and at most 100000"},
		{"noise", `{"sigma": 0}`, "sigma 0: must be above 0"},
		{"noise", `{}`, "sigma is missing"},
		{"noise", `{"sigma": 1, "seed": -1}`, "seed: -1 is not a whole number of at least 0"},
		{"noise", `{"sigma": 1, "standard_normal_field": "f"}`, `no parameter "standard_normal_field"`},
		{"bias_field", `{"order": 5, "coefficients": []}`, "order 5: must be from 0 to 4"},
		{"bias_field", `{"order": 1, "coefficients": [1, 2, 3]}`, "3 coefficients: order 1 has 4"},
		{"bias_field", `{"order": 0, "coefficients": [null]}`, "must not hold null"},
		{"motion", `{"degrees_lps": [], "translation_mm_lps": [], "times": []}`, "at least one"},
		{"motion", `{"degrees_lps": [1], "translation_mm_lps": [1, 2], "times": [0.5]}`, "1 rotations, 2 translations and 1 times"},
		{"motion", `{"degrees_lps": [1, 1], "translation_mm_lps": [1, 2], "times": [0.5, 0.5]}`, "must increase"},
		{"motion", `{"degrees_lps": [1], "translation_mm_lps": [1], "times": [1]}`, "between 0 and 1"},
		{"motion", `{"degrees_lps": [1], "translation_mm_lps": [1], "times": [0.5], "segment_axis": 3}`, "segment_axis 3"},
		{"motion", `{"degrees_lps": [1], "translation_mm_lps": [1], "times": [0.5], "interpolation": "bspline"}`, "interpolation"},
		{"motion", `{"degrees_lps": [1], "translation_mm_lps": [1], "times": [0.5], "affine_ras": [[0,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]}`, "must have an inverse"},
		{"motion", `{"degrees_lps": [1], "translation_mm_lps": [1], "times": [0.5], "affine_ras": [[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,1,1]]}`, "the last one 0 0 0 1"},
		{"motion", `{"degrees_lps": [1], "translation_mm_lps": [1], "times": [0.5], "affine_ras": [[1,0,0],[0,1,0],[0,0,1]]}`, "four rows"},
		{"spike", `{"positions": [[0, 0, 1]], "intensity": 1}`, "position [0 0 1]: must be from 0 to below 1"},
		{"spike", `{"positions": [[0, 0]], "intensity": 1}`, "want three numbers"},
		{"spike", `{"positions": [[0, 0, 0]]}`, "intensity is missing"},
		{"spike", `{"positions": [[0, 0, 0]], "intensity": 1, "indices": [[0, 0, 0], [1, 1, 1]]}`, "2 indices for 1 positions"},
		{"ghosting", `{"num_ghosts": -1, "axis": 0, "intensity": 1}`, "num_ghosts -1"},
		{"ghosting", `{"num_ghosts": 1, "axis": 3, "intensity": 1}`, "axis 3"},
		{"ghosting", `{"num_ghosts": 1, "axis": 0, "intensity": 1, "restore": 2}`, "restore 2"},
		{"ghosting", `{"num_ghosts": 1, "axis": null, "intensity": 1}`, "axis must not be null"},
		{"flip", `{"axes": []}`, "name at least one"},
		{"flip", `{"axes": [1, 1]}`, "each axis may be named once"},
		{"flip", `{"axes": [3]}`, "axis 3"},
		{"flip", `{"axes": 1}`, "axes: 1 is not a list"},
		{"rot90", `{"k": 1, "axes": [1, 1]}`, "two different"},
		{"rot90", `{"k": 1, "axes": [1]}`, "must have 2 values"},
		{"rot90", `{"k": 1, "axes": [0, 1, 2]}`, "must have 2 values"},
		{"orient", `{"perm": [0, 0, 1], "flip": [true, true, true]}`, "0, 1 and 2 once each"},
		{"orient", `{"perm": [0, 1, 2], "flip": [true, 1, true]}`, "flip"},
	} {
		_, err := Parse(c.name, []byte(c.params))
		require.ErrorContains(t, err, c.want, "%s %s", c.name, c.params)
		require.NotContains(t, err.Error(), "\n", "%s %s", c.name, c.params)
	}
}

func TestRecipeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:     "a recipe is a list",
		`[1]`:    "step 1: parameters must be a JSON object",
		`[{}]`:   "step 1: transform is missing",
		`[null]`: "step 1",
		`[{"transform": "flip", "params": {"axes": [0]}}, {"transform": "flip"}]`: "step 2: transform flip: axes is missing",
		`[{"transform": "flip", "parameters": {"axes": [0]}}]`:                    `step 1: there is no parameter "parameters"`,
	} {
		var r Recipe
		require.ErrorContains(t, json.Unmarshal([]byte(text), &r), want, text)
		require.Nil(t, r)
	}
}

func TestCheckKnowsTheSize(t *testing.T) {
	size := [3]int{12, 10, 14}
	s, err := Parse("spike", []byte(`{"positions": [[0.66, 0.2, 0.4]], "intensity": 1, "indices": [[7, 2, 5]]}`))
	require.NoError(t, err)
	require.NoError(t, s.Check(size))
	require.ErrorContains(t, s.Check([3]int{12, 10, 15}), "element [7 2 6], not [7 2 5]")
	zoom, err := Parse("anisotropy_zoom", []byte(`{"axis": 1, "factor": 25}`))
	require.NoError(t, err)
	require.ErrorContains(t, zoom.Check(size), "no voxel is left of 10 along axis 1")
	require.ErrorContains(t, Recipe{Rot90{K: 1, Axes: [2]int{1, 2}}, zoom, Rot90{}}.Check([3]int{12, 10, 99}), "must be two different")
}

// tame tells whether a small image stays finite.
func tame(one Transform) bool {
	switch t := one.(type) {
	case BiasField:
		for _, c := range t.Coefficients {
			if math.Abs(c) > 1 {
				return false
			}
		}
	case Motion:
		return t.Affine == nil
	case Spike:
		return len(t.Positions) < 3 && math.Abs(t.Intensity) < 10
	case Ghosting:
		return math.Abs(t.Intensity) < 10
	case Edge:
		return t.Amount < 10 && t.Sigma[0]*t.Truncate < 100
	case Blur:
		return t.Sigma[0]*t.Truncate < 100
	case Noise:
		return t.Sigma < 10
	}
	return true
}

// What Parse accepts is a transform that survives a round trip and runs.
func FuzzParse(f *testing.F) {
	for name, params := range good {
		f.Add(name, params)
	}
	f.Add("blur", `{"sigma_mm": 1.5, "spacing_mm": [1, 0.5, 3]}`)
	f.Add("noise", "{\"sigma\": [1,\n2]}")
	f.Add("noise", "{\"sigma\": 1\n2}")
	f.Add("noise", "{\"si\\ngma\": 1}")
	f.Add("no\nise", "{}")
	f.Add("blur", "{\"sigma_vox\": \"1\n\"}")
	f.Fuzz(func(t *testing.T, name, params string) {
		one, err := Parse(name, []byte(params))
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		b, err := json.Marshal(Recipe{one})
		require.NoError(t, err)
		var back Recipe
		require.NoError(t, json.Unmarshal(b, &back), string(b))
		again, err := json.Marshal(back)
		require.NoError(t, err)
		require.Equal(t, string(b), string(again))
		if one.Check([3]int{3, 2, 4}) == nil && tame(one) {
			runs(t, one)
		}
	})
}

func FuzzRecipe(f *testing.F) {
	for _, name := range Names() {
		p, err := Named(name)
		require.NoError(f, err)
		b, err := json.Marshal(p.Draw(rng.New(1, name), [3]int{8, 8, 8}))
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Recipe
		if err := json.Unmarshal(b, &r); err != nil {
			return
		}
		out, err := json.Marshal(r)
		require.NoError(t, err)
		var back Recipe
		require.NoError(t, json.Unmarshal(out, &back))
		require.Equal(t, len(r), len(back))
	})
}
