package dataset

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/train/internal/phantomset"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

var phantoms string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "voxgrad-dataset")
	if err == nil {
		err = phantomset.Write(dir, 3)
	}
	if err != nil {
		panic(err)
	}
	phantoms = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// texts are the problems' texts of one level.
func texts(r Report, l Level) (out []string) {
	for _, p := range r.Problems {
		if p.Level == l {
			out = append(out, p.Text)
		}
	}
	return out
}

func check(t *testing.T, root string) Report {
	s, err := Open(root, Options{})
	require.NoError(t, err)
	r, err := Check(t.Context(), s, prep.Defaults(), nil, nil)
	require.NoError(t, err)
	require.Len(t, r, 1)
	return r[0]
}

func TestCheckOfGoodData(t *testing.T) {
	for _, kind := range []string{"pairs", "single"} {
		s, err := Open(filepath.Join(phantoms, kind), Options{})
		require.NoError(t, err)
		calls := 0
		reports, err := Check(t.Context(), s, prep.Defaults(), nil, func(n int, r Report) {
			calls++
			require.Equal(t, calls, n)
		})
		require.NoError(t, err)
		require.Equal(t, 3, calls)
		for i, r := range reports {
			require.Equal(t, s.Cases[i].ID, r.Case)
			require.Empty(t, texts(r, Error))
			require.Positive(t, r.Lesions)
			require.Positive(t, r.LesionMM3)
			require.Equal(t, phantomset.Size, r.Size)
			require.Len(t, r.Problems, 3*len(s.Cases[i].Times)) // the phantoms are tiny along each axis
			for _, p := range r.Problems {
				require.Contains(t, p.Text, "covers only")
			}
		}
	}
}

// Each way in which a case can be wrong, one at a time.
func TestCheckNamesWhatIsWrong(t *testing.T) {
	read := func(name string) *volume.Volume {
		v, err := volume.Read(filepath.Join(phantoms, "pairs", "case0", name))
		require.NoError(t, err)
		return v
	}
	const t1, t2, gt, bm = "flair_time01_on_middle_space.nii.gz", "flair_time02_on_middle_space.nii.gz", "ground_truth.nii.gz", "brain_mask.nii.gz"
	fill := func(v *volume.Volume, x float32) *volume.Volume {
		for i := range v.Data {
			v.Data[i] = x
		}
		return v
	}
	shift := func(v *volume.Volume, mm float64) *volume.Volume {
		v.Affine[1][3] += mm
		v.Source = nil
		return v
	}
	for name, c := range map[string]struct {
		file  string
		make  func() *volume.Volume // nil: the file is removed
		level Level
		want  string
	}{
		"missing time point": {t2, nil, Error, "missing: case/" + t2},
		"missing mask":       {gt, nil, Error, "missing: lesion mask"},
		"NaN in the brain": {t2, func() *volume.Volume {
			v := read(t2)
			v.Data[v.Index(v.Size[0]/2, v.Size[1]/2, v.Size[2]/2)] = float32(math.NaN())
			return v
		}, Error, "1 voxels inside the brain are NaN"},
		"NaN outside":        {t2, func() *volume.Volume { v := read(t2); v.Data[77] = float32(math.NaN()); return v }, Caution, "NaN"},
		"constant":           {t1, func() *volume.Volume { return fill(read(t1), 3) }, Error, "every voxel is 3"},
		"empty":              {t1, func() *volume.Volume { return fill(read(t1), 0) }, Error, "every voxel is 0"},
		"mask on other grid": {gt, func() *volume.Volume { return shift(read(gt), 2) }, Error, "not in the same space"},
		"times apart":        {t2, func() *volume.Volume { return shift(read(t2), 0.5) }, Error, "corners up to 0.5 mm apart"},
		"brain mask apart":   {bm, func() *volume.Volume { return shift(read(bm), 7) }, Error, "not in the same space"},
		"empty brain mask":   {bm, func() *volume.Volume { return fill(read(bm), 0) }, Error, "brain mask is empty"},
		"not binary":         {gt, func() *volume.Volume { v := read(gt); v.Data[5], v.Data[6] = 0.3, 0.7; return v }, Error, "not a binary mask"},
		"0 and 255": {gt, func() *volume.Volume {
			v := read(gt)
			for i := range v.Data {
				v.Data[i] *= 255
			}
			return v
		}, Caution, "0 and 255"},
		"soft brain mask":   {bm, func() *volume.Volume { v := read(bm); v.Data[5] = 0.5; return v }, Error, "not a binary mask"},
		"classes":           {gt, func() *volume.Volume { v := read(gt); v.Data[5], v.Data[6] = 1, 2; return v }, Error, "not a binary mask"},
		"outside the brain": {gt, func() *volume.Volume { v := read(gt); v.Data[0], v.Data[1] = 1, 1; return v }, Caution, "2 of "},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			dir := filepath.Join(root, "case")
			require.NoError(t, os.Mkdir(dir, 0o777))
			for _, f := range []string{t1, t2, gt, bm} {
				if f != c.file {
					require.NoError(t, os.Symlink(filepath.Join(phantoms, "pairs", "case0", f), filepath.Join(dir, f)))
				}
			}
			if c.make != nil {
				require.NoError(t, volume.Write(filepath.Join(dir, c.file), c.make(), volume.Float32))
			}
			found := slices.DeleteFunc(texts(check(t, root), c.level), func(s string) bool { return strings.Contains(s, "covers only") })
			require.NotEmpty(t, found)
			require.Contains(t, found[0], c.want)
			if c.make != nil {
				require.Contains(t, found[0], c.file)
			}
			if c.level == Error {
				require.Len(t, found, 1, "one mistake, one error")
				s, err := Open(root, Options{})
				require.NoError(t, err)
				if s.Complete() == nil {
					_, err = NewLoader(s, prep.Defaults(), 0).Load(0)
					require.Error(t, err, "what the check calls an error training refuses")
				}
			}
		})
	}

	t.Run("truncated", func(t *testing.T) {
		root := t.TempDir()
		dir := filepath.Join(root, "case")
		require.NoError(t, os.Mkdir(dir, 0o777))
		for _, f := range []string{t1, t2, gt, bm} {
			b, err := os.ReadFile(filepath.Join(phantoms, "pairs", "case0", f))
			require.NoError(t, err)
			if f == t2 {
				b = b[:len(b)/2]
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, f), b, 0o666))
		}
		found := texts(check(t, root), Error)
		require.Len(t, found, 1)
		require.Contains(t, found[0], t2)
	})
}

