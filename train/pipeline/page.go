package pipeline

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"voxgrad/internal/outfile"
	"voxgrad/metrics"
	"voxgrad/report"
	"voxgrad/train/dataset"
	"voxgrad/volume"
)

// pageWork makes the report: scores beside the baseline's, pictures, curves, times.
type pageWork struct {
	prefix             string
	steps              []*Step
	evaluate, baseline *Step
}

// PageFile is the report's name in the folder.
const PageFile = "index.html"

const picturesFolder = "pictures"

func (w *pageWork) file() string     { return w.prefix + PageFile }
func (w *pageWork) pictures() string { return path.Join(w.prefix, picturesFolder) }

func (w *pageWork) inputs(p *Pipeline) (*inputs, error) {
	in := &inputs{hashes: map[string]string{}, config: map[string]string{
		"predict.pictures": strconv.Itoa(p.job.Config.Predict.Pictures), "members": strconv.Itoa(p.job.Config.Members)}}
	d, err := p.test()
	if err != nil {
		return nil, err
	}
	errs := []error{
		in.data(p, testSet, d, dataset.Images|dataset.Masks),
		in.add(p, "scores", p.path(w.evaluate.work.(*evaluating).json())),
		in.add(p, "scores of the baseline", p.path(w.baseline.work.(*thresholding).json())),
	}
	for _, s := range w.steps {
		if t, ok := s.work.(*training); ok {
			errs = append(errs, in.add(p, "curves of "+s.Name, p.path(t.folder(), "metrics.csv")))
		}
	}
	return in, errors.Join(errs...)
}

func (w *pageWork) outputs(*Pipeline) ([]string, error) { return []string{w.file()}, nil }

func (w *pageWork) places() []string { return []string{w.file(), w.pictures()} }

func (w *pageWork) run(ctx context.Context, p *Pipeline, s *Step) (*session, error) {
	d, err := p.test()
	if err != nil {
		return nil, err
	}
	page := report.NewPage("voxgrad: new lesions between two scans")
	page.Lead = fmt.Sprintf("An ensemble of %d detectors on %d pairs that no stage has seen, beside a difference threshold.",
		p.job.Config.Members, len(d.Cases))
	page.Footer = "voxgrad " + p.job.Version + ". For research, not a medical device."
	if err := w.scores(ctx, p, s, page, d); err != nil {
		return nil, err
	}
	page.Section("Training")
	for _, st := range w.steps {
		if t, ok := st.work.(*training); ok {
			if err := curves(page, p.path(t.folder(), "metrics.csv"), st.Name); err != nil {
				return nil, err
			}
		}
	}
	if err := w.times(p, page); err != nil {
		return nil, err
	}
	return &session{}, page.Write(p.path(w.file()))
}

// scores adds what the ensemble and the baseline reach, and the pictures.
func (w *pageWork) scores(ctx context.Context, p *Pipeline, s *Step, page *report.Page, d *dataset.Set) error {
	var ours, theirs []metrics.Case
	var drawn []report.Picture
	tidy, err := outfile.Folder(p.path(w.pictures()))
	if err != nil {
		return err
	}
	defer tidy()
	pred := w.evaluate.work.(*evaluating).predictions()
	for n, c := range d.Cases {
		if err := ctx.Err(); err != nil {
			return err
		}
		found, err := volume.ReadMask(p.path(pred.mask(c)))
		if err != nil {
			return err
		}
		other, err := volume.ReadMask(p.path(baselineFolder, c.ID+newEnding))
		if err != nil {
			return err
		}
		a, err := score(c, found)
		if err != nil {
			return err
		}
		b, err := score(c, other)
		if err != nil {
			return err
		}
		ours, theirs = append(ours, a), append(theirs, b)
		if n < p.job.Config.Predict.Pictures {
			picture, err := w.draw(p, pred, c, found)
			if err != nil {
				return err
			}
			drawn = append(drawn, *picture)
		}
		p.on(Progress{Step: s, Done: n + 1, Total: len(d.Cases)})
	}
	sum, err := metrics.Summarize(ours, metrics.DefaultBootstrap())
	if err != nil {
		return err
	}
	result, err := p.result(w.evaluate, w.baseline)
	if err != nil {
		return err
	}
	page.Section("Scores")
	page.Table(result.Table())
	page.Text(metrics.Rule)
	page.Boxes(report.BoxPlots([]string{"ensemble", "difference threshold"}, ours, theirs)...)
	page.Section("Case by case")
	for _, t := range report.ScoreTables(ours, sum) {
		page.Table(t)
	}
	if len(drawn) > 0 {
		page.Section("Pictures")
	}
	for _, x := range drawn {
		page.Image(x.Image, x.Alt, "")
	}
	return nil
}

