package volume

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

func TestBrainMask(t *testing.T) {
	v := New(Grid{Size: [3]int{9, 9, 9}})
	v.Path = "t1.nii.gz"
	want := NewMask(v.Grid)
	for k := 2; k < 7; k++ {
		for j := 2; j < 7; j++ {
			for i := 1; i < 7; i++ {
				v.Data[v.Index(i, j, k)] = float32(i + j)
				want.Data[v.Index(i, j, k)] = true
			}
		}
	}
	v.Data[v.Index(4, 4, 4)] = 0                       // a ventricle at 0
	for _, p := range [][3]int{{8, 8, 8}, {7, 7, 7}} { // pieces of their own count too
		v.Data[v.Index(p[0], p[1], p[2])] = 7
		want.Data[v.Index(p[0], p[1], p[2])] = true
	}
	got, err := BrainMask(v)
	require.NoError(t, err)
	require.Equal(t, want.Data, got.Data)
	require.Equal(t, v.Grid, got.Grid)
	require.Empty(t, got.Path, "a computed mask does not come from the image's file")
}

func TestBrainMaskRefuses(t *testing.T) {
	v := New(Grid{Size: [3]int{4, 4, 4}})
	v.Path = "t1.nii.gz"
	_, err := BrainMask(v)
	require.ErrorContains(t, err, "t1.nii.gz: no non-zero voxels")
	for x := range v.Data {
		v.Data[x] = float32(x + 1)
	}
	_, err = BrainMask(v)
	require.ErrorContains(t, err, "t1.nii.gz: 100.0 % of the voxels are non-zero: the image is not skull-stripped")
}

// A brain with a ventricle in a bright scalp, a dark skull between, noise all over.
func TestHeadBrainMask(t *testing.T) {
	v := New(Grid{Size: [3]int{60, 64, 30}, Affine: Affine{{1}, {0, 1}, {0, 0, 2}}})
	v.Path = "head.nii"
	truth := NewMask(v.Grid)
	s := rng.New(1, "head")
	for x := range v.Data {
		p := v.World(float64(x%60)-29.5, float64(x/60%64)-31.5, float64(x/3840)-14.5)
		r := math.Sqrt(p[0]*p[0] + p[1]*p[1] + p[2]*p[2])
		f := 5.0
		switch {
		case math.Hypot(p[0]-4, p[1]) < 3 && math.Abs(p[2]) < 9:
			f = 20 // a ventricle
		case r < 20:
			f = 100
		case r > 23 && r < 27:
			f = 130 // scalp
		case math.Abs(p[0]) < 2 && p[1] > 0 && r < 24:
			f = 90 // a thin bridge
		}
		v.Data[x] = float32(math.Abs(f + 4*s.Normal()))
		if r < 20 {
			truth.Data[x] = true
		}
	}
	got, err := HeadBrainMask(v)
	require.NoError(t, err)
	require.Greater(t, dice(truth, got), 0.95)
	require.True(t, got.At(33, 31, 14), "the ventricle belongs to the brain")
}

func dice(a, b *Mask) float64 {
	both := a.Like()
	for x := range a.Data {
		both.Data[x] = a.Data[x] && b.Data[x]
	}
	return 2 * float64(both.Count()) / float64(a.Count()+b.Count())
}

func TestHeadBrainMaskOfRealImages(t *testing.T) {
	truth := mustReadMask(t, shared(t, "longitudinal", "patient01", "brainmask.nii.gz"))
	got, err := HeadBrainMask(mustRead(t, shared(t, "longitudinal", "patient01", "flair_time01.nii.gz")))
	require.NoError(t, err)
	require.Greater(t, dice(truth, got), 0.95)
	// A whole head, uncropped: the volume of an adult's brain.
	got, err = HeadBrainMask(mustRead(t, shared(t, "raw", "patient01", "study2_FLAIR.nii.gz")))
	require.NoError(t, err)
	mm3 := got.VoxelMM3() * float64(got.Count())
	want := truth.VoxelMM3() * float64(truth.Count())
	require.InEpsilon(t, want, mm3, 0.1)
}

func TestHeadBrainMaskRefuses(t *testing.T) {
	v := New(Grid{Size: [3]int{12, 12, 12}, Affine: Affine{{1}, {0, 1}, {0, 0, 1}}})
	v.Path = "head.nii"
	_, err := HeadBrainMask(v)
	require.ErrorContains(t, err, "head.nii: no non-zero voxels")
	for x := range v.Data {
		v.Data[x] = -1 - float32(x%3)
	}
	_, err = HeadBrainMask(v)
	require.ErrorContains(t, err, "head.nii: brain mask: no voxel is above 0")
	for x := range v.Data {
		v.Data[x] = float32(1 + 100*(x%2))
	}
	_, err = HeadBrainMask(v)
	require.ErrorContains(t, err, "head.nii: brain mask: nothing bright")
}

func TestOtsu(t *testing.T) {
	// Two values: half way between them. Values that are not positive do not count.
	got, err := otsu([]float32{10, 10, 10, 90, 90, -500})
	require.NoError(t, err)
	require.InDelta(t, 50, got, 1)
}
