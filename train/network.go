package train

import (
	"fmt"
	"path/filepath"

	"voxgrad/models"
	"voxgrad/models/weights"
)

// openNet builds the network and its optimiser. Initial weights come from the
// seed, a detector's encoder from its file, or all from the file that the run
// starts from; a resumed run's come with the checkpoint.
func (t *trainer) openNet(resumed bool) (err error) {
	c := models.Default(t.cfg.Task)
	c.Width, c.Up, c.Dropout = t.cfg.Network.Width, t.cfg.Network.Up, t.cfg.Network.Dropout
	if c.Width == 0 {
		file := t.cfg.widthFile()
		if resumed {
			file = filepath.Join(t.dir, LastFile)
		}
		if c.Width, err = widthOf(file); err != nil {
			return err
		}
		t.cfg.Network.Width = c.Width
	}
	if t.net, err = models.New(t.dev, c, t.cfg.Seed); err != nil {
		return err
	}
	if !resumed {
		if err := t.initialWeights(); err != nil {
			return err
		}
	}
	if t.cfg.FreezeEncoder {
		t.net.FreezeEncoder()
	}
	t.adam = t.net.Adam(t.cfg.Adam.LearningRate)
	t.adam.Beta1, t.adam.Beta2, t.adam.Eps = t.cfg.Adam.Beta1, t.cfg.Adam.Beta2, t.cfg.Adam.Eps
	return t.dev.Sync()
}

// initialWeights replaces those of the seed by what the configuration names.
func (t *trainer) initialWeights() error {
	if t.cfg.Encoder != "" {
		return t.net.LoadEncoder(t.cfg.Encoder)
	}
	if t.cfg.Start == "" {
		return nil
	}
	f, err := weights.Read(t.cfg.Start)
	if err != nil {
		return err
	}
	c, err := models.ConfigOf(f)
	if err != nil {
		return err
	}
	if c.Kind != t.cfg.Task {
		return fmt.Errorf("%s is of kind %s; task %s cannot start from it", f.Path, c.Kind, t.cfg.Task)
	}
	return t.net.SetTensors(f)
}

// widthFile is the file that a network of width 0 takes its width from.
func (c Config) widthFile() string {
	if c.Start != "" {
		return c.Start
	}
	return c.Encoder
}

// widthOf is the width of the network in a file.
func widthOf(path string) (int, error) {
	f, err := weights.Read(path)
	if err != nil {
		return 0, err
	}
	c, err := models.ConfigOf(f)
	return c.Width, err
}
