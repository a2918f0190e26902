package train

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

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
