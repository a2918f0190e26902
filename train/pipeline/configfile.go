package pipeline

import (
	"bytes"
	"fmt"

	"github.com/pelletier/go-toml/v2"

	"voxgrad/models"
	"voxgrad/train"
	"voxgrad/train/sample"
)

// TOML is the configuration as a file, with every stage in full.
func (c Config) TOML() ([]byte, error) {
	var b bytes.Buffer
	err := toml.NewEncoder(&b).Encode(c)
	return b.Bytes(), err
}

// ParseTOML changes the settings that the text names and keeps the others. What
// [network], [sampler], [loss], [adam] and [run] say holds for every stage; a
// stage's own table ([finetune.adam]) comes on top. An unknown key is an error
// that gives its line.
func (c *Config) ParseTOML(text []byte) error {
	// Once for the errors, so that a text with a mistake in it changes nothing.
	var scratch Config
	if err := train.DecodeTOML(text, &scratch); err != nil {
		return err
	}
	if err := lengths(text); err != nil {
		return err
	}
	var named map[string]struct {
		Augment *string `toml:"augment"`
	}
	_ = toml.Unmarshal(text, &named) // tables alone matter here; what is wrong has been found
	for _, s := range c.stages() {
		if n := named[s.Name].Augment; n != nil {
			s.Augment = *n
			s.Augmentation = preset(*n)
		}
		shared := struct {
			Network *train.Network  `toml:"network"`
			Sampler *sample.Options `toml:"sampler"`
			Loss    *train.Loss     `toml:"loss"`
			Adam    *train.Adam     `toml:"adam"`
			Run     *train.Course   `toml:"run"`
		}{&s.Network, &s.Sampler, &s.Loss, &s.Adam, &s.Run}
		if err := toml.Unmarshal(text, &shared); err != nil {
			return err
		}
	}
	err := train.DecodeTOML(text, c)
	c.Network, c.Sampler, c.Loss, c.Adam, c.Run = nil, nil, nil, nil, nil
	return err
}

// preset is a preset of augmentation, for a stage's own changes to come on top. An
// unknown name is left for Check to refuse.
func preset(name string) train.Augmentation {
	c := train.Defaults(models.Segmenter)
	c.Augment = name
	text, err := c.TOML() // which puts the preset in place
	if err != nil {
		return c.Augmentation
	}
	if err := c.ParseTOML(text); err != nil {
		return train.Defaults(models.Segmenter).Augmentation
	}
	return c.Augmentation
}

// lengths refuses sizes that have not three numbers: the decoder fills an array
// of fixed length from a shorter or a longer one.
func lengths(text []byte) error {
	var all map[string]any
	if err := toml.Unmarshal(text, &all); err != nil {
		return err
	}
	var walk func(table string, m map[string]any) error
	walk = func(table string, m map[string]any) error {
		for k, v := range m {
			switch v := v.(type) {
			case map[string]any:
				if err := walk(table+k+".", v); err != nil {
					return err
				}
			case []any:
				if (k == "patch" || k == "hop") && len(v) != 3 {
					return fmt.Errorf("%s%s has %d numbers: three are needed, along x, y, z", table, k, len(v))
				}
			}
		}
		return nil
	}
	return walk("", all)
}

// flat is the settings of a value that encodes to TOML, by their full names.
func flat(v any) (map[string]string, error) {
	text, err := toml.Marshal(v)
	if err != nil {
		return nil, err
	}
	return flatText(text)
}

// flatText is the settings of a text, by their full names.
func flatText(text []byte) (map[string]string, error) {
	var all map[string]any
	if err := toml.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	out := map[string]string{}
	var walk func(table string, m map[string]any)
	walk = func(table string, m map[string]any) {
		for k, v := range m {
			if sub, ok := v.(map[string]any); ok {
				walk(table+k+".", sub)
			} else {
				out[table+k] = fmt.Sprint(v)
			}
		}
	}
	walk("", all)
	return out, nil
}
