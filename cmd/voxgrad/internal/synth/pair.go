package synth

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"voxgrad/augment"
	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/device"
	"voxgrad/internal/outfile"
	"voxgrad/internal/settings"
	"voxgrad/report"
	"voxgrad/synth"
	"voxgrad/volume"
)

// What is written beside the files of synth.Pair.
const (
	synthRecFile = "record.json"
	synthPicture = "pair.png"
)

// synthFiles are the names of all that is written of a pair.
func synthFiles() []string { return append(synth.PairFiles(), synthRecFile, synthPicture) }

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
		Options: map[string]any{},
	}
	for _, k := range settings.Keys(j.cfg.Options) {
		r.Options[k.Path] = k.Value.Interface()
	}
	stream, degrade := j.streams(n)
	plan, err := j.cfg.Plan(stream, in.scan.Patch(), in.shapes)
	if err != nil {
		return nil, err
	}
	var images [2][]float32
	var everywhere [2]bool
	for t := range images {
		r.Recipes[t] = j.rules.Draw(degrade[t], in.scan.Image.Size)
		everywhere[t] = len(r.Recipes[t]) > 0
		if images[t], err = degraded(dev, in.scan, r.Recipes[t]); err != nil {
			return nil, err
		}
	}
	if err := j.fill(ctx, dev, nets, plan, images, n); err != nil {
		return nil, err
	}
	p := in.scan.Back(plan, images, everywhere)
	r.Record = p.Record
	return r, writePair(dir, in, p, r)
}

// degraded are the scan's intensities in the network's order, after a recipe.
func degraded(dev device.ImagingBackend, s *synth.Scan, recipe augment.Recipe) ([]float32, error) {
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

// fill shows the progress of Windows.Fill.
func (j *synthJob) fill(ctx context.Context, dev device.ImagingBackend, nets synth.Networks, plan *synth.Plan, images [2][]float32, n int) error {
	var bar *cli.Progress
	w := j.windows
	w.Progress = func(done, total int) {
		if bar == nil {
			bar = cli.NewProgress(fmt.Sprintf("pair %d of %d", n+1, j.count), total)
		}
		bar.Set(done, "")
	}
	defer func() { bar.Shut() }()
	return w.Fill(ctx, dev, nets, plan, images)
}

// writePair writes the files of a pair.
func writePair(dir string, in *synthInput, p *synth.Pair, r *synthRecord) error {
	tidy, err := outfile.Folder(dir)
	if err != nil {
		return err
	}
	defer tidy()
	var files outfile.Set
	defer files.Discard()
	if err := p.WriteIn(&files, dir); err != nil {
		return err
	}
	if err := cli.WriteJSON(&files, filepath.Join(dir, synthRecFile), r); err != nil {
		return err
	}
	img, err := report.SyntheticPicture(synthSheet(in, p, r))
	if err != nil {
		return err
	}
	if err := report.WritePNGIn(&files, filepath.Join(dir, synthPicture), img); err != nil {
		return err
	}
	return files.Commit()
}

// outcome reports in words what happened to a lesion.
func outcome(l synth.Lesion) string {
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
			Caption: fmt.Sprintf("%d    %s    %s    centroid %s mm", l.Number, outcome(l), report.CubicMillimetres.Text(l.MM3), place(l)),
			Voxel:   l.CentroidVoxel, MM3: l.MM3,
		})
	}
	return c
}

func place(l synth.Lesion) string {
	mm := l.CentroidMM
	return report.Millimetres.Format(mm[0]) + ", " + report.Millimetres.Format(mm[1]) + ", " + report.Millimetres.Format(mm[2])
}
