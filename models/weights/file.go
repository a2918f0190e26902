package weights

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/nlpodyssey/safetensors"

	"voxgrad/internal/infile"
	"voxgrad/internal/outfile"
	"voxgrad/internal/text"
)

// File is what a safetensors file holds.
type File struct {
	Path    string
	Meta    map[string]string // the header's __metadata__; never nil
	Tensors []Tensor          // in the order of their bytes in the file

	index map[string]int
}

// Get finds a tensor.
func (f *File) Get(name string) (Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return Tensor{}, false
	}
	return f.Tensors[i], true
}

// Make is a file in memory. Names must differ.
func Make(path string, tensors []Tensor, meta map[string]string) (*File, error) {
	f := &File{Path: path, Meta: meta, Tensors: tensors, index: map[string]int{}}
	if meta == nil {
		f.Meta = map[string]string{}
	}
	for i, t := range tensors {
		if _, twice := f.index[t.Name]; twice {
			return nil, fmt.Errorf("%s: two tensors are called %s", path, t.Name)
		}
		f.index[t.Name] = i
	}
	return f, nil
}

// Write writes tensors to path, all or nothing. The bytes depend only on the
// content: metadata by key, tensors by type and name.
func Write(path string, tensors []Tensor, meta map[string]string) error {
	return WriteIn(nil, path, tensors, meta)
}

// WriteIn is Write as one of a set of files; nil: alone.
func WriteIn(set *outfile.Set, path string, tensors []Tensor, meta map[string]string) error {
	views := make(map[string]view, len(tensors))
	for _, t := range tensors {
		kind, err := safetensors.ParseDType(t.Type)
		if err != nil {
			return fmt.Errorf("cannot write %s: tensor %s: %w", path, t.Name, err)
		}
		if t.Len()*int(kind.Size()) != len(t.Data) {
			return fmt.Errorf("cannot write %s: tensor %s %v of %s has %d bytes", path, t.Name, t.Shape, t.Type, len(t.Data))
		}
		if _, twice := views[t.Name]; twice || t.Name == "__metadata__" {
			return fmt.Errorf("cannot write %s: the name %s is taken", path, t.Name)
		}
		views[t.Name] = view{t, kind}
	}
	return set.Write(path, func(w io.Writer) error {
		return safetensors.SerializeToWriter(views, meta, w)
	})
}

// Read reads a file. Errors name it and say what is wrong.
func Read(path string) (*File, error) { return read(path, true) }

// ReadHeader reads a file's metadata and its tensors' names, types and shapes, but
// not their contents: a file of any size takes no time and no memory.
func ReadHeader(path string) (*File, error) { return read(path, false) }

func read(path string, contents bool) (*File, error) {
	r, err := infile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read weights: %w", err)
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read weights: %w", err)
	}
	f, err := decode(r, info.Size(), contents)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.Path = path
	return f, nil
}

// Decode reads a file that is in memory already.
func Decode(b []byte) (*File, error) { return decode(bytes.NewReader(b), int64(len(b)), true) }

// Bounds on what is believed. A checkpoint of the largest published network has a header
// of 40 kB and 0.2 GB of tensors.
const (
	maxHeader = 16 << 20
	maxData   = 16 << 30
)

var errForeign = errors.New("not a safetensors file")

// decode reads size bytes from r, or the header alone.
func decode(r io.Reader, size int64, contents bool) (*File, error) {
	br := bufio.NewReader(r)
	header, err := readHeader(br, size)
	if err != nil {
		return nil, err
	}
	var meta safetensors.Metadata
	if err := json.Unmarshal(header, &meta); err != nil {
		return nil, fmt.Errorf("%w: its header cannot be understood: %s", errForeign, text.Clean(err.Error()))
	}
	have := uint64(size) - 8 - uint64(len(header))
	tensors, sizes, err := layout(meta.Tensors(), have)
	if err != nil {
		return nil, err
	}
	if contents {
		if have > maxData {
			return nil, fmt.Errorf("%s of tensors are more than this program loads (%s); voxgrad weights show lists them", text.Bytes(int64(have)), text.Bytes(maxData))
		}
		data := make([]byte, have) // as large as the rest of the file
		if _, err := io.ReadFull(br, data); err != nil {
			return nil, fmt.Errorf("cannot read the tensors: %w", err)
		}
		for i, n := range sizes {
			tensors[i].Data, data = data[:n:n], data[n:]
		}
	}
	return Make("", tensors, meta.Metadata())
}

