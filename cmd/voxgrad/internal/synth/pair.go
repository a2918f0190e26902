package synth

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/pelletier/go-toml/v2"

	"voxgrad/augment"
	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/device"
	"voxgrad/report"
	"voxgrad/synth"
	"voxgrad/volume"
)

// Names of what synth writes.
const (
	synthNew     = "new_lesions.nii.gz"
	synthRecFile = "record.json"
	synthPicture = "pair.png"
)

var (
	synthFlair   = [2]string{"flair_time01.nii.gz", "flair_time02.nii.gz"}
	synthLesions = [2]string{"lesions_time01.nii.gz", "lesions_time02.nii.gz"}
	synthFiles   = []string{synthFlair[0], synthFlair[1], synthLesions[0], synthLesions[1], synthNew, synthRecFile, synthPicture}
)

// synthRecord is record.json: what a pair was made of, and how.
type synthRecord struct {
	Flair       string            `json:"flair"`
	LesionMask  string            `json:"lesion_mask"`
	BrainMask   string            `json:"brain_mask,omitempty"`
	Inpainter   string            `json:"inpainter"`
	Generator   string            `json:"generator"`
	Prior       string            `json:"prior,omitempty"`
	WhiteMatter string            `json:"white_matter,omitempty"`
	Shapes      []string          `json:"shapes,omitempty"`
	Seed        uint64            `json:"seed"`
	Pair        int               `json:"pair"` // from 1
	Window      [3]int            `json:"window"`
	Normalize   string            `json:"normalize"`
	Augment     string            `json:"augment"`
	Recipes     [2]augment.Recipe `json:"augment_recipes"` // of time 1 and time 2
	Options     map[string]any    `json:"options"`
	synth.Record
}

// pair makes pair n and writes it.
func (j *synthJob) pair(ctx context.Context, dev device.ImagingBackend, nets synth.Networks, in *synthInput, n int, dir string) (*synthRecord, error) {
	r := &synthRecord{
		Flair: j.flair, LesionMask: j.lesions, BrainMask: j.brain, Inpainter: j.inpainter, Generator: j.generator,
		Prior: j.prior, WhiteMatter: j.white, Shapes: j.shapes,
		Seed: j.seed, Pair: n + 1, Window: j.windows.Size, Normalize: j.prep.Normalize, Augment: j.augment,
	}
	var err error
	if r.Options, err = optionsMap(j.cfg.Options); err != nil {
		return nil, err
	}
	stream, spoil := j.streams(n)
	plan, err := j.cfg.Plan(stream, in.scan.Patch(), in.shapes)
	if err != nil {
		return nil, err
	}
	var images [2][]float32
	var everywhere [2]bool
	for t := range images {
		r.Recipes[t] = j.rules.Draw(spoil[t], in.scan.Image.Size)
		everywhere[t] = len(r.Recipes[t]) > 0
		if images[t], err = spoiled(dev, in.scan, r.Recipes[t]); err != nil {
			return nil, err
		}
	}
	if err := j.paint(ctx, dev, nets, plan, images, n); err != nil {
		return nil, err
	}
	p := in.scan.Back(plan, images, everywhere)
	r.Record = p.Record
	return r, writePair(dir, in, p, r, everywhere)
}

// spoiled are the scan's intensities in the network's order, after a recipe.
func spoiled(dev device.ImagingBackend, s *synth.Scan, recipe augment.Recipe) ([]float32, error) {
	values := s.Values()
	if len(recipe) == 0 {
		return values, nil
	}
	if err := recipe.Check(s.Image.Size); err != nil {
		return nil, err
	}
	x := augment.ToDevice(dev, s.Image)
	recipe.Apply(dev, x)
	dev.Download(values, x)
	dev.Free(x)
	return values, dev.Sync()
}

