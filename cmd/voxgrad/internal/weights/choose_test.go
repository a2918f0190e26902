package weights_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
	"voxgrad/device/cpu"
	"voxgrad/models"
	"voxgrad/models/weights"
	"voxgrad/volume"
)

// Two cases in which lesions have 0.6 and more, false pieces of 8 mm³ have 0.7 and the rest of the tissue 0.3: from 0.3 to below 0.6, without pieces of 10 mm³, all is right.
func TestChooseFindsThresholdAndLeastSize(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"truth", "pred"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, d), 0o777))
	}
	g := volume.Grid{Size: [3]int{24, 24, 24}, Affine: volume.Identity}
	for n, name := range []string{"a.nii.gz", "b.nii.gz"} {
		truth, prob := volume.NewMask(g), volume.New(g)
		for i := range prob.Data {
			x, y, z := i%24-n, i/24%24, i/576
			switch {
			case x >= 3 && x < 7 && y >= 3 && y < 7 && z >= 3 && z < 7:
				truth.Data[i], prob.Data[i] = true, 0.6
			case x >= 14 && x < 16 && y >= 14 && y < 16 && z >= 14 && z < 16:
				prob.Data[i] = 0.7
			case y > 1:
				prob.Data[i] = 0.3
			}
		}
		require.NoError(t, volume.WriteMask(filepath.Join(dir, "truth", name), truth))
		require.NoError(t, volume.Write(filepath.Join(dir, "pred", name), prob, volume.Float32))
	}
	dev := cpu.New()
	c := models.Default(models.Detector)
	c.Width = 1
	net, err := models.New(dev, c, 1)
	require.NoError(t, err)
	in, out := filepath.Join(dir, "w.safetensors"), filepath.Join(dir, "chosen.safetensors")
	require.NoError(t, models.Save(net, in, nil))
	net.Free()
	require.NoError(t, dev.Close())
	status, text, errs := clitest.Run(t, "weights", "choose", "--truth", filepath.Join(dir, "truth"), "--pred", filepath.Join(dir, "pred"), "--in", in, "--out", out, "--json")
	require.Zero(t, status, errs)
	var got struct {
		Cases int
		Best  struct {
			Threshold float64
			Least     float64 `json:"least_lesion_mm3"`
			Dice      float64
			F1        float64 `json:"lesion_f1"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text), &got))
	require.Equal(t, 2, got.Cases)
	require.Equal(t, 1.0, got.Best.F1)
	require.Equal(t, 1.0, got.Best.Dice)
	require.Equal(t, 10.0, got.Best.Least)
	require.InDelta(t, 0.45, got.Best.Threshold, 0.151)
	f, err := weights.ReadHeader(out)
	require.NoError(t, err)
	p, err := models.PreparationOf(f)
	require.NoError(t, err)
	require.Equal(t, got.Best.Threshold, p.Threshold)
	require.Equal(t, 10.0, p.Least)

	status, _, errs = clitest.Run(t, "weights", "choose", "--truth", filepath.Join(dir, "truth"), "--pred", filepath.Join(dir, "truth"))
	require.Equal(t, 1, status)
	require.Contains(t, errs, "not a mask")
	status, _, errs = clitest.Run(t, "weights", "choose", "--truth", "x", "--pred", "y", "--in", in)
	require.Equal(t, 2, status)
	require.Contains(t, errs, "--in and --out go together")
}
