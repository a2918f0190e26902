package train

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"voxgrad/device"
	"voxgrad/internal/outfile"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/synth"
	"voxgrad/train/dataset"
	"voxgrad/train/sample"
	"voxgrad/train/tensorboard"
)

// Job is a training run to do.
type Job struct {
	Device device.Backend
	Config Config
	Folder string // the run folder; fold_K is made in it

	// Resume goes on from the folder's checkpoint_last if there is one. Without
	// Resume a folder that has one is refused.
	Resume bool

	// Hooks change training samples after all else about them was drawn.
	Hooks []sample.Hook

	// Events, if set, is called from Run's goroutine.
	Events func(Event)
}

// trainer is a run under way.
type trainer struct {
	cfg    Config
	dev    device.Backend
	dir    string
	on     func(Event)
	task   task
	net    *models.Net
	adam   *layers.Adam
	set    *dataset.Set
	split  dataset.Split
	loader *dataset.Loader
	train  sample.Source
	valid  sample.Source
	board  *tensorboard.Writer
	state  state
	timing timing
	warned bool // about the cache

	shapes   *synth.Library // forms of the training cases' lesions
	painters synth.Networks // frozen
}

// FoldFolder is where a fold's files are in a run folder.
func FoldFolder(run string, fold int) string { return filepath.Join(run, fmt.Sprintf("fold_%d", fold)) }

// open prepares a run: data, network, optimiser, folder, state.
func open(job Job) (*trainer, error) {
	t, err := newTrainer(job.Config, job.Device, job.Events)
	if err != nil {
		return nil, err
	}
	t.dir = FoldFolder(job.Folder, job.Config.Data.Fold)
	last := filepath.Join(t.dir, LastFile)
	_, statErr := os.Stat(last)
	exists := statErr == nil
	if exists && !job.Resume {
		return nil, fmt.Errorf("%s already holds a run: resume it or choose another folder", t.dir)
	}
	if err := t.openData(job.Hooks); err != nil {
		return nil, err
	}
	if err := t.start(exists, last); err != nil {
		return nil, t.end(err)
	}
	return t, nil
}

// newTrainer is a trainer without data, network and folder.
func newTrainer(c Config, dev device.Backend, on func(Event)) (*trainer, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	t := &trainer{cfg: c.resolved(), dev: dev, on: on}
	if t.on == nil {
		t.on = func(Event) {}
	}
	t.task = t.newTask()
	return t, nil
}

// start makes the network, fresh or from checkpoint_last, and the folder.
func (t *trainer) start(resume bool, last string) error {
	if err := t.openNet(resume); err != nil {
		return err
	}
	if err := t.newState(); err != nil {
		return err
	}
	if t.cfg.Synthesis.On() {
		if err := t.openPainters(); err != nil {
			return err
		}
	}
	if resume {
		if err := t.restore(last); err != nil {
			return err
		}
	}
	if err := t.openFolder(); err != nil {
		return err
	}
	trainable, _ := t.net.Count()
	t.on(Started{Folder: t.dir, Config: t.cfg, Device: t.dev.Name(), Train: t.state.Train, Valid: t.state.Valid,
		Layout: t.set.Layout, Parameters: trainable, Resumed: resume, Step: t.state.Step, Epoch: t.state.Epoch,
		History: t.state.History})
	if t.shapes != nil && t.shapes.Cases() == 1 {
		t.on(Warning{"only one training case lends lesion shapes: they are used in its own patches too"})
	}
	if !resume {
		return t.save() // shows at once whether the folder takes a checkpoint
	}
	return nil
}

func (t *trainer) newState() error {
	text, err := t.cfg.TOML()
	if err != nil {
		return err
	}
	t.state = state{Config: string(text), BestLoss: Number(math.NaN()), History: []Record{}}
	for _, i := range t.split.Train {
		t.state.Train = append(t.state.Train, t.set.Cases[i].ID)
	}
	for _, i := range t.split.Valid {
		t.state.Valid = append(t.state.Valid, t.set.Cases[i].ID)
	}
	return nil
}

func (t *trainer) openFolder() (err error) {
	if err := os.MkdirAll(t.dir, 0o777); err != nil {
		return fmt.Errorf("cannot make the run folder: %w", err)
	}
	if err := outfile.WriteBytes(filepath.Join(t.dir, "config.toml"), []byte(t.state.Config)); err != nil {
		return err
	}
	if t.board, err = tensorboard.Create(t.dir); err != nil {
		return err
	}
	if t.state.Step > 0 {
		return t.board.Restart(t.state.Step + 1)
	}
	return nil
}

// end closes the run and joins what fails in that to how the run ended, but not the
// error of a device that failed before and says so again.
func (t *trainer) end(err error) error {
	if closing := t.close(); closing != nil && !errors.Is(err, closing) {
		return errors.Join(err, closing)
	}
	return err
}

func (t *trainer) close() error {
	var err error
	if t.board != nil {
		err = t.board.Close()
	}
	if t.adam != nil {
		t.adam.Free()
	}
	for _, n := range []*models.Net{t.net, t.painters.Inpainter, t.painters.Generator} {
		if n != nil {
			n.Free()
		}
	}
	if failed := t.dev.Sync(); err == nil {
		return failed
	}
	return err
}
