package train

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/augment"
	"voxgrad/internal/settings"
)

func TestConfigRoundTrip(t *testing.T) {
	c := Defaults("segmenter")
	c.Seed, c.Data.Root, c.Data.Channels, c.Data.Truth, c.Data.Normalize = 1<<62, `C:\a "b"`, []int{2, 3}, "rater2", "none"
	c.Loss.Eps = 0.1 + 0.2
	text, err := c.TOML()
	require.NoError(t, err)
	d := Defaults("segmenter")
	require.NoError(t, d.ParseTOML(text))
	require.Equal(t, c, d)
	require.Empty(t, settings.Diff(c.Resolved(), d.Resolved()))
	// Everything stands under the keys that the documentation names, embedded structs included.
	for _, key := range []string{"\nlayout = ", "\nnormalize = ", "\n[sampler]", "\nlesion_prob = ", "\nlearning_rate = "} {
		require.Contains(t, string(text), key)
	}
}

func TestConfigRefusesWhatItDoesNotKnow(t *testing.T) {
	c := Defaults("segmenter")
	err := c.ParseTOML([]byte("seed = 3\n[adam]\nbeta1 = 0.8\nmomentum = 0.9\n"))
	require.EqualError(t, err, "line 4: unknown key adam.momentum")
	require.EqualError(t, c.ParseTOML([]byte("[run]\nbatch = \"four\"\n")),
		"line 2, column 9: cannot decode TOML string into run.batch, which must be of type int")
	require.ErrorContains(t, c.ParseTOML([]byte("[run\n")), "line 1")
	require.ErrorContains(t, c.ParseTOML([]byte("[sampler]\npatch = [1, 2]\n")), "patch")
}

func TestConfigCheck(t *testing.T) {
	require.NoError(t, Defaults("segmenter").Check())
	d := Defaults("detector")
	require.ErrorContains(t, d.Check(), "encoder")
	d.Encoder = "x"
	require.NoError(t, d.Check())
	for want, change := range map[string]func(*Config){
		"task":           func(c *Config) { c.Task = "painter" },
		"learning_rate":  func(c *Config) { c.Adam.LearningRate = -1 },
		"network.width":  func(c *Config) { c.Network.Width = 0 },
		"network.up":     func(c *Config) { c.Network.Up = "nearest" },
		"dropout":        func(c *Config) { c.Network.Dropout = 1 },
		"run.batch":      func(c *Config) { c.Run.Batch = 0 },
		"on_collapse":    func(c *Config) { c.Run.OnCollapse = "panic" },
		"augment":        func(c *Config) { c.Augment = "all" },
		"normalize":      func(c *Config) { c.Data.Normalize = "z" },
		"lesion_prob":    func(c *Config) { c.Sampler.LesionProb = 1.5 },
		"lesion_point":   func(c *Config) { c.Sampler.LesionPoint = "edge" },
		"cross_entropy":  func(c *Config) { c.Loss.CrossEntropy = -1 },
		"encoder is for": func(c *Config) { c.Encoder = "x" },
	} {
		c := Defaults("segmenter")
		change(&c)
		require.ErrorContains(t, c.Check(), want)
	}
}

// A preset's settings can be changed one by one; naming another preset starts anew.
func TestAugmentationOfAConfig(t *testing.T) {
	none, err := augment.Named("none")
	require.NoError(t, err)
	torchio, err := augment.Named("torchio")
	require.NoError(t, err)

	c := Defaults("segmenter")
	require.NoError(t, c.ParseTOML([]byte("[augmentation.noise]\np = 0.75\n")))
	require.Equal(t, 0.75, c.Augmentation.Noise.P)
	require.Equal(t, 0.3, c.Augmentation.Bias.P, "the default's")
	require.NoError(t, c.ParseTOML([]byte("augment = 'torchio'\n[augmentation.blur]\np = 0.5\n")))
	want := torchio
	want.Blur.P = 0.5
	require.Equal(t, want, c.Augmentation.Preset)

	// The run folder's file holds all of it, and gives the same again.
	text, err := c.TOML()
	require.NoError(t, err)
	require.Contains(t, string(text), "[augmentation.motion]")
	d := Defaults("detector")
	require.NoError(t, d.ParseTOML(text))
	require.Equal(t, want, d.Resolved().Augmentation.Preset)

	// As --augment and Go code do it.
	c.Augment = "none"
	require.Equal(t, none, c.Resolved().Augmentation.Preset)
	require.NotEmpty(t, settings.Diff(c.Resolved(), d.Resolved()))
	text, err = c.TOML()
	require.NoError(t, err)
	require.NoError(t, d.ParseTOML(text))
	require.Equal(t, none, d.Augmentation.Preset)
	require.Empty(t, settings.Diff(c.Resolved(), d.Resolved()))

	require.ErrorContains(t, c.ParseTOML([]byte("[augmentation.noise]\nsd = 1\n")), "line 2: unknown key augmentation.noise.sd")
	require.NoError(t, c.ParseTOML([]byte("[augmentation.noise]\np = 2\n")))
	require.ErrorContains(t, c.Check(), "noise.p = 2")
	require.NoError(t, c.ParseTOML([]byte("augment = 'loud'")))
	require.ErrorContains(t, c.Check(), "loud")
}

// Each task's defaults are complete but for the files that only the user has.
func TestDefaultsOfTheTasks(t *testing.T) {
	for task, preset := range map[string]string{"segmenter": "default", "detector": "default", "inpainter": "paper-baseline", "generator": "default"} {
		c := Defaults(task)
		require.Equal(t, preset, c.Augment, task)
		require.Equal(t, task == "detector", c.FreezeEncoder)
		if task == "detector" {
			c.Start = "x"
		}
		require.NoError(t, c.Check(), task)
	}
}

func FuzzConfig(f *testing.F) {
	text, err := Defaults("segmenter").TOML()
	require.NoError(f, err)
	f.Add(string(text))
	f.Add("seed = -1")
	f.Add("[data]\nchannels = [1, 2, 3]")
	f.Fuzz(func(t *testing.T, text string) {
		c := Defaults("segmenter")
		if c.ParseTOML([]byte(text)) == nil && c.Check() == nil {
			again, err := c.TOML()
			require.NoError(t, err)
			d := Defaults("segmenter")
			require.NoError(t, d.ParseTOML(again))
			require.Empty(t, settings.Diff(c.Resolved(), d.Resolved()), strings.TrimSpace(text))
		}
	})
}
