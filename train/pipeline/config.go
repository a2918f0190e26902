package pipeline

import (
	"errors"
	"fmt"

	"voxgrad/internal/settings"
	"voxgrad/models"
	"voxgrad/train"
	"voxgrad/train/dataset"
	"voxgrad/train/infer"
	"voxgrad/train/prep"
	"voxgrad/train/sample"
)

// Config is the whole pipeline in one file. Start from Defaults. Where the comment
// says choice, neither the paper nor its authors' code settles the value.
type Config struct {
	Seed    uint64 `toml:"seed" comment:"decides everything random; same seed, same bits"`
	Folds   int    `toml:"folds" comment:"parts of each data set, by patient; a part validates, the others train"`
	Members int    `toml:"members" comment:"detectors in the ensemble: member k validates on part k"`

	Method    Method          `toml:"method"`
	Data      Data            `toml:"data"`
	Synthesis train.Synthesis `toml:"synthesis" comment:"synthetic pairs; the weights files are the pipeline's own"`

	// What a file may say once for all stages; nil in a resolved configuration.
	Network *train.Network  `toml:"network,omitempty"`
	Sampler *sample.Options `toml:"sampler,omitempty"`
	Loss    *train.Loss     `toml:"loss,omitempty"`
	Adam    *train.Adam     `toml:"adam,omitempty"`
	Run     *train.Schedule `toml:"run,omitempty"`

	Segmenter Stage `toml:"segmenter" comment:"all lesions of one scan"`
	Inpainter Stage `toml:"inpainter" comment:"healthy tissue in place of noise"`
	Generator Stage `toml:"generator" comment:"a lesion in place of noise"`
	Detector  Stage `toml:"detector" comment:"on synthetic pairs"`
	Finetune  Stage `toml:"finetune" comment:"the detector on real pairs; without synthesis all of its training"`

	Predict  Predict  `toml:"predict"`
	Ablation Ablation `toml:"ablation"`
}

// Method switches the parts that the paper's Table 2 takes away.
type Method struct {
	Transfer     bool `toml:"transfer" comment:"the detector has the segmenter's encoder, frozen; false trains an encoder from scratch (choice: in both of its stages)"`
	Synthesis    bool `toml:"synthesis" comment:"the detector is first trained on synthetic pairs"`
	Augmentation bool `toml:"augmentation" comment:"the detector's stages have their augment; false leaves mirrors and right-angle rotations (choice: of the detector's stages alone)"`

	// EqualSteps gives a detector that saw no synthetic pairs the steps of both stages.
	EqualSteps bool `toml:"equal_steps" comment:"without synthesis, finetune gets the steps of detector on top (choice: off)"`
}

// Name is the method as a row of the paper's table: transfer, synthesis and
// augmentation, 1 or 0 each.
func (m Method) Name() string {
	bit := func(b bool) byte {
		if b {
			return '1'
		}
		return '0'
	}
	return string([]byte{bit(m.Transfer), bit(m.Synthesis), bit(m.Augmentation)})
}

// parseMethod is the inverse of Name.
func parseMethod(name string) (m Method, err error) {
	if len(name) != 3 {
		return m, fmt.Errorf("%q is no method: want three digits 0 or 1, for transfer, synthesis and augmentation", name)
	}
	for i, b := range []*bool{&m.Transfer, &m.Synthesis, &m.Augmentation} {
		switch name[i] {
		case '0':
		case '1':
			*b = true
		default:
			return m, fmt.Errorf("%q is no method: want three digits 0 or 1, for transfer, synthesis and augmentation", name)
		}
	}
	return m, nil
}

// Data describes where the images are and how they are prepared.
type Data struct {
	prep.Settings
	CacheMB int `toml:"cache_mb" comment:"memory for loaded cases"`
	Single  Set `toml:"single" comment:"one scan per case with all its lesions: segmenter, inpainter, generator, synthetic pairs"`
	Pairs   Set `toml:"pairs" comment:"two scans per case with the new lesions: fine-tuning"`
	Test    Set `toml:"test" comment:"pairs that no stage has seen: what the ensemble is scored on"`
}

