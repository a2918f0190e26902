package volume

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

// oblique is a header of 320×320×46 voxels of 0.72×0.72×3 mm, stored LPS, tilted: half a
// turn but for a fraction of a degree.
func oblique(tilt, yaw, roll float64) *nifti1 {
	r := mul3(turn(2, yaw), mul3(turn(0, tilt), turn(1, roll)))
	for i := range 3 {
		r[i][0], r[i][1] = -r[i][0], -r[i][1]
	}
	h := sample1(Uint8)
	h.Dim = [8]int16{3, 320, 320, 46, 1, 1, 1, 1}
	h.Pixdim = [8]float32{1, 0.72, 0.72, 3}
	h.SformCode, h.QformCode = 1, 1
	for i := range 3 {
		for j, s := range []float64{0.72, 0.72, 3} {
			h.Srow[4*i+j] = float32(r[i][j] * s)
		}
		h.Srow[4*i+3] = float32(100 - 50*i)
		h.Qoffset[i] = float32(100 - 50*i)
	}
	_, x, y, z := quaternion(r)
	h.Quatern = [3]float32{float32(x), float32(y), float32(z)}
	return h
}

// onlyHeader is the volume of a header without its voxels.
func onlyHeader(t *testing.T, h *nifti1, name string) *Volume {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, file(binary.LittleEndian, h, make([]byte, 4), []byte{}), 0o600))
	s, err := ReadHeader(path)
	require.NoError(t, err)
	return &Volume{Grid: s.Grid(), Source: s, Path: name}
}

// What a program makes of a scan that keeps only one of its forms is on the scan's
// grid: of two thousand prescriptions none is refused, and a shift of a tenth of a
// voxel always is.
func TestOneFormOnly(t *testing.T) {
	was := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(was) })
	r := rng.New(5, "prescriptions")
	apart, refused, shifted := 0, 0, 0
	degrees := func(sd float64) float64 { return sd * r.Normal() * math.Pi / 180 }
	const n = 2000
	for range n {
		h := oblique(-10*math.Pi/180+degrees(10), degrees(2), degrees(2))
		place := func(h *nifti1) *Volume {
			s, err := readSource(h)
			require.NoError(t, err)
			return &Volume{Grid: s.grid, Source: s}
		}
		scan := place(h)
		q := *h
		q.SformCode, q.Srow = 0, [12]float32{}
		qform := place(&q)
		s := *h
		s.QformCode = 0
		sform := place(&s)
		if cornerDistance(scan.Affine, qform.Affine, scan.Size) > 1e-3 {
			apart++
		}
		// The qform of another program: rounded otherwise.
		q.Quatern[2] = math.Nextafter32(q.Quatern[2], 0)
		other := place(&q)
		for _, m := range []*Volume{qform, sform, other} {
			if SpaceDifference(scan, m) != "" || SpaceDifference(m, scan) != "" {
				refused++
			}
		}
		if SpaceDifference(sform, qform) != "" {
			refused++
		}
		h.Srow[3] += 0.072
		s.Srow[3] += 0.072
		if SpaceDifference(sform, place(&s)) == "" {
			shifted++
		}
	}
	require.Greater(t, apart, n/5, "prescriptions whose forms are more than a micrometre apart")
	require.Zero(t, refused)
	require.Zero(t, shifted, "a tenth of a voxel")
}

// readSource is what a header says.
func readSource(h *nifti1) (*Source, error) {
	_, s, err := open(bytes.NewReader(file(binary.LittleEndian, h, make([]byte, 4), []byte{})))
	return s, err
}

func TestFormsThatContradict(t *testing.T) {
	h := oblique(0.1, 0, 0)
	v := onlyHeader(t, h, "good.nii")
	require.Empty(t, v.Source.Warnings())
	require.Equal(t, [3]float64{float64(float32(0.72)), float64(float32(0.72)), 3}, v.Spacing())

	moved := *h
	moved.Qoffset[0] += 5
	v = onlyHeader(t, &moved, "moved.nii")
	require.Contains(t, v.Source.Warnings()[0], "by the qform voxels are up to 5 mm")

	zero := *h
	zero.Srow = [12]float32{}
	v = onlyHeader(t, &zero, "zero.nii")
	require.Contains(t, v.Source.Warnings()[0], "the sform is singular")
	require.Contains(t, v.Source.Warnings()[0], "the qform is used")

	none := *h
	none.SformCode, none.QformCode = 0, 0
	v = onlyHeader(t, &none, "none.nii")
	require.Contains(t, v.Source.Warnings()[0], "neither qform nor sform")
}

