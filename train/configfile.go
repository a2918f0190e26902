package train

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"voxgrad/augment"
)

// resolved is c with the settings of the preset that Augment names, unless it has
// them, perhaps changed, already. An unknown name is left for Check to refuse.
func (c Config) resolved() Config {
	if c.Augmentation.of != c.Augment {
		if p, err := augment.Named(c.Augment); err == nil {
			c.Augmentation = Augmentation{p, c.Augment}
		}
	}
	return c
}

// TOML is the config as a file, with all that presets stand for. Reading it back
// gives the same config.
func (c Config) TOML() ([]byte, error) {
	var b bytes.Buffer
	err := toml.NewEncoder(&b).Encode(c.resolved())
	return b.Bytes(), err
}

// ParseTOML changes the settings that the text names and keeps the others. If it
// names a preset of augmentation, only its own changes to it count. An unknown key
// is an error that gives its line.
func (c *Config) ParseTOML(text []byte) error {
	c.startPreset(text)
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

// startPreset puts the preset in place that a text's [augmentation] table changes.
// What is wrong with the text is found when all of it is read.
func (c *Config) startPreset(text []byte) {
	var names struct{ Augment *string }
	if err := toml.Unmarshal(text, &names); err == nil && names.Augment != nil {
		c.Augment, c.Augmentation.of = *names.Augment, ""
	}
	*c = c.resolved()
}
