package infer

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/models"
	"voxgrad/volume"
)

func TestEnsembleIsTheMeanAndOpensOneAtATime(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	dir := t.TempDir()
	v := noise(3, [3]int{20, 17, 16})
	brain := ball(v.Grid, [3]float64{9, 8, 8}, 7)
	opt := small()
	var members []Member
	var single []*volume.Volume
	open, most := 0, 0
	for seed := range uint64(3) {
		net := network(t, dev, "segmenter", seed)
		r, err := Predict(context.Background(), []Member{Keep(net)}, one(brain, v), opt)
		require.NoError(t, err)
		single = append(single, r.Prob)
		path := filepath.Join(dir, string('a'+rune(seed)))
		require.NoError(t, models.Save(net, path, nil))
		net.Free()
		members = append(members, Open(func() (models.Network, func(), error) {
			net, err := models.Load(dev, path)
			open++
			most = max(most, open)
			return net, func() { net.Free(); open-- }, err
		}))
	}
	r, err := Predict(context.Background(), members, one(brain, v), opt)
	require.NoError(t, err)
	require.Equal(t, 1, most)
	require.Zero(t, open)
	for i := range r.Prob.Data {
		mean := (float64(single[0].Data[i]) + float64(single[1].Data[i]) + float64(single[2].Data[i])) / 3
		require.InDelta(t, mean, float64(r.Prob.Data[i]), 1e-6)
	}
	now, _ := dev.Usage()
	require.Zero(t, now)
}

// Mirroring the image mirrors the result, which without the option it does not.
func TestMirror(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	net := network(t, dev, "segmenter", 6)
	v := noise(4, [3]int{16, 24, 16})
	flipped := v.Like()
	for k := range 16 {
		for j := range 24 {
			for i := range 16 {
				flipped.Data[v.Index(i, 23-j, k)] = v.At(i, j, k)
			}
		}
	}
	opt := small()
	opt.Stride = opt.Patch // starts 0 and 8, once each; with a stride of 8 the second would count twice
	for _, mirror := range []bool{false, true} {
		opt.Mirror = mirror
		a, err := Predict(context.Background(), []Member{Keep(net)}, one(nil, v), opt)
		require.NoError(t, err)
		b, err := Predict(context.Background(), []Member{Keep(net)}, one(nil, flipped), opt)
		require.NoError(t, err)
		worst := 0.0
		for k := range 16 {
			for j := range 24 {
				for i := range 16 {
					worst = max(worst, math.Abs(float64(a.Prob.At(i, j, k)-b.Prob.At(i, 23-j, k))))
				}
			}
		}
		if mirror {
			require.Less(t, worst, 1e-5)
		} else {
			require.Greater(t, worst, 1e-2)
		}
	}
}

// With Gaussian weights a voxel in the middle of one window and at the border of
// the others takes after the first.
func TestGaussianWeights(t *testing.T) {
	a := newAccumulator(volume.Grid{Size: [3]int{24, 16, 16}}, nil, 1, func() Options { o := small(); o.Gaussian = true; return o }())
	ones, zeros := make([]float32, 4096), make([]float32, 4096)
	for i := range ones {
		ones[i] = 1
	}
	a.add(ones, Window{[3]int{0, 0, 0}, 1})
	a.add(zeros, Window{[3]int{8, 0, 0}, 1})
	m := a.mean()
	g := func(i int) float64 { u := (float64(i) - 7.5) / 2; return max(math.Exp(-u*u/2), 0.01) }
	for i := 8; i < 16; i++ {
		require.InDelta(t, g(i)/(g(i)+g(i-8)), float64(m.At(i, 3, 4)), 1e-6)
	}
	require.EqualValues(t, 1, m.At(0, 0, 0))
	require.EqualValues(t, 0, m.At(23, 0, 0))
}
