package volume

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
)

func zipped(t *testing.T, b []byte) []byte {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err := w.Write(b)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return z.Bytes()
}

func TestDecodeRefuses(t *testing.T) {
	le, none := binary.LittleEndian, make([]byte, 4)
	with := func(change func(h *nifti1)) []byte {
		h := sample1(Int16)
		change(h)
		return file(le, h, none, make([]byte, 120))
	}
	with2 := func(change func(h *nifti2)) []byte {
		h := sample2(Int16)
		change(h)
		return file(le, h, none, make([]byte, 120))
	}
	good := with(func(h *nifti1) {})
	noise := bytes.Repeat([]byte("noise"), 200)
	dicom := append(make([]byte, 128), append([]byte("DICM"), noise...)...)
	bad := zipped(t, good)
	bad[len(bad)-6] ^= 1 // in the checksum
	// The last deflate block gets a type that does not exist.
	broken := append(zipped(t, nil)[:10], 0x07, 0, 0, 0, 0)
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "the file is empty"},
		{"short header", good[:100], "truncated: the file ends after 100 of the header's 348 bytes"},
		{"short NIfTI-2 header", with2(func(h *nifti2) {})[:400], "truncated: the file ends after 400 of the header's 540 bytes"},
		{"no extender", good[:350], "truncated: voxels should begin at byte 352, the file ends at 350"},
		{"no voxels", good[:352], "truncated: the header promises 3×4×5 = 60 voxels of int16, the file holds 0"},
		{"half a voxel short", good[:len(good)-1], "truncated: the header promises 3×4×5 = 60 voxels of int16, the file holds 59"},
		{"gzip cut", zipped(t, good)[:60], "truncated"},
		{"gzip cut in its checksum", zipped(t, good)[:len(zipped(t, good))-3], "the compressed data are cut off before their checksum"},
		{"gzip checksum", bad, "the compressed data are damaged (their checksum is wrong)"},
		{"gzip data", broken, "unreadable: "},
		{"gzip header", []byte{0x1f, 0x8b, 9, 9, 9}, "the gzip header is damaged"},
		{"pair", with(func(h *nifti1) { h.Magic[1] = 'i' }), "is the header of a .hdr/.img pair; save it as one .nii or .nii.gz file"},
		{"pair, NIfTI-2", with2(func(h *nifti2) { h.Magic[1] = 'i' }), "is the header of a .hdr/.img pair"},
		{"Analyze", with(func(h *nifti1) { h.Magic = [4]byte{} }), "is an Analyze 7.5 header"},
		{"NIfTI-2 magic", with2(func(h *nifti2) { h.Magic = [8]byte{'x', 'y', 'z'} }), `the NIfTI-2 magic is "xyz"`},
		{"noise", noise, "is not NIfTI: it begins neither"},
		{"DICOM", dicom, "is not NIfTI but DICOM"},
		{"LFS", []byte("version https://git-lfs.github.com/spec/v1\n"), "is not NIfTI but a Git LFS pointer"},
		{"xz", append([]byte("\xfd7zXZ\x00"), noise...), "is not NIfTI but compressed with xz"},
		{"twice", zipped(t, zipped(t, append(good, noise...))), "is not NIfTI but gzipped twice"},
		{"MGH", append([]byte{0, 0, 0, 1}, noise...), "is not NIfTI but FreeSurfer MGH"},
		{"0 axes", with(func(h *nifti1) { h.Dim[0] = 0 }), "dim[0] is 0"},
		{"9 axes", with2(func(h *nifti2) { h.Dim[0] = 9 }), "dim[0] is 9"},
		{"negative", with(func(h *nifti1) { h.Dim[2] = -4 }), "dim[2] is -4"},
		{"series", with(func(h *nifti1) { h.Dim[0], h.Dim[4] = 4, 2 }), "is 4-dimensional with 2 images along axis 4; a single 3D image is needed: extract one"},
		{"vectors", with(func(h *nifti1) { h.Dim[0], h.Dim[5] = 5, 3 }), "is 5-dimensional with 3 images along axis 5"},
		{"huge", with(func(h *nifti1) { h.Dim = [8]int16{3, 32767, 32767, 32767} }), "the header promises more than 536870912 voxels"},
		{"overflow", with2(func(h *nifti2) { h.Dim = [8]int64{3, 1 << 62, 4, 1} }), "the header promises more than 536870912 voxels"},
		{"overflow of the product", with2(func(h *nifti2) { h.Dim = [8]int64{3, 4, 1 << 62, 1} }), "the header promises more than 536870912 voxels"},
		{"RGB", with(func(h *nifti1) { h.Datatype = 128 }), "voxel type is RGB colour"},
		{"bool", with(func(h *nifti1) { h.Datatype = 1 }), "voxel type is 1-bit"},
		{"complex", with(func(h *nifti1) { h.Datatype = 32 }), "voxel type is complex64"},
		{"unknown", with(func(h *nifti1) { h.Datatype = 0 }), "voxel type is unknown"},
		{"invalid", with(func(h *nifti1) { h.Datatype = 777 }), "voxel type code 777 is not in the NIfTI standard"},
		{"offset in the header", with(func(h *nifti1) { h.VoxOffset = 348 }), "vox_offset 348 is wrong"},
		{"offset NaN", with(func(h *nifti1) { h.VoxOffset = float32(math.NaN()) }), "vox_offset NaN is wrong"},
		{"offset beyond", with(func(h *nifti1) { h.VoxOffset = 4000 }), "truncated: voxels should begin at byte 4000, the file ends at 472"},
		{"offset far beyond", with(func(h *nifti1) { h.VoxOffset = 1e12 }), "vox_offset 9.99999995904e+11 promises more than 64 MiB of extensions"},
		{"offset negative", with2(func(h *nifti2) { h.VoxOffset = -1 }), "vox_offset -1 is wrong"},
	} {
		_, err := Decode(bytes.NewReader(c.b), "scan.nii.gz")
		require.ErrorContains(t, err, "scan.nii.gz: "+c.want, c.name)
	}

	_, err := Read(filepath.Join(t.TempDir(), "nowhere.nii"))
	require.ErrorContains(t, err, "nowhere.nii: no such file")
	dir := t.TempDir()
	_, err = Read(dir)
	require.EqualError(t, err, dir+" is a folder: a regular file is needed")
	_, err = ReadHeader(filepath.Join(dir, "nowhere.nii"))
	require.Error(t, err)
}

