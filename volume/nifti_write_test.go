package volume

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

func TestWriteKeepsTheHeader(t *testing.T) {
	extra := append([]byte{1, 0, 0, 0}, make([]byte, 48)...)
	binary.LittleEndian.PutUint32(extra[4:], 48) // one comment of 48 bytes
	binary.LittleEndian.PutUint32(extra[8:], 6)
	copy(extra[12:], "made by nobody")
	h := sample1(Int16)
	h.VoxOffset = 348 + 52
	h.Dim = [8]int16{4, 3, 4, 5, 1, 1, 1, 1}
	h.Slope, h.Inter = 0.5, 3
	h.QformCode, h.SformCode = 3, 4
	h.Quatern, h.Qoffset = [3]float32{0.1, 0.2, 0.3}, [3]float32{1, 2, 3}
	h.IntentCode, h.IntentName[0] = 1002, 'L'
	raw := make([]int16, 60)
	v, err := Decode(bytes.NewReader(file(binary.LittleEndian, h, extra, raw)), "in.nii")
	require.NoError(t, err)
	mask := v.Like()
	mask.Data[7] = 1

	for _, name := range []string{"out.nii", "out.nii.gz", "OUT.NII.GZ"} {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, Write(path, mask, Uint8))
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		if name != "out.nii" {
			again := filepath.Join(t.TempDir(), "another name.nii.gz")
			require.NoError(t, Write(again, mask, Uint8))
			c, err := os.ReadFile(again)
			require.NoError(t, err)
			require.Equal(t, b, c, "the same volume gives the same bytes")
			z, err := gzip.NewReader(bytes.NewReader(b))
			require.NoError(t, err)
			require.Equal(t, make([]byte, 4), b[4:8], "no time")
			require.Empty(t, z.Name)
			var plain bytes.Buffer
			_, err = plain.ReadFrom(z)
			require.NoError(t, err)
			b = plain.Bytes()
		}
		var got nifti1
		require.NoError(t, binary.Read(bytes.NewReader(b), binary.LittleEndian, &got))
		want := *h
		want.Datatype, want.Bitpix, want.Slope, want.Inter, want.CalMax, want.IntentCode = 2, 8, 1, 0, 0, 0
		want.IntentName[0] = 0
		require.Equal(t, want, got)
		require.Equal(t, extra, b[348:400])
		require.Equal(t, append([]byte{0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 52)...), b[400:])

		back, err := Read(path)
		require.NoError(t, err)
		require.Equal(t, v.Grid, back.Grid)
		require.Equal(t, mask.Data, back.Data)
	}
}

