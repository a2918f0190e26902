package train

import (
	"errors"
	"fmt"
	"math"

	"voxgrad/augment"
	"voxgrad/internal/settings"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/synth"
	"voxgrad/train/dataset"
	"voxgrad/train/prep"
	"voxgrad/train/sample"
)

// Config is everything that decides what a run computes, as it stands in the
// run folder's config.toml. Start from Defaults. Where the comment says choice,
// neither the paper nor its authors' code settles the value.
type Config struct {
	Task string `toml:"task" comment:"segmenter (all lesions, one image), detector (new lesions, two images), inpainter (healthy tissue in place of noise) or generator (a lesion in place of noise)"`
	Seed uint64 `toml:"seed" comment:"decides initial weights, folds, patches, augmentation and dropout; same seed, same bits"`

	// Encoder is the segmenter's weights file whose encoder a detector takes over.
	Encoder string `toml:"encoder" comment:"detector: weights file of the segmenter whose encoder is used"`

	// FreezeEncoder keeps a detector's encoder as it is.
	FreezeEncoder bool `toml:"freeze_encoder" comment:"detector: the encoder is not trained; false trains it too, without encoder from scratch"`

	// Start is a weights file of the same task that training starts from.
	Start string `toml:"start" comment:"weights file of the same kind of network to go on from (fine-tuning)"`

	Data    Data           `toml:"data"`
	Network Network        `toml:"network"`
	Sampler sample.Options `toml:"sampler"`
	Augment string         `toml:"augment" comment:"preset of augmentation: default, torchio, paper-baseline (mirrors and right-angle rotations) or none"`

	// Augmentation is the preset with changes. Those made for another preset than
	// Augment do not count; see Preset.
	Augmentation Augmentation `toml:"augmentation"`

	Synthesis Synthesis `toml:"synthesis"`
	Labels    Labels    `toml:"labels"`
	Loss      Loss      `toml:"loss"`
	Adam      Adam      `toml:"adam"`
	Run       Schedule  `toml:"run"`
}

// Data describes where the images are and how they are prepared.
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
	Up      string  `toml:"up" comment:"upsampling: transposed or trilinear"`
	Dropout float64 `toml:"dropout" comment:"probability of dropout after each pooling"`
	Norm    string  `toml:"norm" comment:"normalisation: batch, or instance: each sample by its own statistics, in training and in prediction (nnU-Net's; choice: batch, the paper's)"`

	// FreezeNorm trains the network as it predicts. Small batches' statistics part from the running ones; a last
	// part of training with these, from Start, closes the gap.
	FreezeNorm bool `toml:"freeze_norm" comment:"with start: norms keep its running statistics and there is no dropout, so that training sees what prediction sees (choice: off)"`
}

// Synthesis makes a detector train on synthetic pairs: the data set has one image
// per case with all its lesions, and two time points are made from it. Sizes of
// shapes and the inpainter's regions hold for the training of an inpainter too.
type Synthesis struct {
	Inpainter string `toml:"inpainter" comment:"detector: weights file; with it and a generator, training pairs are made from single images with all lesions"`
	Generator string `toml:"generator" comment:"detector: weights file"`
	Prior     string `toml:"prior" comment:"detector: map of how likely lesions are at each place, in the space of all images; multiplied with each case's white matter, if it has that"`
	synth.Options
}

// On reports whether pairs are synthetic.
func (s Synthesis) On() bool { return s.Inpainter != "" || s.Generator != "" }

// Augmentation is a preset and its settings.
type Augmentation struct {
	augment.Preset
	of string // the preset's name
}

// Loss is the segmentation loss. An inpainter and a generator have the mean squared error.
type Loss struct {
	Eps          float64 `toml:"eps" comment:"the constant e of soft Dice (docs/training.md)"`
	LesionOnly   bool    `toml:"lesion_only" comment:"Dice of the lesion channel instead of the mean over both (choice: off)"`
	CrossEntropy float64 `toml:"cross_entropy" comment:"weight of added cross-entropy (choice: 0)"`
	FilledOnly   bool    `toml:"filled_only" comment:"inpainter, generator: squared error inside the filled regions alone, all that synthesis takes of their output (choice: off, the whole patch)"`
}