func TestDecodeAccepts(t *testing.T) {
	raw := make([]int16, 60)
	for i := range raw {
		raw[i] = int16(i)
	}
	read := func(change func(h *nifti1), tail ...byte) (*Volume, error) {
		h := sample1(Int16)
		change(h)
		return Decode(bytes.NewReader(append(file(binary.LittleEndian, h, make([]byte, 4), raw), tail...)), "x")
	}
	for name, change := range map[string]func(h *nifti1){
		"trailing axes of one":  func(h *nifti1) { h.Dim = [8]int16{7, 3, 4, 5, 1, 1, 1, 1} },
		"trailing axes of zero": func(h *nifti1) { h.Dim = [8]int16{4, 3, 4, 5, 0, 9, 9, 9} },
		"vox_offset 0":          func(h *nifti1) { h.VoxOffset = 0 },
		"bitpix wrong":          func(h *nifti1) { h.Bitpix = 0 },
	} {
		v, err := read(change)
		require.NoError(t, err, name)
		require.Equal(t, [3]int{3, 4, 5}, v.Size, name)
		require.Equal(t, float32(59), v.Data[59], name)
	}
	_, err := read(func(h *nifti1) {}, make([]byte, 512)...)
	require.NoError(t, err, "padding behind the voxels")

	v, err := read(func(h *nifti1) { h.Dim, h.Pixdim[3], h.SformCode, h.QformCode = [8]int16{2, 12, 5}, 0, 0, 1 })
	require.NoError(t, err, "one slice")
	require.Equal(t, [3]int{12, 5, 1}, v.Size)
	require.Equal(t, 1.0, v.Spacing()[2])
}

// A header that promises 2 GiB costs no more than what the file really holds.
func TestLyingHeaderCostsNoMemory(t *testing.T) {
	h := sample1(Uint8)
	h.Dim = [8]int16{3, 1024, 1024, 512}
	b := file(binary.LittleEndian, h, make([]byte, 4), make([]byte, 1000))
	h2 := sample1(Uint8)
	h2.VoxOffset = 60 << 20
	for _, b := range [][]byte{b, zipped(t, b), file(binary.LittleEndian, h2, make([]byte, 4), []byte{})} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Decode(bytes.NewReader(b), "lie.nii")
		runtime.ReadMemStats(&after)
		require.ErrorContains(t, err, "lie.nii: truncated: ")
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
	}
}

// counted is a stream that never ends.
type counted struct{ n int }

func (c *counted) Read(b []byte) (int, error) {
	c.n += len(b)
	return len(b), nil
}

func TestReadsNoMoreThanPromised(t *testing.T) {
	tail := &counted{}
	_, err := Decode(io.MultiReader(bytes.NewReader(file(binary.LittleEndian, sample1(Uint8), make([]byte, 4), []byte{})), tail), "x")
	require.NoError(t, err)
	require.Less(t, tail.n, 2<<20, "a decompression bomb is not unpacked beyond the image")
}

