package prepare_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
	"voxgrad/train/dataset"
	"voxgrad/volume"
)

// rawSet is a table of raw cases: two pairs whose second scan lies elsewhere, on other voxels, with the
// new lesions on the grid of the first and of the second scan.
func rawSet(t *testing.T) (dir, table string, truths []*volume.Mask) {
	dir = t.TempDir()
	rows := "case,patient,time1,time2,mask\n"
	for n := range 2 {
		o := volume.DefaultPhantom(uint64(5 + n))
		o.Size = [3]int{64, 64, 64}
		o.ShiftMM, o.TurnDeg = 0, 0
		o.Noise, o.Atrophy = volume.Range{Min: 0.01, Max: 0.01}, volume.Range{}
		p, err := volume.NewPhantom(o)
		require.NoError(t, err)
		move := volume.Transform{{0.9962, -0.0872, 0, 7}, {0.0872, 0.9962, 0, -4}, {0, 0, 1, 5}}
		g := volume.Grid{Size: [3]int{72, 70, 50}, Affine: volume.Affine{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1.5, 0}}}
		c, m := g.Centre(), move.Apply(p.Time1.Centre())
		for d := range 3 {
			g.Affine[d][3] += m[d] - c[d]
		}
		moved := volume.ResampleThrough(p.Time2, g, move.Inverse(), volume.Linear, 0)
		moved.Source = nil
		in := func(name string) string { return filepath.Join(dir, fmt.Sprint(n)+name) }
		require.NoError(t, volume.Write(in("a.nii.gz"), p.Time1, volume.Float32))
		require.NoError(t, volume.Write(in("b.nii.gz"), moved, volume.Float32))
		truth := p.NewLesions
		if n == 1 {
			truth = truth.ResampleThrough(g, move.Inverse())
		}
		require.Positive(t, truth.Count())
		truths = append(truths, truth)
		require.NoError(t, volume.WriteMask(in("mask.nii.gz"), truth))
		rows += fmt.Sprintf("case%d,patient%d,%[1]da.nii.gz,%[1]db.nii.gz,%[1]dmask.nii.gz\n", n, n)
	}
	table = filepath.Join(dir, "raw.csv")
	require.NoError(t, os.WriteFile(table, []byte(rows), 0o600))
	return dir, table, truths
}

// share is how much of a mask lies, through a transform, on another.
func share(m, on *volume.Mask, t volume.Transform) float64 {
	to := on.Affine.Inverse().Mul(t)
	both := 0
	for x, in := range m.Data {
		if in {
			p := to.Apply(m.World(float64(x%m.Size[0]), float64(x/m.Size[0]%m.Size[1]), float64(x/m.Size[0]/m.Size[1])))
			if on.At(int(math.Round(p[0])), int(math.Round(p[1])), int(math.Round(p[2]))) {
				both++
			}
		}
	}
	return float64(both) / float64(m.Count())
}