// Adam is the optimiser.
type Adam struct {
	LearningRate float64 `toml:"learning_rate" comment:"step size of Adam"`
	Beta1        float64 `toml:"beta1" comment:"decay of Adam's first moment"`
	Beta2        float64 `toml:"beta2" comment:"decay of Adam's second moment"`
	Eps          float64 `toml:"eps" comment:"constant of Adam, added to the root of the second moment"`
	WeightDecay  float64 `toml:"weight_decay" comment:"decoupled decay of all parameters (AdamW); 0: none (choice)"`
	ClipNorm     float64 `toml:"clip_norm" comment:"largest norm of all gradients together, which are scaled down to it (gradient clipping; nnU-Net takes 12); 0: none (choice)"`
	Schedule     string  `toml:"schedule" comment:"learning rate over the run: constant, polynomial (power 0.9 to 0, as nnU-Net's) or cosine (to 0); the last two end with the last of run.epochs (choice)"`
	Warmup       int     `toml:"warmup" comment:"steps over which the learning rate rises linearly to its full value first; 0: none (choice)"`
	Average      float64 `toml:"average" comment:"decay of an exponential moving average (EMA) of weights and running statistics, which is then what is validated and saved; 0: none, 0.999 is usual (choice)"`
}

// Schedule is the length and pace of a training run.
type Schedule struct {
	Batch        int    `toml:"batch" comment:"patches per step"`
	Steps        int    `toml:"steps" comment:"steps per epoch (choice)"`
	Epochs       int    `toml:"epochs" comment:"epochs at most (choice)"`
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
		Task:      task,
		Seed:      1,
		Data:      Data{Options: dataset.Options{Layout: "auto", Truth: "auto"}, Settings: prep.Defaults(), Folds: 5, CacheMB: 4096},
		Network:   Network{Width: 24, Up: "transposed", Dropout: 0.5, Norm: layers.Batch},
		Sampler:   sample.Defaults(),
		Augment:   "default",
		Synthesis: Synthesis{Options: synth.Defaults()},
		Labels:    defaultLabels(task),
		Loss:      Loss{Eps: 0.01},
		Adam:      Adam{LearningRate: 1e-4, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Schedule: Constant},
		Run: Schedule{Batch: 4, Steps: 250, Epochs: 1000, Patience: 30, ValidPatches: 64,
			Ahead: 2, OnCollapse: "warn"},
	}
	switch task {
	case models.Detector:
		c.Network.Width = 0
		c.FreezeEncoder = true
	case models.Inpainter:
		c.Augment = "paper-baseline" // its target is the untouched patch
	}
	return c.Resolved()
}

// Resolved is c with the settings of the preset that Augment names, unless it has
// them, perhaps changed, already. An unknown name is left for Check to refuse.
func (c Config) Resolved() Config {
	if c.Augmentation.of != c.Augment {
		if a := AugmentationOf(c.Augment); a.of != "" {
			c.Augmentation = a
		}
	}
	return c
}

// AugmentationOf is a preset of augmentation without changes. An unknown name is left for
// Check to refuse, and results in the zero value.
func AugmentationOf(preset string) Augmentation {
	p, err := augment.Named(preset)
	if err != nil {
		return Augmentation{}
	}
	return Augmentation{p, preset}
}

// TOML is the config as a file, with all that presets stand for. Reading it back
// results in the same config.
func (c Config) TOML() ([]byte, error) {
	return settings.Encode(c.Resolved())
}

// ParseTOML changes the settings that the text names and keeps the others. If it
// names a preset of augmentation, only its own changes to it count. An unknown key
// is an error that names its line.
func (c *Config) ParseTOML(text []byte) error {
	c.startPreset(text)
	return settings.Decode(text, c)
}

// startPreset puts the preset in place that a text's [augmentation] table changes.
// What is wrong with the text is found when all of it is read.
func (c *Config) startPreset(text []byte) {
	var names struct{ Augment *string }
	if err := settings.Part(text, &names); err == nil && names.Augment != nil {
		c.Augment, c.Augmentation.of = *names.Augment, ""
	}
	*c = c.Resolved()
}

// maxCount bounds what is counted: the product of two fits into an int64.
const maxCount = 1e9

