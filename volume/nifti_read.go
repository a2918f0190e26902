package volume

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"

	"voxgrad/internal/infile"
	"voxgrad/internal/warn"
)

// Source is what a NIfTI file said beyond its voxels. It belongs to the grid it
// was read with; a volume on another grid may carry it along, and is then written
// with its description and orientation codes only.
type Source struct {
	hdr          header
	extra        []byte // between header and voxels: the extender and the extensions
	grid         Grid
	forms        [2]*Affine // the qform and the sform; nil where the file has none that can be used
	pixdim       [3]float64 // voxel sizes, see Volume.Spacing
	slope, inter float64
	warnings     []string
}

// Grid is the grid of the file.
func (s *Source) Grid() Grid { return s.grid }

// Version is 1 for NIfTI-1, 2 for NIfTI-2.
func (s *Source) Version() int { return s.hdr.version }

// DType is how the file stored its voxels.
func (s *Source) DType() DType { return DType(s.hdr.int16(s.hdr.datatype)) }

// Scaling is scl_slope and scl_inter; slope 0 means that none is stored.
func (s *Source) Scaling() (slope, inter float64) { return s.slope, s.inter }

// Forms are qform_code and sform_code.
func (s *Source) Forms() (qform, sform int) {
	return s.hdr.code(s.hdr.qformCode), s.hdr.code(s.hdr.sformCode)
}

// Oriented reports whether the file said where the axes point: an image without a file counts as if it had.
func (v *Volume) Oriented() bool {
	if v.Source == nil {
		return true
	}
	q, s := v.Source.Forms()
	return q > 0 || s > 0
}

// Description is the descrip field.
func (s *Source) Description() string { return s.hdr.text(s.hdr.descrip, descripLen) }

// Warnings are what a user should know about the file although it was read:
// statements of the header that contradict each other, bytes behind its end.
func (s *Source) Warnings() []string { return s.warnings }

// say logs the warnings, once for each file.
func (s *Source) say(path string) {
	for _, w := range s.warnings {
		warn.Once("%s: %s", path, w)
	}
}

// Read reads a single-file NIfTI-1 or NIfTI-2 image, plain or gzipped, whatever
// its name ends in. Only a regular file is read. Voxels become float32 with the file's scaling applied; 32-bit
// and wider integers and float64 may lose digits. NaN and infinity are kept: see
// CheckFinite. World coordinates are in millimetres even where the header counts
// metres or micrometres. What Source.Warnings tells is logged.
func Read(path string) (*Volume, error) {
	f, err := infile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	v, err := Decode(f, path)
	if err != nil {
		return nil, hint(path, err)
	}
	v.Source.say(path)
	return v, nil
}

// ReadHeader reads what Read does, without the voxels.
func ReadHeader(path string) (*Source, error) {
	f, err := infile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	_, s, err := open(f)
	if err != nil {
		return nil, hint(path, fmt.Errorf("%s: %w", path, err))
	}
	s.say(path)
	return s, nil
}

// hint adds to an error what the name of the file tells.
func hint(path string, err error) error {
	lower := strings.ToLower(strings.TrimSuffix(strings.ToLower(path), ".gz"))
	if strings.HasSuffix(lower, ".img") {
		return fmt.Errorf("%w; an .img file holds the voxels of a .hdr/.img pair: save the pair as one .nii or .nii.gz file", err)
	}
	return err
}

