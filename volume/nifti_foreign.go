package volume

import (
	"bytes"
	"errors"
	"fmt"
)

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

// notNIfTI says what a file that begins with b is instead; err is why no more of
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
