package synth_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
	"voxgrad/prepare/atlas"
	"voxgrad/volume"
)

// labelMaps is a folder with a label map of a small head: a box of white matter around a ventricle; and one with a lesion mask.
func labelMaps(t *testing.T) (maps, shapes string) {
	root := t.TempDir()
	maps, shapes = filepath.Join(root, "maps"), filepath.Join(root, "shapes.nii.gz")
	require.NoError(t, os.Mkdir(maps, 0o777))
	v := volume.New(volume.Grid{Size: [3]int{40, 40, 40}, Affine: volume.Identity})
	m := volume.NewMask(v.Grid)
	for i := range v.Data {
		x, y, z := i%40, i/40%40, i/1600
		in := func(lo, hi int) bool { return x >= lo && x < hi && y >= lo && y < hi && z >= lo && z < hi }
		switch {
		case in(17, 23):
			v.Data[i] = 4
		case in(5, 35):
			v.Data[i] = 2
		}
		m.Data[i] = in(10, 14)
	}
	require.NoError(t, volume.Write(filepath.Join(maps, "box.nii.gz"), v, volume.Int16))
	require.NoError(t, volume.WriteMask(shapes, m))
	return maps, shapes
}

func TestSynthDrawsFromLabelMaps(t *testing.T) {
	maps, shapes := labelMaps(t)
	for find, files := range map[string][]string{
		"new":     {"flair_time01.nii.gz", "flair_time02.nii.gz", "lesions_time01.nii.gz", "lesions_time02.nii.gz", "new_lesions.nii.gz", "change_kind.nii.gz", "brainmask.nii.gz", "record.json"},
		"lesions": {"flair.nii.gz", "lesions.nii.gz", "brainmask.nii.gz", "record.json"},
		"brain":   {"flair.nii.gz", "brainmask.nii.gz", "record.json"},
	} {
		var first []byte
		for range 2 {
			out := t.TempDir()
			montage := filepath.Join(out, "m.png")
			args := []string{"synth", "--labels", maps, "--find", find, "--size", "32x40x32", "--out", out, "--count", "2", "--seed", "3", "--montage", montage, "--json", "--device", "cpu"}
			if find != "brain" {
				args = append(args, "--shapes", shapes)
			}
			status, stdout, errs := clitest.Run(t, args...)
			require.Zero(t, status, errs)
			require.FileExists(t, montage)
			var records []struct {
				Map  string `json:"drawn_from"`
				Seed int
			}
			require.NoError(t, json.Unmarshal([]byte(stdout), &records))
			require.Len(t, records, 2)
			require.Equal(t, "box", records[1].Map)
			require.Equal(t, 3, records[1].Seed)
			for _, f := range files {
				require.FileExists(t, filepath.Join(out, "pair002", f))
			}
			v, err := volume.Read(filepath.Join(out, "pair001", files[0]))
			require.NoError(t, err)
			require.Equal(t, [3]int{32, 40, 32}, v.Size)
			b, err := os.ReadFile(filepath.Join(out, "pair002", files[0]))
			require.NoError(t, err)
			if first != nil {
				require.Equal(t, first, b, "the same bits")
			}
			first = b
		}
	}
}

// With --scans, some samples show a scan of the set.
func TestSynthDrawsLesionsIntoScans(t *testing.T) {
	maps, shapes := labelMaps(t)
	set := t.TempDir()
	like := atlas.Likelihood(atlas.WhiteMatter)
	grid, err := volume.Iso(like.Grid, 1)
	require.NoError(t, err)
	scan := volume.Resample(like, grid, volume.Linear, 0)
	none := volume.NewMask(grid)
	none.Data[grid.Index(90, 120, 90)] = true
	for i, p := range scan.Data {
		if scan.Data[i] = 0; p > 0.1 {
			scan.Data[i] = float32(500 + i%7)
		}
	}
	require.NoError(t, os.Mkdir(filepath.Join(set, "visit"), 0o777))
	require.NoError(t, volume.Write(filepath.Join(set, "visit", "flair.nii.gz"), scan, volume.Int16))
	require.NoError(t, volume.WriteMask(filepath.Join(set, "visit", "lesions.nii.gz"), none))
	out := t.TempDir()
	var records []struct {
		From string `json:"drawn_from"`
	}
	require.NoError(t, json.Unmarshal([]byte(clitest.Succeeds(t, "synth", "--labels", maps, "--shapes", shapes, "--scans", set, "--size", "32x32x32", "--count", "6", "--out", out, "--json", "--device", "cpu")), &records))
	from := map[string]int{}
	for n, r := range records {
		from[r.From]++
		if r.From == "visit" {
			v, err := volume.Read(filepath.Join(out, fmt.Sprintf("pair%03d", n+1), "flair_time01.nii.gz"))
			require.NoError(t, err)
			require.Positive(t, slices.Max(v.Data))
		}
	}
	require.Len(t, from, 2)
	require.Positive(t, from["visit"])
	require.Positive(t, from["box"])
	status, _, errs := clitest.Run(t, "synth", "--labels", maps, "--find", "brain", "--scans", set, "--out", filepath.Join(out, "brain"), "--device", "cpu")
	require.NotZero(t, status)
	require.Contains(t, errs, "brain is found in whole heads, from label maps alone")
}

func TestSynthLabelsRefuses(t *testing.T) {
	maps, shapes := labelMaps(t)
	out := filepath.Join(t.TempDir(), "out")
	config := filepath.Join(t.TempDir(), "c.toml")
	require.NoError(t, os.WriteFile(config, []byte("task = \"segmenter\"\n"), 0o666))
	for want, args := range map[string][]string{
		"--shapes is missing":             {"--labels", maps},
		"--dilate has no meaning":         {"--labels", maps, "--dilate", "2"},
		"--find":                          {"--labels", maps, "--shapes", shapes, "--find", "tumour"},
		"is for a detector":               {"--labels", maps, "--shapes", shapes, "--config", config},
		"--scans goes with --labels":      {"--flair", "a.nii", "--lesions", "b.nii", "--inpainter", "i", "--generator", "g", "--scans", maps},
		"--montage goes with --labels":    {"--flair", "a.nii", "--lesions", "b.nii", "--inpainter", "i", "--generator", "g", "--montage", out + ".png"},
		"if any flags in the group [fla":  {"--labels", maps, "--flair", "a.nii"},
		"at least one of the flags in th": {},
	} {
		status, _, errs := clitest.Run(t, append([]string{"synth", "--out", out, "--device", "cpu"}, args...)...)
		require.NotZero(t, status)
		require.Contains(t, errs, want)
		require.NoDirExists(t, out)
	}
}
