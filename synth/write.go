package synth

import (
	"math"
	"path/filepath"

	"voxgrad/internal/outfile"
	"voxgrad/volume"
)

// Names of a pair's files, by time point.
var (
	flairFiles  = [2]string{"flair_time01.nii.gz", "flair_time02.nii.gz"}
	lesionFiles = [2]string{"lesions_time01.nii.gz", "lesions_time02.nii.gz"}
)

const newFile = "new_lesions.nii.gz"

// PairFiles lists the names of the files that Write makes.
func PairFiles() []string {
	return []string{flairFiles[0], flairFiles[1], lesionFiles[0], lesionFiles[1], newFile}
}

// Write writes a pair's images and masks into a folder that is there. Images have the type
// of the scan where that holds whole numbers of up to 16 bits without scaling and no
// image was changed everywhere, and are rounded and limited to its range; otherwise they
// are float32.
func (p *Pair) Write(dir string) error {
	var files outfile.Set
	defer files.Discard()
	if err := p.WriteIn(&files, dir); err != nil {
		return err
	}
	return files.Commit()
}

// WriteIn is Write as part of a set of files; nil: each file by itself.
func (p *Pair) WriteIn(set *outfile.Set, dir string) error {
	for t := range 2 {
		limit(p.Images[t], p.kind)
		if err := volume.WriteIn(set, filepath.Join(dir, flairFiles[t]), p.Images[t], p.kind); err != nil {
			return err
		}
		if err := volume.WriteMaskIn(set, filepath.Join(dir, lesionFiles[t]), p.Lesions[t]); err != nil {
			return err
		}
	}
	return volume.WriteMaskIn(set, filepath.Join(dir, newFile), p.NewLesions)
}

// imageType is the type of the written scans: that of the input where it holds
// whole numbers of up to 16 bits without scaling, else float32.
func imageType(input *volume.Volume, everywhere [2]bool) volume.DType {
	if input.Source == nil || everywhere[0] || everywhere[1] {
		return volume.Float32
	}
	slope, inter := input.Source.Scaling()
	if slope != 0 && (slope != 1 || inter != 0) {
		return volume.Float32
	}
	switch t := input.Source.DType(); t {
	case volume.Uint8, volume.Int8, volume.Int16, volume.Uint16:
		return t
	}
	return volume.Float32
}

// limit keeps filled intensities in the range of a type of whole numbers.
func limit(v *volume.Volume, t volume.DType) {
	var lo, hi float32
	switch t {
	case volume.Uint8:
		hi = math.MaxUint8
	case volume.Uint16:
		hi = math.MaxUint16
	case volume.Int8:
		lo, hi = math.MinInt8, math.MaxInt8
	case volume.Int16:
		lo, hi = math.MinInt16, math.MaxInt16
	default:
		return
	}
	for i, x := range v.Data {
		v.Data[i] = min(max(x, lo), hi)
	}
}