func TestWriteOnANewGrid(t *testing.T) {
	s := rng.New(3, "grids")
	for range 50 {
		// A rotation, mirrored half of the time, with float32 entries.
		r := randomRotation(s)
		var a Affine
		for c := range 3 {
			step := s.Uniform(0.3, 5)
			if c == 2 && s.Bool(0.5) {
				step = -step
			}
			for i := range 3 {
				a[i][c] = float64(float32(r[i][c] * step))
				a[i][3] = float64(float32(s.Uniform(-200, 200)))
			}
		}
		v := New(Grid{Size: [3]int{2, 3, 4}, Affine: a})
		var b bytes.Buffer
		require.NoError(t, Encode(&b, v, Float32))
		back, err := Decode(bytes.NewReader(b.Bytes()), "x")
		require.NoError(t, err)
		require.Equal(t, v.Grid, back.Grid)
		q, sf := back.Source.Forms()
		require.Equal(t, [2]int{2, 2}, [2]int{q, sf})
		require.Equal(t, byte(2), b.Bytes()[123], "millimetres")

		// The qform says the same.
		form, err := back.Source.hdr.qform(v.Size)
		require.NoError(t, err)
		require.Less(t, cornerDistance(form, a, v.Size), 1e-4)
		for i, x := range back.Spacing() {
			require.InEpsilon(t, a.Spacing()[i], x, 1e-7)
			require.Equal(t, x, float64(float32(x)), "a float32 widened")
		}
	}

	sheared := New(Grid{Size: [3]int{20, 30, 40}, Affine: Affine{{1, 0.2, 0, 1}, {0, 1, 0, 2}, {0, 0, 1, 3}}})
	var b bytes.Buffer
	require.NoError(t, Encode(&b, sheared, Int8))
	back, err := Decode(&b, "x")
	require.NoError(t, err)
	q, sf := back.Source.Forms()
	require.Equal(t, [2]int{0, 2}, [2]int{q, sf}, "a quaternion has no shear")

	// A volume that carries another grid's source keeps its words, not its place.
	raw := make([]int16, 60)
	h := sample1(Int16)
	h.SformCode = 4
	v, err := Decode(bytes.NewReader(file(binary.BigEndian, h, make([]byte, 4), raw)), "in.nii")
	require.NoError(t, err)
	moved := Canonical(v)
	moved.Affine[0][3] += 5
	b.Reset()
	require.NoError(t, Encode(&b, moved, Uint8))
	back, err = Decode(&b, "x")
	require.NoError(t, err)
	require.InDelta(t, 0, cornerDistance(moved.Affine, back.Affine, moved.Size), 1e-5)
	require.Equal(t, 8|2, back.Source.hdr.unitsCode(), "seconds stay")
	require.Equal(t, "a made-up scan", back.Source.Description())
	_, sf = back.Source.Forms()
	require.Equal(t, 4, sf)

	long := New(Grid{Size: [3]int{40000, 1, 1}, Affine: Identity})
	b.Reset()
	require.NoError(t, Encode(&b, long, Uint8))
	back, err = Decode(&b, "x")
	require.NoError(t, err)
	require.Equal(t, 2, back.Source.Version(), "more than an int16 counts")
}

func TestWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	v := New(Grid{Size: [3]int{2, 2, 2}, Affine: Identity})
	require.ErrorContains(t, Write(filepath.Join(dir, "x.img"), v, Uint8), "the name must end in .nii or .nii.gz")
	v.Data[6] = 256
	for _, c := range []struct {
		x  float32
		dt DType
	}{{256, Uint8}, {-1, Uint8}, {255.6, Uint8}, {float32(math.NaN()), Int16}, {32768, Int16}, {-129, Int8},
		{65536, Uint16}, {0x1p31, Int32}, {0x1p32, Uint32}, {0x1p63, Int64}, {0x1p64, Uint64}, {float32(math.Inf(1)), Uint64}} {
		v.Data[6] = c.x
		err := Write(filepath.Join(dir, "x.nii"), v, c.dt)
		require.ErrorContains(t, err, "x.nii: voxel (0, 1, 1) is ", "%v as %s", c.x, c.dt)
		require.ErrorContains(t, err, "which "+c.dt.String()+" cannot hold")
	}
	require.Error(t, Write(filepath.Join(dir, "x.nii"), v, DType(128)))
	v.Data = v.Data[1:]
	require.ErrorContains(t, Write(filepath.Join(dir, "x.nii"), v, Uint8), "7 values for 8 voxels")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "nothing half-written")

	v = New(Grid{Size: [3]int{2, 2, 2}}) // an affine of zeros
	require.ErrorContains(t, Write(filepath.Join(dir, "x.nii"), v, Uint8), "singular")
}

func TestWriteRoundsToEven(t *testing.T) {
	v := New(Grid{Size: [3]int{5, 1, 1}, Affine: Identity})
	copy(v.Data, []float32{0.5, 1.5, -0.5, 2.4, 255.4})
	var b bytes.Buffer
	require.NoError(t, Encode(&b, v, Uint8))
	require.Equal(t, []byte{0, 2, 0, 2, 255}, b.Bytes()[352:])
}
