package predict_test

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
	"voxgrad/models"
	"voxgrad/volume"
)

// Two scans of a head that lie apart, on different voxels, with one new lesion: what is found is
// that, on the grid of either scan.
func TestScansThatLieApart(t *testing.T) {
	in := at(t.TempDir())
	o := volume.DefaultPhantom(3)
	o.ShiftMM, o.TurnDeg = 0, 0
	o.Noise, o.Atrophy = volume.Range{Min: 0.01, Max: 0.01}, volume.Range{}
	p, err := volume.NewPhantom(o)
	require.NoError(t, err)
	const edge = 9
	first, second := p.Time1, p.Time1.Like()
	copy(second.Data, first.Data)
	lesion := volume.NewMask(first.Grid)
	corner := [3]int{58, 60, 58}
	for x := range second.Data {
		i, j, k := x%first.Size[0]-corner[0], x/first.Size[0]%first.Size[1]-corner[1], x/first.Size[0]/first.Size[1]-corner[2]
		if min(i, j, k) >= 0 && max(i, j, k) < edge {
			second.Data[x] *= 2.5
			lesion.Data[x] = true
		}
	}
	require.NoError(t, volume.Write(in("one.nii.gz"), first, volume.Float32))
	// 15 degrees about z, and a shift.
	move := volume.Transform{{0.9659, -0.2588, 0, 21}, {0.2588, 0.9659, 0, -8}, {0, 0, 1, 14}}
	g := volume.Grid{Size: [3]int{110, 116, 54}, Affine: volume.Affine{{-1.1, 0, 0, 60}, {0, 1.1, 0, -60}, {0, 0, 2, 0}}}
	c, m := g.Centre(), move.Apply(first.Centre())
	for d := range 3 {
		g.Affine[d][3] += m[d] - c[d]
	}
	moved := volume.ResampleThrough(second, g, move.Inverse(), volume.Linear, 0)
	moved.Source = nil
	require.NoError(t, volume.Write(in("two.nii.gz"), moved, volume.Float32))
	w := network(t, in("w.safetensors"), models.Detector, 1.0, nil)

	for _, grid := range []string{"time1", "time2", "prepared"} {
		_ = os.Remove(in("m.nii.gz"))
		status, out, errs := clitest.Run(t, "predict", "--patch", "32", "--stride", "32", "--model", w, "--time1", in("one.nii.gz"), "--time2", in("two.nii.gz"),
			"--out", in("m.nii.gz"), "--prob", in("p.nii.gz"), "--picture", in("p.png"), "--grid", grid)
		require.Zero(t, status, errs)
		require.Contains(t, errs, "time points registered: 15.")
		require.Contains(t, out, "new lesions")
		got, err := volume.ReadMask(in("m.nii.gz"))
		require.NoError(t, err)
		want := lesion
		switch grid {
		case "time1":
			require.NoError(t, volume.SameSpace(first, got))
		case "time2":
			require.NoError(t, volume.SameSpace(moved, got))
			want = lesion.ResampleThrough(moved.Grid, move.Inverse())
		case "prepared":
			require.Equal(t, [3]float64{1, 1, 1}, got.Affine.Spacing())
			continue
		}
		both, all := 0, want.Count()+got.Count()
		for x, in := range want.Data {
			if in && got.Data[x] {
				both++
			}
		}
		require.Greater(t, 2*float64(both)/float64(all), 0.8, "%s: %d voxels of %d and %d", grid, both, want.Count(), got.Count())
	}

	// What was doubtful about the preparation is in the report, not only in the log.
	// And a part of the head that one of the scans does not show.
	var got struct {
		Unlike []string `json:"unlike_training"`
		Missed struct {
			ML, Share float64
		} `json:"brain_missed"`
	}
	require.NoError(t, os.Remove(in("m.nii.gz")))
	cut := moved.Size[2] / 3
	corner3 := moved.World(0, 0, float64(cut))
	for d := range 3 {
		moved.Affine[d][3] = corner3[d]
	}
	moved.Size[2] -= cut
	moved.Data = moved.Data[cut*moved.Size[0]*moved.Size[1]:]
	require.NoError(t, volume.Write(in("two.nii.gz"), moved, volume.Float32))
	require.NoError(t, json.Unmarshal([]byte(clitest.Succeeds(t, "predict", "--patch", "32", "--stride", "32", "--model", w, "--time1", in("one.nii.gz"), "--time2", in("two.nii.gz"),
		"--out", in("m.nii.gz"), "--json")), &got))
	unlike := strings.Join(got.Unlike, "\n")
	require.Contains(t, unlike, "without the atlas the scan is prepared where it is (--atlas none), as is done now", "a phantom is no head of the atlas")
	require.Contains(t, unlike, "one.nii.gz: the brain mask (stripped) has ")
	require.Regexp(t, `one.nii.gz and .*two.nii.gz: \d+ ml of brain \(\d+ % of what either shows\) are in one of them alone`, unlike)
	require.Greater(t, got.Missed.ML, 10.0)
	require.Greater(t, got.Missed.Share, 0.05)

	status, _, errs := clitest.Run(t, "predict", "--patch", "32", "--model", w, "--time1", in("one.nii.gz"), "--time2", in("two.nii.gz"), "--out", in("m.nii.gz"), "--prepare", "none")
	require.Equal(t, 1, status)
	require.Contains(t, errs, "are not in the same space")
	require.Contains(t, errs, "--prepare auto")
	for _, bad := range [][]string{{"--prepare", "some"}, {"--grid", "time3"}} {
		status, _, errs := clitest.Run(t, append([]string{"predict", "--patch", "32", "--model", w, "--time1", in("one.nii.gz"), "--time2", in("two.nii.gz"), "--out", in("m.nii.gz")}, bad...)...)
		require.Equal(t, 2, status, errs)
		require.Contains(t, errs, bad[0])
	}
}

