package train

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"voxgrad/augment"
	"voxgrad/layers"
	"voxgrad/models"
)

// Check names the first setting that makes no sense.
func (c Config) Check() error {
	width := c.Network.Width
	if c.Task == models.Detector && width == 0 {
		width = 1
	}
	for _, err := range []error{
		oneOf("task", c.Task, models.Kinds()...),
		c.Data.Settings.Check(),
		positive("data.folds", c.Data.Folds),
		positive("data.cache_mb", c.Data.CacheMB),
		positive("network.width", width),
		oneOf("network.up", c.Network.Up, layers.Transposed, layers.Trilinear),
		inside("network.dropout", c.Network.Dropout, 0, 1),
		c.Sampler.Check(),
		oneOf("augment", c.Augment, augment.Names()...),
		c.resolved().Augmentation.Check(),
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
		c.Synthesis.Options.Check(),
		c.checkFiles(),
	} {
		if err != nil {
			return fmt.Errorf("config: %w", err)
		}
	}
	if c.Run.FullEvery > 0 && (restores(c.Task) || c.Synthesis.On()) {
		return errors.New("config: run.full_every: whole images can only be scored by a segmenter, or by a detector trained on real pairs")
	}
	if c.Run.FullEvery < 0 || c.Run.SaveEvery < 0 || c.Run.Ahead < 0 {
		return errors.New("config: run.full_every, run.save_every and run.ahead must not be negative")
	}
	return nil
}

// checkFiles says which of the weights files are missing, too many or out of place.
func (c Config) checkFiles() error {
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

func positive(name string, n int) error {
	if n < 1 {
		return fmt.Errorf("%s = %d: must be at least 1", name, n)
	}
	return nil
}

func inside(name string, x, lo, hi float64) error {
	if !(x >= lo && x < hi) {
		return fmt.Errorf("%s = %g: must be from %g to less than %g", name, x, lo, hi)
	}
	return nil
}

func oneOf(name, s string, known ...string) error {
	for _, k := range known {
		if s == k {
			return nil
		}
	}
	return fmt.Errorf("%s = %q: want %s", name, s, strings.Join(known, " or "))
}