// Decode is Read from a stream; name stands for it in messages and becomes Path.
// Memory grows with what the stream really holds, not with what its header says.
func Decode(r io.Reader, name string) (*Volume, error) {
	v, err := decode(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	v.Path = name
	return v, nil
}

func decode(r io.Reader) (*Volume, error) {
	r, s, err := open(r)
	if err != nil {
		return nil, err
	}
	data, err := readVoxels(r, s)
	if err != nil {
		return nil, err
	}
	// The checksum comes behind the voxels. Zeros pad a file; anything else was to be read.
	var behind remainder
	switch _, err := io.CopyN(&behind, r, 1<<20); {
	case errors.Is(err, gzip.ErrChecksum):
		return nil, errors.New("the compressed data are damaged (their checksum is wrong)")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errors.New("the compressed data are cut off before their checksum")
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("unreadable behind the voxels: %w", err)
	}
	if z, ok := r.(*members); ok && z.tail > 0 {
		s.warn("bytes behind the end of the compressed data are left out")
	}
	if behind.other {
		s.warn("there are bytes behind the voxels that the header promises, %d×%d×%d of %s, and they are left out: are the sizes and the type in the header right?",
			s.grid.Size[0], s.grid.Size[1], s.grid.Size[2], s.DType())
	}
	return &Volume{Grid: s.grid, Data: data, Source: s}, nil
}

// remainder notes whether bytes other than 0 are written to it.
type remainder struct{ other bool }

func (r *remainder) Write(b []byte) (int, error) {
	r.other = r.other || slices.ContainsFunc(b, func(c byte) bool { return c != 0 })
	return len(b), nil
}

// open reads up to the first voxel.
func open(r io.Reader) (io.Reader, *Source, error) {
	buf := bufio.NewReaderSize(r, 1<<16)
	r = buf
	if b, _ := buf.Peek(2); bytes.Equal(b, []byte{0x1f, 0x8b}) {
		z, err := newMembers(buf)
		if err != nil {
			return nil, nil, fmt.Errorf("the gzip header is damaged: %w", err)
		}
		r = z
	}
	h, err := readHeader(r)
	if err != nil {
		return nil, nil, err
	}
	s := &Source{hdr: h}
	if size := h.order.Uint32(h.b); size != uint32(h.size) {
		s.warn("the header says that it has %d bytes instead of %d; it is read by its magic", int32(size), h.size)
		h.order.PutUint32(h.b, uint32(h.size)) // what is written is right
	}
	if s.grid.Size, err = h.sizes(); err != nil {
		return nil, nil, err
	}
	if err := s.DType().check(); err != nil {
		return nil, nil, err
	}
	if bits := h.int16(h.bitpix); bits != 0 && bits != 8*s.DType().Size() {
		s.warn("bitpix is %d, but a voxel of %s has %d bits; it is read as %[2]s", bits, s.DType(), 8*s.DType().Size())
	}
	if s.slope, s.inter, err = h.scaling(); err != nil {
		return nil, nil, err
	}
	if err := s.readPlace(); err != nil {
		return nil, nil, err
	}
	off, err := h.dataOffset()
	if err != nil {
		return nil, nil, err
	}
	if stated := h.float(h.voxOffset, 0); h.version == 1 && stated != float64(off) {
		s.warn("vox_offset is %g; voxels are read from byte %d on", stated, off)
	}
	var extra bytes.Buffer
	if n, err := io.CopyN(&extra, r, int64(off-h.size)); err != nil {
		return nil, nil, short(err, "voxels should begin at byte %d, the file ends at %d", off, int64(h.size)+n)
	}
	if s.extra = extra.Bytes(); h.extensions(s.extra) != nil {
		s.warn("the header's extensions are damaged (%v); they are left out, and voxels are read from byte %d on", h.extensions(s.extra), off)
		s.extra = make([]byte, extenderLen)
	}
	return r, s, nil
}

// short is the error for a stream that ended too early: cut off, or with a reason
// of its own (damaged compression, a failing disk).
func short(err error, format string, args ...any) error {
	msg := fmt.Sprintf(format, args...)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("truncated: " + msg)
	}
	return fmt.Errorf("unreadable: %s (%w)", msg, err)
}