// What is not stripped and too small to find a brain in is refused, not searched as it is.
func TestSliceWithSkull(t *testing.T) {
	in := at(t.TempDir())
	v := &volume.Volume{Grid: volume.Grid{Size: [3]int{64, 64, 1}, Affine: volume.Affine{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 5, 0}}}, Data: make([]float32, 64*64)}
	for x := range v.Data {
		v.Data[x] = float32(20 + x*7919%200)
	}
	require.NoError(t, volume.Write(in("slice.nii.gz"), v, volume.Float32))
	w := network(t, in("w.safetensors"), models.Segmenter, 1.0, nil)
	status, _, errs := clitest.Run(t, "segment", "--patch", "16", "--model", w, "--flair", in("slice.nii.gz"), "--out", in("m.nii.gz"))
	require.Equal(t, 1, status)
	require.Contains(t, errs, "slice.nii.gz: a field of view of 64 × 64 × 5 mm")
	require.Contains(t, errs, "--brainmask")
	require.NoFileExists(t, in("m.nii.gz"))
}

// Scans that are clearly no FLAIR are refused by the networks that come with the program, and searched on demand, or by weights of one's own.
func TestOtherContrastsAreRefused(t *testing.T) {
	in := at(t.TempDir())
	const n, mm = 60, 2.0
	made := func(name string, white, cortex, fluid float32) string { // a ball with cortex, sulci and ventricles
		v := volume.New(volume.Grid{Size: [3]int{n, n, n}, Affine: volume.Affine{{mm}, {0, mm}, {0, 0, mm}}})
		for i := range v.Data {
			x, y, z := float64(i%n)*mm-60, float64(i/n%n)*mm-60, float64(i/n/n)*mm-60
			switch r := math.Sqrt(x*x + y*y + z*z); {
			case r >= 50:
			case r < 22, r > 45 && math.Abs(math.Mod(x+100, 8)) < 1:
				v.Data[i] = fluid
			case r > 45:
				v.Data[i] = cortex
			default:
				v.Data[i] = white
			}
		}
		require.NoError(t, volume.Write(in(name), v, volume.Float32))
		return in(name)
	}
	require.NoError(t, os.Mkdir(in("weights"), 0o777))
	own := network(t, in("weights/segmenter.1.safetensors"), models.Segmenter, 5.0, nil)
	t.Setenv(clitest.BuiltIn, in("weights"))
	for name, kind := range map[string]struct {
		tissues [3]float32
		says    string
	}{
		"flair.nii": {[3]float32{600, 700, 100}, ""},
		"t2.nii":    {[3]float32{500, 650, 1200}, "it looks T2-weighted, and the scan does not match the atlas"},
		"t1.nii":    {[3]float32{900, 600, 200}, "it may be T1-weighted, and the scan does not match the atlas"},
	} {
		if testing.Short() && name != "flair.nii" {
			continue // they are held against the atlas
		}
		scan := made(name, kind.tissues[0], kind.tissues[1], kind.tissues[2])
		args := []string{"segment", "--flair", scan, "--patch", "32", "--stride", "32", "--device", "cpu", "--out", in("m.nii")}
		status, _, errs := clitest.Run(t, args...)
		if kind.says == "" {
			require.Zero(t, status, errs)
			require.NoError(t, os.Remove(in("m.nii")))
			continue
		}
		require.Equal(t, 1, status)
		require.Contains(t, errs, scan+": ")
		require.Contains(t, errs, kind.says+"; the built-in networks know FLAIR scans alone: give a FLAIR scan, or have this one searched all the same with --any-contrast")
		require.NoFileExists(t, in("m.nii"))
		for _, more := range []string{"--any-contrast", "--model=" + own} {
			var got struct {
				Unlike []string `json:"unlike_training"`
			}
			require.NoError(t, json.Unmarshal([]byte(clitest.Succeeds(t, append(args, more, "--json")...)), &got))
			require.NoError(t, os.Remove(in("m.nii")))
			require.Contains(t, strings.Join(got.Unlike, "\n"), strings.Split(kind.says, ",")[0])
		}
	}
}

