package volume

import (
	"testing"

	"github.com/stretchr/testify/require"
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

func dice(a, b *Mask) float64 {
	both := a.Like()
	for x := range a.Data {
		both.Data[x] = a.Data[x] && b.Data[x]
	}
	return 2 * float64(both.Count()) / float64(a.Count()+b.Count())
}