// draw writes a case's picture.
func (w *pageWork) draw(p *Pipeline, pred *predicting, c dataset.Case, found *volume.Mask) (*report.Picture, error) {
	images, err := p.images(c)
	if err != nil {
		return nil, err
	}
	truth, err := dataset.ReadMask(c)
	if err != nil {
		return nil, err
	}
	prob, err := volume.Read(p.path(pred.prob(c)))
	if err != nil {
		return nil, err
	}
	img, err := report.LesionPicture(&report.Case{Title: c.ID, Time1: images.Aligned[0], Time2: images.Aligned[1], Mask: found.Volume(), Prob: prob,
		Truth: truth.Volume(), Brain: images.Masked.Volume(), Rows: 3})
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", c.ID, err)
	}
	if err := report.WritePNG(p.path(w.pictures(), c.ID+".png"), img); err != nil {
		return nil, err
	}
	return &report.Picture{Image: img, Alt: "slices of " + c.ID + " with true and predicted new lesions"}, nil
}

// curves adds the chart of a metrics.csv.
func curves(page *report.Page, file, name string) error {
	h, err := readHistory(file)
	if err != nil {
		return err
	}
	h.Title = name
	chart, err := report.Curves(h)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	page.Chart(chart, "training curves of "+name, "")
	return nil
}

// readHistory reads the columns of a metrics.csv that curves show.
func readHistory(file string) (*report.History, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s is empty", file)
	}
	column := func(name string) (out []float64) {
		for c, head := range rows[0] {
			if head != name {
				continue
			}
			for _, r := range rows[1:] {
				x, err := strconv.ParseFloat(r[c], 64)
				if err != nil {
					x = math.NaN() // an empty cell: not measured in that epoch
				}
				out = append(out, x)
			}
		}
		return out
	}
	h := &report.History{TrainLoss: column("train_loss"), ValLoss: column("valid_loss"), ValDice: column("valid_dice"),
		FullDice: column("full_dice"), FullF1: column("full_lesion_f1")}
	for c, head := range rows[0] {
		if head != "best" {
			continue
		}
		for n, r := range rows[1:] {
			if r[c] == "true" {
				h.Best = n + 1
			}
		}
	}
	return h, nil
}

// times adds what each step took.
func (w *pageWork) times(p *Pipeline, page *report.Page) error {
	page.Section("This run")
	t := &report.Table{Title: "steps", Columns: []report.Column{{Name: "step"}, {Name: "training steps"}, {Name: "last session"}, {Name: "device"}, {Name: "finished"}}}
	for _, s := range w.steps {
		st, ok := readJSON[Stamp](p.stampFile(s))
		if !ok {
			continue
		}
		var steps any
		if st.Steps > 0 {
			steps = st.Steps
		}
		t.Add(s.Name, steps, time.Duration(st.Seconds*float64(time.Second)), st.Device, st.Finished.Format(time.DateTime))
	}
	t.Note = "A step that was cut off and went on has the time of its last session here."
	page.Table(t)
	c := p.job.Config
	page.Facts(
		report.Fact{Name: "seed", Value: fmt.Sprint(c.Seed)},
		report.Fact{Name: "method", Value: c.Method.describe()},
		report.Fact{Name: "width", Value: c.Detector.Network.Width},
		report.Fact{Name: "settings", Value: ConfigFile},
	)
	return nil
}

// describe names what is switched on.
func (m Method) describe() string {
	var on []string
	for _, x := range []struct {
		on   bool
		name string
	}{{m.Transfer, "transfer"}, {m.Synthesis, "synthesis"}, {m.Augmentation, "augmentation"}} {
		if x.on {
			on = append(on, x.name)
		}
	}
	if len(on) == 0 {
		return "baseline: real pairs, mirrors and right-angle rotations only"
	}
	return strings.Join(on, " + ")
}
