package train

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/train/dataset"
	"voxgrad/train/prep"
	"voxgrad/train/sample"
)

// Config is everything that decides what a run computes, as it stands in the
// run folder's config.toml. Start from Defaults. Where the comment says choice,
// neither the paper nor its authors' code settles the value.
type Config struct {
	Task string `toml:"task" comment:"segmenter (all lesions, one image) or detector (new lesions, two images)"`
	Seed uint64 `toml:"seed" comment:"decides initial weights, folds, patches and dropout; same seed, same bits"`

	// Encoder is the segmenter's weights file whose encoder a detector uses, frozen.
	Encoder string `toml:"encoder" comment:"detector: weights file of the segmenter whose encoder is used, frozen"`

	Data    Data           `toml:"data"`
	Network Network        `toml:"network"`
	Sampler sample.Options `toml:"sampler"`
	Augment string         `toml:"augment" comment:"orthogonal (mirrors and right-angle rotations) or none"`
	Loss    Loss           `toml:"loss"`
	Adam    Adam           `toml:"adam"`
	Run     Course         `toml:"run"`
}

// Data says where the images are and how they are prepared.
type Data struct {
	Root string `toml:"root" comment:"folder or CSV table"`
	dataset.Options
	prep.Settings
	Folds   int `toml:"folds" comment:"parts of the split by patient; 1: no split, every case trains and validates"`
	Fold    int `toml:"fold" comment:"the part that validates, from 0"`
	CacheMB int `toml:"cache_mb" comment:"memory for loaded cases"`
}

// Network is the network's size.
type Network struct {
	Width   int     `toml:"width" comment:"channels of the first level; detector: 0 takes the encoder's"`
	Up      string  `toml:"up" comment:"transposed or trilinear"`
	Dropout float64 `toml:"dropout" comment:"after each pooling"`
}

// Loss is the segmentation loss.
type Loss struct {
	Eps          float64 `toml:"eps" comment:"e in soft Dice"`
	LesionOnly   bool    `toml:"lesion_only" comment:"Dice of the lesion channel instead of the mean over both (choice: off)"`
	CrossEntropy float64 `toml:"cross_entropy" comment:"weight of added cross-entropy (choice: 0)"`
}

// Adam is the optimiser.
type Adam struct {
	LearningRate float64 `toml:"learning_rate"`
	Beta1        float64 `toml:"beta1"`
	Beta2        float64 `toml:"beta2"`
	Eps          float64 `toml:"eps"`
}

// Course is the length and pace of a training run.
type Course struct {
	Batch        int    `toml:"batch" comment:"patches per step"`
	Steps        int    `toml:"steps" comment:"steps per epoch (choice)"`
	Epochs       int    `toml:"epochs" comment:"at most so many (choice)"`
	Patience     int    `toml:"patience" comment:"stop after so many epochs without a better validation loss"`
	ValidPatches int    `toml:"valid_patches" comment:"fixed validation patches per epoch (choice)"`
	FullEvery    int    `toml:"full_every" comment:"epochs between predictions of whole validation images; 0: never (choice)"`
	SaveEvery    int    `toml:"save_every" comment:"steps between saves of checkpoint_last beside those after each epoch; 0: none"`
	Ahead        int    `toml:"ahead" comment:"batches loaded ahead of their use"`
	OnCollapse   string `toml:"on_collapse" comment:"stop or warn when the network predicts no lesion anywhere"`
}

// Defaults is the published recipe for a task, with this project's choices where
// it is silent.
func Defaults(task string) Config {
	c := Config{
		Task:    task,
		Seed:    1,
		Data:    Data{Options: dataset.Options{Layout: "auto", Truth: "auto"}, Settings: prep.Defaults(), Folds: 5, CacheMB: 4096},
		Network: Network{Width: 24, Up: "transposed", Dropout: 0.5},
		Sampler: sample.Defaults(),
		Augment: "orthogonal",
		Loss:    Loss{Eps: 0.01},
		Adam:    Adam{LearningRate: 1e-4, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8},
		Run: Course{Batch: 4, Steps: 250, Epochs: 1000, Patience: 30, ValidPatches: 64,
			Ahead: 2, OnCollapse: "warn"},
	}
	if task == models.Detector {
		c.Network.Width = 0
	}
	return c
}