// Set is a data set.
type Set struct {
	Root string `toml:"root" comment:"folder or CSV table"`
	dataset.Options
	Folds int `toml:"folds" comment:"parts of this set; 0 means folds of the whole file, 1 no split: every case trains and validates"`
}

// Stage is what a training stage may have of its own.
type Stage struct {
	Augment      string             `toml:"augment" comment:"preset of augmentation: default, torchio, paper-baseline (mirrors and right-angle rotations) or none"`
	Augmentation train.Augmentation `toml:"augmentation" comment:"the preset with changes"`
	Network      train.Network      `toml:"network"`
	Sampler      sample.Options     `toml:"sampler"`
	Loss         train.Loss         `toml:"loss"`
	Adam         train.Adam         `toml:"adam"`
	Run          train.Schedule     `toml:"run"`
}

// Predict describes how the ensemble is applied.
type Predict struct {
	Patch    [3]int `toml:"patch" comment:"window in voxels along x, y, z"`
	Stride   [3]int `toml:"hop" comment:"distance between windows"`
	Gaussian bool   `toml:"gaussian" comment:"windows weigh less towards their border (choice: off)"`
	Mirror   bool   `toml:"mirror" comment:"mean over the eight mirrored inputs (choice: off)"`
	Pictures int    `toml:"pictures" comment:"test cases that the report shows"`

	// OutOfFold is of the pipeline alone, not of the ablation's rows.
	OutOfFold bool `toml:"out_of_fold" comment:"map the probabilities of the training pairs too, each by the member that left it out: for 'voxgrad weights choose'"`
}

// Ablation describes what 'voxgrad ablate' compares.
type Ablation struct {
	Rows  []string `toml:"rows" comment:"methods: transfer, synthesis, augmentation, 1 or 0 each; the first is what the others are tested against"`
	Seeds []uint64 `toml:"seeds" comment:"train everything once per seed and average each case's scores over them; empty: seed"`
}

// Defaults is the published method with five members.
func Defaults() Config {
	stage := func(task string) Stage {
		c := train.Defaults(task)
		c.Network.Width = models.Default(task).Width
		return Stage{c.Augment, c.Augmentation, c.Network, c.Sampler, c.Loss, c.Adam, c.Run}
	}
	one := train.Defaults(models.Detector)
	one.Data.Channels = []int{}
	options := infer.Defaults()
	set := Set{Options: one.Data.Options}
	return Config{
		Seed: 1, Folds: 5, Members: 5,
		Method:    Method{Transfer: true, Synthesis: true, Augmentation: true},
		Data:      Data{Settings: one.Data.Settings, CacheMB: one.Data.CacheMB, Single: set, Pairs: set, Test: set},
		Synthesis: one.Synthesis,
		Segmenter: stage(models.Segmenter), Inpainter: stage(models.Inpainter), Generator: stage(models.Generator),
		Detector: stage(models.Detector), Finetune: stage(models.Detector),
		Predict:  Predict{Patch: options.Patch, Stride: options.Stride, Pictures: 6, OutOfFold: true},
		Ablation: Ablation{Rows: []string{"111", "100", "010", "001", "000"}, Seeds: []uint64{}},
	}
}

// stages lists the training stages with their names in the file.
func (c *Config) stages() []struct {
	Name string
	*Stage
} {
	return []struct {
		Name string
		*Stage
	}{{segmenter, &c.Segmenter}, {inpainter, &c.Inpainter}, {generator, &c.Generator}, {detector, &c.Detector}, {finetune, &c.Finetune}}
}

