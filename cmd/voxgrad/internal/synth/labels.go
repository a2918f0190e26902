package synth

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"voxgrad/augment"
	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/device"
	"voxgrad/internal/outfile"
	"voxgrad/internal/settings"
	"voxgrad/models"
	"voxgrad/report"
	"voxgrad/synth"
	"voxgrad/train"
	"voxgrad/volume"
)

// labelsJob is synth --labels: what a training on label maps draws.
type labelsJob struct {
	*synthJob
	find    string
	scans   string
	size    string
	montage string
	cfg     train.Config
}

// wholeMM has room for the brain of each label map, with its largest turn.
var wholeMM = [3]float64{192, 224, 192}

// labelsRecord is record.json of a drawn scan.
type labelsRecord struct {
	Anatomy string           `json:"drawn_from"` // a label map or a case of --scans
	Find    string           `json:"find"`
	Seed    uint64           `json:"seed"`
	Sample  int              `json:"sample"` // of the training with this seed, from 0
	Recipes []augment.Recipe `json:"augment_recipes"`
	Lesions []synth.Planted  `json:"lesions,omitempty"`
}

// Names of the files of a drawn scan and of its lesions; those of two time points are synth.PairFiles.
const (
	oneFlair   = "flair.nii.gz"
	oneLesions = "lesions.nii.gz"
	kindsFile  = "change_kind.nii.gz"
	brainFile  = "brainmask.nii.gz"
)

func (j *labelsJob) files() []string {
	switch j.find {
	case train.FindBrain:
		return []string{oneFlair, brainFile, synthRecFile}
	case train.FindLesions:
		return []string{oneFlair, oneLesions, brainFile, synthRecFile}
	}
	return append(synth.PairFiles(), kindsFile, brainFile, synthRecFile)
}

// check reads the training's configuration, of which flags change the places of files and the seed.
func (j *labelsJob) check(cmd *cobra.Command, file string) (err error) {
	if j.out == "" {
		return cli.Usagef(cmd, "--out is empty: name the folder to write to")
	}
	if j.count < 1 || j.count > 100000 {
		return cli.Usagef(cmd, "--count %d: from 1 to 100000", j.count)
	}
	if len(j.shapes) > 1 {
		return cli.Usagef(cmd, "with --labels there is one --shapes: a lesion mask, or a folder of them")
	}
	if err := settings.OneOf("--find", j.find, train.FindNew, train.FindLesions, train.FindBrain); err != nil {
		return cli.Usagef(cmd, "%v", err)
	}
	task := models.Segmenter
	if j.find == train.FindNew {
		task = models.Detector
	}
	j.cfg = train.Defaults(task)
	if j.find == train.FindBrain {
		j.cfg.Labels.HeadOptions = synth.DefaultHeads()
	}
	if file != "" {
		text, err := settings.ReadFile(file)
		if err != nil {
			return err
		}
		if err := j.cfg.ParseTOML(text); err != nil {
			return fmt.Errorf("%s: %w (with --labels it is a configuration of 'voxgrad train %s')", file, err, task)
		}
		if j.cfg.Task != task {
			return fmt.Errorf("%s: task = %q, but --find %s is for a %s", file, j.cfg.Task, j.find, task)
		}
	}
	c := &j.cfg
	c.Labels.Root, c.Labels.Find = j.labels, j.find
	if j.scans != "" {
		c.Labels.Scans = j.scans
	}
	if len(j.shapes) > 0 {
		c.Labels.Shapes = j.shapes[0]
	}
	if file == "" || cmd.Flags().Changed("seed") {
		c.Seed = j.seed
	}
	if cmd.Flags().Changed("augment") {
		c.Augment = j.augment
	}
	*c = c.Resolved()
	if err := settings.OneOf("--augment", c.Augment, augment.Names()...); err != nil {
		return cli.Usagef(cmd, "%v", err)
	}
	if j.find != train.FindBrain && c.Labels.Shapes == "" {
		return cli.Usagef(cmd, "--shapes is missing: lesion masks whose lesions have their shapes used")
	}
	for a, mm := range wholeMM {
		c.Sampler.Patch[a] = int(mm / c.Labels.SpacingMM)
	}
	if j.size != "" {
		if c.Sampler.Patch, err = settings.ParseSize(j.size); err != nil {
			return cli.Usagef(cmd, "--size: %v", err)
		}
	}
	return nil
}

// run draws and writes.
func (j *labelsJob) run(cmd *cobra.Command) error {
	scans, err := train.OpenLabels(j.cfg)
	if err != nil {
		return err
	}
	dev, err := cli.OpenDevice(cmd, j.device)
	if err != nil {
		return err
	}
	defer dev.Close()
	tidy, err := outfile.Folder(j.out)
	if err != nil {
		return err
	}
	defer tidy()
	var records []labelsRecord
	var rows []*image.RGBA
	bar := cli.NewProgress("drawing", j.count)
	defer bar.Shut()
	for n := range j.count {
		if cmd.Context().Err() != nil {
			return cli.Stopped(fmt.Errorf("interrupted after %d of %d scans, which are complete; the same command makes all of them, the same ones", n, j.count))
		}
		r, row, err := j.one(dev, scans, n)
		if err != nil {
			return err
		}
		records = append(records, *r)
		if row != nil {
			rows = append(rows, row)
		}
		bar.Set(n+1, "")
	}
	if j.montage != "" {
		if err := report.WritePNG(j.montage, stacked(rows)); err != nil {
			return err
		}
	}
	slog.Info("drawn", "scans", j.count, "folder", j.out)
	if j.asJSON {
		return cli.PrintJSON(records)
	}
	return labelsTable(records).WriteText(cli.Out)
}

