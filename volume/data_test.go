package volume

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// shared is a file of the development images, which are not part of the project.
func shared(t *testing.T, name ...string) string {
	path := filepath.Join(append([]string{"..", "..", "shared", "data"}, name...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the development images are not here: %v", err)
	}
	return path
}

func mustRead(t *testing.T, path string) *Volume {
	v, err := Read(path)
	require.NoError(t, err)
	require.NoError(t, v.CheckFinite())
	return v
}

func mustReadMask(t *testing.T, path string) *Mask {
	m, err := ReadMask(path)
	require.NoError(t, err)
	return m
}

// correlation is Pearson's, over the voxels in the mask.
func correlation(a, b *Volume, mask *Mask) float64 {
	var n, sa, sb, aa, bb, ab float64
	for i, m := range mask.Data {
		if m {
			x, y := float64(a.Data[i]), float64(b.Data[i])
			n, sa, sb, aa, bb, ab = n+1, sa+x, sb+y, aa+x*x, bb+y*y, ab+x*y
		}
	}
	return (n*ab - sa*sb) / math.Sqrt((n*aa-sa*sa)*(n*bb-sb*sb))
}

func TestRealImages(t *testing.T) {
	for _, c := range []struct {
		path  []string
		size  [3]int
		codes string
		dt    DType
	}{
		{[]string{"cross_sectional", "patient07", "flair.nii.gz"}, [3]int{133, 166, 132}, "LAS", Int16},
		{[]string{"longitudinal", "patient01", "flair_time02.nii.gz"}, [3]int{183, 239, 43}, "LPS", Int16},
		{[]string{"raw", "patient01", "study1_FLAIR.nii.gz"}, [3]int{320, 320, 36}, "LPS", Uint16},
		{[]string{"lesion_prior", "masks", "patient01.nii.gz"}, [3]int{182, 218, 182}, "LAS", Uint8}, // qform only
	} {
		path := shared(t, c.path...)
		v := mustRead(t, path)
		require.Equal(t, c.size, v.Size, path)
		require.Equal(t, c.codes, v.Affine.Codes(), path)
		require.Equal(t, c.dt, v.Source.DType(), path)
		s, err := ReadHeader(path)
		require.NoError(t, err)
		require.Equal(t, v.Grid, s.Grid())

		out := filepath.Join(t.TempDir(), "copy.nii.gz")
		require.NoError(t, Write(out, v, c.dt))
		back := mustRead(t, out)
		require.True(t, slices.Equal(v.Data, back.Data))
		v.Source.hdr.putFloat(v.Source.hdr.calMax, 0, 0) // the display range goes
		require.Equal(t, v.Source.hdr.b, back.Source.hdr.b, "the header to the bit")
		require.Equal(t, v.Source.extra, back.Source.extra)
	}

	dir := filepath.Join("longitudinal", "patient01")
	lesions := mustRead(t, shared(t, dir, "new_lesions.nii.gz"))
	voxels, mm := 0.0, lesions.Spacing()
	for _, x := range lesions.Data {
		voxels += float64(x)
	}
	require.InDelta(t, 2475, voxels*mm[0]*mm[1]*mm[2], 1, "the volume its README states")
	require.NoError(t, SameSpace(lesions, mustRead(t, shared(t, dir, "flair_time01.nii.gz"))))
}

// A millimetre image reaches the networks' grid and comes back without any
// interpolation.
func TestRealIsotropicIsOnlyReordered(t *testing.T) {
	v := mustRead(t, shared(t, "cross_sectional", "patient07", "flair.nii.gz"))
	iso, err := Iso(v.Grid, 1)
	require.NoError(t, err)
	require.Equal(t, v.Grid.Canonical(), iso)
	w := Resample(v, iso, Linear, 0)
	require.True(t, slices.Equal(Canonical(v).Data, w.Data))
	require.True(t, slices.Equal(v.Data, Resample(w, v.Grid, Linear, 0).Data))
}

// The published transforms take the raw scans to the common space, where others
// have resampled them (with another program, rounding to whole numbers).
func TestRealTransforms(t *testing.T) {
	for _, n := range []string{"1", "2"} {
		raw := mustRead(t, shared(t, "raw", "patient01", "study"+n+"_FLAIR.nii.gz"))
		want := mustRead(t, shared(t, "longitudinal", "patient01", "flair_time0"+n+".nii.gz"))
		mask := mustReadMask(t, shared(t, "longitudinal", "patient01", "brainmask.nii.gz"))
		tr, err := ReadITK(shared(t, "raw", "patient01", "study"+n+"_FLAIR_to_common_space.txt"))
		require.NoError(t, err)

		got := ResampleThrough(raw, want.Grid, tr, Cubic, 0)
		r := correlation(got, want, mask)
		t.Logf("study %s: correlation %.6f in the brain", n, r)
		require.Greater(t, r, 0.9999)
		// Theirs are whole numbers in the range of the raw scan, and what to do beyond
		// its outermost voxel centres is a matter of convention.
		top := slices.Max(raw.Data)
		compared, off := 0, 0
		toRaw := raw.Affine.Inverse().Mul(tr).Mul(got.Affine)
		for i, x := range got.Data {
			nx, ny := got.Size[0], got.Size[1]
			p := toRaw.Apply([3]float64{float64(i % nx), float64(i / nx % ny), float64(i / (nx * ny))})
			if min(p[0], p[1], p[2]) >= 0 && p[0] <= 319 && p[1] <= 319 && p[2] <= float64(raw.Size[2]-1) {
				compared++
				if math.Abs(float64(want.Data[i]-max(0, min(top, x)))) > 0.51 {
					off++
				}
			}
		}
		require.Zero(t, off)
		require.Greater(t, compared, got.Len()*95/100)
		wrong := correlation(ResampleThrough(raw, want.Grid, tr.Inverse(), Cubic, 0), want, mask)
		t.Logf("study %s: with the inverse transform %.3f", n, wrong)
		require.Less(t, wrong, 0.9)

		// Out through the inverse: where the brain was in the raw scan.
		back := ResampleThrough(got, raw.Grid, tr.Inverse(), Cubic, 0)
		in := ResampleThrough(mask.Volume(), raw.Grid, tr.Inverse(), Nearest, 0)
		require.Greater(t, correlation(back, raw, in.Above(Threshold)), 0.95)
	}
}
