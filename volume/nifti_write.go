package volume

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"voxgrad/internal/outfile"
)

// Write writes v as path, gzipped where path ends in .nii.gz, plain where it ends
// in .nii; the file appears whole or not at all, and the same volume makes the
// same bytes. No scaling is stored: integers are rounded to the nearest, and a
// value that t cannot hold is an error.
//
// On the grid of v.Source the header's geometry (dimensions, forms, codes, voxel
// sizes, units), its description, its extensions, version and byte order go
// out as they came in, to the bit. On another grid the affine is stored as sform
// and, where it has no shear, as qform, with the source's orientation code;
// extensions are left out, for they may speak of the old grid. Contents may have
// changed, so scaling, display range and intent are always cleared.
func Write(path string, v *Volume, t DType) error { return WriteIn(nil, path, v, t) }

// WriteIn is Write as one of a set of files; nil: alone.
func WriteIn(set *outfile.Set, path string, v *Volume, t DType) error {
	return writeIn(set, path, func(w io.Writer) error { return Encode(w, v, t) })
}

// WriteMask writes m as zeros and ones of type uint8; see Write.
func WriteMask(path string, m *Mask) error { return WriteMaskIn(nil, path, m) }

// WriteMaskIn is WriteMask as one of a set of files; nil: alone.
func WriteMaskIn(set *outfile.Set, path string, m *Mask) error {
	return writeIn(set, path, func(w io.Writer) error {
		head := &Volume{Grid: m.Grid, Path: m.Path, Source: m.Source}
		return encode(w, head, Uint8, len(m.Data), func(values []float32, lo int) {
			for n := range values {
				values[n] = 0
				if m.Data[lo+n] {
					values[n] = 1
				}
			}
		})
	})
}

// WriteLabelsIn writes the number of each voxel, from 0 to 65535, as an image on the grid of
// m, as one of a set of files (nil: alone): of type uint8 where they fit, else uint16.
func WriteLabelsIn(set *outfile.Set, path string, m *Mask, labels []int32) error {
	t := Uint8
	if len(labels) > 0 && slices.Max(labels) > math.MaxUint8 {
		t = Uint16
	}
	return writeIn(set, path, func(w io.Writer) error {
		head := &Volume{Grid: m.Grid, Path: m.Path, Source: m.Source}
		return encode(w, head, t, len(labels), func(values []float32, lo int) {
			for n := range values {
				values[n] = float32(labels[lo+n])
			}
		})
	})
}

func writeIn(set *outfile.Set, path string, encode func(w io.Writer) error) error {
	_, ending, ok := CutEnding(path)
	if !ok {
		return fmt.Errorf("cannot write %s: the name must end in .nii or .nii.gz", path)
	}
	return set.Write(path, func(w io.Writer) error {
		if !strings.EqualFold(ending, ".nii.gz") {
			return encode(w)
		}
		z := gzip.NewWriter(w)
		z.ModTime = time.Unix(0, 0) // stored as 0, "no time"; the zero time.Time would not be
		if err := encode(z); err != nil {
			return err
		}
		return z.Close()
	})
}

// Encode is Write to a stream, not compressed.
func Encode(w io.Writer, v *Volume, t DType) error {
	return encode(w, v, t, len(v.Data), func(values []float32, lo int) { copy(values, v.Data[lo:]) })
}

// encode writes n values with the header of v; part fills in those from lo on.
func encode(w io.Writer, v *Volume, t DType, n int, part func(values []float32, lo int)) error {
	if t.Size() == 0 {
		return fmt.Errorf("%s cannot be written", t)
	}
	if n != v.Len() {
		return fmt.Errorf("%s has %d values for %d voxels", v.Name(), n, v.Len())
	}
	h, extra, err := v.header()
	if err != nil {
		return err
	}
	h.putInt16(h.datatype, int(t))
	h.putInt16(h.bitpix, 8*t.Size())
	h.putVoxOffset(h.size + len(extra))
	h.putFloat(h.slope, 0, 1)
	h.putFloat(h.inter, 0, 0)
	h.putFloat(h.calMax, 0, 0)
	h.putFloat(h.calMin, 0, 0)
	for i := range 3 {
		h.putFloat(h.intentP, i, 0)
	}
	h.putCode(h.intentCode, 0)
	clear(h.b[h.intentName : h.intentName+intentNameLen])

	if _, err := w.Write(h.b); err != nil {
		return err
	}
	if _, err := w.Write(extra); err != nil {
		return err
	}
	const chunk = 1 << 16
	buf, values := make([]byte, min(n, chunk)*t.Size()), make([]float32, min(n, chunk))
	for lo := 0; lo < n; lo += chunk {
		values := values[:min(chunk, n-lo)]
		part(values, lo)
		b := buf[:len(values)*t.Size()]
		if x := t.encode(b, values); x >= 0 {
			i, j, k := v.voxelAt(lo + x)
			return fmt.Errorf("voxel (%d, %d, %d) is %g, which %s cannot hold", i, j, k, values[x], t)
		}
		if h.order == binary.BigEndian {
			swap(b, t.Size())
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// header is the header to write v with, and what follows it.
func (v *Volume) header() (header, []byte, error) {
	if v.Source != nil && v.Source.grid == v.Grid {
		return v.Source.hdr.clone(), v.Source.extra, nil
	}
	if err := v.Affine.check(); err != nil {
		return header{}, nil, fmt.Errorf("%s: the affine %w", v.Name(), err)
	}
	version, code, units := 1, 2, 2 // aligned to another image; millimetres
	if v.Source != nil {
		version = v.Source.Version()
		q, s := v.Source.Forms()
		if s > 0 {
			code = s
		} else if q > 0 {
			code = q
		}
		units |= v.Source.hdr.unitsCode() &^ 7 // that of time
	}
	if max(v.Size[0], v.Size[1], v.Size[2]) > math.MaxInt16 {
		version = 2
	}
	h := newHeader(version, binary.LittleEndian)
	h.putDim(0, 3)
	for i := 1; i <= 7; i++ {
		h.putDim(i, 1)
	}
	for i, n := range v.Size {
		if n < 1 {
			return header{}, nil, fmt.Errorf("%s: axis %d has %d voxels", v.Name(), i+1, n)
		}
		h.putDim(i+1, n)
	}
	h.putUnits(units)
	h.setForms(v.Grid, code)
	if v.Source != nil {
		copy(h.b[h.descrip:h.descrip+descripLen], v.Source.Description())
	}
	return h, make([]byte, extenderLen), nil
}
