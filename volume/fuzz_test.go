package volume

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
)

// Whatever comes in, there is an error or a sound volume, which survives writing.
func FuzzDecode(f *testing.F) {
	for _, dt := range []DType{Uint8, Int16, Float64} {
		raw, _ := extremes(dt)
		b := file(binary.LittleEndian, sample1(dt), make([]byte, 4), raw)
		f.Add(b)
		f.Add(file(binary.BigEndian, sample2(dt), make([]byte, 4), raw))
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		_, err := w.Write(b)
		require.NoError(f, err)
		require.NoError(f, w.Close())
		f.Add(z.Bytes())
	}
	h := sample1(Int8)
	h.QformCode, h.SformCode, h.Quatern, h.VoxOffset = 1, 0, [3]float32{0.5, 0.5, 0.5}, 368
	f.Add(file(binary.LittleEndian, h, make([]byte, 20), make([]byte, 60)))
	f.Add(file(binary.LittleEndian, h, append([]byte{1, 0, 0, 0, 16, 0, 0, 0, 6}, make([]byte, 11)...), make([]byte, 60)))

	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := Decode(bytes.NewReader(b), "fuzz.nii")
		if err != nil {
			require.ErrorContains(t, err, "fuzz.nii: ")
			return
		}
		require.Len(t, v.Data, v.Len())
		require.Positive(t, v.Len())
		require.NoError(t, v.Affine.check())
		for _, s := range v.Spacing() {
			require.True(t, s > 0 && !math.IsInf(s, 0), "spacing %g", s)
		}
		_ = v.CheckFinite()
		_, _ = Iso(v.Grid, 1)
		require.Equal(t, v.Grid, FromCanonical(Canonical(v), v.Grid).Grid)
		require.NoError(t, SameSpace(v, v))

		var out bytes.Buffer
		require.NoError(t, Encode(&out, v, Float32))
		back, err := Decode(bytes.NewReader(out.Bytes()), "again.nii")
		require.NoError(t, err)
		require.Equal(t, v.Grid, back.Grid)
		require.Equal(t, v.Spacing(), back.Spacing())
		for i, x := range v.Data { // bits: NaN is not equal to itself
			require.Equal(t, math.Float32bits(x), math.Float32bits(back.Data[i]))
		}

		// On a grid that is not the file's, the forms are made anew.
		c := Canonical(v)
		c.Source = nil
		out.Reset()
		require.NoError(t, Encode(&out, c, Float32))
		back, err = Decode(bytes.NewReader(out.Bytes()), "canonical.nii")
		require.NoError(t, err)
		require.Equal(t, c.Size, back.Size)
	})
}

func FuzzITK(f *testing.F) {
	f.Add([]byte(itkFile("AffineTransform", "1 0 0 0 1 0 0 0 1 1 2 3", "1 2 3")))
	f.Add([]byte(itkFile("Euler3DTransform", "0.1 0.2 0.3 1 2 3", "1 2 3 1")))
	f.Add([]byte(itkFile("VersorRigid3DTransform", "0.1 0.2 0.3 1 2 3", "1 2 3")))
	f.Add([]byte(itkFile("Similarity3DTransform", "0.1 0.2 0.3 1 2 3 1.1", "1 2 3")))
	f.Add([]byte(itkFile("QuaternionRigidTransform", "0 0 0 1 1 2 3", "1 2 3")))
	f.Add([]byte(itkFile("IdentityTransform", "", "")))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parseITK(b)
		if err != nil {
			return
		}
		require.NoError(t, a.check())
		a.Inverse()
	})
}
