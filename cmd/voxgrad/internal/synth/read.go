package synth

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"

	"voxgrad/prepare"
	"voxgrad/synth"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

// synthInput is what pairs are made of.
type synthInput struct {
	scan   *synth.Scan
	shapes *synth.Library
}

// read loads and prepares the scan, the maps and the shapes.
func (j *synthJob) read() (*synthInput, error) {
	flair, err := volume.Read(j.flair)
	if err != nil {
		return nil, err
	}
	lesions, err := volume.ReadMask(j.lesions)
	if err != nil {
		return nil, err
	}
	c := prep.Case{Times: []*volume.Volume{flair}}
	if j.brain != "" {
		if c.Brain, err = volume.ReadMask(j.brain); err != nil {
			return nil, err
		}
	}
	in := &synthInput{}
	if in.scan, err = j.prepare(c, lesions); err != nil {
		return nil, err
	}
	if err := j.places(in); err != nil {
		return nil, err
	}
	return in, j.collect(in)
}

// prepare brings the scan to the 1 mm grid.
func (j *synthJob) prepare(c prep.Case, lesions *volume.Mask) (*synth.Scan, error) {
	p, err := prep.Images(c, j.prep)
	if err != nil {
		return nil, err
	}
	s := &synth.Scan{Input: p.Aligned[0], InputBrain: p.Masked, Image: p.Images[0], Brain: p.Brain}
	if s.InputLesions, err = lesions.On(s.Input); err != nil {
		return nil, err
	}
	s.Lesions = s.InputLesions.Resample(p.Grid())
	inside, outside := 0, 0
	for i, l := range s.InputLesions.Data {
		switch {
		case l && s.InputBrain.Data[i]:
			inside++
		case l:
			outside++
		}
	}
	if inside == 0 && len(j.shapes) == 0 {
		return nil, fmt.Errorf("%s holds no lesion inside the brain: there is nothing to take away, and no shape to put in (--shapes takes them from other masks)", lesions.Name())
	}
	if outside > 0 {
		slog.Warn("lesion voxels outside the brain mask are left out", "mask", lesions.Name(), "voxels", outside)
	}
	s.Scale, err = j.scale(s)
	return s, err
}

// scale is what the normalised intensities were divided by, from the brightest voxel.
func (j *synthJob) scale(s *synth.Scan) (float64, error) {
	plain := j.prep
	plain.Normalize = string(volume.NoScale)
	same, err := prep.Images(prep.Case{Times: []*volume.Volume{s.Input}, Brain: s.InputBrain}, plain)
	if err != nil {
		return 0, err
	}
	best := 0
	for i, v := range s.Image.Data {
		if math.Abs(float64(v)) > math.Abs(float64(s.Image.Data[best])) {
			best = i
		}
	}
	return float64(same.Images[0].Data[best]) / float64(s.Image.Data[best]), nil
}

// ofAtlas is the name of the atlas in records.
const ofAtlas = "atlas"

// places reads the maps of where lesions may be put.
func (j *synthJob) places(in *synthInput) error {
	var maps []*volume.Volume
	for _, path := range []string{j.white, j.prior} {
		if path == "" {
			continue
		}
		m, err := volume.Read(path)
		if err != nil {
			return err
		}
		maps = append(maps, m)
	}
	if j.white == "" && j.atlas {
		m, err := prepare.WhiteMatter(in.scan.Input, in.scan.InputBrain)
		switch none := (*prepare.AtlasError)(nil); {
		case errors.As(err, &none):
			slog.Warn(fmt.Sprintf("%v; lesions are put anywhere in the brain", err))
		case err != nil:
			return err
		default:
			j.white = ofAtlas
			maps = append(maps, m)
			slog.Info("lesions are put where the atlas has white matter")
		}
	}
	var err error
	in.scan.Likelihood, err = synth.Likely(in.scan.Brain, maps...)
	return err
}

// collect collects shapes.
func (j *synthJob) collect(in *synthInput) error {
	o := j.cfg.Options
	in.shapes = synth.NewLibrary(o)
	if len(j.shapes) == 0 {
		p := in.scan.Patch()
		if _, err := in.shapes.Add("the scan itself", p.Lesions, p.Size); err != nil {
			return err
		}
	}
	for _, path := range j.shapes {
		files, err := niftiFiles(path)
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := addShapes(in.shapes, f); err != nil {
				return err
			}
		}
	}
	if in.shapes.Len() == 0 && o.GeneratedMax > 0 {
		from := j.lesions
		if len(j.shapes) > 0 {
			from = strings.Join(j.shapes, ", ")
		}
		return fmt.Errorf("%s: no lesion of %d to %d mm³ whose shape a generated one could have: give other masks with --shapes, or --generated-max 0",
			from, o.ShapeMin, o.ShapeMax)
	}
	slog.Debug("shapes of lesions", "number", in.shapes.Len(), "masks", in.shapes.Cases())
	return nil
}

// addShapes adds the lesions of a mask, brought to 1 mm.
func addShapes(lib *synth.Library, path string) error {
	m, err := volume.ReadMask(path)
	if err != nil {
		return err
	}
	grid, err := volume.Iso(m.Grid, 1)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	mask := m.Resample(grid)
	s := synth.Scan{Image: volume.New(grid), Brain: mask, Lesions: mask}
	p := s.Patch()
	_, err = lib.Add(path, p.Lesions, p.Size)
	return err
}

// niftiFiles are the NIfTI files of a folder by name, or the file itself.
func niftiFiles(path string) (files []string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("--shapes: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("--shapes: %w", err)
	}
	for _, e := range entries {
		if n := e.Name(); !e.IsDir() && (strings.HasSuffix(n, ".nii") || strings.HasSuffix(n, ".nii.gz")) {
			files = append(files, filepath.Join(path, n))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("--shapes %s: the folder holds no .nii or .nii.gz file", path)
	}
	return files, nil
}