// paint shows the progress of Windows.Paint.
func (j *synthJob) paint(ctx context.Context, dev device.ImagingBackend, nets synth.Networks, plan *synth.Plan, images [2][]float32, n int) error {
	var bar *cli.Progress
	w := j.windows
	w.Progress = func(done, total int) {
		if bar == nil {
			bar = cli.NewProgress(fmt.Sprintf("pair %d of %d", n+1, j.count), total)
		}
		bar.Set(done, "")
	}
	defer func() { bar.Shut() }()
	return w.Paint(ctx, dev, nets, plan, images)
}

// writePair writes the files of a pair.
func writePair(dir string, in *synthInput, p *synth.Pair, r *synthRecord, everywhere [2]bool) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("cannot make the output folder: %w", err)
	}
	kind := imageType(in.scan.Input, everywhere)
	for t := range 2 {
		limit(p.Images[t], kind)
		if err := volume.Write(filepath.Join(dir, synthFlair[t]), p.Images[t], kind); err != nil {
			return err
		}
		if err := volume.WriteMask(filepath.Join(dir, synthLesions[t]), p.Lesions[t]); err != nil {
			return err
		}
	}
	if err := volume.WriteMask(filepath.Join(dir, synthNew), p.NewLesions); err != nil {
		return err
	}
	if err := cli.WriteJSON(filepath.Join(dir, synthRecFile), r); err != nil {
		return err
	}
	img, err := report.SyntheticPicture(synthSheet(in, p, r))
	if err != nil {
		return err
	}
	return report.WritePNG(filepath.Join(dir, synthPicture), img)
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

// limit keeps painted intensities in the range of a type of whole numbers.
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

// optionsMap is the options by the names of the configuration.
func optionsMap(o synth.Options) (m map[string]any, err error) {
	text, err := toml.Marshal(o)
	if err == nil {
		err = toml.Unmarshal(text, &m)
	}
	return m, err
}

// fate says in words what happened to a lesion.
func fate(l synth.Lesion) string {
	if l.Origin == synth.Generated {
		return "generated, " + presence(l)
	}
	if l.Time1 && l.Time2 {
		return "kept"
	}
	return "real, " + presence(l)
}

func presence(l synth.Lesion) string {
	switch {
	case l.New:
		return "new at time 2"
	case l.Time1 && l.Time2:
		return "at both times"
	case l.Time1:
		return "at time 1 only"
	}
	return "removed from both"
}

// pictured is how many lesions a picture shows at most.
const pictured = 8

// synthSheet is the picture of a pair: lesions that are not simply kept, new ones
// first, large ones first.
func synthSheet(in *synthInput, p *synth.Pair, r *synthRecord) *report.Synthetic {
	list := slices.DeleteFunc(slices.Clone(r.Lesions), func(l synth.Lesion) bool {
		return l.Origin == synth.Real && l.Time1 && l.Time2
	})
	slices.SortStableFunc(list, func(a, b synth.Lesion) int {
		if a.New != b.New {
			if a.New {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.MM3, a.MM3)
	})
	c := &report.Synthetic{
		Title:  fmt.Sprintf("Synthetic pair %d of %s, seed %d", r.Pair, filepath.Base(r.Flair), r.Seed),
		Source: in.scan.Input, Times: p.Images,
		Before: in.scan.InputLesions.Volume(), Lesions: [2]*volume.Volume{p.Lesions[0].Volume(), p.Lesions[1].Volume()},
		Brain: in.scan.InputBrain.Volume(),
	}
	for _, l := range list[:min(pictured, len(list))] {
		c.Rows = append(c.Rows, report.SyntheticLesion{
			Caption: fmt.Sprintf("%d    %s    %s    centroid %s mm", l.Number, fate(l), report.CubicMillimetres.Text(l.MM3), place(l)),
			Voxel:   l.CentroidVoxel, MM3: l.MM3,
		})
	}
	return c
}

func place(l synth.Lesion) string {
	mm := l.CentroidMM
	return report.Millimetres.Format(mm[0]) + ", " + report.Millimetres.Format(mm[1]) + ", " + report.Millimetres.Format(mm[2])
}
