package volume

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// row is a volume of one row.
func row(values ...float32) *Volume {
	return &Volume{Grid: Grid{Size: [3]int{len(values), 1, 1}, Affine: Identity}, Data: values, Path: "m.nii.gz"}
}

func TestMaskRule(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		values []float32
		want   []bool
		err    string // a part of it
	}{
		{values: []float32{0, 1, 1}, want: []bool{false, true, true}},
		{values: []float32{0, 0.9999, 1}, want: []bool{false, true, true}},
		{values: []float32{-7e-6, 0.999, 1.001}, want: []bool{false, true, true}},
		{values: []float32{0, 255, 254.999}, want: []bool{false, true, true}},
		{values: []float32{0, 0, 0}, want: []bool{false, false, false}},
		{values: []float32{1, 1, 1}, want: []bool{true, true, true}},
		{values: []float32{nan, 1, 0}, want: []bool{false, true, false}},
		{values: []float32{nan, 1, nan}, want: []bool{false, true, false}},
		{values: []float32{nan, nan}, err: "every voxel is NaN"},
		{values: []float32{0, 1, inf}, err: "1 voxels are infinite"},
		{values: []float32{0, 0.5, 0}, err: "1 voxels hold values between 0 and 1 (voxel (1, 0, 0) is 0.5, the largest 0.5): a map of probabilities"},
		{values: []float32{0, 0.004, 0.009}, err: "2 voxels are not 0, but none is above 0.01 (the farthest from 0 by 0.009): a map of probabilities, or a mask stored with a wrong scale"},
		{values: []float32{0, 1e-30, 0}, err: "1 voxels are not 0"},
		{values: []float32{0, -1e-3, 0}, err: "1 voxels are not 0"},
		{values: []float32{float32(math.Copysign(0, -1)), 0}, want: []bool{false, false}},
		{values: []float32{0, 0.75, 1}, err: "a map of probabilities"},
		{values: []float32{0, 1.5, 1}, err: "it holds values from 0 to 1.5"},
		{values: []float32{-1, 1, 0}, err: "it holds values from -1 to 1"},
		{values: []float32{0, 70000, 0}, err: "whole numbers from 0 to 65535"},
		{values: []float32{0, 1, 2, 3}, err: "it holds the labels 1, 2 and 3"},
		{values: []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 130}, err: "13 different values from 1 to 130"},
	} {
		m, err := row(c.values...).Mask()
		if c.err != "" {
			require.ErrorContains(t, err, c.err, "%v", c.values)
			require.ErrorContains(t, err, "m.nii.gz: not a", "%v", c.values)
			continue
		}
		require.NoError(t, err, "%v", c.values)
		require.Equal(t, c.want, m.Data, "%v", c.values)
	}
	m, err := row(0, 2.995, 7).Labels()
	require.NoError(t, err)
	require.Equal(t, []uint16{0, 3, 7}, m)
	require.Equal(t, []bool{false, true, false}, row(0.5, 0.5000001, nan).Above(Threshold).Data)
	require.False(t, Marked(0.5))
	require.True(t, Marked(0.50001))
}

func TestMaskThroughAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "M.NII.GZ")
	m := NewMask(Grid{Size: [3]int{3, 4, 5}, Affine: Identity})
	m.Data[7], m.Data[11] = true, true
	require.NoError(t, WriteMask(path, m))
	got, err := ReadMask(path)
	require.NoError(t, err)
	require.Equal(t, m.Data, got.Data)
	require.Equal(t, 2, got.Count())
	require.Equal(t, path, got.Name())
	half := 0.5
	got, err = ReadMaskAbove(path, &half)
	require.NoError(t, err)
	require.Equal(t, m.Data, got.Data)
	require.Equal(t, m.Data, m.Resample(m.Grid).Data)
}

func TestNetworkOrder(t *testing.T) {
	from, start, size := [3]int{4, 3, 2}, [3]int{-1, 1, 0}, [3]int{3, 2, 4}
	src := make([]int, 24)
	for x := range src {
		src[x] = x + 1
	}
	dst := make([]int, 24)
	ToNetwork(dst, src, from, start, size)
	for i := range size[0] {
		for j := range size[1] {
			for k := range size[2] {
				x, y, z := i+start[0], j+start[1], k+start[2]
				want := 0
				if x >= 0 && x < 4 && y < 3 && z < 2 {
					want = (z*3+y)*4 + x + 1
				}
				require.Equal(t, want, dst[(i*size[1]+j)*size[2]+k])
			}
		}
	}
	back := make([]int, 24)
	FromNetwork(back, dst, from, start, size)
	for x, v := range back {
		i, j := x%4, x/4%3
		if i < 2 && j >= 1 {
			require.Equal(t, src[x], v)
		} else {
			require.Zero(t, v)
		}
	}
}

func TestEndings(t *testing.T) {
	for name, want := range map[string][2]string{
		"a.nii": {"a", ".nii"}, "d/FLAIR.NII.GZ": {"d/FLAIR", ".NII.GZ"}, "b.nii.nii.gz": {"b.nii", ".nii.gz"}, ".nii": {"", ".nii"},
	} {
		base, ending, ok := CutEnding(name)
		require.True(t, ok)
		require.Equal(t, want, [2]string{base, ending})
	}
	for _, name := range []string{"a.gz", "nii.gz", "a.nii.bz2", "", "a.hdr"} {
		require.False(t, IsImageName(name), name)
	}
}
