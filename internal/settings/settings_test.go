package settings

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

type common struct {
	Normalize string `toml:"normalize" comment:"how intensities are scaled"`
}

type adam struct {
	LearningRate float64 `toml:"learning_rate" comment:"step size"`
	Eps          float64 `toml:"eps"`
}

type example struct {
	Seed uint64 `toml:"seed" comment:"decides everything random"`
	common
	Patch  [3]int   `toml:"patch"`
	List   []string `toml:"list"`
	Adam   adam     `toml:"adam"`
	Shared *adam    `toml:"shared,omitempty"`
	hidden int
}

func TestKeys(t *testing.T) {
	v := example{Seed: 3, hidden: 1}
	var paths []string
	for _, k := range Keys(&v) {
		paths = append(paths, k.Path)
		require.True(t, k.Value.CanSet(), k.Path)
	}
	require.Equal(t, []string{"seed", "normalize", "patch", "list", "adam.learning_rate", "adam.eps"}, paths)
	require.Equal(t, "learning_rate", Keys(v)[4].Name())
	require.Equal(t, "step size", Keys(v)[4].Comment)
	v.Shared = &adam{}
	require.Len(t, Keys(v), 8)
}

func TestDiff(t *testing.T) {
	a := example{Patch: [3]int{1, 2, 3}}
	b := a
	require.Empty(t, Diff(a, b))
	b.Patch[2], b.Adam.Eps, b.List, b.Normalize = 4, 0.5, []string{"x", "y"}, "kde"
	require.Equal(t, []Difference{{"normalize", "", "kde"}, {"patch", "1x2x3", "1x2x4"}, {"list", "", "x,y"}, {"adam.eps", "0", "0.5"}}, Diff(a, b))
}

func TestTextAndSetAreInverse(t *testing.T) {
	want := example{Seed: 1<<63 - 1, common: common{"kde"}, Patch: [3]int{8, 16, 24}, List: []string{"a", "b"}, Adam: adam{1e-4, 0.1}}
	var got example
	to := Keys(&got)
	for i, k := range Keys(want) {
		require.NoError(t, Set(to[i].Value, Text(k.Value)), k.Path)
	}
	require.Equal(t, want, got)
}

func TestSetRefuses(t *testing.T) {
	var v example
	for path, text := range map[string]string{"seed": "-1", "patch": "1x2", "adam.eps": "little"} {
		for _, k := range Keys(&v) {
			if k.Path == path {
				require.ErrorContains(t, Set(k.Value, text), text)
			}
		}
	}
	for _, k := range Keys(&v) { // TOML could not hold it
		if k.Path == "seed" {
			require.NoError(t, Set(k.Value, "9223372036854775807"))
			require.ErrorContains(t, Set(k.Value, "9223372036854775808"), "9223372036854775808 is too large: a seed is at most 9223372036854775807")
		}
	}
	for _, size := range []string{"", "0", "1x1x0", "65537", "1x1x9999999999999", "99999999999999999999", "-8", "8x8x8x8"} {
		_, err := ParseSize(size)
		require.Error(t, err, size)
	}
}

func TestDecode(t *testing.T) {
	v := example{Seed: 7, Adam: adam{Eps: 0.5}}
	require.NoError(t, Decode([]byte("patch = [1, 2, 3]\n[adam]\nlearning_rate = 3\n[shared]\neps = 1.0\n"), &v))
	require.Equal(t, example{Seed: 7, Patch: [3]int{1, 2, 3}, Adam: adam{3, 0.5}, Shared: &adam{Eps: 1}}, v)

	for text, want := range map[string]string{
		"sedd = 1":                     "line 1: unknown key sedd; did you mean seed?",
		"\n[adam]\nlerning_rate = 1.0": "line 3: unknown key adam.lerning_rate; did you mean adam.learning_rate?",
		"[shared]\nepss = 1.0":         "line 2: unknown key shared.epss; did you mean shared.eps?",
		"[adm]\neps = 1.0":             "line 1: unknown key adm; did you mean adam?",
		"learning_rate = 1.0":          "line 1: unknown key learning_rate; did you mean adam.learning_rate?",
		"lerning_rate = 1.0":           "line 1: unknown key lerning_rate; did you mean adam.learning_rate?",
		"nothing_like_it = 1":          "line 1: unknown key nothing_like_it",
		"patch = [1, 2]":               "patch has 2 numbers: three are needed, along x, y, z",
		"seed = 'x'":                   "line 1, column 8: cannot decode TOML string into seed, which must be of type uint64",
		"seed = ":                      "line 1, column",
	} {
		var v example
		require.ErrorContains(t, Decode([]byte(text), &v), want, text)
	}
}