// one draws and writes sample n, and its row of the montage if there is to be one.
func (j *labelsJob) one(dev device.ImagingBackend, scans *train.LabelScans, n int) (*labelsRecord, *image.RGBA, error) {
	s, err := scans.Draw(dev, n)
	if err != nil {
		return nil, nil, err
	}
	r := &labelsRecord{Anatomy: s.Anatomy, Find: j.find, Seed: j.cfg.Seed, Sample: n, Recipes: s.Recipes, Lesions: s.Planted}
	dir := j.dir(n)
	tidy, err := outfile.Folder(dir)
	if err != nil {
		return nil, nil, err
	}
	defer tidy()
	var files outfile.Set
	defer files.Discard()
	path := func(name string) string { return filepath.Join(dir, name) }
	flairs, lesions := []string{oneFlair}, []string{oneLesions}
	if j.find == train.FindNew {
		names := synth.PairFiles()
		flairs, lesions = names[:2], names[2:4]
		err = errors.Join(volume.WriteMaskIn(&files, path(names[4]), s.New), volume.WriteLabelsIn(&files, path(kindsFile), s.New, s.Kinds))
	}
	for t, im := range s.Images {
		err = errors.Join(err, volume.WriteIn(&files, path(flairs[t]), im, volume.Float32))
	}
	for t, m := range s.Lesions {
		err = errors.Join(err, volume.WriteMaskIn(&files, path(lesions[t]), m))
	}
	kind := volume.Uint8
	if j.find == train.FindBrain {
		kind = volume.Float32
	}
	if err = errors.Join(err, volume.WriteIn(&files, path(brainFile), s.Brain, kind), cli.WriteJSON(&files, path(synthRecFile), r)); err != nil {
		return nil, nil, err
	}
	if err := files.Commit(); err != nil || j.montage == "" {
		return r, nil, err
	}
	row, err := j.row(s, n)
	return r, row, err
}

// row is a drawn sample in the montage: its scans, and what is to be found in them.
func (j *labelsJob) row(s *train.LabelScan, n int) (*image.RGBA, error) {
	m := &report.Montage{Title: fmt.Sprintf("sample %d of seed %d: %s", n, j.cfg.Seed, s.Anatomy), Brain: s.Brain, Columns: 4}
	for t, im := range s.Images {
		var steps []string
		for _, step := range s.Recipes[t] {
			steps = append(steps, step.String())
		}
		m.Panels = append(m.Panels, report.Panel{Name: fmt.Sprintf("scan %d\n%s", t+1, strings.Join(steps, ", ")), Volume: im})
	}
	if j.find == train.FindBrain {
		m.Panels = append(m.Panels, report.Panel{Name: "brain", Volume: s.Brain})
		return report.MontagePicture(m)
	}
	marks := volume.New(s.Images[0].Grid)
	for i, k := range s.Kinds {
		if k > 0 {
			marks.Data[i] = 0.5 // of the first scan's grey scale, in which white matter is about 1
		}
		if k == 1+int32(synth.Appears) {
			marks.Data[i] = 2
		}
	}
	m.Panels = append(m.Panels, report.Panel{Name: "lesions\nwhite: new", Volume: marks})
	if m.Lesions = s.Lesions[0].Volume(); s.New != nil && s.New.Count() > 0 {
		m.Lesions = s.New.Volume()
	}
	return report.MontagePicture(m)
}

// stacked puts pictures one below the other.
func stacked(rows []*image.RGBA) *image.RGBA {
	var size image.Point
	for _, r := range rows {
		size.X = max(size.X, r.Bounds().Dx())
		size.Y += r.Bounds().Dy()
	}
	out := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(out, out.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	top := 0
	for _, r := range rows {
		draw.Draw(out, r.Bounds().Add(image.Pt(0, top)), r, r.Bounds().Min, draw.Src)
		top += r.Bounds().Dy()
	}
	return out
}

// labelsTable has one line for each sample.
func labelsTable(records []labelsRecord) *report.Table {
	t := &report.Table{Title: "drawn scans", Columns: []report.Column{{Name: "sample"}, {Name: "drawn from"}, {Name: "lesions"}, {Name: "new"}, {Name: "gone"}, {Name: "grown"}, {Name: "shrunk"}}}
	for _, r := range records {
		count := map[synth.Kind]int{}
		for _, l := range r.Lesions {
			count[l.Kind]++
		}
		t.Add(r.Sample, r.Anatomy, len(r.Lesions), count[synth.Appears], count[synth.Vanishes], count[synth.Grows], count[synth.Shrinks])
	}
	return t
}