func TestDataSet(t *testing.T) {
	dir, table, truths := rawSet(t)
	out := filepath.Join(dir, "prepared")
	args := []string{"prepare", "--data", table, "--out", out, "--atlas", "none"}
	stdout := clitest.Succeeds(t, args...)
	require.Contains(t, stdout, "case0")
	require.Contains(t, stdout, "prepared")

	for n, truth := range truths {
		folder := filepath.Join(out, "cases", fmt.Sprintf("case%d", n))
		lesions, err := volume.ReadMask(filepath.Join(folder, "new_lesions.nii.gz"))
		require.NoError(t, err)
		scan, err := volume.Read(filepath.Join(folder, "flair_time02.nii.gz"))
		require.NoError(t, err)
		require.NoError(t, volume.SameSpace(scan, lesions))
		to, err := volume.ReadITK(filepath.Join(folder, fmt.Sprintf("prepared_to_time%02d.txt", n+1)))
		require.NoError(t, err)
		require.Greater(t, share(lesions, truth, to), 0.85, "case %d: the lesions are elsewhere", n)
		require.InEpsilon(t, float64(truth.Count())*truth.VoxelMM3(), float64(lesions.Count())*lesions.VoxelMM3(), 0.25)
	}
	var summary struct {
		Failed  int
		Results []struct {
			Case, State, Reason string
			Record              struct {
				Times struct {
					Correlation float64 `json:"local_correlation"`
				} `json:"time_points"`
			}
		}
	}
	read := func() {
		b, err := os.ReadFile(filepath.Join(out, "prepared.json"))
		require.NoError(t, err)
		summary.Results = nil
		require.NoError(t, json.Unmarshal(b, &summary))
	}
	read()
	require.Greater(t, summary.Results[1].Record.Times.Correlation, 0.8)

	// What was written is a data set, by its table and by its folders, with the patients' names.
	set, err := dataset.Open(out, dataset.Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"patient0", "patient1"}, set.Patients())
	folders, err := dataset.Open(filepath.Join(out, "cases"), dataset.Options{})
	require.NoError(t, err)
	require.Equal(t, "longitudinal", folders.Layout)
	require.NoError(t, folders.Complete())
	clitest.Succeeds(t, "data", "check", out)
	clitest.Succeeds(t, append([]string{"train", "detector", "--data", out, "--out", filepath.Join(dir, "run"), "--dry-run"}, clitest.Tiny...)...)

	// Done cases are kept, one that is gone is made again, and with it what a kill left.
	stat := func(n int) os.FileInfo {
		info, err := os.Stat(filepath.Join(out, "cases", fmt.Sprintf("case%d", n), "record.json"))
		require.NoError(t, err)
		return info
	}
	first := stat(0)
	scan, err := os.ReadFile(filepath.Join(out, "cases/case1/flair_time01.nii.gz"))
	require.NoError(t, err)
	require.NoError(t, os.Rename(filepath.Join(out, "cases/case1"), filepath.Join(out, "cases/.case1.part")))
	require.NoError(t, os.WriteFile(filepath.Join(out, "cases/.case1.part/half"), nil, 0o600))
	clitest.Succeeds(t, args...)
	read()
	require.Equal(t, "kept", summary.Results[0].State)
	require.Equal(t, "prepared", summary.Results[1].State)
	require.True(t, os.SameFile(first, stat(0)))
	require.NoFileExists(t, filepath.Join(out, "cases/case1/half"))
	require.NoDirExists(t, filepath.Join(out, "cases/.case1.part"))
	again, err := os.ReadFile(filepath.Join(out, "cases/case1/flair_time01.nii.gz"))
	require.NoError(t, err)
	require.Equal(t, scan, again)

	// What another version of the program prepared is kept, and told of.
	stampOf := filepath.Join(out, "cases/case0/inputs.json")
	b, err := os.ReadFile(stampOf)
	require.NoError(t, err)
	older := regexp.MustCompile(`"program": "[^"]+"`)
	require.Regexp(t, older, string(b))
	require.NoError(t, os.WriteFile(stampOf, older.ReplaceAll(b, []byte(`"program": "older"`)), 0o600))
	status, _, errs := clitest.Run(t, args...)
	require.Zero(t, status)
	require.Contains(t, errs, "1 case kept from another version of the program (older)")
	require.True(t, os.SameFile(first, stat(0)))

	// Other settings and other files are refused, and made again on demand.
	status, _, errs = clitest.Run(t, append(args, "--bias=false")...)
	require.Equal(t, 1, status)
	require.Contains(t, errs, "other settings")
	require.Contains(t, errs, "--overwrite")
	require.FileExists(t, filepath.Join(out, "cases/case0/bias_time01.nii.gz"))
	mask := filepath.Join(dir, "0mask.nii.gz")
	require.NoError(t, os.WriteFile(mask, []byte("no image"), 0o600))
	status, _, errs = clitest.Run(t, args...)
	require.Equal(t, 1, status)
	require.Contains(t, errs, "case0 was prepared from other files")

	// A case that fails is named, and keeps no other from being prepared.
	status, stdout, errs = clitest.Run(t, append(args, "--bias=false", "--overwrite")...)
	require.Equal(t, 1, status)
	require.Contains(t, errs, "1 of 2 cases could not be prepared")
	require.Regexp(t, `case0: failed: .*0mask.nii.gz`, stdout)
	read()
	require.Equal(t, 1, summary.Failed)
	require.Equal(t, "prepared", summary.Results[1].State)
	require.NoDirExists(t, filepath.Join(out, "cases/case0"))
	require.NoFileExists(t, filepath.Join(out, "cases/case1/bias_time01.nii.gz"))
	set, err = dataset.Open(out, dataset.Options{})
	require.NoError(t, err)
	require.Len(t, set.Cases, 1)
}