func TestMaskOn(t *testing.T) {
	g := Grid{Size: [3]int{4, 5, 6}, Affine: Affine{{-2, 0, 0, 9}, {0, -2, 0, 8}, {0, 0, 3, 7}}}
	scan := New(g)
	m := NewMask(g)
	m.Data[g.Index(1, 2, 3)] = true
	same, err := m.On(scan)
	require.NoError(t, err)
	require.Same(t, m, same)
	flipped := m.Resample(g.Canonical())
	require.NotEqual(t, m.Grid, flipped.Grid)
	back, err := flipped.On(scan)
	require.NoError(t, err)
	require.Equal(t, m.Data, back.Data)
	require.Equal(t, g, back.Grid)
	flipped.Affine[0][3] += 0.5
	_, err = flipped.On(scan)
	require.ErrorContains(t, err, "not in the same space")
}

func TestImplausibleBrains(t *testing.T) {
	g := Grid{Size: [3]int{100, 120, 90}, Affine: Affine{{-2, 0, 0, 0}, {0, -2, 0, 0}, {0, 0, 2, 0}}}
	ball := func(rx, ry, rz, k0 float64) *Mask {
		m := NewMask(g)
		for x := range m.Data {
			i, j, k := g.voxelAt(x)
			m.Data[x] = math.Pow((float64(i)-49.5)/rx, 2)+math.Pow((float64(j)-59.5)/ry, 2)+math.Pow((float64(k)-k0)/rz, 2) < 1
		}
		return m
	}
	require.Empty(t, ball(36, 44, 33, 44).Implausible(), "a large brain: 1.75 litres")
	require.Contains(t, ball(45, 55, 44, 44).Implausible(), "it has 3.6 litres (42 % of the image, 53 % of the box around it); a brain has up to 2")
	require.Contains(t, ball(30, 52, 33, 44).Implausible(), "it is 208 mm long; a brain has up to 190")
	require.Contains(t, ball(36, 44, 33, 0).Implausible(), "it covers up to 41 % of the image's lower face")
	require.Contains(t, ball(36, 44, 33, 89).Implausible(), "upper face")
}

// A spline that moved a stripped image leaves values near 0 all over its background.
func TestBrainMaskOfAMovedImage(t *testing.T) {
	g := Grid{Size: [3]int{40, 40, 40}, Affine: Identity}
	v := New(g)
	r := rng.New(3, "brain")
	truth := NewMask(g)
	for x := range v.Data {
		i, j, k := g.voxelAt(x)
		if math.Hypot(math.Hypot(float64(i)-19.5, float64(j)-19.5), float64(k)-19.5) < 11 {
			v.Data[x] = float32(100 + 5*r.Normal())
			truth.Data[x] = true
		}
	}
	shift := Identity
	shift[0][3], shift[1][3], shift[2][3] = 0.3, 0.2, 0.1
	moved := ResampleThrough(v, g, shift, Cubic, 0)
	require.Greater(t, float64(moved.NonZero().Count()), 0.9*float64(g.Len()))
	m, err := BrainMask(moved)
	require.NoError(t, err)
	require.Greater(t, dice(m, truth), 0.8)
	for x, in := range truth.Data {
		require.False(t, in && !m.Data[x] && moved.Data[x] > 20, "no brain is lost")
	}
}

func TestBrainMaskSaysWhatTheBackgroundIs(t *testing.T) {
	v := New(Grid{Size: [3]int{10, 10, 10}, Affine: Identity})
	v.Path = "ct.nii"
	for x := range v.Data {
		v.Data[x] = -1000
		if x%10 < 4 {
			v.Data[x] = float32(100 + x%7)
		}
	}
	_, err := BrainMask(v)
	require.ErrorContains(t, err, "ct.nii: 60 % of the voxels are -1000: the background is not 0")
	require.ErrorIs(t, err, ErrBackground)
	require.ErrorContains(t, err, "--brainmask")
	for x, f := range v.Data { // the same beside a value that is 0 but for a rounding or a marker
		if f < 0 {
			v.Data[x] = -1
		}
	}
	m, err := BrainMask(v)
	require.NoError(t, err)
	require.Equal(t, 400, m.Count())
}
