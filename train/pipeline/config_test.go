package pipeline

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/train"
)

const someConfig = `seed = 7
members = 3

[data.single]
root = "single.csv"
[data.pairs]
root = "pairs"
[data.test]
root = "held_out"

[network]
width = 8
[sampler]
patch = [32, 32, 32]
jitter = 10
[adam]
learning_rate = 1e-3
[run]
batch = 2

[generator.network]
width = 4
[finetune.adam]
learning_rate = 3e-4
`

func TestSharedTablesHoldForEveryStage(t *testing.T) {
	c := Defaults()
	require.NoError(t, c.ParseTOML([]byte(someConfig)))
	require.NoError(t, c.Check())
	require.Equal(t, 8, c.Segmenter.Network.Width)
	require.Equal(t, 4, c.Generator.Network.Width)
	require.Equal(t, "transposed", c.Generator.Network.Up)
	require.Equal(t, 1e-3, c.Detector.Adam.LearningRate)
	require.Equal(t, 3e-4, c.Finetune.Adam.LearningRate)
	require.Equal(t, 0.999, c.Finetune.Adam.Beta2)
	require.Equal(t, [3]int{32, 32, 32}, c.Inpainter.Sampler.Patch)
	require.Equal(t, 2, c.Finetune.Run.Batch)
	require.Equal(t, 250, c.Finetune.Run.Steps)
	require.Equal(t, 5, c.Folds)

	// The resolved file is the same configuration.
	text, err := c.TOML()
	require.NoError(t, err)
	d := Defaults()
	require.NoError(t, d.ParseTOML(text))
	twice, err := d.TOML()
	require.NoError(t, err)
	require.Equal(t, string(text), string(twice))
	require.NotContains(t, string(text), "\n[network]")
}

func TestConfigMistakesAreNamed(t *testing.T) {
	c := Defaults()
	require.EqualError(t, c.ParseTOML([]byte("seed = 1\n[finetune.adam]\nlearning_rat = 1\n")), "line 3: unknown key finetune.adam.learning_rat; did you mean finetune.adam.learning_rate?")
	require.EqualError(t, c.ParseTOML([]byte("[segmenter]\nencoder = \"x\"\n")), "line 2: unknown key segmenter.encoder")
	require.ErrorContains(t, c.ParseTOML([]byte("[run]\nbatch = \"two\"\n")), "line 2, column")
	require.ErrorContains(t, c.ParseTOML([]byte("[detector.sampler]\npatch = [1, 2]\n")), "detector.sampler.patch has 2 numbers")
	require.Equal(t, Defaults(), c, "a text with a mistake changes nothing")

	good := tiny()
	require.NoError(t, good.Check())
	for want, change := range map[string]func(*Config){
		"members = 3 with folds = 2":                func(c *Config) { c.Members = 3 },
		"data.test.root":                            func(c *Config) { c.Data.Test.Root = "" },
		"data.single.root":                          func(c *Config) { c.Data.Single.Root = "" },
		"the same network.width":                    func(c *Config) { c.Segmenter.Network.Width = 3 },
		"detector: config: run.batch":               func(c *Config) { c.Detector.Run.Batch = 0 },
		"inpainter: config: network.up":             func(c *Config) { c.Inpainter.Network.Up = "down" },
		`ablation.rows: "11" is no method`:          func(c *Config) { c.Ablation.Rows = []string{"11"} },
		`ablation.rows: "21" is no method: want th`: func(c *Config) { c.Ablation.Rows = []string{"21"} },
		"synthesis.inpainter":                       func(c *Config) { c.Synthesis.Inpainter = "x" },
		"data.test.folds":                           func(c *Config) { c.Data.Test.Folds = 2 },
		"hop":                                       func(c *Config) { c.Predict.Stride[0] = 0 },
		"normalize":                                 func(c *Config) { c.Data.Normalize = "z" },
	} {
		c := tiny()
		change(&c)
		require.ErrorContains(t, c.Check(), want)
	}
	alone := tiny()
	alone.Method, alone.Data.Single.Root = Method{Augmentation: true}, ""
	require.NoError(t, alone.Check(), "nothing learns from single scans")
}

