package weights

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func sample() []Tensor {
	return []Tensor{
		Float32("b", []int{2, 3}, []float32{1, 2, 3, 4, 5, float32(math.Inf(1))}),
		Float32("a", nil, []float32{-0.5}),
		Float64("moments", []int{2}, []float64{math.Pi, -1}),
		Int64("step", []int64{-7}),
		Uint64("key", []uint64{math.MaxUint64, 3}),
		Bytes("config", []byte("[train]\n")),
		Bytes("empty", nil),
	}
}

func TestWriteAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	meta := map[string]string{"model": "segmenter", "note": "ä \"quoted\"\n"}
	require.NoError(t, Write(path, sample(), meta))
	f, err := Read(path)
	require.NoError(t, err)
	require.Equal(t, path, f.Path)
	require.Equal(t, meta, f.Meta)
	require.Len(t, f.Tensors, len(sample()))
	for _, want := range sample() {
		got, ok := f.Get(want.Name)
		require.True(t, ok, want.Name)
		require.Equal(t, want.Type, got.Type)
		require.Equal(t, want.Shape, got.Shape)
		require.Equal(t, string(want.Data), string(got.Data))
	}
	_, ok := f.Get("c")
	require.False(t, ok)

	x, _ := f.Get("moments")
	d, err := x.Float64s()
	require.NoError(t, err)
	require.Equal(t, []float64{math.Pi, -1}, d)
	s, err := x.Float32s()
	require.NoError(t, err)
	require.Equal(t, []float32{math.Pi, -1}, s)
	_, err = x.Uint64s()
	require.ErrorContains(t, err, "tensor moments holds F64")
	x, _ = f.Get("step")
	i, err := x.Int64s()
	require.NoError(t, err)
	require.Equal(t, []int64{-7}, i)
	_, err = x.Uint64s()
	require.ErrorContains(t, err, "negative")
	_, err = x.Float32s()
	require.ErrorContains(t, err, "tensor step holds I64, not floating-point")
	_, err = x.Float64s()
	require.Error(t, err)
	x, _ = f.Get("key")
	u, err := x.Uint64s()
	require.NoError(t, err)
	require.Equal(t, []uint64{math.MaxUint64, 3}, u)
}

// The order in which tensors are given and the run do not show in the bytes.
func TestSameContentSameBytes(t *testing.T) {
	dir := t.TempDir()
	meta := map[string]string{}
	for i := range 20 {
		meta[fmt.Sprint("key", i)] = "v"
	}
	var first []byte
	for i := range 4 {
		x := sample()
		x[0], x[i] = x[i], x[0]
		path := filepath.Join(dir, fmt.Sprint(i))
		require.NoError(t, Write(path, x, meta))
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		if i == 0 {
			first = b
		}
		require.Equal(t, first, b)
	}
}

func TestWriteRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	for want, x := range map[string][]Tensor{
		"the name a is taken":              {Bytes("a", nil), Bytes("a", nil)},
		"the name __metadata__":            {Bytes("__metadata__", nil)},
		"tensor a [3] of F32 has 11 bytes": {{Name: "a", Type: "F32", Shape: []int{3}, Data: make([]byte, 11)}},
		"tensor a: invalid DType":          {{Name: "a", Type: "F31", Shape: []int{3}, Data: make([]byte, 12)}},
	} {
		err := Write(path, x, nil)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, path)
		require.NoFileExists(t, path)
	}
	_, err := Make("x", []Tensor{Bytes("a", nil), Bytes("a", nil)}, nil)
	require.ErrorContains(t, err, "two tensors are called a")
	require.Panics(t, func() { Float32("a", []int{2}, []float32{1}) })
}

func TestHalfPrecision(t *testing.T) {
	for bits, want := range map[uint16]float32{
		0x0000: 0, 0x8000: float32(math.Copysign(0, -1)), 0x3c00: 1, 0xc000: -2, 0x7bff: 65504,
		0x0001: 0x1p-24, 0x03ff: 1023 * 0x1p-24, 0x0400: 0x1p-14, 0x3555: 0.333251953125,
		0x7c00: float32(math.Inf(1)), 0xfc00: float32(math.Inf(-1)),
	} {
		x := Tensor{Type: "F16", Shape: []int{1}, Data: binary.LittleEndian.AppendUint16(nil, bits)}
		got, err := x.Float32s()
		require.NoError(t, err)
		require.Equal(t, math.Float32bits(want), math.Float32bits(got[0]), "%04x", bits)
	}
	nan, err := Tensor{Type: "F16", Shape: []int{1}, Data: []byte{1, 0x7c}}.Float32s()
	require.NoError(t, err)
	require.True(t, math.IsNaN(float64(nan[0])))
	brain, err := Tensor{Type: "BF16", Shape: []int{1}, Data: []byte{0x40, 0xc0}}.Float32s()
	require.NoError(t, err)
	require.Equal(t, []float32{-3}, brain)
}

