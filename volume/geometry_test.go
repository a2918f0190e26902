package volume

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

// randomRotation is uniform over rotations: a random unit quaternion.
func randomRotation(s *rng.Stream) [3][3]float64 {
	q := [4]float64{s.Normal(), s.Normal(), s.Normal(), s.Normal()}
	n := math.Sqrt(q[0]*q[0] + q[1]*q[1] + q[2]*q[2] + q[3]*q[3])
	return rotation(q[0]/n, q[1]/n, q[2]/n, q[3]/n)
}

// randomAffine has rotation, mirroring, anisotropic voxels and a little shear.
func randomAffine(s *rng.Stream) (a Affine) {
	r := randomRotation(s)
	for c := range 3 {
		step := s.Uniform(0.3, 4)
		if s.Bool(0.5) {
			step = -step
		}
		for i := range 3 {
			a[i][c] = r[i][c]*step + s.Uniform(-0.02, 0.02)
		}
	}
	for i := range 3 {
		a[i][3] = s.Uniform(-100, 100)
	}
	return a
}

func randomVolume(s *rng.Stream, size [3]int) *Volume {
	v := New(Grid{Size: size, Affine: randomAffine(s)})
	for i := range v.Data {
		v.Data[i] = float32(s.Normal())
	}
	return v
}

func TestAffineAlgebra(t *testing.T) {
	s := rng.New(1, "algebra")
	for range 200 {
		a, b := randomAffine(s), randomAffine(s)
		p := [3]float64{s.Normal(), s.Normal(), s.Normal()}
		require.InDelta(t, 0, distance(a.Mul(b).Apply(p), a.Apply(b.Apply(p))), 1e-10)
		require.InDelta(t, 0, distance(a.Inverse().Apply(a.Apply(p)), p), 1e-10)
		require.InDelta(t, a.Det()*b.Det(), a.Mul(b).Det(), 1e-9*math.Abs(a.Det()*b.Det()))
		g := Grid{Size: [3]int{2, 3, 4}, Affine: a}
		require.InDelta(t, 0, distance(g.Voxel(g.World(p[0], p[1], p[2])), p), 1e-10)
	}
	require.Panics(t, func() { Affine{}.Inverse() })
}

func TestQuaternionRoundTrip(t *testing.T) {
	s := rng.New(2, "quaternion")
	check := func(r [3][3]float64) {
		w, x, y, z := quaternion(r)
		require.GreaterOrEqual(t, w, 0.0)
		back := rotation(w, x, y, z)
		for i := range 9 {
			require.InDelta(t, r[i/3][i%3], back[i/3][i%3], 1e-14)
		}
	}
	for range 300 {
		check(randomRotation(s))
	}
	for _, d := range [][3]float64{{1, 1, 1}, {1, -1, -1}, {-1, 1, -1}, {-1, -1, 1}} { // none and half a turn
		check([3][3]float64{{d[0], 0, 0}, {0, d[1], 0}, {0, 0, d[2]}})
	}
}

