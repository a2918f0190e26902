package volume

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// layout is where a version of the standard keeps its fields, as byte offsets
// (nifti1.h, nifti2.h).
type layout struct {
	size                                    int
	magic, dim, datatype, bitpix, pixdim    int
	voxOffset, slope, inter, calMax, calMin int
	units, descrip                          int
	qformCode, sformCode                    int
	quatern, qoffset, srow                  int
	intentP, intentCode, intentName         int
}

var layouts = map[int]layout{
	1: {size: 348, magic: 344, dim: 40, datatype: 70, bitpix: 72, pixdim: 76,
		voxOffset: 108, slope: 112, inter: 116, calMax: 124, calMin: 128,
		units: 123, descrip: 148, qformCode: 252, sformCode: 254,
		quatern: 256, qoffset: 268, srow: 280, intentP: 56, intentCode: 68, intentName: 328},
	2: {size: 540, magic: 4, dim: 16, datatype: 12, bitpix: 14, pixdim: 104,
		voxOffset: 168, slope: 176, inter: 184, calMax: 192, calMin: 200,
		units: 500, descrip: 240, qformCode: 344, sformCode: 348,
		quatern: 352, qoffset: 376, srow: 400, intentP: 80, intentCode: 504, intentName: 508},
}

const (
	descripLen    = 80
	intentNameLen = 16
	extenderLen   = 4
)

// header is the raw header in the file's byte order, so that whatever is not
// understood is written back as it was.
type header struct {
	layout
	b       []byte
	version int
	order   binary.ByteOrder
}

func newHeader(version int, order binary.ByteOrder) header {
	l := layouts[version]
	h := header{layout: l, b: make([]byte, l.size), version: version, order: order}
	order.PutUint32(h.b, uint32(l.size))
	magic := "n+1\x00"
	if version == 2 {
		magic = "n+2\x00\r\n\x1a\n"
	}
	copy(h.b[l.magic:], magic)
	return h
}

func (h header) clone() header {
	h.b = bytes.Clone(h.b)
	return h
}

func (h header) int16(off int) int       { return int(int16(h.order.Uint16(h.b[off:]))) }
func (h header) putInt16(off int, v int) { h.order.PutUint16(h.b[off:], uint16(v)) }

// float is the i-th number of a real field: float32 in NIfTI-1, float64 in NIfTI-2.
func (h header) float(off, i int) float64 {
	if h.version == 1 {
		return float64(math.Float32frombits(h.order.Uint32(h.b[off+4*i:])))
	}
	return math.Float64frombits(h.order.Uint64(h.b[off+8*i:]))
}

func (h header) putFloat(off, i int, v float64) {
	if h.version == 1 {
		h.order.PutUint32(h.b[off+4*i:], math.Float32bits(float32(v)))
	} else {
		h.order.PutUint64(h.b[off+8*i:], math.Float64bits(v))
	}
}

func (h header) dimAt(i int) int64 {
	if h.version == 1 {
		return int64(h.int16(h.dim + 2*i))
	}
	return int64(h.order.Uint64(h.b[h.dim+8*i:]))
}

func (h header) putDim(i int, v int) {
	if h.version == 1 {
		h.putInt16(h.dim+2*i, v)
	} else {
		h.order.PutUint64(h.b[h.dim+8*i:], uint64(v))
	}
}

// code is an enumeration: int16 in NIfTI-1, int32 in NIfTI-2.
func (h header) code(off int) int {
	if h.version == 1 {
		return h.int16(off)
	}
	return int(int32(h.order.Uint32(h.b[off:])))
}

func (h header) putCode(off, v int) {
	if h.version == 1 {
		h.putInt16(off, v)
	} else {
		h.order.PutUint32(h.b[off:], uint32(v))
	}
}

func (h header) unitsCode() int {
	if h.version == 1 {
		return int(h.b[h.units])
	}
	return h.code(h.units)
}

func (h header) putUnits(v int) {
	if h.version == 1 {
		h.b[h.units] = byte(v)
	} else {
		h.putCode(h.units, v)
	}
}

func (h header) putVoxOffset(v int) {
	if h.version == 1 {
		h.putFloat(h.voxOffset, 0, float64(v))
	} else {
		h.order.PutUint64(h.b[h.voxOffset:], uint64(v))
	}
}

// maxExtra bounds what lies between header and voxels; the extensions in use
// (DICOM, AFNI, Caret, comments) stay far below.
const maxExtra = 64 << 20

// dataOffset is where the voxels begin. 0 is taken as "right behind the header", and a
// fraction of a byte is dropped.
func (h header) dataOffset() (int, error) {
	least := h.size + extenderLen
	off := h.float(h.voxOffset, 0)
	if h.version == 2 {
		off = float64(int64(h.order.Uint64(h.b[h.voxOffset:])))
	}
	switch {
	case off == 0:
		return least, nil
	case !(off >= float64(least)):
		return 0, fmt.Errorf("vox_offset %g is wrong: voxels begin at byte %d or later", off, least)
	case off > float64(least+maxExtra):
		return 0, fmt.Errorf("vox_offset %g promises more than %d MiB of extensions", off, maxExtra>>20)
	}
	return int(off), nil
}

// MaxVoxels is the largest image that is read or made: 2 GiB as float32.
const MaxVoxels = 1 << 29

// sizes checks the dimensions. Axes beyond the third must have one entry.
func (h header) sizes() (size [3]int, err error) {
	nd := h.dimAt(0)
	if nd < 1 || nd > 7 {
		return size, fmt.Errorf("dim[0] is %d; an image has 1 to 7 axes", nd)
	}
	size = [3]int{1, 1, 1}
	total := int64(1)
	for i := 1; i <= int(nd); i++ {
		n := h.dimAt(i)
		if i > 3 {
			if n > 1 {
				return size, fmt.Errorf("is %d-dimensional with %d images along axis %d; a single 3D image is needed: extract one", nd, n, i)
			}
			continue // 0 occurs for an axis that is not used
		}
		if n < 1 {
			return size, fmt.Errorf("dim[%d] is %d; an axis has at least one voxel", i, n)
		}
		if n > MaxVoxels || total*n > MaxVoxels {
			return size, fmt.Errorf("the header promises more than %d voxels", MaxVoxels)
		}
		total *= n
		size[i-1] = int(n)
	}
	return size, nil
}

// scaling is scl_slope and scl_inter; slope 0 when the file stores none.
func (h header) scaling() (slope, inter float64, err error) {
	slope, inter = h.float(h.slope, 0), h.float(h.inter, 0)
	if slope == 0 || math.IsNaN(slope) || math.IsInf(slope, 0) {
		return 0, 0, nil
	}
	if math.IsNaN(inter) || math.IsInf(inter, 0) {
		return 0, 0, fmt.Errorf("scl_inter is %g", inter)
	}
	return slope, inter, nil
}

// text is a fixed-length string field.
func (h header) text(off, n int) string {
	b := h.b[off : off+n]
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
