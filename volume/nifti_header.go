package volume

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
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

// maxExtra bounds what is between header and voxels; the extensions in use
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

// extensions is the reason why what follows the header is no extender and extensions that end where the voxels
// begin, or nil (nifti1.h: esize, a multiple of 16 of at least 16, and ecode, then the content). Where the extender
// announces none, what is there is left alone: it pads.
func (h header) extensions(extra []byte) error {
	if extra[0] == 0 {
		return nil
	}
	rest := extra[extenderLen:]
	if len(rest) == 0 {
		return errors.New("some are announced, and there is no room for any in front of the voxels")
	}
	for n := 1; len(rest) > 0; n++ {
		if len(rest) < 8 {
			return fmt.Errorf("extension %d is cut off by the voxels", n)
		}
		size := int32(h.order.Uint32(rest))
		if size == 0 && !slices.ContainsFunc(rest, func(b byte) bool { return b != 0 }) {
			return nil // zeros behind the last one
		}
		if size < 16 || size%16 != 0 || int(size) > len(rest) {
			return fmt.Errorf("extension %d says that it has %d bytes, a multiple of 16 from 16 to %d is possible", n, size, len(rest))
		}
		rest = rest[size:]
	}
	return nil
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

// unitMM is how many millimetres the header's unit of length has; files that
// state none mean millimetres.
func (h header) unitMM() float64 {
	switch h.unitsCode() & 7 {
	case 1:
		return 1000
	case 3:
		return 1e-3
	}
	return 1
}

// spacings is pixdim[1..3] in millimetres. A sign is dropped: only pixdim[0] has
// a meaning for it. An axis of one voxel may leave its spacing open.
func (h header) spacings(size [3]int) (s [3]float64, err error) {
	mm := h.unitMM()
	for i := range s {
		s[i] = math.Abs(h.float(h.pixdim, 1+i))
		if s[i] == 0 && size[i] == 1 {
			s[i] = 1
		}
		if !(s[i] > 0) || math.IsInf(s[i], 0) {
			return s, fmt.Errorf("pixdim[%d] is %g; a voxel has a positive size", i+1, h.float(h.pixdim, 1+i))
		}
		if mm != 1 {
			s[i] *= mm
		}
	}
	return s, nil
}

// readPlace fills in s's grid, forms and voxel sizes. It follows nifti1.h: the place is
// the sform where its code is positive, else the qform where its code is positive,
// else the voxel sizes alone. Statements of the header that contradict the one that is
// used are warned of; a sform that cannot be one gives way to a qform that can.
func (s *Source) readPlace() (err error) {
	h := s.hdr
	var bad error // what is wrong with a form
	if h.code(h.qformCode) > 0 {
		if q, err := h.qform(s.grid.Size); err != nil {
			bad = err
		} else if err := q.check(); err != nil {
			bad = fmt.Errorf("the qform %w", err)
		} else {
			s.forms[0] = &q
		}
	}
	if h.code(h.sformCode) > 0 {
		a := h.sform()
		if err := a.check(); err != nil {
			bad = fmt.Errorf("the sform %w", err)
		} else {
			s.forms[1] = &a
		}
	}
	sizes, err := h.spacings(s.grid.Size)
	switch {
	case s.forms[1] != nil:
		s.grid.Affine = *s.forms[1]
	case s.forms[0] != nil:
		s.grid.Affine = *s.forms[0]
		if bad != nil {
			s.warn("%v; the qform is used", bad)
		}
	case bad != nil:
		return bad
	case err != nil:
		return err
	default:
		s.grid.Affine = Affine{{sizes[0], 0, 0, 0}, {0, sizes[1], 0, 0}, {0, 0, sizes[2], 0}}
		if err := s.grid.Affine.check(); err != nil {
			return fmt.Errorf("the pixdim %w", err)
		}
		s.warn("the header has neither qform nor sform: where left and right are is not known; the axes are taken as right, front and up")
	}
	s.contradictions(sizes, err == nil)
	return nil
}

// agreeing is the share by which pixdim and the affine's voxel sizes may differ.
const agreeing = 1e-3

// mostSkew is by how many degrees axes may miss a right angle without a word: a form stored in a few digits does by less.
const mostSkew = 0.5

// skew is by how many degrees two of the columns miss a right angle, at most.
func (a Affine) skew() (degrees float64) {
	s := a.Spacing()
	for c := range 3 {
		d := (c + 1) % 3
		cos := (a[0][c]*a[0][d] + a[1][c]*a[1][d] + a[2][c]*a[2][d]) / s[c] / s[d]
		degrees = max(degrees, math.Asin(min(1, math.Abs(cos)))*180/math.Pi)
	}
	return degrees
}

// contradictions sets the voxel sizes, which are pixdim where it agrees with the
// affine, and warns of what disagrees.
func (s *Source) contradictions(sizes [3]float64, known bool) {
	s.pixdim = s.grid.Affine.Spacing()
	if known {
		agree := true
		for a, x := range s.pixdim {
			agree = agree && math.Abs(sizes[a]-x) <= agreeing*x
		}
		if agree {
			s.pixdim = sizes
		} else {
			s.warn("the header contradicts itself: voxels are %.6g×%.6g×%.6g mm by the sform and %.6g×%.6g×%.6g mm by pixdim; the sform is used, for sizes and volumes too",
				s.pixdim[0], s.pixdim[1], s.pixdim[2], sizes[0], sizes[1], sizes[2])
		}
	}
	if d := s.grid.Affine.skew(); d > mostSkew {
		s.warn("the axes of the voxels meet at %.3g degrees instead of 90: shapes are as if they were at right angles wherever the image is not resampled, and volumes too large; resample it to a grid of boxes", 90-d)
	}
	if q := s.forms[0]; q != nil && s.forms[1] != nil {
		// A qform is not expected to say more than it can.
		sp := s.grid.Affine.Spacing()
		far := sp[0]*float64(s.grid.Size[0]) + sp[1]*float64(s.grid.Size[1]) + sp[2]*float64(s.grid.Size[2])
		open := s.hdr.openAngle() * far / min(sp[0], sp[1], sp[2])
		if d := voxelDistance(*q, s.grid.Affine, s.grid.Size); d > SpaceTolerance+open {
			s.warn("the header contradicts itself: by the qform voxels are up to %.3g mm (%.2g voxels) from where they are by the sform; the sform is used",
				cornerDistance(*q, s.grid.Affine, s.grid.Size), d)
		}
	}
}

func (s *Source) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

func (h header) sform() (a Affine) {
	mm := h.unitMM()
	for r := range 3 {
		for c := range 4 {
			a[r][c] = h.float(h.srow, 4*r+c) * mm
		}
	}
	return a
}

// qform is the affine of the unit quaternion (a, b, c, d) with a ≥ 0, of which
// the header has b, c, d; pixdim[0] < 0 mirrors the third axis.
func (h header) qform(size [3]int) (Affine, error) {
	s, err := h.spacings(size)
	if err != nil {
		return Affine{}, err
	}
	b, c, d := h.float(h.quatern, 0), h.float(h.quatern, 1), h.float(h.quatern, 2)
	n := b*b + c*c + d*d
	if !(n <= 1+1e-3) {
		return Affine{}, fmt.Errorf("the qform's quaternion (%g, %g, %g) is longer than 1", b, c, d)
	}
	w := 0.0
	if 1-n < 1e-7 { // half a turn, up to float32 rounding
		n = math.Sqrt(n)
		b, c, d = b/n, c/n, d/n
	} else {
		w = math.Sqrt(1 - n)
	}
	if h.float(h.pixdim, 0) < 0 {
		s[2] = -s[2]
	}
	mm := h.unitMM()
	r := rotation(w, b, c, d)
	var a Affine
	for i := range 3 {
		for j := range 3 {
			a[i][j] = r[i][j] * s[j]
		}
		a[i][3] = h.float(h.qoffset, i) * mm
	}
	return a, nil
}

// openAngle is the angle in radians that the qform's quaternion leaves open: the
// fourth component is the root of what the other three leave of 1, so that near half
// a turn the rounding of a float32 moves it by more than a ten-thousandth.
func (h header) openAngle() float64 {
	if h.version != 1 {
		return 0
	}
	b, c, d := h.float(h.quatern, 0), h.float(h.quatern, 1), h.float(h.quatern, 2)
	n := b*b + c*c + d*d
	rounding := 2 * (math.Abs(b) + math.Abs(c) + math.Abs(d)) * 0x1p-24
	w := math.Sqrt(max(0, 1-n))
	return 2 * max(math.Sqrt(max(0, 1-n+rounding))-w, w-math.Sqrt(max(0, 1-n-rounding)))
}

// rotation is the matrix of the unit quaternion (w, x, y, z).
func rotation(w, x, y, z float64) [3][3]float64 {
	return [3][3]float64{
		{w*w + x*x - y*y - z*z, 2 * (x*y - w*z), 2 * (x*z + w*y)},
		{2 * (x*y + w*z), w*w + y*y - x*x - z*z, 2 * (y*z - w*x)},
		{2 * (x*z - w*y), 2 * (y*z + w*x), w*w + z*z - x*x - y*y},
	}
}

// quaternion is the inverse of rotation, with w ≥ 0. The largest of the four
// components is found first, so that nothing is divided by a small number.
func quaternion(r [3][3]float64) (w, x, y, z float64) {
	q := [4]float64{
		1 + r[0][0] + r[1][1] + r[2][2],
		1 + r[0][0] - r[1][1] - r[2][2],
		1 - r[0][0] + r[1][1] - r[2][2],
		1 - r[0][0] - r[1][1] + r[2][2],
	}
	best := 0
	for i := range q {
		if q[i] > q[best] {
			best = i
		}
	}
	t := math.Sqrt(q[best]) * 2 // four times the component
	switch best {
	case 0:
		w, x, y, z = t/4, (r[2][1]-r[1][2])/t, (r[0][2]-r[2][0])/t, (r[1][0]-r[0][1])/t
	case 1:
		w, x, y, z = (r[2][1]-r[1][2])/t, t/4, (r[0][1]+r[1][0])/t, (r[0][2]+r[2][0])/t
	case 2:
		w, x, y, z = (r[0][2]-r[2][0])/t, (r[0][1]+r[1][0])/t, t/4, (r[1][2]+r[2][1])/t
	case 3:
		w, x, y, z = (r[1][0]-r[0][1])/t, (r[0][2]+r[2][0])/t, (r[1][2]+r[2][1])/t, t/4
	}
	if w < 0 {
		w, x, y, z = -w, -x, -y, -z
	}
	return w, x, y, z
}

// setForms stores g in millimetres: as the sform, and as the qform too where a
// quaternion can say it (no shear).
func (h header) setForms(g Grid, code int) {
	s := g.Affine.Spacing()
	for i := range 3 {
		h.putFloat(h.pixdim, 1+i, s[i])
		for c := range 4 {
			h.putFloat(h.srow, 4*i+c, g.Affine[i][c])
		}
		h.putFloat(h.qoffset, i, g.Affine[i][3])
	}
	h.putCode(h.sformCode, code)

	var r [3][3]float64
	sign := 1.0
	if g.Affine.Det() < 0 {
		sign = -1
	}
	h.putFloat(h.pixdim, 0, sign)
	for i := range 3 {
		for j := range 3 {
			r[i][j] = g.Affine[i][j] / s[j]
		}
		r[i][2] *= sign
	}
	_, x, y, z := quaternion(r)
	for i, v := range []float64{x, y, z} {
		h.putFloat(h.quatern, i, v)
	}
	h.putCode(h.qformCode, code)
	// A reader that prefers the qform must see the same place.
	if q, err := h.qform(g.Size); err != nil || cornerDistance(q, g.Affine, g.Size) > 1e-3*min(s[0], s[1], s[2]) {
		h.putCode(h.qformCode, 0)
	}
}