// Which form is used, and what it says, for hand-made headers.
func TestForms(t *testing.T) {
	decode := func(change func(h *nifti1)) (*Volume, error) {
		h := sample1(Uint8)
		h.Quatern, h.Qoffset = [3]float32{0, 0, 1}, [3]float32{7, 8, 9} // half a turn about z
		change(h)
		return Decode(bytes.NewReader(file(binary.LittleEndian, h, make([]byte, 4), make([]byte, 60))), "f.nii")
	}
	f := func(x float32) float64 { return float64(x) }
	srow := Affine{{f(0.7), f(0.1), f(0.2), -30}, {f(-0.1), f(1.05), f(0.3), -40.5}, {f(0.05), f(-0.2), f(2.9), 12.25}}
	qform := Affine{{-f(0.8), 0, 0, 7}, {0, -f(1.1), 0, 8}, {0, 0, 3, 9}}
	for _, c := range []struct {
		name   string
		change func(h *nifti1)
		want   Affine
	}{
		{"sform before qform", func(h *nifti1) { h.QformCode = 1 }, srow},
		{"qform", func(h *nifti1) { h.QformCode, h.SformCode = 1, 0 }, qform},
		{"negative codes are none", func(h *nifti1) { h.QformCode, h.SformCode = 1, -1 }, qform},
		{"mirrored", func(h *nifti1) { h.QformCode, h.SformCode, h.Pixdim[0] = 1, 0, -1 },
			Affine{{-f(0.8), 0, 0, 7}, {0, -f(1.1), 0, 8}, {0, 0, -3, 9}}},
		{"pixdim[0] of 0 counts as 1", func(h *nifti1) { h.QformCode, h.SformCode, h.Pixdim[0] = 1, 0, 0 }, qform},
		{"neither", func(h *nifti1) { h.SformCode = 0 }, Affine{{f(0.8), 0, 0, 0}, {0, f(1.1), 0, 0}, {0, 0, 3, 0}}},
		{"sign of a size", func(h *nifti1) { h.SformCode, h.Pixdim[2] = 0, -1.1 }, Affine{{f(0.8), 0, 0, 0}, {0, f(1.1), 0, 0}, {0, 0, 3, 0}}},
		{"metres", func(h *nifti1) { h.SformCode, h.Units, h.Pixdim = 0, 1, [8]float32{1, 0.5, 0.25, 1} },
			Affine{{500, 0, 0, 0}, {0, 250, 0, 0}, {0, 0, 1000, 0}}},
		{"micrometres", func(h *nifti1) { h.SformCode, h.Units, h.Pixdim = 0, 3, [8]float32{1, 500, 250, 1000} },
			Affine{{0.5, 0, 0, 0}, {0, 0.25, 0, 0}, {0, 0, 1, 0}}},
	} {
		v, err := decode(c.change)
		require.NoError(t, err, c.name)
		require.InDelta(t, 0, cornerDistance(c.want, v.Affine, [3]int{2, 2, 2}), 1e-12, c.name)
	}

	v, err := decode(func(h *nifti1) {})
	require.NoError(t, err)
	require.Equal(t, srow.Spacing(), v.Spacing(), "the sform, for pixdim contradicts it")
	require.Len(t, v.Source.Warnings(), 2)
	require.Contains(t, v.Source.Warnings()[0], "voxels are 0.708872×1.07355×2.92233 mm by the sform and 0.8×1.1×3 mm by pixdim")
	require.Contains(t, v.Source.Warnings()[1], "the axes of the voxels meet at 82.9 degrees instead of 90")
	v, err = decode(func(h *nifti1) { h.QformCode, h.SformCode = 1, 0 })
	require.NoError(t, err)
	require.Empty(t, v.Source.Warnings())
	require.Equal(t, [3]float64{f(0.8), f(1.1), 3}, v.Spacing(), "pixdim to the bit, not the affine's columns")
	require.Equal(t, v.Spacing(), v.Like().Spacing())
	v, err = decode(func(h *nifti1) {})
	require.NoError(t, err)
	v.Affine[0][3]++
	require.Equal(t, srow.Spacing(), v.Spacing(), "another grid than the file's")
	v, err = decode(func(h *nifti1) { h.Pixdim[1] = 0 })
	require.NoError(t, err, "the sform is enough")
	require.Equal(t, srow.Spacing(), v.Spacing())

	for want, change := range map[string]func(h *nifti1){
		"the sform is singular":              func(h *nifti1) { h.Srow = [12]float32{} },
		"the sform has an entry of NaN":      func(h *nifti1) { h.Srow[5] = float32(math.NaN()) },
		"the sform has an entry of 1e+10":    func(h *nifti1) { h.Srow[3] = 1e10 },
		"the pixdim is singular: its voxels": func(h *nifti1) { h.SformCode, h.Pixdim[1] = 0, 1e-7 },
		"pixdim[1] is 0":                     func(h *nifti1) { h.SformCode, h.Pixdim[1] = 0, 0 },
		"pixdim[3] is NaN":                   func(h *nifti1) { h.SformCode, h.QformCode, h.Pixdim[3] = 0, 1, float32(math.NaN()) },
		"the qform's quaternion (1, 1, 1)":   func(h *nifti1) { h.SformCode, h.QformCode, h.Quatern = 0, 1, [3]float32{1, 1, 1} },
		"the qform has an entry of NaN":      func(h *nifti1) { h.SformCode, h.QformCode, h.Qoffset[1] = 0, 1, float32(math.NaN()) },
		"the qform's quaternion (NaN, 0, 0":  func(h *nifti1) { h.SformCode, h.QformCode, h.Quatern = 0, 1, [3]float32{float32(math.NaN())} },
	} {
		_, err := decode(change)
		require.ErrorContains(t, err, "f.nii: "+want)
	}
}

func TestCodes(t *testing.T) {
	for codes, a := range map[string]Affine{
		"RAS": Identity,
		"LPS": {{-1, 0, 0, 5}, {0, -2, 0, 5}, {0, 0, 3, 5}},
		"SRP": {{0, 1, 0, 0}, {0.1, 0, -1, 0}, {2, 0.3, 0, 0}},
		"AIL": {{0, 0, -1, 0}, {1, 0, 0, 0}, {0, -4, 0, 0}},
	} {
		require.Equal(t, codes, a.Codes())
	}
}

func TestCanonical(t *testing.T) {
	s := rng.New(4, "canonical")
	seen := map[string]bool{}
	for range 300 {
		v := randomVolume(s, [3]int{2 + s.Intn(4), 1 + s.Intn(5), 2 + s.Intn(5)})
		v.Path = "p"
		c := Canonical(v)
		seen[v.Affine.Codes()] = true
		require.Equal(t, "RAS", c.Affine.Codes())
		require.Equal(t, v.Grid.Canonical(), c.Grid)
		require.Equal(t, v, FromCanonical(c, v.Grid), "grid and voxels come back exactly")

		// Every voxel is where it was.
		for range 10 {
			i, j, k := s.Intn(c.Size[0]), s.Intn(c.Size[1]), s.Intn(c.Size[2])
			p := v.Grid.Voxel(c.Grid.World(float64(i), float64(j), float64(k)))
			var q [3]int
			for n := range q {
				q[n] = int(math.Round(p[n]))
				require.InDelta(t, float64(q[n]), p[n], 1e-9)
			}
			require.Equal(t, v.At(q[0], q[1], q[2]), c.At(i, j, k))
		}
	}
	require.Len(t, seen, 48, "all orientations were met")
	require.Panics(t, func() {
		FromCanonical(New(Grid{Size: [3]int{1, 2, 3}, Affine: Identity}), Grid{Size: [3]int{3, 2, 1}, Affine: Identity})
	})
}

