package cli

import (
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// settings ties a configuration struct to a command. Each field with a toml tag
// is a key of the file, a flag (--learning-rate for adam.learning_rate) and an
// environment variable (VOXGRAD_LEARNING_RATE). The file overrides the struct's
// values, the environment the file, a flag all of them. The comment tag is the
// flag's text. A key that stands in two tables is prefixed with its table's name
// (--loss-eps, --adam-eps).
type settings struct {
	cmd  *cobra.Command
	into configuration
	File string // --config
	keys []key
}

// configuration is a pointer to a struct that can be read from a file.
type configuration interface {
	// ParseTOML changes what the text names. Unknown keys are errors.
	ParseTOML(text []byte) error
}

type key struct {
	path  string // adam.learning_rate
	name  string // learning_rate, or adam_learning_rate where that is not unique
	help  string
	value reflect.Value
}

func (k key) flag() string { return strings.ReplaceAll(k.name, "_", "-") }
func (k key) env() string  { return envPrefix + strings.ToUpper(k.name) }

const envPrefix = "VOXGRAD_"

// envAnnotation is where a flag says which environment variable is the same setting.
const envAnnotation = "voxgrad_environment"

// BindSettings defines --config and a flag for each key of cfg, a pointer to a
// struct that holds the defaults. Keys (by path) that names has are called so
// instead; "" leaves a key to the file.
func BindSettings(cmd *cobra.Command, cfg configuration, names map[string]string) *settings {
	s := &settings{cmd: cmd, into: cfg}
	cmd.Flags().StringVar(&s.File, "config", "", "TOML file with any of these settings")
	count := map[string]int{}
	s.collect("", reflect.ValueOf(cfg).Elem(), count)
	for i, k := range s.keys {
		if count[k.name] > 1 {
			s.keys[i].name = strings.ReplaceAll(k.path, ".", "_")
		}
		if name, ok := names[k.path]; ok {
			s.keys[i].name = name
		}
	}
	s.keys = slices.DeleteFunc(s.keys, func(k key) bool { return k.name == "" })
	for _, k := range s.keys {
		f := cmd.Flags().VarPF(&fieldFlag{k.value}, k.flag(), "", k.help)
		f.Annotations = map[string][]string{envAnnotation: {k.env()}}
		if k.value.Kind() == reflect.Bool {
			f.NoOptDefVal = "true"
		}
	}
	return s
}

// collect lists the keys of a struct and of the tables in it.
func (s *settings) collect(table string, v reflect.Value, count map[string]int) {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("toml"), ",")
		switch {
		case field.Anonymous:
			s.collect(table, value, count)
		case name == "" || name == "-":
		case value.Kind() == reflect.Struct:
			s.collect(table+name+".", value, count)
		default:
			count[name]++
			s.keys = append(s.keys, key{table + name, name, field.Tag.Get("comment"), value})
		}
	}
}

// Resolve fills the struct from the file and the environment; flags, already
// parsed into it, are put back on top.
func (s *settings) Resolve() error {
	type given struct {
		k    key
		text string
	}
	var flags []given
	for _, k := range s.keys {
		if f := s.cmd.Flags().Lookup(k.flag()); f.Changed {
			flags = append(flags, given{k, f.Value.String()})
		}
	}
	if s.File != "" {
		text, err := os.ReadFile(s.File)
		if err != nil {
			return fmt.Errorf("cannot read the configuration: %w", err)
		}
		if err := s.into.ParseTOML(text); err != nil {
			return fmt.Errorf("%s: %w (--help lists the settings)", s.File, err)
		}
	}
	for _, k := range s.keys {
		if text, ok := os.LookupEnv(k.env()); ok {
			if err := setField(k.value, text); err != nil {
				return fmt.Errorf("environment variable %s: %w", k.env(), err)
			}
		}
	}
	s.warnUnknown()
	for _, g := range flags {
		if err := setField(g.k.value, g.text); err != nil {
			return Usagef(s.cmd, "--%s: %v", g.k.flag(), err)
		}
	}
	return nil
}

// warnUnknown warns of environment variables that look like settings and are none,
// of this command or of another.
func (s *settings) warnUnknown() {
	known := map[string]bool{}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			for _, name := range f.Annotations[envAnnotation] {
				known[name] = true
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(s.cmd.Root())
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, envPrefix) && !known[name] {
			slog.Warn("an environment variable is no setting and has no effect; --help lists the settings", "name", name)
		}
	}
}

// fieldFlag is a flag that writes to a struct's field.
type fieldFlag struct{ v reflect.Value }

var _ pflag.Value = (*fieldFlag)(nil)

func (f *fieldFlag) Set(text string) error { return setField(f.v, text) }

func (f *fieldFlag) String() string {
	if !f.v.IsValid() {
		return ""
	}
	if f.v.Kind() == reflect.Slice {
		parts := make([]string, f.v.Len())
		for i := range parts {
			parts[i] = fmt.Sprint(f.v.Index(i).Interface())
		}
		return strings.Join(parts, ",")
	}
	if f.v.Kind() == reflect.Array { // sizes
		parts := make([]string, f.v.Len())
		for i := range parts {
			parts[i] = fmt.Sprint(f.v.Index(i).Interface())
		}
		return strings.Join(parts, "x")
	}
	return fmt.Sprint(f.v.Interface())
}

func (f *fieldFlag) Type() string {
	switch f.v.Kind() {
	case reflect.Array:
		return "XxYxZ"
	case reflect.Slice:
		return "list"
	case reflect.Float64:
		return "float"
	case reflect.Bool:
		return "bool"
	case reflect.String:
		return "string"
	}
	return "int"
}

// setField parses text into a field.
func setField(v reflect.Value, text string) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		v.SetInt(n)
	case reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a whole number of at least 0", text)
		}
		v.SetUint(n)
	case reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", text)
		}
		v.SetFloat(x)
	case reflect.Slice:
		var parts []string
		if text != "" {
			parts = strings.Split(text, ",")
		}
		list := reflect.MakeSlice(v.Type(), len(parts), len(parts))
		for i, p := range parts {
			if err := setField(list.Index(i), strings.TrimSpace(p)); err != nil {
				return err
			}
		}
		v.Set(list)
	case reflect.Array:
		size, err := ParseSize(text)
		if err != nil {
			return err
		}
		for i, n := range size {
			v.Index(i).SetInt(int64(n))
		}
	default:
		panic("settings: a field of kind " + v.Kind().String())
	}
	return nil
}

// ParseSize reads "64x64x64", or "64" for a cube.
func ParseSize(text string) (size [3]int, err error) {
	parts := strings.Split(text, "x")
	if len(parts) == 1 {
		parts = []string{parts[0], parts[0], parts[0]}
	}
	if len(parts) != 3 {
		return size, fmt.Errorf("%q is not a size: write 64x64x64 (x, y, z)", text)
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 {
			return size, fmt.Errorf("%q is not a size: write 64x64x64 (x, y, z)", text)
		}
		size[i] = n
	}
	return size, nil
}
