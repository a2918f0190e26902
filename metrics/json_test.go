package metrics

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJSON(t *testing.T) {
	text := func(r Result) string {
		b, err := json.Marshal(r)
		require.NoError(t, err)
		return string(b)
	}
	empty, some := row(0, 0, 0, 0, 0, 0), row(0, 1, 1, 1, 1, 0)
	require.Equal(t, `{"dice":null,"lesion_sensitivity":null,"lesion_ppv":null,"lesion_f1":null,`+
		`"truth_lesions":0,"pred_lesions":1,"tested_lesions":1,"tested_volume":4}`,
		text(evaluate(t, empty, some, DefaultOptions())))
	require.Equal(t, `{"jaccard":0,"dice":0,"sensitivity":0,"specificity":1,"ppv":null,"npv":0.3333333333333333,`+
		`"relative_volume_error":-100,"hausdorff":null,"contour_mean_distance":null,"average_surface_distance":null,`+
		`"lesion_sensitivity":0,"lesion_ppv":0,"lesion_f1":0,"truth_lesions":1,"pred_lesions":0}`,
		text(evaluate(t, some, empty, DefaultOptions())))
	o := DefaultOptions()
	o.Groups = SurfaceGroup
	require.Equal(t, `{"hausdorff":0,"contour_mean_distance":0,"average_surface_distance":0}`,
		text(evaluate(t, some, some, o)))
	require.Equal(t, `{}`, text(Result{}))
}

func TestKeysAreThoseOfMeasures(t *testing.T) {
	full := evaluate(t, row(0, 1, 1, 1, 1, 0), row(0, 1, 1, 1, 1, 0), DefaultOptions())
	empty := evaluate(t, row(0, 0, 0, 0, 0, 0), row(0, 1, 1, 1, 1, 0), DefaultOptions())
	var got []string
	for _, m := range full.Measures() {
		got = append(got, m.Key)
	}
	for _, key := range []string{"tested_lesions", "tested_volume"} {
		_, ok := full.Value(key)
		require.False(t, ok)
		_, ok = empty.Value(key)
		require.True(t, ok)
		got = append(got, key)
	}
	require.Equal(t, Keys(), got)
}