// A mask stored along other axes is the same mask, for the quick look as well; one that
// is elsewhere is not.
func TestHeadersOfMasks(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, phantomset.Write(root, 2))
	folder := filepath.Join(root, "single")
	open := func() *Set {
		s, err := Open(folder, Options{})
		require.NoError(t, err)
		return s
	}
	require.NoError(t, open().CheckHeaders(prep.Defaults(), true, false))
	file := filepath.Join(folder, "case1/lesions.nii.gz")
	v, err := volume.Read(file)
	require.NoError(t, err)
	turned := v.Grid
	for r := range turned.Affine { // from the other end of the first axis
		turned.Affine[r][3] += float64(v.Size[0]-1) * turned.Affine[r][0]
		turned.Affine[r][0] *= -1
	}
	w, ok := volume.Reorder(v, turned)
	require.True(t, ok)
	w.Source = nil
	require.NoError(t, volume.Write(file, w, volume.Uint8))
	s := open()
	require.NoError(t, s.CheckHeaders(prep.Defaults(), true, false))
	reports, err := Check(t.Context(), s, prep.Defaults(), nil, nil)
	require.NoError(t, err)
	require.Empty(t, texts(reports[1], Error))
	w.Affine[0][3] += 3
	require.NoError(t, volume.Write(file, w, volume.Uint8))
	require.ErrorContains(t, open().CheckHeaders(prep.Defaults(), true, false), "case1: ")
}

func TestCheckLooksAtWhiteMatter(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, phantomset.Write(root, 1))
	folder := filepath.Join(root, "single")
	file := filepath.Join(folder, "case0/white_matter.nii.gz")
	v, err := volume.Read(filepath.Join(folder, "case0/brainmask.nii.gz"))
	require.NoError(t, err)
	require.NoError(t, volume.Write(file, v, volume.Float32))
	require.Empty(t, texts(check(t, folder), Error))

	v.Affine[2][3] -= 400
	require.NoError(t, volume.Write(file, v, volume.Float32))
	require.Equal(t, []string{"white matter: " + file + " does not overlap with the brain: it lies in another space; register it to the scan first"}, texts(check(t, folder), Error))

	require.NoError(t, os.WriteFile(file, []byte("no image"), 0o666))
	require.Contains(t, texts(check(t, folder), Error)[0], file)
}
