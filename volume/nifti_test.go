package volume

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

// nifti1 and nifti2 are the structures of nifti1.h and nifti2.h, field by field:
// a description of the format that shares nothing with the reader's.
type nifti1 struct {
	SizeofHdr                    int32
	DataType                     [10]byte
	DBName                       [18]byte
	Extents                      int32
	SessionError                 int16
	Regular, DimInfo             byte
	Dim                          [8]int16
	IntentP                      [3]float32
	IntentCode, Datatype, Bitpix int16
	SliceStart                   int16
	Pixdim                       [8]float32
	VoxOffset, Slope, Inter      float32
	SliceEnd                     int16
	SliceCode, Units             byte
	CalMax, CalMin               float32
	SliceDuration, Toffset       float32
	Glmax, Glmin                 int32
	Descrip                      [80]byte
	AuxFile                      [24]byte
	QformCode, SformCode         int16
	Quatern, Qoffset             [3]float32
	Srow                         [12]float32
	IntentName                   [16]byte
	Magic                        [4]byte
}

type nifti2 struct {
	SizeofHdr              int32
	Magic                  [8]byte
	Datatype, Bitpix       int16
	Dim                    [8]int64
	IntentP                [3]float64
	Pixdim                 [8]float64
	VoxOffset              int64
	Slope, Inter           float64
	CalMax, CalMin         float64
	SliceDuration, Toffset float64
	SliceStart, SliceEnd   int64
	Descrip                [80]byte
	AuxFile                [24]byte
	QformCode, SformCode   int32
	Quatern, Qoffset       [3]float64
	Srow                   [12]float64
	SliceCode, Units       int32
	IntentCode             int32
	IntentName             [16]byte
	DimInfo                byte
	Unused                 [15]byte
}

// sample1 and sample2 are 3×4×5 images in millimetres with an oblique sform.
func sample1(t DType) *nifti1 {
	h := &nifti1{SizeofHdr: 348, Dim: [8]int16{3, 3, 4, 5, 1, 1, 1, 1}, Datatype: int16(t), Bitpix: int16(8 * t.Size()),
		Pixdim: [8]float32{1, 0.8, 1.1, 3, 2.5, 0, 0, 0}, VoxOffset: 352, Units: 10, SformCode: 1,
		Srow:  [12]float32{0.7, 0.1, 0.2, -30, -0.1, 1.05, 0.3, -40.5, 0.05, -0.2, 2.9, 12.25},
		Magic: [4]byte{'n', '+', '1'}, Glmax: 77, Toffset: 3.5, CalMax: 900}
	copy(h.Descrip[:], "a made-up scan")
	copy(h.AuxFile[:], "aux")
	return h
}

func sample2(t DType) *nifti2 {
	h := &nifti2{SizeofHdr: 540, Dim: [8]int64{3, 3, 4, 5, 1, 1, 1, 1}, Datatype: int16(t), Bitpix: int16(8 * t.Size()),
		Pixdim: [8]float64{1, 0.8, 1.1, 3, 2.5, 0, 0, 0}, VoxOffset: 544, Units: 10, SformCode: 1,
		Srow:  [12]float64{0.7, 0.1, 0.2, -30, -0.1, 1.05, 0.3, -40.5, 0.05, -0.2, 2.9, 12.25},
		Magic: [8]byte{'n', '+', '2', 0, '\r', '\n', 0x1a, '\n'}, Toffset: 3.5, CalMax: 900}
	copy(h.Descrip[:], "a made-up scan")
	return h
}