// readHeader reads and recognises the fixed part.
func readHeader(r io.Reader) (header, error) {
	b := make([]byte, layouts[2].size)
	n, err := io.ReadFull(r, b[:layouts[1].size])
	if err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return header{}, errors.New("the file is empty")
		}
		return header{}, notNIfTI(b[:n], err)
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		version := map[uint32]int{348: 1, 540: 2}[order.Uint32(b)]
		if version == 0 {
			continue
		}
		h := header{layout: layouts[version], version: version, order: order}
		if version == 2 {
			if m, err := io.ReadFull(r, b[n:]); err != nil {
				return header{}, short(err, "the file ends after %d of the header's %d bytes", n+m, h.size)
			}
		}
		h.b = b[:h.size]
		switch magic := string(h.b[h.magic : h.magic+3]); magic {
		case [3]string{"", "n+1", "n+2"}[version]:
			return h, nil
		case [3]string{"", "ni1", "ni2"}[version]:
			return header{}, errors.New("is the header of a .hdr/.img pair; save it as one .nii or .nii.gz file")
		default:
			if version == 1 {
				return header{}, errors.New("is an Analyze 7.5 header, which does not say where left is; convert it to NIfTI")
			}
			return header{}, fmt.Errorf("the NIfTI-2 magic is %q", magic)
		}
	}
	if h, ok := byMagic(b[:n]); ok {
		return h, nil
	}
	return header{}, notNIfTI(b[:n], nil)
}

// byMagic recognises a NIfTI-1 header whose field sizeof_hdr is wrong by its magic, and
// the byte order by its number of axes, as nibabel and ITK do.
func byMagic(b []byte) (header, bool) {
	l := layouts[1]
	if len(b) < l.size || string(b[l.magic:l.magic+3]) != "n+1" {
		return header{}, false
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		h := header{layout: l, version: 1, order: order, b: b[:l.size]}
		if nd := h.dimAt(0); nd >= 1 && nd <= 7 {
			return h, true
		}
	}
	return header{}, false
}

// readVoxels reads exactly what the header promises.
func readVoxels(r io.Reader, s *Source) ([]float32, error) {
	t, n := s.DType(), s.grid.Len()
	const chunk = 1 << 16 // voxels
	buf := make([]byte, min(n, chunk)*t.Size())
	data := make([]float32, 0, min(n, 16*chunk))
	for len(data) < n {
		want := buf[:min(n-len(data), chunk)*t.Size()]
		got, err := io.ReadFull(r, want)
		if err != nil {
			z := s.grid.Size
			return nil, short(err, "the header promises %d×%d×%d = %d voxels of %s, the file holds %d",
				z[0], z[1], z[2], n, t, len(data)+got/t.Size())
		}
		if s.hdr.order == binary.BigEndian {
			swap(want, t.Size())
		}
		k := len(data)
		if k+len(want)/t.Size() > cap(data) {
			grown := make([]float32, k, min(n, 2*cap(data)))
			copy(grown, data)
			data = grown
		}
		data = data[:k+len(want)/t.Size()]
		t.decode(data[k:], want, s.slope, s.inter)
	}
	return data, nil
}

// CheckFinite is an error that names v where a voxel is NaN or infinite.
func (v *Volume) CheckFinite() error {
	bad, first := 0, 0
	for i, x := range v.Data {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			if bad == 0 {
				first = i
			}
			bad++
		}
	}
	if bad == 0 {
		return nil
	}
	nx, ny := v.Size[0], v.Size[1]
	return fmt.Errorf("%s: %d of %d voxels are NaN or infinite, the first at (%d, %d, %d); set them to 0 (numpy.nan_to_num, fslmaths -nan), or give a brain mask that leaves them out",
		v.Name(), bad, v.Len(), first%nx, first/nx%ny, first/(nx*ny))
}

// Spacing is the distance between voxels along i, j, k in millimetres: the lengths
// of the affine's columns. On the grid of its file, where the header's pixdim says
// the same, it is pixdim to the bit, a float32 widened in NIfTI-1, which is what other
// tools count volumes with.
func (v *Volume) Spacing() [3]float64 { return v.place().spacing() }

