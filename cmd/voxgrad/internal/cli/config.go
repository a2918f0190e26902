package cli

import (
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"voxgrad/internal/settings"
)

// Settings ties a configuration struct to a command. Each setting is a key of the file, a
// flag (--learning-rate for adam.learning_rate) and an environment variable
// (VOXGRAD_LEARNING_RATE). The file overrides the struct's values, the environment the
// file, a flag all of them. A key that stands in two tables is prefixed with its table's
// name (--loss-eps, --adam-eps).
type Settings struct {
	cmd  *cobra.Command
	into configuration
	File string // --config
	keys []key
}

// configuration is a pointer to a struct that can be read from a file and written as one.
type configuration interface {
	// ParseTOML changes what the text names. Unknown keys are errors.
	ParseTOML(text []byte) error
	// TOML is all settings with their comments.
	TOML() ([]byte, error)
}

type key struct {
	settings.Key
	name string // learning_rate, or adam_learning_rate where that is not unique
}

func (k key) flag() string { return strings.ReplaceAll(k.name, "_", "-") }
func (k key) env() string  { return envPrefix + strings.ToUpper(k.name) }

const envPrefix = "VOXGRAD_"

// envAnnotation is where a flag says which environment variable is the same setting.
const envAnnotation = "voxgrad_environment"

// BindSettings defines --config, --print-config and a flag for each key of cfg, a pointer
// to a struct that holds the defaults. Keys (by path) that names has are called so
// instead; "" leaves a key to the file.
func BindSettings(cmd *cobra.Command, cfg configuration, names map[string]string) *Settings {
	s := &Settings{cmd: cmd, into: cfg}
	cmd.Flags().StringVar(&s.File, "config", "", "TOML file with any of these settings")
	Reads(cmd, "config")
	PrintConfig(cmd, func() ([]byte, error) {
		if err := s.Resolve(); err != nil {
			return nil, err
		}
		return cfg.TOML()
	})
	count := map[string]int{}
	for _, k := range settings.Keys(cfg) {
		count[k.Name()]++
		s.keys = append(s.keys, key{k, k.Name()})
	}
	for i, k := range s.keys {
		if count[k.name] > 1 {
			s.keys[i].name = strings.ReplaceAll(k.Path, ".", "_")
		}
		if name, ok := names[k.Path]; ok {
			s.keys[i].name = name
		}
	}
	s.keys = slices.DeleteFunc(s.keys, func(k key) bool { return k.name == "" })
	for _, k := range s.keys {
		f := cmd.Flags().VarPF(&fieldFlag{k.Value}, k.flag(), "", k.Comment)
		f.Annotations = map[string][]string{envAnnotation: {k.env()}}
		if k.Value.Kind() == reflect.Bool {
			f.NoOptDefVal = "true"
		}
	}
	return s
}

// PrintConfig defines --print-config, with which the command needs no other flag and
// prints its configuration instead of running.
func PrintConfig(cmd *cobra.Command, text func() ([]byte, error)) {
	f := cmd.Flags().VarPF(&printFlag{cmd: cmd, text: text}, "print-config", "",
		"print all settings with what they mean, as a file for --config, and do nothing else")
	f.NoOptDefVal = "true"
}

// printFlag changes what its command does as soon as it is given.
type printFlag struct {
	on   bool
	cmd  *cobra.Command
	text func() ([]byte, error)
}

func (f *printFlag) Set(text string) error {
	if err := settings.Set(reflect.ValueOf(&f.on).Elem(), text); err != nil || !f.on {
		return err
	}
	f.cmd.Flags().VisitAll(func(other *pflag.Flag) { delete(other.Annotations, cobra.BashCompOneRequiredFlag) })
	f.cmd.RunE = func(*cobra.Command, []string) error {
		b, err := f.text()
		if err != nil {
			return err
		}
		_, err = Out.Write(b)
		return err
	}
	return nil
}

func (f *printFlag) String() string { return fmt.Sprint(f.on) }
func (f *printFlag) Type() string   { return "bool" }

// Resolve fills the struct from the file and the environment; flags, already
// parsed into it, are put back on top.
func (s *Settings) Resolve() error {
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
		text, err := settings.ReadFile(s.File)
		if err != nil {
			return err
		}
		if err := s.into.ParseTOML(text); err != nil {
			return fmt.Errorf("%s: %w (--print-config prints all settings)", s.File, err)
		}
	}
	for _, k := range s.keys {
		if text, ok := os.LookupEnv(k.env()); ok {
			if err := settings.Set(k.Value, text); err != nil {
				return fmt.Errorf("environment variable %s: %w", k.env(), err)
			}
		}
	}
	s.warnUnknown()
	for _, g := range flags {
		if err := settings.Set(g.k.Value, g.text); err != nil {
			return Usagef(s.cmd, "--%s: %v", g.k.flag(), err)
		}
	}
	return nil
}

// warnUnknown warns of environment variables that look like settings and are none,
// of this command or of another.
func (s *Settings) warnUnknown() {
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

func (f *fieldFlag) Set(text string) error { return settings.Set(f.v, text) }

func (f *fieldFlag) String() string {
	if !f.v.IsValid() {
		return ""
	}
	return settings.Text(f.v)
}

func (f *fieldFlag) Type() string { return settings.Type(f.v) }
