package atlas

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
)

// at is the value at a point of the world.
func at(v *volume.Volume, x, y, z float64) float64 {
	g := volume.Grid{Size: [3]int{1, 1, 1}, Affine: volume.Affine{{1, 0, 0, x}, {0, 1, 0, y}, {0, 0, 1, z}}}
	return float64(volume.Resample(v, g, volume.Linear, 0).Data[0])
}

func TestLikelihoods(t *testing.T) {
	sum := volume.New(Brain().Grid)
	for tissue := range Tissue(Tissues) {
		v := Likelihood(tissue)
		require.Equal(t, "RAS", v.Affine.Codes())
		require.Equal(t, [3]float64{SpacingMM, SpacingMM, SpacingMM}, v.Affine.Spacing())
		require.NoError(t, volume.SameSpace(sum, v))
		for i, p := range v.Data {
			if !(p >= 0 && p <= 1) {
				t.Fatalf("%v: %g", tissue, p)
			}
			sum.Data[i] += p
		}
		// The reference is symmetric, and so is the atlas.
		for k := range v.Size[2] {
			for j := range v.Size[1] {
				for i := range v.Size[0] / 2 {
					if v.At(i, j, k) != v.At(v.Size[0]-1-i, j, k) {
						t.Fatalf("%v: not symmetric at %d, %d, %d", tissue, i, j, k)
					}
				}
			}
		}
	}
	for _, s := range sum.Data { // seven values, each rounded to a seventeenth
		if s > 1+3.5/17 {
			t.Fatalf("the likelihoods add up to %g", s)
		}
	}
}

// Places of the MNI space whose tissue textbooks agree on.
func TestAnatomy(t *testing.T) {
	for _, c := range []struct {
		tissue  Tissue
		x, y, z float64
	}{
		{WhiteMatter, 28, -20, 32}, {WhiteMatter, -28, -20, 32}, // centrum semiovale
		{WhiteMatter, 0, -28, -30}, // pons
		{Ventricles, 8, 8, 14},     // body of the lateral ventricle
		{DeepGrey, 12, -18, 8},     // thalamus
		{DeepGrey, 26, 2, 0},       // putamen
		{Cortex, 20, -65, -45},     // cerebellum
		{Bone, 40, -100, 20}, {Bone, 0, 0, 85},
		{Soft, 0, 0, 98},
	} {
		best, p := Tissue(-1), 0.0
		for u := range Tissue(Tissues) {
			if q := at(Likelihood(u), c.x, c.y, c.z); q > p {
				best, p = u, q
			}
		}
		require.Equal(t, c.tissue, best, "at (%g, %g, %g): %v with %g", c.x, c.y, c.z, best, p)
	}
	brain := 0.0
	for _, p := range Brain().Data {
		brain += float64(p)
	}
	litres := brain * SpacingMM * SpacingMM * SpacingMM / 1e6
	require.InDelta(t, 1.65, litres, 0.25, "the ICBM152 brains are larger than most")
}

func TestFLAIR(t *testing.T) {
	f := FLAIR()
	require.InDelta(t, 1, at(f, 28, -20, 32), 0.1)
	require.Less(t, at(f, 8, 8, 14), 0.6)
	require.Zero(t, at(f, 96, 90, 100))
	f.Data[0] = float32(math.NaN()) // the caller's own copy
	require.Zero(t, FLAIR().Data[0])
}