func TestIso(t *testing.T) {
	s := rng.New(5, "iso")
	for range 200 {
		g := Grid{Size: [3]int{1 + s.Intn(200), 1 + s.Intn(200), 1 + s.Intn(60)}, Affine: randomAffine(s)}
		mm := s.Uniform(0.5, 2)
		iso, err := Iso(g, mm)
		require.NoError(t, err)
		require.Equal(t, "RAS", iso.Affine.Codes())
		c := g.Canonical()
		sc, centreOut, centreIn := c.Affine.Spacing(), [3]float64{}, [3]float64{}
		for a, x := range iso.Affine.Spacing() {
			require.InDelta(t, mm, x, 1.1e-4*mm)
			fov := sc[a] * float64(c.Size[a])
			require.GreaterOrEqual(t, x*float64(iso.Size[a]), fov-2e-3*mm, "covers the field of view")
			require.Less(t, x*float64(iso.Size[a]-1), fov, "and no more")
			centreOut[a], centreIn[a] = float64(iso.Size[a]-1)/2, float64(c.Size[a]-1)/2
		}
		require.InDelta(t, 0, distance(iso.Affine.Apply(centreOut), c.Affine.Apply(centreIn)), 1e-9)
	}

	las := Grid{Size: [3]int{5, 6, 7}, Affine: Affine{{-1.00005, 0, 0, 66}, {0, 1, 0, -100}, {0, 0, 1, -58}}}
	iso, err := Iso(las, 1)
	require.NoError(t, err)
	require.Equal(t, las.Canonical(), iso, "only flipped")

	wide := float64(float32(0.7)) // 100 voxels are 69.999999 mm, or a little more than 70
	for _, x := range []float64{wide, 1.4 - wide} {
		iso, err = Iso(Grid{Size: [3]int{100, 100, 100}, Affine: Affine{{x, 0, 0, 0}, {0, x, 0, 0}, {0, 0, x, 0}}}, 1)
		require.NoError(t, err)
		require.Equal(t, [3]int{70, 70, 70}, iso.Size, "rounding adds no layer")
	}

	for _, mm := range []float64{0, -1, math.NaN()} {
		_, err = Iso(las, mm)
		require.Error(t, err)
	}
	_, err = Iso(Grid{Size: [3]int{200, 200, 200}, Affine: Affine{{1000, 0, 0, 0}, {0, 1000, 0, 0}, {0, 0, 1000, 0}}}, 1)
	require.ErrorContains(t, err, "is the unit of length right?")
	_, err = Iso(las, 1e-300)
	require.ErrorContains(t, err, "needs more than")
}

func TestSameSpace(t *testing.T) {
	g := Grid{Size: [3]int{100, 120, 60}, Affine: Affine{{-0.7, 0, 0, 60}, {0, -0.7, 0, 70}, {0, 0, 3, -50}}}
	a, b := New(g), New(g)
	a.Path, b.Path = "one.nii", "two.nii"
	require.NoError(t, SameSpace(a, b))

	b.Affine[2][3] += 0.049 * 3
	require.NoError(t, SameSpace(a, b), "within a twentieth of a voxel")
	b.Affine[2][3] += 0.002 * 3
	require.ErrorContains(t, SameSpace(a, b), "one.nii and two.nii are not in the same space: corners up to 0.153 mm apart")

	b.Affine = g.Affine
	b.Affine[1][3] += 2.5
	require.EqualError(t, SameSpace(a, b), "one.nii and two.nii are not in the same space: corners up to 2.5 mm apart "+
		"(first voxels 2.5 mm apart); resample one to the other")

	turned := rotation(math.Cos(math.Pi/360), 0, 0, math.Sin(math.Pi/360)) // one degree
	b.Affine = Affine{}
	for r := range 3 {
		for c := range 3 {
			for k := range 3 {
				b.Affine[r][c] += turned[r][k] * g.Affine[k][c]
			}
		}
		b.Affine[r][3] = g.Affine[r][3]
	}
	require.ErrorContains(t, SameSpace(a, b), "turned by 1 degrees")

	require.ErrorContains(t, SameSpace(a, Canonical(a)), "axes LPS and RAS")
	b = New(Grid{Size: [3]int{100, 120, 61}, Affine: g.Affine})
	require.ErrorContains(t, SameSpace(a, b), "shape 100×120×60 and 100×120×61 voxels")
}