const pytorch = "one of PyTorch's own: save its state_dict with safetensors.torch.save_file first"

// foreign are the beginnings of files that are given in place of weights.
var foreign = []struct{ start, what string }{
	{"PK\x03\x04", pytorch},
	{"\x80\x02", pytorch}, {"\x80\x03", pytorch}, {"\x80\x04", pytorch}, {"\x80\x05", pytorch}, // pickle
	{"version https://git-lfs", "a Git LFS pointer, not the weights: fetch them with git lfs pull"},
	{"<!DOCTYPE", "a web page: was the download refused?"},
	{"<html", "a web page: was the download refused?"},
	{"\x89HDF", "one of HDF5, as Keras writes: save the weights as safetensors first"},
	{"\x1f\x8b", "compressed: unpack it first"},
}

// readHeader reads the length of the header and the header.
func readHeader(r *bufio.Reader, size int64) ([]byte, error) {
	first, _ := r.Peek(32) // length, the brace that opens the header, and what follows
	if len(first) < 9 {
		return nil, fmt.Errorf("%w: only %d bytes", errForeign, size)
	}
	n := binary.LittleEndian.Uint64(first[:8])
	switch {
	case first[8] != '{' || n < 2:
		for _, f := range foreign {
			if len(first) >= len(f.start) && strings.EqualFold(string(first[:len(f.start)]), f.start) {
				return nil, fmt.Errorf("%w but %s", errForeign, f.what)
			}
		}
		return nil, errForeign
	case n > uint64(size)-8:
		return nil, fmt.Errorf("truncated, or not a safetensors file: a header of %d bytes in a file of %d", n, size)
	case n > maxHeader:
		return nil, fmt.Errorf("its header of %s is more than this program reads (%s)", text.Bytes(int64(n)), text.Bytes(maxHeader))
	}
	header := make([]byte, n)
	if _, err := r.Discard(8); err != nil {
		return nil, fmt.Errorf("cannot read the header: %w", err)
	}
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, fmt.Errorf("cannot read the header: %w", err)
	}
	return header, nil
}

// layout checks that the tensors of a header follow one another and fill
// exactly the bytes there are, and returns them in that order with their sizes in
// bytes.
func layout(infos map[string]*safetensors.TensorInfo, have uint64) (tensors []Tensor, sizes []uint64, err error) {
	names := make([]string, 0, len(infos))
	for name := range infos {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		a, b := infos[names[i]].DataOffsets, infos[names[j]].DataOffsets
		if a != b {
			return a[0] < b[0] || a[0] == b[0] && a[1] < b[1]
		}
		return names[i] < names[j]
	})
	var end uint64
	for _, name := range names {
		info := infos[name]
		from, to := info.DataOffsets[0], info.DataOffsets[1]
		if len(info.Shape) > maxAxes {
			return nil, nil, fmt.Errorf("damaged header: tensor %s has %d axes", quoted(name), len(info.Shape))
		}
		t := Tensor{Name: name, Type: info.DType.String(), Shape: make([]int, len(info.Shape))}
		count, ok := uint64(1), true
		for i, e := range info.Shape {
			if e > have || e != 0 && count > have/e {
				ok = false
				break
			}
			count *= e
			t.Shape[i] = int(e)
		}
		switch {
		case from != end || to < from:
			return nil, nil, fmt.Errorf("damaged header: tensor %s starts at byte %d instead of %d", quoted(name), from, end)
		case to > have:
			return nil, nil, fmt.Errorf("truncated: tensor %s ends at byte %d of the data, the file has %d", quoted(name), to, have)
		case !ok || count*info.DType.Size() != to-from:
			return nil, nil, fmt.Errorf("damaged header: tensor %s has shape %v of %v in %d bytes", quoted(name), info.Shape, info.DType, to-from)
		}
		tensors, sizes, end = append(tensors, t), append(sizes, to-from), to
	}
	if end != have {
		return nil, nil, fmt.Errorf("damaged: %d bytes after the last tensor", have-end)
	}
	return tensors, sizes, nil
}

// maxAxes is more than any tensor has; a shape is shown in one line.
const maxAxes = 16

// quoted is a name from a file as a message may show it.
func quoted(name string) string { return `"` + text.Clean(name) + `"` }