// Check names the first setting that makes no sense.
func (c Config) Check() error {
	switch {
	case c.Folds < 1 || c.Members < 1:
		return errors.New("folds and members must be at least 1")
	case c.Members > c.Folds:
		return fmt.Errorf("members = %d with folds = %d: each member needs a part of its own to validate on", c.Members, c.Folds)
	case c.Data.Pairs.Root == "" || c.Data.Test.Root == "":
		return errors.New("data.pairs.root and data.test.root are needed: the pairs to train on, and pairs that no stage has seen")
	case c.Data.Single.Root == "" && (c.Method.Transfer || c.Method.Synthesis):
		return errors.New("data.single.root is missing: transfer and synthesis learn from single scans with all their lesions")
	case c.Synthesis.On():
		return errors.New("synthesis.inpainter and synthesis.generator are the pipeline's own; leave them out")
	case c.Predict.Pictures < 0:
		return errors.New("predict.pictures must not be negative")
	}
	for _, n := range []int{c.Data.Single.Folds, c.Data.Pairs.Folds} {
		if n < 0 {
			return errors.New("data.single.folds and data.pairs.folds must not be negative")
		}
	}
	if c.Data.Test.Folds != 0 {
		return errors.New("data.test.folds has no meaning: every test pair is scored; leave it out")
	}
	if len(c.Ablation.Rows) == 0 {
		return errors.New("ablation.rows is empty")
	}
	for _, r := range c.Ablation.Rows {
		if _, err := parseMethod(r); err != nil {
			return fmt.Errorf("ablation.rows: %w", err)
		}
	}
	if err := c.predictOptions().Check(); err != nil {
		return fmt.Errorf("predict: %w", err)
	}
	for _, s := range c.stages() {
		if err := c.trainConfig(s.Name, c.Method, 0).Check(); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	if c.Segmenter.Network.Width != c.Detector.Network.Width || c.Segmenter.Network.Norm != c.Detector.Network.Norm || c.Detector.Network != c.Finetune.Network {
		return errors.New("segmenter, detector and finetune need the same network.width and network.norm, detector and finetune the same network: weights go from one to the next; set [network]")
	}
	return nil
}

func (c Config) predictOptions() infer.Options {
	o := infer.Defaults()
	o.Settings, o.Patch, o.Stride, o.Gaussian, o.Mirror = c.Data.Settings, c.Predict.Patch, c.Predict.Stride, c.Predict.Gaussian, c.Predict.Mirror
	return o
}

// TOML is the configuration as a file, with every stage in full.
func (c Config) TOML() ([]byte, error) { return settings.Encode(c) }

// ParseTOML changes the settings that the text names and keeps the others. What
// [network], [sampler], [loss], [adam] and [run] say holds for every stage; a
// stage's own table ([finetune.adam]) comes on top. An unknown key is an error
// that names its line.
func (c *Config) ParseTOML(text []byte) error {
	// Once for the errors, so that a text with a mistake in it changes nothing.
	var scratch Config
	if err := settings.Decode(text, &scratch); err != nil {
		return err
	}
	var named map[string]struct {
		Augment *string `toml:"augment"`
	}
	_ = settings.Part(text, &named) // tables alone matter here; what is wrong has been found
	for _, s := range c.stages() {
		if n := named[s.Name].Augment; n != nil {
			s.Augment, s.Augmentation = *n, train.AugmentationOf(*n)
		}
		shared := struct {
			Network *train.Network  `toml:"network"`
			Sampler *sample.Options `toml:"sampler"`
			Loss    *train.Loss     `toml:"loss"`
			Adam    *train.Adam     `toml:"adam"`
			Run     *train.Schedule `toml:"run"`
		}{&s.Network, &s.Sampler, &s.Loss, &s.Adam, &s.Run}
		if err := settings.Part(text, &shared); err != nil {
			return err
		}
	}
	err := settings.Decode(text, c)
	c.Network, c.Sampler, c.Loss, c.Adam, c.Run = nil, nil, nil, nil, nil
	return err
}
