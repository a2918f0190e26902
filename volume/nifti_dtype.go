package volume

import (
	"encoding/binary"
	"fmt"
	"math"
)

// DType is how a NIfTI file stores one voxel. The values are NIfTI's codes.
type DType int16

// The types that are read and written.
const (
	Uint8   DType = 2
	Int16   DType = 4
	Int32   DType = 8
	Float32 DType = 16
	Float64 DType = 64
	Int8    DType = 256
	Uint16  DType = 512
	Uint32  DType = 768
	Int64   DType = 1024
	Uint64  DType = 1280
)

// DTypes lists them.
var DTypes = []DType{Uint8, Int8, Int16, Uint16, Int32, Uint32, Int64, Uint64, Float32, Float64}

var dtypeNames = map[DType]string{
	Uint8: "uint8", Int8: "int8", Int16: "int16", Uint16: "uint16", Int32: "int32", Uint32: "uint32",
	Int64: "int64", Uint64: "uint64", Float32: "float32", Float64: "float64",
}

// refusedTypes states what the other codes of the standard mean.
var refusedTypes = map[DType]string{
	0:    "unknown (code 0)",
	1:    "1-bit, whose packing the standard leaves open",
	32:   "complex64: save its magnitude",
	128:  "RGB colour, not an MR intensity",
	1536: "128-bit float: save as float32",
	1792: "complex128: save its magnitude",
	2048: "complex256: save its magnitude",
	2304: "RGBA colour, not an MR intensity",
}

// String is the usual name: "uint8", "float32".
func (t DType) String() string {
	if s, ok := dtypeNames[t]; ok {
		return s
	}
	return fmt.Sprintf("type code %d", int16(t))
}

// Size is the number of bytes of a voxel; 0 for a type that is not supported.
func (t DType) Size() int {
	switch t {
	case Uint8, Int8:
		return 1
	case Int16, Uint16:
		return 2
	case Int32, Uint32, Float32:
		return 4
	case Int64, Uint64, Float64:
		return 8
	}
	return 0
}

// check is the reason why t cannot be read, or nil.
func (t DType) check() error {
	if t.Size() > 0 {
		return nil
	}
	if why, ok := refusedTypes[t]; ok {
		return fmt.Errorf("voxel type is %s", why)
	}
	return fmt.Errorf("voxel type code %d is not in the NIfTI standard", int16(t))
}

// limits are the smallest and largest value an integer type can hold.
func (t DType) limits() (lo, hi float64, integer bool) {
	switch t {
	case Uint8:
		return 0, math.MaxUint8, true
	case Int8:
		return math.MinInt8, math.MaxInt8, true
	case Int16:
		return math.MinInt16, math.MaxInt16, true
	case Uint16:
		return 0, math.MaxUint16, true
	case Int32:
		return math.MinInt32, math.MaxInt32, true
	case Uint32:
		return 0, math.MaxUint32, true
	case Int64: // the largest float64 below 2⁶³
		return math.MinInt64, 0x1p63 - 1024, true
	case Uint64:
		return 0, 0x1p64 - 2048, true
	}
	return 0, 0, false
}

// swap reverses the bytes of every voxel in b.
func swap(b []byte, size int) {
	switch size {
	case 2:
		for i := 0; i+1 < len(b); i += 2 {
			b[i], b[i+1] = b[i+1], b[i]
		}
	case 4:
		for i := 0; i+3 < len(b); i += 4 {
			binary.LittleEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
		}
	case 8:
		for i := 0; i+7 < len(b); i += 8 {
			binary.LittleEndian.PutUint64(b[i:], binary.BigEndian.Uint64(b[i:]))
		}
	}
}

// decode turns little-endian voxels into real-world values: raw·slope + inter
// in float64, then rounded once; slope 0 means that no scaling is stored.
func (t DType) decode(dst []float32, src []byte, slope, inter float64) {
	le := binary.LittleEndian
	switch t {
	case Uint8:
		scale(dst, slope, inter, func(i int) uint8 { return src[i] })
	case Int8:
		scale(dst, slope, inter, func(i int) int8 { return int8(src[i]) })
	case Int16:
		scale(dst, slope, inter, func(i int) int16 { return int16(le.Uint16(src[2*i:])) })
	case Uint16:
		scale(dst, slope, inter, func(i int) uint16 { return le.Uint16(src[2*i:]) })
	case Int32:
		scale(dst, slope, inter, func(i int) int32 { return int32(le.Uint32(src[4*i:])) })
	case Uint32:
		scale(dst, slope, inter, func(i int) uint32 { return le.Uint32(src[4*i:]) })
	case Int64:
		scale(dst, slope, inter, func(i int) int64 { return int64(le.Uint64(src[8*i:])) })
	case Uint64:
		scale(dst, slope, inter, func(i int) uint64 { return le.Uint64(src[8*i:]) })
	case Float32:
		scale(dst, slope, inter, func(i int) float32 { return math.Float32frombits(le.Uint32(src[4*i:])) })
	case Float64:
		scale(dst, slope, inter, func(i int) float64 { return math.Float64frombits(le.Uint64(src[8*i:])) })
	}
}

type number interface {
	~uint8 | ~int8 | ~int16 | ~uint16 | ~int32 | ~uint32 | ~int64 | ~uint64 | ~float32 | ~float64
}

func scale[T number](dst []float32, slope, inter float64, raw func(i int) T) {
	if slope == 0 || slope == 1 && inter == 0 {
		for i := range dst {
			dst[i] = float32(raw(i))
		}
		return
	}
	for i := range dst {
		// The conversion of the product forbids a fused multiply-add, which some
		// processors would use and others not.
		dst[i] = float32(float64(float64(raw(i))*slope) + inter)
	}
}

// encode turns values into little-endian voxels, integers rounded to the nearest
// (half to even). It returns the index of the first value that t cannot hold, or -1.
func (t DType) encode(dst []byte, src []float32) int {
	le := binary.LittleEndian
	lo, hi, integer := t.limits()
	for i, v := range src {
		x := float64(v)
		if integer {
			x = math.RoundToEven(x)
			if !(x >= lo && x <= hi) {
				return i
			}
		}
		switch t {
		case Uint8:
			dst[i] = uint8(x)
		case Int8:
			dst[i] = byte(int8(x))
		case Int16:
			le.PutUint16(dst[2*i:], uint16(int16(x)))
		case Uint16:
			le.PutUint16(dst[2*i:], uint16(x))
		case Int32:
			le.PutUint32(dst[4*i:], uint32(int32(x)))
		case Uint32:
			le.PutUint32(dst[4*i:], uint32(x))
		case Int64:
			le.PutUint64(dst[8*i:], uint64(int64(x)))
		case Uint64:
			le.PutUint64(dst[8*i:], uint64(x))
		case Float32:
			le.PutUint32(dst[4*i:], math.Float32bits(v))
		case Float64:
			le.PutUint64(dst[8*i:], math.Float64bits(x))
		}
	}
	return -1
}