// raw is a file with a header of choice.
func raw(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

const huge = "18446744073709551615"

// broken are files that must be refused.
var broken = map[string]struct {
	file []byte
	want string
}{
	"empty":               {nil, "not a safetensors file: only 0 bytes"},
	"text":                {[]byte("hello, this is a text file of some length"), "not a safetensors file"},
	"zip":                 {[]byte("PK\x03\x04 and so on and on"), "PyTorch's own"},
	"Git LFS":             {[]byte("version https://git-lfs.github.com/spec/v1\noid sha256:1234"), "not a safetensors file but a Git LFS pointer, not the weights: fetch them with git lfs pull"},
	"web page":            {[]byte("<!doctype html><html><body>404</body></html>"), "a web page"},
	"HDF5":                {[]byte("\x89HDF\r\n\x1a\n and so on and on and on"), "HDF5"},
	"gzip":                {[]byte("\x1f\x8b\x08 and so on and on and on"), "compressed"},
	"many axes":           {raw(`{"a":{"dtype":"U8","shape":[1`+strings.Repeat(",1", 99)+`],"data_offsets":[0,1]}}`, 1), "tensor \"a\" has 100 axes"},
	"escape sequences":    {raw(`{"\u001b[2J":{"dtype":"U8","shape":[2],"data_offsets":[0,1]}}`, 1), `tensor "\x1b[2J" has shape [2]`},
	"type of nonsense":    {raw(`{"a":{"dtype":"\u001b[2J","shape":[2],"data_offsets":[0,1]}}`, 1), `\x1b[2J`},
	"pickle":              {[]byte("\x80\x02}q\x00(X and so on and on"), "PyTorch's own"},
	"header past the end": {append(binary.LittleEndian.AppendUint64(nil, 5000), "{}      "...), "a header of 5000 bytes in a file of 16"},
	"header of 100 GB":    {append(binary.LittleEndian.AppendUint64(nil, 100e9), "{}      "...), "not a safetensors file"},
	"no JSON":             {raw("{]", 0), "cannot be understood"},
	"truncated data":      {raw(`{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`, 15), "truncated: tensor \"a\" ends at byte 16 of the data, the file has 15"},
	"bytes left over":     {raw(`{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`, 17), "1 bytes after the last tensor"},
	"shape too large":     {raw(`{"a":{"dtype":"F32","shape":[5],"data_offsets":[0,16]}}`, 16), `"a" has shape [5] of F32 in 16 bytes`},
	"a product that wraps": {raw(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, 0),
		"has shape"},
	"offsets that wrap": {raw(`{"a":{"dtype":"U8","shape":[`+huge+`],"data_offsets":[0,`+huge+`]},"b":{"dtype":"U8","shape":[2],"data_offsets":[`+huge+`,1]}}`, 1),
		"truncated: tensor \"a\""},
	"overlap":        {raw(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), "\"b\" starts at byte 1 instead of 2"},
	"backwards":      {raw(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,0]}}`, 2), "\"b\" starts"},
	"negative shape": {raw(`{"a":{"dtype":"U8","shape":[-2],"data_offsets":[0,2]}}`, 2), "cannot be understood"},
	"unknown type":   {raw(`{"a":{"dtype":"F7","shape":[2],"data_offsets":[0,2]}}`, 2), "F7"},
	"null":           {raw(`{"a":null}`, 2), "cannot be understood"},
}

func TestBrokenFiles(t *testing.T) {
	for name, c := range broken {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.safetensors")
			require.NoError(t, os.WriteFile(path, c.file, 0o644))
			_, err := Read(path)
			require.ErrorContains(t, err, c.want)
			require.True(t, strings.HasPrefix(err.Error(), path), err.Error())
		})
	}
	_, err := Read(t.TempDir())
	require.ErrorContains(t, err, "is a folder: a regular file is needed")
	_, err = Read("absent")
	require.ErrorContains(t, err, "absent")
}

// Every prefix of a good file is refused.
func TestTruncatedAnywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	require.NoError(t, Write(path, sample(), nil))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = Decode(b)
	require.NoError(t, err)
	for n := range b {
		_, err := Decode(b[:n])
		require.Error(t, err, "%d of %d bytes", n, len(b))
	}
}

// A header that lies about sizes costs nothing.
func TestNoMemoryOnTheHeadersWord(t *testing.T) {
	lie := raw(`{"a":{"dtype":"F32","shape":[1000000000],"data_offsets":[0,4000000000]}}`, 8)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Decode(lie)
	runtime.ReadMemStats(&after)
	require.ErrorContains(t, err, "truncated")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

// The header of a file that says it has a terabyte is read for nothing; the
// contents are refused.
func TestHugeFile(t *testing.T) {
	const n = 1 << 40
	path := filepath.Join(t.TempDir(), "huge.safetensors")
	header := fmt.Sprintf(`{"__metadata__":{"model":"segmenter"},"a":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}`, n/4, n)
	require.NoError(t, os.WriteFile(path, append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...), 0o600))
	if err := os.Truncate(path, int64(8+len(header)+n)); err != nil {
		t.Skip("no sparse files here: ", err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := ReadHeader(path)
	require.NoError(t, err)
	require.Equal(t, []int{n / 4}, f.Tensors[0].Shape)
	require.Equal(t, "segmenter", f.Meta["model"])
	_, err = f.Tensors[0].Float32s()
	require.ErrorContains(t, err, "tensor a: its contents were not read")
	_, err = Read(path)
	require.ErrorContains(t, err, path+": 1.00 TiB of tensors are more than this program loads (16.00 GiB)")
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))

	large := append(binary.LittleEndian.AppendUint64(nil, maxHeader+1), '{')
	require.NoError(t, os.WriteFile(path, large, 0o600))
	require.NoError(t, os.Truncate(path, 1<<30))
	_, err = Read(path)
	require.ErrorContains(t, err, "its header of 16.0 MiB is more than")
}

func FuzzDecode(f *testing.F) {
	path := filepath.Join(f.TempDir(), "a.safetensors")
	require.NoError(f, Write(path, sample(), map[string]string{"k": "v"}))
	good, err := os.ReadFile(path)
	require.NoError(f, err)
	f.Add(good)
	for _, c := range broken {
		f.Add(c.file)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Decode(b)
		if err != nil {
			return
		}
		total := 0
		for _, x := range file.Tensors {
			total += len(x.Data)
			if v, err := x.Float32s(); err == nil && len(v) != x.Len() {
				t.Fatalf("%s: %d values of %v", x.Name, len(v), x.Shape)
			}
		}
		if total > len(b) {
			t.Fatalf("%d bytes of tensors in a file of %d", total, len(b))
		}
		// What was read can be written, and reads the same.
		path := filepath.Join(t.TempDir(), "again")
		if err := Write(path, file.Tensors, file.Meta); err != nil {
			t.Fatal(err)
		}
		again, err := Read(path)
		if err != nil || len(again.Tensors) != len(file.Tensors) {
			t.Fatal(err)
		}
	})
}

// Every half comes back, and what is between two goes to the nearer one, the even one in the middle.
func TestHalvesAreRounded(t *testing.T) {
	for h := range uint32(1 << 16) {
		v := half(uint16(h))
		if v != v {
			require.Equal(t, uint16(0x7e00), toHalf(v)&0x7e00)
			continue
		}
		require.Equal(t, uint16(h), toHalf(v), "%g", v)
		if next := uint16(h) + 1; h&0x7fff < 0x7bff {
			a, b := float64(v), float64(half(next))
			even := uint16(h)
			if h&1 == 1 {
				even = next
			}
			require.Equal(t, even, toHalf(float32((a+b)/2)), "between %g and %g", a, b)
			require.Equal(t, uint16(h), toHalf(float32(a+(b-a)*0.49)))
			require.Equal(t, next, toHalf(float32(a+(b-a)*0.51)))
		}
	}
	require.Equal(t, uint16(0x7c00), toHalf(65520))
	require.Equal(t, uint16(0x7bff), toHalf(65519))
	x, err := Float16("w", []int{2}, []float32{1, -0.1})
	require.NoError(t, err)
	back, err := x.Float32s()
	require.NoError(t, err)
	require.Equal(t, []float32{1, -0.099975586}, back)
	_, err = Float16("w", []int{1}, []float32{1e5})
	require.ErrorContains(t, err, "tensor w: 100000 is beyond")
}