func TestEncodeIsATemplate(t *testing.T) {
	want := example{Seed: 9, Patch: [3]int{1, 2, 3}, List: []string{}, Adam: adam{1, 2}}
	text, err := Encode(want)
	require.NoError(t, err)
	require.Contains(t, string(text), "# decides everything random\nseed = 9\n")
	require.Contains(t, string(text), "[adam]\n# step size\nlearning_rate = 1.0\n")
	var got example
	require.NoError(t, Decode(text, &got))
	require.Equal(t, want, got)
	flat, err := Flatten(text)
	require.NoError(t, err)
	require.Equal(t, 2.0, flat["adam.eps"])
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.toml")
	require.NoError(t, os.WriteFile(path, make([]byte, MaxFile+1), 0o600))
	for _, p := range []string{path, "/dev/zero", filepath.Dir(path), path + "x"} {
		_, err := ReadFile(p)
		require.ErrorContains(t, err, p)
	}
	// Editors on Windows write a byte-order mark, or UTF-16.
	require.NoError(t, os.WriteFile(path, []byte("\ufeffseed = 3\n"), 0o600))
	text, err := ReadFile(path)
	require.NoError(t, err)
	var v example
	require.NoError(t, Decode(text, &v))
	require.EqualValues(t, 3, v.Seed)
	for _, mark := range []string{"\xff\xfes\x00", "\xfe\xff\x00s"} {
		require.NoError(t, os.WriteFile(path, []byte(mark), 0o600))
		_, err = ReadFile(path)
		require.ErrorContains(t, err, "c.toml is UTF-16 or UTF-32: save it in UTF-8")
	}
}

func TestChecks(t *testing.T) {
	require.NoError(t, OneOf("up", "b", "a", "b"))
	require.EqualError(t, OneOf("up", "transposd", "transposed", "trilinear"), `up = "transposd": want transposed or trilinear; did you mean transposed?`)
	require.NoError(t, Within("n", 1, 1, 1))
	require.EqualError(t, Within("n", 0, 1, 3), "n = 0: must be from 1 to 3")
	require.EqualError(t, Below("x", 1, 0, 1), "x = 1: must be from 0 to less than 1")
	require.Error(t, Above("x", 0))
	require.NoError(t, Range("n", 1, 2, 0, 3))
	require.ErrorContains(t, Range("n", 2, 1, 0, 3), "n_min = 2 is above n_max = 1")
	require.ErrorContains(t, Range("n", 1.0, 4, 0, 3), "n_max = 4: must be from 0 to 3")
}

func FuzzDecode(f *testing.F) {
	text, err := Encode(example{})
	require.NoError(f, err)
	f.Add(string(text))
	f.Add("[adam]\neps = nan\n[shared]\n")
	f.Add("patch = [1, [2], 3]")
	f.Fuzz(func(t *testing.T, text string) {
		var v example
		if Decode([]byte(text), &v) != nil {
			return
		}
		once, err := Encode(v)
		require.NoError(t, err)
		var again example
		require.NoError(t, Decode(once, &again))
		for _, d := range Diff(v, again) {
			require.Equal(t, d.A, d.B, d.Path)
		}
		require.Equal(t, reflect.TypeOf(v), reflect.TypeOf(again))
	})
}
