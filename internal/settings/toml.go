package settings

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"voxgrad/internal/infile"
	"voxgrad/internal/text"
)

// MaxFile bounds a file of settings in bytes.
const MaxFile = 1 << 20

// ReadFile reads a file of settings: a regular one of at most MaxFile bytes, in UTF-8,
// with or without the byte-order mark that some editors write.
func ReadFile(path string) ([]byte, error) {
	text, err := infile.Read(path, MaxFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return nil, fmt.Errorf("cannot read the configuration: %s is UTF-16 or UTF-32: save it in UTF-8", path)
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), nil
}

// Encode writes all settings as a TOML file with their comments. Decode reads it back.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	err := toml.NewEncoder(&b).Encode(v)
	return b.Bytes(), err
}

// Decode reads TOML into a struct and keeps what the text does not name. Errors give the
// line; a key that the struct lacks is one, and so is a list of the wrong length.
func Decode(text []byte, into any) error {
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	var unknown *toml.StrictMissingError
	var decode *toml.DecodeError
	switch {
	case errors.As(err, &unknown):
		e := unknown.Errors[0]
		line, _ := e.Position()
		return fmt.Errorf("line %d: unknown key %s%s", line, strings.Join(e.Key(), "."), suggest(e.Key(), into))
	case errors.As(err, &decode):
		line, column := decode.Position()
		what := strings.TrimPrefix(decode.Error(), "toml: ")
		// The decoder names the field of the struct, which means nothing to who wrote the file.
		if before, after, ok := strings.Cut(what, " into struct field "); ok {
			_, kind, _ := strings.Cut(after, " of type ")
			what = fmt.Sprintf("%s into %s, which must be of type %s", before, strings.Join(decode.Key(), "."), kind)
		}
		return fmt.Errorf("line %d, column %d: %s", line, column, what)
	case err != nil:
		return err
	}
	return lengths(text, into)
}

// Part reads what the text says of the keys of into and passes over all others. A text that
// Decode accepts for the whole is no error.
func Part(text []byte, into any) error { return toml.Unmarshal(text, into) }

// lengths refuses lists of another length than the array they are read into, which the
// decoder fills up or cuts.
func lengths(text []byte, into any) error {
	given, err := Flatten(text)
	if err != nil {
		return err
	}
	walk("", reflect.Indirect(reflect.ValueOf(into)), true, func(k Key) {
		list, ok := given[k.Path].([]any)
		if ok && k.Value.Kind() == reflect.Array && len(list) != k.Value.Len() && err == nil {
			err = fmt.Errorf("%s has %d numbers: three are needed, along x, y, z", k.Path, len(list))
		}
	})
	return err
}

// Flatten is the values of a TOML text by their full names.
func Flatten(text []byte) (map[string]any, error) {
	var all map[string]any
	if err := toml.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	out := map[string]any{}
	var tables func(table string, m map[string]any)
	tables = func(table string, m map[string]any) {
		for k, v := range m {
			if sub, ok := v.(map[string]any); ok {
				tables(table+k+".", sub)
			} else {
				out[table+k] = v
			}
		}
	}
	tables("", all)
	return out, nil
}

// suggest is what an unknown key of a file may have been meant to be: a name of the same
// table, else a key in another table.
func suggest(key []string, into any) string {
	table, name := strings.Join(key[:len(key)-1], "."), key[len(key)-1]
	if table != "" {
		table += "."
	}
	var near, names, paths []string
	walk("", reflect.Indirect(reflect.ValueOf(into)), true, func(k Key) {
		if rest, ok := strings.CutPrefix(k.Path, table); ok {
			rest, _, _ = strings.Cut(rest, ".")
			near = append(near, rest)
		}
		names, paths = append(names, k.Name()), append(paths, k.Path)
	})
	if best := text.Nearest(name, near); best != "" {
		return fmt.Sprintf("; did you mean %s%s?", table, best)
	}
	if best := text.Nearest(name, names); best != "" {
		return fmt.Sprintf("; did you mean %s?", paths[slices.Index(names, best)])
	}
	return ""
}
