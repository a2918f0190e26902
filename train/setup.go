package train

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"voxgrad/device"
	"voxgrad/internal/atomicfile"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/models/weights"
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

	// Augment changes training samples after the orientation was drawn.
	Augment []sample.Augment

	// Events, if set, is called from Run's goroutine.
	Events func(Event)
}

// trainer is a run under way.
type trainer struct {
	cfg    Config
	dev    device.Backend
	dir    string
	on     func(Event)
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
}

// FoldFolder is where a fold's files are in a run folder.
func FoldFolder(run string, fold int) string { return filepath.Join(run, fmt.Sprintf("fold_%d", fold)) }

// open prepares a run: data, network, optimiser, folder, state.
func open(job Job) (*trainer, error) {
	t := &trainer{cfg: job.Config, dev: job.Device, on: job.Events, dir: FoldFolder(job.Folder, job.Config.Data.Fold)}
	if t.on == nil {
		t.on = func(Event) {}
	}
	if err := t.cfg.Check(); err != nil {
		return nil, err
	}
	last := filepath.Join(t.dir, LastFile)
	_, statErr := os.Stat(last)
	exists := statErr == nil
	if exists && !job.Resume {
		return nil, fmt.Errorf("%s already holds a run: resume it or choose another folder", t.dir)
	}
	if err := t.openData(job.Augment); err != nil {
		return nil, err
	}
	if err := t.start(exists, last); err != nil {
		return nil, errors.Join(err, t.close())
	}
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
	if !resume {
		return t.save() // shows at once whether the folder takes a checkpoint
	}
	return nil
}

func (t *trainer) openData(augment []sample.Augment) (err error) {
	if t.set, err = dataset.Open(t.cfg.Data.Root, t.cfg.Data.Options); err != nil {
		return err
	}
	if err := t.set.Complete(); err != nil {
		return err
	}
	times, err := t.set.TimePoints()
	if err != nil {
		return err
	}
	want := map[string]int{models.Segmenter: 1, models.Detector: 2}[t.cfg.Task]
	if times != want {
		return fmt.Errorf("data set %s (layout %s) has %d image(s) per case; a %s trains on %d", t.set.Root, t.set.Layout, times, t.cfg.Task, want)
	}
	if t.split, err = t.set.KFold(t.cfg.Seed, t.cfg.Data.Folds, t.cfg.Data.Fold); err != nil {
		return err
	}
	t.loader = dataset.NewLoader(t.set, t.cfg.Data.Settings, int64(t.cfg.Data.CacheMB)<<20)
	var hooks []sample.Augment
	if t.cfg.Augment != "none" {
		hooks = append(hooks, sample.Orthogonal)
	}
	hooks = append(hooks, augment...)
	training, err := sample.NewSampler(t.loader.View(t.split.Train), t.cfg.Sampler, t.cfg.Seed, "sample", hooks...)
	if err != nil {
		return err
	}
	if training.LesionCases() == 0 {
		return fmt.Errorf("data set %s: no training case has a lesion: there is nothing to learn from", t.set.Root)
	}
	t.train = training
	t.valid, err = sample.NewSampler(t.loader.View(t.split.Valid), t.cfg.Sampler, t.cfg.Seed, "valid")
	return err
}

// openNet builds the network. A detector's encoder comes from its file, or with
// the checkpoint.
func (t *trainer) openNet(resumed bool) (err error) {
	c := models.Config{Kind: t.cfg.Task, Width: t.cfg.Network.Width, Up: t.cfg.Network.Up, Cin: 1, Cout: 2, Dropout: t.cfg.Network.Dropout}
	if c.Kind == models.Detector && c.Width == 0 {
		file := t.cfg.Encoder
		if resumed {
			file = filepath.Join(t.dir, LastFile)
		}
		f, err := weights.Read(file)
		if err != nil {
			return err
		}
		enc, err := models.ConfigOf(f)
		if err != nil {
			return err
		}
		c.Width, t.cfg.Network.Width = enc.Width, enc.Width
	}
	if t.net, err = models.New(t.dev, c, t.cfg.Seed); err != nil {
		return err
	}
	if c.Kind == models.Detector {
		if !resumed {
			if err := t.net.LoadEncoder(t.cfg.Encoder); err != nil {
				return err
			}
		}
		t.net.FreezeEncoder()
	}
	t.adam = t.net.Adam(t.cfg.Adam.LearningRate)
	t.adam.Beta1, t.adam.Beta2, t.adam.Eps = t.cfg.Adam.Beta1, t.cfg.Adam.Beta2, t.cfg.Adam.Eps
	return t.dev.Sync()
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
	if err := atomicfile.WriteBytes(filepath.Join(t.dir, "config.toml"), []byte(t.state.Config)); err != nil {
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

func (t *trainer) close() error {
	var err error
	if t.board != nil {
		err = t.board.Close()
	}
	if t.adam != nil {
		t.adam.Free()
	}
	if t.net != nil {
		t.net.Free()
	}
	return errors.Join(err, t.dev.Sync())
}
