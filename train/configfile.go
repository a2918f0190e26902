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
	if err := DecodeTOML(text, c); err != nil {
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

// DecodeTOML reads text into a struct and keeps what the text does not name. Errors
// give the line; a key that the struct lacks is one.
func DecodeTOML(text []byte, into any) error {
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		e := unknown.Errors[0]
		line, _ := e.Position()
		return fmt.Errorf("line %d: unknown key %s", line, strings.Join(e.Key(), "."))
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		line, column := decode.Position()
		what := strings.TrimPrefix(decode.Error(), "toml: ")
		// The decoder names the field of the struct, which means nothing to who wrote the file.
		if before, after, ok := strings.Cut(what, " into struct field "); ok {
			_, kind, _ := strings.Cut(after, " of type ")
			what = fmt.Sprintf("%s into %s, which must be of type %s", before, strings.Join(decode.Key(), "."), kind)
		}
		return fmt.Errorf("line %d, column %d: %s", line, column, what)
	}
	return err
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