func TestCheckFinite(t *testing.T) {
	v := New(Grid{Size: [3]int{3, 4, 5}, Affine: Identity})
	v.Path = "a.nii"
	require.NoError(t, v.CheckFinite())
	v.Data[v.Index(2, 1, 3)] = float32(math.NaN())
	v.Data[v.Index(0, 2, 4)] = float32(math.Inf(-1))
	require.EqualError(t, v.CheckFinite(), "a.nii: 2 of 60 voxels are NaN or infinite, the first at (2, 1, 3); set them to 0 (numpy.nan_to_num, fslmaths -nan), or give a brain mask that leaves them out")

	path := filepath.Join(t.TempDir(), "nan.nii.gz")
	require.NoError(t, Write(path, v, Float32))
	back, err := Read(path)
	require.NoError(t, err, "Read keeps them")
	require.Error(t, back.CheckFinite())
}

func TestWriteToReadOnlyFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	err := Write(filepath.Join(dir, "x.nii.gz"), New(Grid{Size: [3]int{1, 1, 1}, Affine: Identity}), Uint8)
	require.ErrorContains(t, err, "cannot write "+filepath.Join(dir, "x.nii.gz"))
	_, err = os.Stat(dir)
	require.True(t, os.IsNotExist(err))
}

// What of a file contradicts the rest of it although its voxels can be read is told of, and damaged extensions are not written again.
func TestDamageThatCanBeReadIsToldOf(t *testing.T) {
	le := binary.LittleEndian
	extension := func(size int32, bytes int) []byte {
		e := make([]byte, bytes)
		le.PutUint32(e, uint32(size))
		le.PutUint32(e[4:], 6)
		copy(e[8:], "comment")
		return e
	}
	whole := append([]byte{1, 0, 0, 0}, extension(32, 32)...)
	for name, c := range map[string]struct {
		extra, tail []byte
		bits        int16
		want        string // "" for nothing
	}{
		"nothing":                           {},
		"an extension":                      {extra: whole},
		"two":                               {extra: slices.Concat(whole, extension(16, 16))},
		"zeros behind the last one":         {extra: slices.Concat(whole, make([]byte, 16))},
		"none announced, room all the same": {extra: make([]byte, 4+32)},
		"announced, no room":                {extra: []byte{1, 0, 0, 0}, want: "extensions are damaged (some are announced"},
		"size 0":                            {extra: append([]byte{1, 0, 0, 0}, extension(0, 32)...), want: "extension 1 says that it has 0 bytes"},
		"negative":                          {extra: append([]byte{1, 0, 0, 0}, extension(-16, 32)...), want: "extension 1 says that it has -16 bytes"},
		"into the voxels":                   {extra: append([]byte{1, 0, 0, 0}, extension(48, 32)...), want: "extension 1 says that it has 48 bytes, a multiple of 16 from 16 to 32 is possible"},
		"not of 16":                         {extra: append([]byte{1, 0, 0, 0}, extension(20, 32)...), want: "20 bytes"},
		"a rest":                            {extra: slices.Concat(whole, []byte{1, 2, 3}), want: "extension 2 is cut off by the voxels"},
		"zeros behind the voxels":           {tail: make([]byte, 700)},
		"more behind the voxels":            {tail: make([]byte, 60), bits: 1, want: "there are bytes behind the voxels that the header promises, 3×4×5 of uint8"},
		"another bitpix":                    {bits: 16, want: "bitpix is 16, but a voxel of uint8 has 8 bits"},
	} {
		h := sample1(Uint8)
		if c.extra == nil {
			c.extra = make([]byte, 4)
		}
		h.VoxOffset = float32(348 + len(c.extra))
		if h.Bitpix = 8; c.bits > 1 {
			h.Bitpix = c.bits
		} else if c.bits == 1 {
			c.tail[59] = 1
		}
		raw := make([]byte, 60)
		raw[59] = 77
		b := append(file(le, h, c.extra, raw), c.tail...)
		for _, b := range [][]byte{b, zipped(t, b)} {
			v, err := Decode(bytes.NewReader(b), "x")
			require.NoError(t, err, name)
			require.Equal(t, float32(77), v.Data[59], name)
			told := slices.DeleteFunc(slices.Clone(v.Source.Warnings()), func(w string) bool {
				return strings.HasPrefix(w, "the header contradicts itself") || strings.HasPrefix(w, "the axes of the voxels")
			})
			var out bytes.Buffer
			require.NoError(t, Encode(&out, v, Uint8))
			if c.want == "" {
				require.Empty(t, told, name)
				require.Equal(t, c.extra, out.Bytes()[348:][:len(c.extra)], name)
				continue
			}
			require.Len(t, told, 1, name)
			require.Contains(t, told[0], c.want, name)
			again, err := Decode(&out, "again")
			require.NoError(t, err, name)
			require.Equal(t, v.Data, again.Data, name)
			if strings.Contains(told[0], "extension") {
				require.Len(t, again.Source.extra, 4, name)
			}
		}
	}
}
