package infer

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

func TestInputInAnotherOrientation(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	net := network(t, dev, "segmenter", 5)
	v := noise(9, [3]int{20, 24, 18})
	brain := ball(v.Grid, [3]float64{10, 12, 9}, 8)
	want, err := Predict(context.Background(), []Member{Keep(net)}, one(brain, v), small())
	require.NoError(t, err)

	// The same image stored with the axes z, x, y growing down, to the left, to the front.
	turn := func(v *volume.Volume) *volume.Volume {
		g := volume.Grid{Size: [3]int{v.Size[2], v.Size[0], v.Size[1]}, Affine: volume.Affine{
			{0, -1, 0, -5 + float64(v.Size[0]-1)}, {0, 0, 1, 7}, {-1, 0, 0, 3 + float64(v.Size[2]-1)}}}
		out := volume.New(g)
		for k := range v.Size[2] {
			for j := range v.Size[1] {
				for i := range v.Size[0] {
					out.Data[g.Index(v.Size[2]-1-k, v.Size[0]-1-i, j)] = v.At(i, j, k)
				}
			}
		}
		return out
	}
	got, err := Predict(context.Background(), []Member{Keep(net)}, one(turn(brain.Volume()).Above(0.5), turn(v)), small())
	require.NoError(t, err)
	require.Equal(t, turn(want.Mask.Volume()).Data, got.Mask.Volume().Data)
	require.Equal(t, turn(want.Prob).Data, got.Prob.Data)
	require.Equal(t, turn(v).Grid, got.Mask.Grid)
}

// Thick slices: computed at 1 mm, returned to the slices, thresholded there.
func TestThickSlices(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	net := network(t, dev, "segmenter", 5)
	v := noise(1, [3]int{30, 26, 9})
	v.Affine = volume.Affine{{0.8, 0.1, 0, 0}, {-0.1, 0.8, 0, 0}, {0, 0, 3, 0}}
	brain := ball(v.Grid, [3]float64{15, 13, 4}, 12)
	opt := small()
	r, err := Predict(context.Background(), []Member{Keep(net)}, one(brain, v), opt)
	require.NoError(t, err)
	require.Equal(t, v.Grid, r.Mask.Grid)
	require.Equal(t, v.Grid, r.Prob.Grid)

	p, err := prep.Images(one(brain, v), opt.Settings)
	require.NoError(t, err)
	require.InDeltaSlice(t, []float64{1, 1, 1}, func() []float64 { s := p.Grid().Affine.Spacing(); return s[:] }(), 1e-4)
	iso, err := Canonical(context.Background(), []Member{Keep(net)}, p, opt)
	require.NoError(t, err)
	back := volume.Resample(iso, v.Grid, volume.Linear, 0)
	ones := 0
	for i, x := range back.Data {
		x *= bit(brain.Data[i])
		require.Equal(t, x, r.Prob.Data[i])
		require.Equal(t, x > 0.5, r.Mask.Data[i])
		ones += int(bit(r.Mask.Data[i]))
	}
	require.Positive(t, ones)
}