// Spacing is that of a Volume.
func (m *Mask) Spacing() [3]float64 { return m.place().spacing() }

func (p placed) spacing() [3]float64 {
	if p.source != nil {
		return p.source.pixdim
	}
	return p.Affine.Spacing()
}

// VoxelMM3 is the volume of a voxel in cubic millimetres, by which all volumes of
// lesions and brains are counted.
func (m *Mask) VoxelMM3() float64 {
	s := m.Spacing()
	return s[0] * s[1] * s[2]
}

// members reads the members of a gzip file one after another, as gzip does. What
// follows the last one and is no member is left out: zeros that pad a file to
// blocks, a newline, anything. gzip.Reader alone takes any byte for the beginning of
// another member, and fewer bytes than a member's header for a file that was cut off.
type members struct {
	buf  *bufio.Reader
	z    *gzip.Reader
	tail int // bytes seen behind the last member that are not 0
	done bool
}

func newMembers(buf *bufio.Reader) (*members, error) {
	z, err := gzip.NewReader(buf)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return &members{buf: buf, z: z}, nil
}

func (m *members) Read(b []byte) (int, error) {
	for !m.done {
		n, err := m.z.Read(b)
		if n > 0 && errors.Is(err, io.EOF) {
			return n, nil
		}
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		next, _ := m.buf.Peek(2)
		if len(next) < 2 || next[0] != 0x1f || next[1] != 0x8b {
			m.done = true
			for _, c := range next {
				m.tail += int(min(c, 1))
			}
			break
		}
		if err := m.z.Reset(m.buf); err != nil { // it only began like a member
			m.done, m.tail = true, 1
			break
		}
		m.z.Multistream(false)
	}
	return 0, io.EOF
}

// foreign are formats that are met in place of a NIfTI file, by what they begin
// with (at an offset).
var foreign = []struct {
	at    int
	magic string
	name  string
}{
	{0, "version https://git-lfs", "a Git LFS pointer, not the image; fetch it with git lfs pull"},
	{0, "/annex/objects", "a git-annex pointer, not the image; fetch it with git annex get"},
	{128, "DICM", "DICOM; convert the series to NIfTI, for example with dcm2niix"},
	{0, "NRRD", "NRRD; convert it to NIfTI"},
	{0, "ObjectType", "MetaImage; convert it to NIfTI"},
	{0, "NDims", "MetaImage; convert it to NIfTI"},
	{0, "\x00\x00\x00\x01", "FreeSurfer MGH; convert it to NIfTI, for example with mri_convert"},
	{0, "\x89HDF", "HDF5 or MINC 2; convert it to NIfTI"},
	{0, "CDF", "MINC 1; convert it to NIfTI"},
	{0, "BZh", "compressed with bzip2; unpack it or use gzip"},
	{0, "\xfd7zXZ", "compressed with xz; unpack it or use gzip"},
	{0, "\x28\xb5\x2f\xfd", "compressed with zstd; unpack it or use gzip"},
	{0, "PK\x03\x04", "a ZIP archive; unpack it"},
	{0, "\x1f\x8b", "gzipped twice; unpack it once"},
	{0, "<!DOCTYPE", "a web page"},
	{0, "<html", "a web page"},
}

// notNIfTI reports what a file that begins with b is instead; err is why no more of
// it could be read.
func notNIfTI(b []byte, err error) error {
	for _, f := range foreign {
		if len(b) > f.at && bytes.HasPrefix(b[f.at:], []byte(f.magic)) {
			return fmt.Errorf("is not NIfTI but %s", f.name)
		}
	}
	if err != nil {
		return short(err, "the file ends after %d of the header's %d bytes", len(b), layouts[1].size)
	}
	return errors.New("is not NIfTI: it begins neither with a NIfTI-1 nor a NIfTI-2 header")
}
