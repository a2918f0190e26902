package synth

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/augment"
	"voxgrad/internal/rng"
	"voxgrad/volume"
)

// scannedBall is a scan of a ball of white matter of intensity 200 with a ventricle of 20 in it and a bright spot, and what an atlas says of it.
func scannedBall(t *testing.T) (*volume.Volume, *volume.Mask, []TissueMap) {
	t.Helper()
	g := volume.Grid{Size: [3]int{56, 60, 64}, Affine: volume.Identity}
	v, brain := volume.New(g), volume.NewMask(g)
	white, csf := make([]float32, g.Len()), make([]float32, g.Len())
	for i := range v.Data {
		r := sq(float64(i%56)-28) + sq(float64(i/56%60)-30) + sq(float64(i/(56*60))-32)
		if r >= 26*26 {
			continue
		}
		brain.Data[i], v.Data[i], white[i] = true, 200, 0.9
		switch {
		case r < 6*6:
			v.Data[i] = 20
		case r > 24*24:
			v.Data[i], csf[i], white[i] = 30, 0.9, 0.1
		}
	}
	for k := range 12 { // bright as a lesion
		v.Data[g.Index(28+k%2, 30+k/2%2, 50+k/4)] = 300
	}
	v.Data[g.Index(28, 20, 42)] = 300 // noise
	return v, brain, []TissueMap{{WhiteMatter, white}, {CSF, csf}}
}

func TestAnatomyOfScan(t *testing.T) {
	v, brain, tissues := scannedBall(t)
	lesions := volume.NewMask(v.Grid)
	lesions.Data[v.Index(28, 30, 14)] = true
	a, err := AnatomyOfScan("ball", v, brain, lesions, tissues)
	require.NoError(t, err)
	at := func(x, y, z int) int {
		return a.index(float32(x-a.start[0]), float32(y-a.start[1]), float32(z-a.start[2]))
	}
	class := func(x, y, z int) Class { return Class(a.voxels[at(x, y, z)] & classBits) }
	require.Equal(t, Ventricle, class(28, 30, 32))
	require.Equal(t, WhiteMatter, class(28, 30, 42))
	require.Equal(t, CSF, class(28, 30, 57))
	require.InDelta(t, 1, a.scan[at(28, 30, 42)], 1e-6, "white matter is 1")
	require.InDelta(t, 0.1, a.scan[at(28, 30, 32)], 1e-6)
	require.True(t, a.taken[at(28, 33, 50)], "bright, and 2 mm around it")
	require.False(t, a.taken[at(28, 34, 50)])
	require.False(t, a.taken[at(28, 20, 42)], "less than a lesion has")
	require.True(t, a.taken[at(28, 30, 14)], "a known lesion")
	require.False(t, a.taken[at(28, 30, 42)])

	v.Data[5] = 1 // the ball elsewhere in the atlas's space
	for i := range tissues[0].At {
		tissues[0].At[i] = 0
	}
	_, err = AnatomyOfScan("ball", v, brain, nil, tissues)
	require.ErrorContains(t, err, "not in the atlas's space")
	_, err = AnatomyOfScan("ball", v, brain, nil, []TissueMap{{WhiteMatter, make([]float32, 3)}})
	require.ErrorContains(t, err, "a map of 3 voxels")
}

// Drawn scans of a scanned head show the scan, and new lesions where the mask has them and nothing was bright before.
func TestDrawnScansShowTheScan(t *testing.T) {
	v, brain, tissues := scannedBall(t)
	a, err := AnatomyOfScan("ball", v, brain, nil, tissues)
	require.NoError(t, err)
	lib := NewLibrary(Options{ShapeMin: 20, ShapeMax: 200})
	require.NoError(t, lib.AddBlobs(rng.New(2), 8))
	o, l := still(), DefaultLesions()
	l.MoveMM, l.MoveTurn, l.MoveBend, l.PSFMax, l.MaskError, l.CountMean, l.Confluent, l.NewMax, l.SoftSD = 0, 0, 0, 0, 0, 0, 0, 40, 0
	l.Faint, l.Bright = 0.5, 0.5
	size := [3]int{64, 64, 64}
	fresh := 0
	for n := range 6 {
		s := func() *augment.Stream { return rng.New(7, n) }
		d, err := o.DrawVisits(s(), l, a, lib, size, 2)
		require.NoError(t, err)
		again, err := o.DrawVisits(s(), l, a, lib, size, 2)
		require.NoError(t, err)
		require.Equal(t, d, again)
		scale := func(time int) (median float32) { // of white matter, away from lesions
			var sum, count float32
			for i, b := range d.Brain {
				if x := d.Images[time][i]; b && !d.Lesions[1][i] && x > 0.6 && x < 1.2 {
					sum, count = sum+x, count+1
				}
			}
			return sum / count
		}
		white := [2]float32{scale(0), scale(1)}
		dark, bright := 0, 0.0
		for i, in := range d.New {
			if d.Brain[i] && d.Images[0][i] < 0.3*white[0] {
				dark++
			}
			if in {
				fresh++
				bright += float64(d.Images[1][i]/white[1] - d.Images[0][i]/white[0])
			}
		}
		require.Greater(t, dark, 500, "the ventricle, and fluid around the brain")
		if c := count(d.New); c > 0 {
			require.Greater(t, bright/float64(c), 0.3)
		}
	}
	require.Greater(t, fresh, 60)

	known := volume.NewMask(v.Grid) // lesions that the scan has are lesions of what is drawn
	for z := range 6 {
		known.Data[v.Index(28, 30, 12+z)] = true
	}
	a, err = AnatomyOfScan("ball", v, brain, known, tissues)
	require.NoError(t, err)
	l.CountMean, l.NewMax = 0, 0
	d, err := o.DrawVisits(rng.New(8), l, a, lib, size, 1)
	require.NoError(t, err)
	require.InDelta(t, 6, count(d.Lesions[0]), 3)
	require.Zero(t, count(d.New))
}
