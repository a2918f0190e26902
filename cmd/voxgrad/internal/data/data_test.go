package data_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
	"voxgrad/volume"
)

// set makes a data set of nnU-Net's layout with two cases and two channels.
func set(t *testing.T, json string) string {
	dir := t.TempDir()
	scan := volume.New(volume.Grid{Size: [3]int{44, 44, 44}, Affine: volume.Affine{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}})
	mask := scan.Like()
	for x := range scan.Data {
		if i, j, k := x%44, x/44%44, x/44/44; i > 4 && i < 40 && j > 4 && j < 40 && k > 4 && k < 40 {
			scan.Data[x] = 100 + float32(x%7)
			if i < 10 && j < 10 && k < 10 {
				mask.Data[x] = 1
			}
		}
	}
	for _, name := range []string{"a", "b"} {
		clitest.WriteImage(t, filepath.Join(dir, "imagesTr", name+"_0000.nii.gz"), scan)
		clitest.WriteImage(t, filepath.Join(dir, "imagesTr", name+"_0001.nii.gz"), scan)
		clitest.WriteImage(t, filepath.Join(dir, "labelsTr", name+".nii.gz"), mask)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dataset.json"), []byte(json), 0o600))
	return dir
}

func TestDataCheckNamesWhatIsPassedOver(t *testing.T) {
	dir := set(t, `{"channel_names":{"0":"FLAIR","1":"T1"},"numTraining":2}`)
	status, _, errs := clitest.Run(t, "data", "check", dir)
	require.Equal(t, 1, status)
	require.Contains(t, errs, "channels 0 (FLAIR) and 1 (T1) are contrasts of one time point, not two time points; say with --channels")

	out := clitest.Succeeds(t, "data", "check", dir, "--channels", "0")
	require.Contains(t, out, "layout nnunet, 2 cases")
	require.Contains(t, out, "one time point: channel 0 (FLAIR)")
	require.Contains(t, out, "not used: 2 files (channel 1 (T1) is not taken as a time point): imagesTr/a_0001.nii.gz, imagesTr/b_0001.nii.gz")

	require.NoError(t, os.Rename(filepath.Join(dir, "imagesTr/b_0000.nii.gz"), filepath.Join(dir, "imagesTr/b.nii.gz")))
	status, out, errs = clitest.Run(t, "data", "check", dir, "--channels", "0", "--json")
	require.Equal(t, 1, status)
	require.Contains(t, errs, "cannot be used")
	var j struct {
		Unusable int
		Notes    []string
		Unused   []struct{ Path, Reason string }
		Problems []struct{ Case, Level, Text string }
	}
	require.NoError(t, json.Unmarshal([]byte(out), &j))
	require.Equal(t, 1, j.Unusable)
	require.Equal(t, "b", j.Problems[0].Case)
	require.Contains(t, j.Problems[0].Text, "imagesTr/b_0000.nii.gz")
	require.Len(t, j.Unused, 3)

	dir = set(t, `{"channel_names":{"0":"FLAIR","1":"FLAIR"},"numTraining":3}`)
	status, out, errs = clitest.Run(t, "data", "check", filepath.Join(dir, "dataset.json"))
	require.Equal(t, 1, status)
	require.Contains(t, out, "numTraining is 3, but imagesTr has 2 cases")
	require.Contains(t, errs, "the data set cannot be used as it is")
	status, _, errs = clitest.Run(t, "train", "segmenter", "--data", dir, "--channels", "0", "--out", filepath.Join(t.TempDir(), "run"))
	require.Equal(t, 1, status)
	require.Contains(t, errs, "numTraining is 3")
}

// Scans of two heads, or of one in two contrasts, under the name of one patient.
func TestDataCheckHoldsTimePointsAgainstEachOther(t *testing.T) {
	dir := t.TempDir()
	p, err := volume.NewPhantom(volume.DefaultPhantom(3))
	require.NoError(t, err)
	other := p.OtherContrast()
	for name, v := range map[string]*volume.Volume{"one": p.Time1, "two": p.Time2, "other": other} {
		require.NoError(t, volume.Write(filepath.Join(dir, name+".nii.gz"), v, volume.Float32))
	}
	require.NoError(t, volume.WriteMask(filepath.Join(dir, "new.nii.gz"), p.NewLesions))
	table := filepath.Join(dir, "pairs.csv")
	require.NoError(t, os.WriteFile(table, []byte("case,time1,time2,mask\ngood,one.nii.gz,two.nii.gz,new.nii.gz\nmixed,one.nii.gz,other.nii.gz,new.nii.gz\n"), 0o600))
	out := clitest.Succeeds(t, "data", "check", table)
	require.Regexp(t, `mixed: warning: .*one.nii.gz and .*other.nii.gz do not match where they are: local correlation`, out)
	require.NotContains(t, out, "good: warning: "+dir+"/one.nii.gz and")
}

func TestDataCheckOfOneImage(t *testing.T) {
	dir := set(t, `{}`)
	out := clitest.Succeeds(t, "data", "check", filepath.Join(dir, "labelsTr/a.nii.gz"))
	require.Contains(t, out, "a     44×44×44  1×1×1    RAS         1")
	clitest.Succeeds(t, "data", "check", filepath.Join(dir, "imagesTr/a_0000.nii.gz"))
	broken := filepath.Join(dir, "broken.nii")
	require.NoError(t, os.WriteFile(broken, []byte("nothing"), 0o600))
	status, out, _ := clitest.Run(t, "data", "check", broken)
	require.Equal(t, 1, status)
	require.Contains(t, out, "broken: error: "+broken)
	status, _, errs := clitest.Run(t, "data", "check", "/dev/zero")
	require.Equal(t, 1, status)
	require.Contains(t, errs, "/dev/zero is a device: a regular file is needed")
	status, _, errs = clitest.Run(t, "data", "check", dir, "--normalize", "nothing")
	require.Equal(t, 2, status, errs)
}