// file is header, what follows it, voxels, in one byte order.
func file(order binary.ByteOrder, header any, extra []byte, voxels any) []byte {
	var b bytes.Buffer
	for _, part := range []any{header, extra, voxels} {
		if err := binary.Write(&b, order, part); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

// extremes are 60 values of each type that include its limits.
func extremes(t DType) (voxels any, want []float32) {
	switch t {
	case Uint8:
		return draw(0, math.MaxUint8, func(u uint64) uint8 { return uint8(u) })
	case Int8:
		return draw(math.MinInt8, math.MaxInt8, func(u uint64) int8 { return int8(u) })
	case Int16:
		return draw(math.MinInt16, math.MaxInt16, func(u uint64) int16 { return int16(u) })
	case Uint16:
		return draw(0, math.MaxUint16, func(u uint64) uint16 { return uint16(u) })
	case Int32:
		return draw(math.MinInt32, math.MaxInt32, func(u uint64) int32 { return int32(u) })
	case Uint32:
		return draw(0, math.MaxUint32, func(u uint64) uint32 { return uint32(u) })
	case Int64:
		return draw(math.MinInt64, math.MaxInt64, func(u uint64) int64 { return int64(u) })
	case Uint64:
		return draw(0, math.MaxUint64, func(u uint64) uint64 { return u })
	case Float32:
		return draw(-math.MaxFloat32, math.SmallestNonzeroFloat32, func(u uint64) float32 { return float32(int32(u)) * 1e-3 })
	case Float64:
		return draw(-1e300, 1e-300, func(u uint64) float64 { return float64(int32(u)) * 1e-3 })
	}
	panic(t)
}

func draw[T number](lo, hi T, f func(uint64) T) (any, []float32) {
	s := rng.New(1, "extremes")
	raw, want := []T{lo, hi, 0, 1}, []float32{}
	for len(raw) < 60 {
		raw = append(raw, f(s.Uint64()))
	}
	for _, x := range raw {
		want = append(want, float32(x))
	}
	return raw, want
}

func TestDecodeEveryTypeOrderAndVersion(t *testing.T) {
	for _, dt := range DTypes {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			for version, h := range map[int]any{1: sample1(dt), 2: sample2(dt)} {
				t.Run(fmt.Sprintf("%s/%s/%d", dt, order, version), func(t *testing.T) {
					raw, want := extremes(dt)
					b := file(order, h, make([]byte, 4), raw)
					v, err := Decode(bytes.NewReader(b), "x.nii")
					require.NoError(t, err)
					require.Equal(t, [3]int{3, 4, 5}, v.Size)
					require.Equal(t, want, v.Data)
					require.Equal(t, dt, v.Source.DType())
					require.Equal(t, version, v.Source.Version())
					require.Equal(t, "a made-up scan", v.Source.Description())
					require.Equal(t, "x.nii", v.Name())
					require.InDelta(t, 12.25, v.Affine[2][3], 0)
					require.InDelta(t, -0.2, v.Affine[2][1], 1e-7)

					var z bytes.Buffer
					w := gzip.NewWriter(&z)
					_, err = w.Write(b)
					require.NoError(t, err)
					require.NoError(t, w.Close())
					u, err := Decode(&z, "x.nii")
					require.NoError(t, err, "content, not the name, decides about gzip")
					require.Equal(t, v, u)

					// Back to bytes: all but what Encode clears is as it was.
					if dt == Int64 || dt == Uint64 || dt == Float64 || dt == Int32 || dt == Uint32 {
						return // float32 does not hold all their values
					}
					var out bytes.Buffer
					require.NoError(t, Encode(&out, v, dt))
					expect := bytes.Clone(b)
					size := []int{0, 348, 540}[version]
					g := header{layout: layouts[version], b: expect[:size], version: version, order: order}
					g.putFloat(g.slope, 0, 1)
					g.putFloat(g.calMax, 0, 0)
					require.Equal(t, expect, out.Bytes())
				})
			}
		}
	}
}

func TestFloat64BeyondFloat32IsNotFinite(t *testing.T) {
	raw, _ := extremes(Float64)
	v, err := Decode(bytes.NewReader(file(binary.LittleEndian, sample1(Float64), make([]byte, 4), raw)), "big.nii")
	require.NoError(t, err)
	require.EqualError(t, v.CheckFinite(), "big.nii: 1 of 60 voxels are NaN or infinite, the first at (0, 0, 0); set them to 0 (numpy.nan_to_num, fslmaths -nan), or give a brain mask that leaves them out")
}

func TestScaling(t *testing.T) {
	raw := make([]int16, 60)
	for i := range raw {
		raw[i] = int16(1000*i - 30000)
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct{ slope, inter, a, b float32 }{
		{0.25, -7, 0.25, -7}, {-2, 0, -2, 0}, {1, 5, 1, 5}, {1, 0, 1, 0},
		{0, 9, 1, 0}, {nan, 9, 1, 0}, {inf, 9, 1, 0}, // no scaling stored
	} {
		h := sample1(Int16)
		h.Slope, h.Inter = c.slope, c.inter
		v, err := Decode(bytes.NewReader(file(binary.BigEndian, h, make([]byte, 4), raw)), "x")
		require.NoError(t, err)
		for i, x := range v.Data {
			require.Equal(t, float32(float64(raw[i])*float64(c.a)+float64(c.b)), x, "slope %g inter %g", c.slope, c.inter)
		}
	}
	h := sample1(Int16)
	h.Slope, h.Inter = 2, nan
	_, err := Decode(bytes.NewReader(file(binary.LittleEndian, h, make([]byte, 4), raw)), "x")
	require.EqualError(t, err, "x: scl_inter is NaN")
}
