package weights

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/nlpodyssey/safetensors"

	"voxgrad/internal/text"
)

// Tensor is a named array in a file: row-major, little-endian.
type Tensor struct {
	Name  string
	Type  string // F32, F64, F16, BF16, I64, I32, U64, U8, …
	Shape []int
	Data  []byte // nil if the header alone was read
}

// Len is the number of elements.
func (t Tensor) Len() int {
	n := 1
	for _, e := range t.Shape {
		n *= e
	}
	return n
}

// vector is the shape of a list.
func vector(n int) []int { return []int{n} }

// Float32 is a tensor of F32. A nil shape means a list.
func Float32(name string, shape []int, x []float32) Tensor {
	data := make([]byte, 0, 4*len(x))
	for _, v := range x {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return made(name, "F32", shape, len(x), data)
}

// Float64 is a tensor of F64.
func Float64(name string, shape []int, x []float64) Tensor {
	data := make([]byte, 0, 8*len(x))
	for _, v := range x {
		data = binary.LittleEndian.AppendUint64(data, math.Float64bits(v))
	}
	return made(name, "F64", shape, len(x), data)
}

// Uint64 is a list of U64: counters and keys.
func Uint64(name string, x []uint64) Tensor {
	data := make([]byte, 0, 8*len(x))
	for _, v := range x {
		data = binary.LittleEndian.AppendUint64(data, v)
	}
	return made(name, "U64", nil, len(x), data)
}

// Int64 is a list of I64.
func Int64(name string, x []int64) Tensor {
	u := make([]uint64, len(x))
	for i, v := range x {
		u[i] = uint64(v)
	}
	t := Uint64(name, u)
	t.Type = "I64"
	return t
}

// Bytes is a list of U8: a text, a JSON document.
func Bytes(name string, x []byte) Tensor { return made(name, "U8", nil, len(x), x) }

func made(name, kind string, shape []int, n int, data []byte) Tensor {
	if shape == nil {
		shape = vector(n)
	}
	t := Tensor{Name: name, Type: kind, Shape: shape, Data: data}
	if t.Len() != n {
		panic(fmt.Sprintf("weights: %d values for %s of shape %v", n, name, shape))
	}
	return t
}

// Float32s is the content as float32: exact for F32, F16 and BF16, rounded for
// F64.
func (t Tensor) Float32s() ([]float32, error) {
	if err := t.read(); err != nil {
		return nil, err
	}
	out := make([]float32, t.Len())
	for i := range out {
		switch t.Type {
		case "F32":
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
		case "F64":
			out[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(t.Data[8*i:])))
		case "BF16":
			out[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(t.Data[2*i:])) << 16)
		case "F16":
			out[i] = half(binary.LittleEndian.Uint16(t.Data[2*i:]))
		default:
			return nil, t.wrong("floating-point numbers")
		}
	}
	return out, nil
}

// half is the value of an IEEE 754 binary16.
func half(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, int(h>>10&31), float64(h&1023)
	var v float64
	switch exp {
	case 0:
		v = math.Ldexp(frac, -24)
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | uint32(h&1023)<<13)
	default:
		v = math.Ldexp(1024+frac, exp-25)
	}
	return math.Float32frombits(sign | math.Float32bits(float32(v)))
}

// Float64s is the content of a tensor of F64.
func (t Tensor) Float64s() ([]float64, error) {
	if t.Type != "F64" {
		return nil, t.wrong("F64")
	}
	if err := t.read(); err != nil {
		return nil, err
	}
	out := make([]float64, t.Len())
	for i := range out {
		out[i] = math.Float64frombits(binary.LittleEndian.Uint64(t.Data[8*i:]))
	}
	return out, nil
}

// Uint64s is the content of a tensor of U64 or of I64 without negative numbers.
func (t Tensor) Uint64s() ([]uint64, error) {
	x, err := t.words("U64")
	if err != nil {
		x, err = t.words("I64")
		for _, v := range x {
			if int64(v) < 0 {
				return nil, fmt.Errorf("tensor %s: a negative number", text.Clean(t.Name))
			}
		}
	}
	return x, err
}

// Int64s is the content of a tensor of I64.
func (t Tensor) Int64s() ([]int64, error) {
	x, err := t.words("I64")
	out := make([]int64, len(x))
	for i, v := range x {
		out[i] = int64(v)
	}
	return out, err
}

func (t Tensor) words(kind string) ([]uint64, error) {
	if t.Type != kind {
		return nil, t.wrong(kind)
	}
	if err := t.read(); err != nil {
		return nil, err
	}
	out := make([]uint64, t.Len())
	for i := range out {
		out[i] = binary.LittleEndian.Uint64(t.Data[8*i:])
	}
	return out, nil
}

// read reports whether the contents are there.
func (t Tensor) read() error {
	if t.Data == nil && t.Len() > 0 {
		return fmt.Errorf("tensor %s: its contents were not read", text.Clean(t.Name))
	}
	return nil
}

func (t Tensor) wrong(wanted string) error {
	return fmt.Errorf("tensor %s holds %s, not %s", text.Clean(t.Name), t.Type, wanted)
}

// view shows a Tensor to the library that writes.
type view struct {
	Tensor
	kind safetensors.DType
}

func (v view) DType() safetensors.DType { return v.kind }
func (v view) Data() []byte             { return v.Tensor.Data }
func (v view) DataLen() uint64          { return uint64(len(v.Tensor.Data)) }
func (v view) Shape() []uint64 {
	s := make([]uint64, len(v.Tensor.Shape))
	for i, e := range v.Tensor.Shape {
		s[i] = uint64(e)
	}
	return s
}

// Float16 is a tensor of F16, each value rounded to the nearest, ties to even. The error is for a value beyond
// the type's range.
func Float16(name string, shape []int, x []float32) (Tensor, error) {
	data := make([]byte, 0, 2*len(x))
	for _, v := range x {
		h := toHalf(v)
		if h&0x7fff >= 0x7c00 && !math.IsInf(float64(v), 0) {
			return Tensor{}, fmt.Errorf("tensor %s: %g is beyond the range of half precision", text.Clean(name), v)
		}
		data = binary.LittleEndian.AppendUint16(data, h)
	}
	return made(name, "F16", shape, len(x), data), nil
}

// toHalf is the IEEE 754 binary16 nearest to v, ties to even.
func toHalf(v float32) uint16 {
	bits := math.Float32bits(v)
	sign := uint16(bits >> 16 & 0x8000)
	abs := math.Abs(float64(v))
	switch {
	case abs != abs:
		return sign | 0x7e00
	case abs < 0x1p-14: // subnormal: whole multiples of 2⁻²⁴
		return sign + uint16(math.RoundToEven(abs*0x1p24))
	case abs >= 65520: // half way to what would follow the largest
		return sign | 0x7c00
	}
	frac, exp := math.Frexp(abs) // frac in [½, 1)
	m := math.RoundToEven(frac * 2048)
	return sign + uint16(exp+13)<<10 + uint16(m) // m from 1024; 2048 carries into the exponent
}