// Check names the first setting that makes no sense.
func (c Config) Check() error {
	positive := func(name string, n int) error {
		if n < 1 {
			return fmt.Errorf("%s = %d: must be at least 1", name, n)
		}
		return nil
	}
	inside := func(name string, x, lo, hi float64) error {
		if !(x >= lo && x < hi) {
			return fmt.Errorf("%s = %g: must be from %g to less than %g", name, x, lo, hi)
		}
		return nil
	}
	oneOf := func(name, s string, known ...string) error {
		for _, k := range known {
			if s == k {
				return nil
			}
		}
		return fmt.Errorf("%s = %q: want %s", name, s, strings.Join(known, " or "))
	}
	width := c.Network.Width
	if c.Task == models.Detector && width == 0 {
		width = 1
	}
	for _, err := range []error{
		oneOf("task", c.Task, models.Segmenter, models.Detector),
		c.Data.Settings.Check(),
		positive("data.folds", c.Data.Folds),
		positive("data.cache_mb", c.Data.CacheMB),
		positive("network.width", width),
		oneOf("network.up", c.Network.Up, layers.Transposed, layers.Trilinear),
		inside("network.dropout", c.Network.Dropout, 0, 1),
		c.Sampler.Check(),
		oneOf("augment", c.Augment, "orthogonal", "none"),
		inside("loss.eps", c.Loss.Eps, math.SmallestNonzeroFloat64, 1e6),
		inside("loss.cross_entropy", c.Loss.CrossEntropy, 0, 1e6),
		inside("adam.learning_rate", c.Adam.LearningRate, 0, 1e3),
		inside("adam.beta1", c.Adam.Beta1, 0, 1),
		inside("adam.beta2", c.Adam.Beta2, 0, 1),
		inside("adam.eps", c.Adam.Eps, math.SmallestNonzeroFloat64, 1),
		positive("run.batch", c.Run.Batch),
		positive("run.steps", c.Run.Steps),
		positive("run.epochs", c.Run.Epochs),
		positive("run.patience", c.Run.Patience),
		positive("run.valid_patches", c.Run.ValidPatches),
		oneOf("run.on_collapse", c.Run.OnCollapse, "stop", "warn"),
	} {
		if err != nil {
			return fmt.Errorf("config: %w", err)
		}
	}
	if c.Run.FullEvery < 0 || c.Run.SaveEvery < 0 || c.Run.Ahead < 0 {
		return errors.New("config: run.full_every, run.save_every and run.ahead must not be negative")
	}
	if c.Task == models.Detector && c.Encoder == "" {
		return errors.New("config: a detector needs encoder, the weights file of a trained segmenter")
	}
	if c.Task == models.Segmenter && c.Encoder != "" {
		return errors.New("config: encoder is for a detector; a segmenter trains its own")
	}
	return nil
}

// TOML is the config as a file. Reading it back gives the same config.
func (c Config) TOML() ([]byte, error) {
	var b bytes.Buffer
	err := toml.NewEncoder(&b).Encode(c)
	return b.Bytes(), err
}

// ParseTOML changes the settings that the text names and keeps the others. An
// unknown key is an error that gives its line.
func (c *Config) ParseTOML(text []byte) error {
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(c)
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) {
		e := strict.Errors[0]
		line, _ := e.Position()
		return fmt.Errorf("line %d: unknown key %s", line, strings.Join(e.Key(), "."))
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		line, column := decode.Position()
		return fmt.Errorf("line %d, column %d: %s", line, column, strings.TrimPrefix(decode.Error(), "toml: "))
	}
	if err != nil {
		return err
	}
	// The decoder fills arrays of a fixed length from shorter or longer ones.
	var lists struct {
		Sampler struct{ Patch []int }
	}
	if err := toml.Unmarshal(text, &lists); err != nil {
		return err
	}
	if p := lists.Sampler.Patch; p != nil && len(p) != len(c.Sampler.Patch) {
		return fmt.Errorf("sampler.patch has %d numbers: three are needed, along x, y, z", len(p))
	}
	return nil
}
