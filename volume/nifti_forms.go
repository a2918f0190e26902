package volume

import (
	"fmt"
	"math"
)

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