// Single scans, with a map of white matter, in a layout of folders; a case without its mask fails alone.
func TestDataSetOfSingleScans(t *testing.T) {
	dir := t.TempDir()
	o := volume.DefaultPhantom(9)
	o.Size = [3]int{48, 52, 44}
	p, err := volume.NewPhantom(o)
	require.NoError(t, err)
	brain := p.BrainMask.Like() // one's own: not what the stripped scan shows
	for x, in := range p.BrainMask.Data {
		brain.Data[x] = in && x/p.Time1.Size[0]/p.Time1.Size[1] > 12
	}
	for _, name := range []string{"one", "two"} {
		in := filepath.Join(dir, "raw", name)
		require.NoError(t, os.MkdirAll(in, 0o777))
		require.NoError(t, volume.Write(filepath.Join(in, "flair.nii.gz"), p.Time1, volume.Float32))
		if name == "one" {
			require.NoError(t, volume.WriteMask(filepath.Join(in, "lesions.nii.gz"), p.Lesions1))
			require.NoError(t, volume.WriteMask(filepath.Join(in, "brainmask.nii.gz"), brain))
			require.NoError(t, volume.Write(filepath.Join(in, "white_matter.nii.gz"), p.BrainMask.Volume(), volume.Float32))
		}
	}
	raw, out := filepath.Join(dir, "raw"), filepath.Join(dir, "out")
	status, stdout, errs := clitest.Run(t, "prepare", "--data", raw, "--out", out, "--atlas", "none", "--jobs", "1")
	require.Equal(t, 1, status, errs)
	require.Regexp(t, "two: failed: missing: lesion mask", stdout)
	for _, name := range []string{"flair", "brainmask", "lesions", "white_matter"} {
		require.FileExists(t, filepath.Join(out, "cases/one", name+".nii.gz"))
	}
	lesions, err := volume.ReadMask(filepath.Join(out, "cases/one/lesions.nii.gz"))
	require.NoError(t, err)
	require.Equal(t, p.Lesions1.Count(), lesions.Count(), "a scan on a 1 mm grid of its own is not interpolated")
	kept, err := volume.ReadMask(filepath.Join(out, "cases/one/brainmask.nii.gz"))
	require.NoError(t, err)
	require.Equal(t, brain.Count(), kept.Count())
	set, err := dataset.Open(out, dataset.Options{})
	require.NoError(t, err)
	require.NotEmpty(t, set.Cases[0].WhiteMatter)
	clitest.Succeeds(t, "data", "check", out)
}

func TestDataSetIsLookedAtFirst(t *testing.T) {
	dir, table, _ := rawSet(t)
	other := filepath.Join(dir, "other")
	require.NoError(t, os.MkdirAll(filepath.Join(other, "cases/mine"), 0o777))
	slash := filepath.Join(dir, "slash.csv")
	require.NoError(t, os.WriteFile(slash, []byte("case,time1,mask\n../up,0a.nii.gz,0mask.nii.gz\n"), 0o600))
	layout := filepath.Join(dir, "set")
	require.NoError(t, os.MkdirAll(filepath.Join(layout, "a"), 0o777))
	for _, name := range []string{"flair", "lesions"} {
		require.NoError(t, os.WriteFile(filepath.Join(layout, "a", name+".nii.gz"), nil, 0o600))
	}
	require.NoError(t, os.Symlink(filepath.Join(layout, "a"), filepath.Join(dir, "link")))
	for _, c := range []struct {
		status int
		says   string
		args   []string
	}{
		{1, "is inside the data set", []string{"--data", layout, "--out", dir + "/link/new"}},
		{2, "--flair is of one patient", []string{"--data", table, "--flair", "x.nii", "--out", dir + "/o"}},
		{2, "--jobs goes with --data", []string{"--flair", "x.nii", "--jobs", "3", "--out", dir + "/o"}},
		{2, "--jobs 0", []string{"--data", table, "--jobs", "0", "--out", dir + "/o"}},
		{1, "is inside the data set", []string{"--data", layout, "--out", layout + "/new"}},
		{1, "is no case that this command prepared", []string{"--data", table, "--out", other, "--overwrite"}},
		{1, "cannot be a folder's name", []string{"--data", slash, "--out", dir + "/o"}},
	} {
		status, stdout, errs := clitest.Run(t, append([]string{"prepare"}, c.args...)...)
		require.Equal(t, c.status, status, "%v: %s", c.args, errs)
		require.Contains(t, errs, c.says)
		require.Empty(t, stdout)
		require.NoDirExists(t, dir+"/o")
		require.NoDirExists(t, layout+"/new")
	}
}