func TestAStageChangesItsPreset(t *testing.T) {
	c := Defaults()
	require.NoError(t, c.ParseTOML([]byte("[finetune]\naugment = \"none\"\n[finetune.augmentation.noise]\np = 0.25\n[detector.augmentation.noise]\np = 0.75\n")))
	m := Method{Augmentation: true}
	tuned := c.trainConfig(finetune, m, 0)
	settings := flat(tuned.Resolved())
	require.Equal(t, "none", settings["augment"])
	require.Equal(t, "0.25", settings["augmentation.noise.p"])
	require.Equal(t, "0", settings["augmentation.bias.p"], "none's")
	require.Equal(t, 0.75, c.trainConfig(detector, m, 0).Augmentation.Noise.P)
	require.Equal(t, train.Defaults("detector").Augmentation.Bias.P, c.trainConfig(detector, m, 0).Augmentation.Bias.P)

	// Switched off, the preset counts, not the stage's changes.
	off := c.trainConfig(detector, Method{}, 0)
	settings = flat(off.Resolved())
	require.Equal(t, "paper-baseline", settings["augment"])
	require.Equal(t, "0", settings["augmentation.noise.p"])
}

// What each method's stages train on and start from.
func TestMethodsDecideTheStages(t *testing.T) {
	c := tiny()
	for _, v := range []struct {
		name, stage                     string
		freeze                          bool
		encoder, start, paint, augment_ string
	}{
		{"111", detector, true, segmenter, "", inpainter, "default"},
		{"111", finetune, true, "", detector, "", "default"},
		{"100", finetune, true, segmenter, "", "", "paper-baseline"},
		{"010", detector, false, "", "", inpainter, "paper-baseline"},
		{"010", finetune, false, "", detector, "", "paper-baseline"},
		{"001", finetune, false, "", "", "", "default"},
		{"000", finetune, false, "", "", "", "paper-baseline"},
	} {
		m, err := parseMethod(v.name)
		require.NoError(t, err)
		require.Equal(t, v.name, m.Name())
		got := c.trainConfig(v.stage, m, 1)
		require.NoError(t, got.Check())
		require.Equal(t, "detector", got.Task)
		require.Equal(t, 1, got.Data.Fold)
		require.Equal(t, v.freeze, got.FreezeEncoder, v)
		require.Equal(t, v.encoder, got.Encoder, v)
		require.Equal(t, v.start, got.Start, v)
		require.Equal(t, v.paint, got.Synthesis.Inpainter, v)
		require.Equal(t, v.augment_, got.Augment, v)
	}
	// Fairness in steps, if asked for.
	m := Method{Transfer: true, EqualSteps: true}
	c.Detector.Run.Epochs, c.Detector.Run.Steps, c.Finetune.Run.Steps = 5, 7, 4
	c.Finetune.Run.Epochs = 2
	require.Equal(t, 2+9, c.trainConfig(finetune, m, 0).Run.Epochs, "35 steps are 9 epochs of 4")
	m.Synthesis = true
	require.Equal(t, 2, c.trainConfig(finetune, m, 0).Run.Epochs)
	// A set that cannot be split is not.
	c.Data.Pairs.Folds = 1
	require.Equal(t, 0, c.trainConfig(finetune, m, 1).Data.Fold)
}

func FuzzConfig(f *testing.F) {
	f.Add(someConfig)
	f.Add("[finetune]\naugment = 3")
	f.Add("[ablation]\nrows = [\"111\"]\nseeds = [1, 2]")
	f.Add("[predict]\npatch = []")
	f.Fuzz(func(t *testing.T, text string) {
		c := Defaults()
		if c.ParseTOML([]byte(text)) != nil {
			return
		}
		_ = c.Check()
		once, err := c.TOML()
		require.NoError(t, err)
		d := Defaults()
		require.NoError(t, d.ParseTOML(once))
		twice, err := d.TOML()
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))
	})
}
