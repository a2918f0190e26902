package evaluate_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
	"voxgrad/volume"
)

// damaged are masks that are not what a mask should be.
func damaged(t *testing.T, dir string) map[string]string {
	make := func(name string, change func(v *volume.Volume)) string {
		v := volume.New(clitest.MaskGrid)
		for x := range 24 {
			v.Data[v.Index(2+x%4, 2+x/4%3, 2+x/12)] = 1
		}
		change(v)
		return clitest.WriteImage(t, filepath.Join(dir, name+".nii.gz"), v)
	}
	files := map[string]string{}
	for name, change := range map[string]func(v *volume.Volume){
		"shape": func(v *volume.Volume) {
			*v = *volume.New(volume.Grid{Size: [3]int{16, 14, 9}, Affine: clitest.MaskGrid.Affine})
		},
		"spacing": func(v *volume.Volume) { v.Affine[2][2] = 1.5 },
		"turned": func(v *volume.Volume) {
			c, s := math.Cos(math.Pi/36), math.Sin(math.Pi/36)
			v.Affine[0][0], v.Affine[0][1], v.Affine[1][0], v.Affine[1][1] = c, -s, s, c
		},
		"nan":      func(v *volume.Volume) { v.Data[7] = float32(math.NaN()) },
		"infinite": func(v *volume.Volume) { v.Data[7] = float32(math.Inf(1)) },
		"negative": func(v *volume.Volume) { v.Data[7] = -1 },
		"large":    func(v *volume.Volume) { v.Data[7] = 70000 },
		"labels": func(v *volume.Volume) {
			for x := range v.Data {
				v.Data[x] *= float32(3 + x%5)
			}
		},
		"float": func(v *volume.Volume) {
			for x := range v.Data {
				v.Data[x] *= 1.75
			}
			v.Data[0] = 0.9
		},
		"ones": func(v *volume.Volume) {
			for x := range v.Data {
				v.Data[x] = 1
			}
		},
		"empty": func(v *volume.Volume) { clear(v.Data) },
	} {
		files[name] = make(name, change)
	}
	// A header that claims 20000³ voxels, and nothing behind it.
	whole, err := os.ReadFile(clitest.WriteImage(t, filepath.Join(dir, "plain.nii"), volume.New(clitest.MaskGrid)))
	require.NoError(t, err)
	for _, offset := range []int{42, 44, 46} {
		whole[offset], whole[offset+1] = 0x20, 0x4e
	}
	files["huge"] = filepath.Join(dir, "huge.nii")
	require.NoError(t, os.WriteFile(files["huge"], whole[:352], 0o600))
	files["text"] = filepath.Join(dir, "text.nii")
	require.NoError(t, os.WriteFile(files["text"], []byte("not an image"), 0o600))
	return files
}

func TestEvaluateBadMasks(t *testing.T) {
	dir := t.TempDir()
	truth := clitest.WriteMask(t, filepath.Join(dir, "truth.nii.gz"), lesionA)
	method := clitest.WriteMask(t, filepath.Join(dir, "method.nii.gz"), lesionA)
	files := damaged(t, dir)
	for name, says := range map[string][]string{
		"shape":    {"16×14×10 and 16×14×9", "resample"},
		"spacing":  {"spacing 1×1×1 and 1×1×1.5 mm"},
		"turned":   {"turned by 5 degrees"},
		"infinite": {"infinite.nii.gz: not a mask: 1 voxels are infinite"},
		"negative": {"negative.nii.gz: not a binary mask", "voxel (7, 0, 0) is -1", "threshold"},
		"large":    {"large.nii.gz: not a binary mask", "voxel (7, 0, 0) is 70000"},
		"huge":     {"huge.nii"},
		"text":     {"text.nii"},
	} {
		for _, args := range [][]string{
			{"evaluate", "--truth", truth, "--pred", files[name], "--report", filepath.Join(dir, "never.html")},
			{"evaluate", "--truth", files[name], "--pred", truth, "--csv", filepath.Join(dir, "never.csv")},
			{"compare", method, files[name], "--truth", truth, "--report", filepath.Join(dir, "never.html")},
		} {
			status, out, errs := clitest.Run(t, args...)
			what := strings.Join(args, " ") + "\n" + errs
			require.Equal(t, 1, status, what)
			require.Empty(t, out, what)
			require.NotContains(t, errs, "goroutine", what)
			require.Equal(t, 1, strings.Count(errs, "\n"), what)
			if args[0] != "evaluate" || args[2] == truth {
				for _, s := range says {
					require.Contains(t, errs, s, what)
				}
			}
			require.NoFileExists(t, filepath.Join(dir, "never.html"), what)
		}
	}
	// No masks, unless an option says how they become some.
	for name, c := range map[string]struct {
		says    string
		options []string
	}{
		"labels": {"labels.nii.gz: not a binary mask: it holds the labels 3, 4, 5, 6 and 7", []string{"--labels"}},
		"float":  {"float.nii.gz: not a binary mask: it holds values from 0 to 1.75", []string{"--threshold", "1", "--truth-threshold", "1"}},
	} {
		for _, pair := range [][2]string{{truth, files[name]}, {files[name], truth}} {
			status, _, errs := clitest.Run(t, "evaluate", "--truth", pair[0], "--pred", pair[1])
			require.Equal(t, 1, status)
			require.Contains(t, errs, c.says)
			require.Contains(t, errs, c.options[0])
		}
		for _, options := range [][]string{c.options, {"--anima-quirks"}} {
			pred := append([]string{"--truth", truth, "--pred", files[name]}, options...)
			if len(options) == 4 {
				pred = pred[:6]
			}
			m := jsonKeys(t, pred...)
			require.Equal(t, 1.0, *m["dice"], name)
			require.Equal(t, 1.0, *m["lesion_f1"], name)
		}
	}
	// These are masks, if odd ones: right numbers.
	for name, want := range map[string]float64{"nan": 1, "ones": 0, "empty": 0} {
		m := jsonKeys(t, "--truth", truth, "--pred", files[name])
		require.Equal(t, want, *m["dice"], name)
		require.Equal(t, want, *m["lesion_f1"], name)
	}
	status, _, errs := clitest.Run(t, "evaluate", "--truth", truth, "--pred", files["nan"])
	require.Zero(t, status)
	require.Contains(t, errs, "nan.nii.gz: 1 of 2240 voxels of the mask are NaN")
	status, _, errs = clitest.Run(t, "evaluate", "--truth", truth, "--pred", files["ones"])
	require.Zero(t, status)
	require.Contains(t, errs, "ones.nii.gz")
	require.Contains(t, errs, "smallest value counts as background")
	m := jsonKeys(t, "--truth", files["ones"], "--pred", files["empty"])
	require.Equal(t, 0.0, *m["tested_lesions"])
}