// Check names the first setting that makes no sense.
func (c Config) Check() error {
	width := c.Network.Width
	if c.Task == models.Detector && width == 0 {
		width = 1
	}
	for _, err := range []error{
		settings.OneOf("task", c.Task, models.Kinds()...),
		c.Data.Settings.Check(),
		settings.Within("data.folds", c.Data.Folds, 1, 1<<16),
		settings.Within("data.cache_mb", c.Data.CacheMB, 1, 1<<24),
		settings.Within("network.width", width, 1, 1024),
		settings.OneOf("network.up", c.Network.Up, layers.Transposed, layers.Trilinear),
		settings.Below("network.dropout", c.Network.Dropout, 0, 1),
		settings.OneOf("network.norm", c.Network.Norm, layers.Batch, layers.Instance),
		c.Sampler.Check(),
		settings.OneOf("augment", c.Augment, augment.Names()...),
		c.Resolved().Augmentation.Check(),
		settings.Below("loss.eps", c.Loss.Eps, math.SmallestNonzeroFloat64, 1e6),
		settings.Below("loss.cross_entropy", c.Loss.CrossEntropy, 0, 1e6),
		settings.Below("adam.learning_rate", c.Adam.LearningRate, 0, 1e3),
		settings.Below("adam.beta1", c.Adam.Beta1, 0, 1),
		settings.Below("adam.beta2", c.Adam.Beta2, 0, 1),
		settings.Below("adam.eps", c.Adam.Eps, math.SmallestNonzeroFloat64, 1),
		settings.Below("adam.weight_decay", c.Adam.WeightDecay, 0, 1e3),
		settings.Below("adam.clip_norm", c.Adam.ClipNorm, 0, 1e9),
		settings.OneOf("adam.schedule", c.Adam.Schedule, Constant, Polynomial, Cosine),
		settings.Within("adam.warmup", c.Adam.Warmup, 0, maxCount),
		settings.Below("adam.average", c.Adam.Average, 0, 1),
		settings.Within("run.batch", c.Run.Batch, 1, 1<<16),
		settings.Within("run.steps", c.Run.Steps, 1, maxCount),
		settings.Within("run.epochs", c.Run.Epochs, 1, maxCount),
		settings.Within("run.patience", c.Run.Patience, 1, maxCount),
		settings.Within("run.valid_patches", c.Run.ValidPatches, 1, maxCount),
		settings.Within("run.full_every", c.Run.FullEvery, 0, maxCount),
		settings.Within("run.save_every", c.Run.SaveEvery, 0, maxCount),
		settings.Within("run.ahead", c.Run.Ahead, 0, 1024),
		settings.OneOf("run.on_collapse", c.Run.OnCollapse, "stop", "warn"),
		c.Synthesis.Options.Check(),
		c.Labels.check(c.Task),
		c.checkFiles(),
	} {
		if err != nil {
			return fmt.Errorf("config: %w", err)
		}
	}
	if p := c.Sampler.Patch; c.Network.Norm == layers.Instance && p[0]*p[1]*p[2] <= models.Multiple*models.Multiple*models.Multiple {
		return fmt.Errorf("config: sampler.patch = %v: of the deepest level one voxel is left, which instance norm makes 0: take larger patches, or network.norm = batch", p)
	}
	if c.Run.FullEvery > 0 && (restores(c.Task) || c.Synthesis.On() || c.Labels.On()) {
		return errors.New("config: run.full_every: whole images can only be scored by a segmenter, or by a detector trained on real pairs")
	}
	return nil
}

// checkFiles reports which of the weights files are missing, too many or out of place.
func (c Config) checkFiles() error {
	if c.Network.FreezeNorm && c.Network.Norm == layers.Instance {
		return errors.New("network.freeze_norm keeps running statistics: instance norm has none, and trains as it predicts")
	}
	if c.Network.FreezeNorm && c.Start == "" {
		return errors.New("network.freeze_norm keeps the running statistics of start: without start there are none")
	}
	if c.Task != models.Detector {
		switch {
		case c.Encoder != "":
			return fmt.Errorf("encoder is for a detector; %s trains its own", c.Task)
		case c.FreezeEncoder:
			return fmt.Errorf("freeze_encoder is for a detector; %s trains its own encoder", c.Task)
		case c.Synthesis.On() || c.Synthesis.Prior != "":
			return fmt.Errorf("synthesis is for a detector, not for %s", c.Task)
		}
		return nil
	}
	switch {
	case c.Start != "" && c.Encoder != "":
		return errors.New("start already holds an encoder: give start or encoder, not both")
	case c.FreezeEncoder && c.Start == "" && c.Encoder == "":
		return errors.New("a detector needs encoder, the weights file of a trained segmenter, or start, a trained detector's; freeze_encoder = false trains an encoder from scratch")
	case c.Network.Width == 0 && c.Start == "" && c.Encoder == "":
		return errors.New("network.width = 0 takes the encoder's: without encoder and start, give a width")
	case c.Synthesis.Prior != "" && !c.Synthesis.On():
		return errors.New("synthesis.prior says where lesions are put: it needs synthesis.inpainter and synthesis.generator")
	case c.Synthesis.On() && (c.Synthesis.Inpainter == "" || c.Synthesis.Generator == ""):
		return errors.New("synthesis needs both, synthesis.inpainter and synthesis.generator")
	}
	return nil
}