// Scans on one grid that do not match, as those of two people after a normalisation to a template, are no time points; nor are the same ones
// too far apart.
func TestScansOnOneGridThatDoNotMatch(t *testing.T) {
	in := at(t.TempDir())
	p, err := volume.NewPhantom(volume.DefaultPhantom(3))
	require.NoError(t, err)
	other := p.OtherContrast()
	move := volume.Identity
	move[0][3] = 8
	for name, v := range map[string]*volume.Volume{"one": p.Time1, "two": p.Time2, "other": other, "far": volume.ResampleThrough(p.Time2, p.Time2.Grid, move, volume.Linear, 0)} {
		require.NoError(t, volume.Write(in(name+".nii.gz"), v, volume.Float32))
	}
	w := network(t, in("w.safetensors"), models.Detector, 1.0, nil)
	args := []string{"predict", "--patch", "32", "--stride", "32", "--model", w, "--time1", in("one.nii.gz"), "--out", in("m.nii.gz"), "--time2"}
	for _, second := range []string{"other.nii.gz", "far.nii.gz"} {
		status, _, errs := clitest.Run(t, append(args, in(second))...)
		require.Equal(t, 1, status, errs)
		require.Regexp(t, "one.nii.gz and "+in(second)+" do not match where they are: local correlation -?0\\.", errs)
		require.Contains(t, errs, "are they of one patient and both FLAIR?")
		require.NoFileExists(t, in("m.nii.gz"))
	}
	// On another grid of the same space, or brought to a common one by the transforms of another program, too.
	half := volume.Resample(other, volume.Grid{Size: [3]int{96, 112, 48}, Affine: p.Time1.Affine.Mul(volume.Affine{{1}, {0, 1}, {0, 0, 2, 0.5}})}, volume.Linear, 0)
	require.NoError(t, volume.Write(in("half.nii.gz"), half, volume.Float32))
	require.NoError(t, volume.WriteITKIn(nil, in("none.txt"), volume.Identity))
	for _, how := range [][]string{{in("half.nii.gz"), "--resample-times"}, {in("other.nii.gz"), "--space", in("one.nii.gz"), "--transform2", in("none.txt")}} {
		status, _, errs := clitest.Run(t, append(args, how...)...)
		require.Equal(t, 1, status, errs)
		require.Contains(t, errs, "do not match where they are", how)
		require.Equal(t, len(how) > 2, strings.Contains(errs, "are the transforms theirs"), errs)
		require.NoFileExists(t, in("m.nii.gz"))
	}
	for _, none := range [][]string{{"--prepare", "all", "--resample-times"}, {"--resample-times", "--space", in("one.nii.gz"), "--transform2", in("none.txt")}} {
		status, _, errs := clitest.Run(t, append(append(args, in("two.nii.gz")), none...)...)
		require.Equal(t, 2, status, errs)
		require.Contains(t, errs, "--resample-times")
	}
	for _, more := range [][]string{{in("two.nii.gz")}, {in("other.nii.gz"), "--prepare", "none"}} {
		_ = os.Remove(in("m.nii.gz"))
		status, _, errs := clitest.Run(t, append(args, more...)...)
		require.Zero(t, status, errs)
		require.NotContains(t, errs, "match")
	}
}
