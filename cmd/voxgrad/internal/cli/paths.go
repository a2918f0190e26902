package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"voxgrad/internal/outfile"
)

// Endings of files to write.
var (
	Images  = []string{".nii", ".nii.gz"}
	Weights = []string{".safetensors"}
	Tables  = []string{".csv"}
	Pages   = []string{".html", ".htm"}
	JSON    = []string{".json"}
	PNG     = []string{".png"}
)

// Each flag and argument of a command that is a path is declared by one of the functions
// below: as something that is read, a file that is written or a folder that is written
// to. CheckPaths, which the root command calls before the work, holds them against each
// other and looks at the places to write. The declaration is an annotation of the flag or
// the command.
const pathAnnotation = "voxgrad_path"

const (
	reads  = "reads"
	writes = "writes"
	fills  = "fills"
	own    = "own"
)

func declare(cmd *cobra.Command, flag string, as ...string) {
	Must(cmd.Flags().SetAnnotation(flag, pathAnnotation, as))
}

// Reads declares flags as files or folders that are read.
func Reads(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		declare(cmd, name, reads)
	}
}

// Writes declares a flag as a file that is written, whose name has one of the endings.
func Writes(cmd *cobra.Command, flag string, endings ...string) {
	declare(cmd, flag, append([]string{writes}, endings...)...)
}

// WritesOwn declares a flag that names files which the command adds to the plan itself.
func WritesOwn(cmd *cobra.Command, flag string) { declare(cmd, flag, own) }

// Fills declares a flag as a folder that is made if need be, and the places in it that are
// written. Those that depend on more than the command are for CheckPaths.
func Fills(cmd *cobra.Command, flag string, places ...string) {
	declare(cmd, flag, append([]string{fills}, places...)...)
}

// ReadsArgs declares the arguments of a command as files or folders that are read, under
// their name in the usage; WritesLastArg, the last of them as a file that is written.
func ReadsArgs(cmd *cobra.Command, name string) { annotate(cmd, "args", name) }

// WritesLastArg declares the last argument, which must be there.
func WritesLastArg(cmd *cobra.Command, name string, endings ...string) {
	annotate(cmd, "last", strings.Join(append([]string{name}, endings...), " "))
}

func annotate(cmd *cobra.Command, key, value string) {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[pathAnnotation+"_"+key] = value
}

// PathKind is how a flag was declared, "" for one that is no path.
func PathKind(f *pflag.Flag) string {
	if a := f.Annotations[pathAnnotation]; len(a) > 0 {
		return a[0]
	}
	return ""
}

// ArgsDeclared reports whether the arguments of a command are declared.
func ArgsDeclared(cmd *cobra.Command) bool { return cmd.Annotations[pathAnnotation+"_args"] != "" }

// CheckPaths looks at everything that a command declared with the values its flags have
// now, and at what more adds.
func CheckPaths(cmd *cobra.Command, more ...func(p *outfile.Plan)) error {
	var p outfile.Plan
	var err error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		a := f.Annotations[pathAnnotation]
		if len(a) == 0 || err != nil {
			return
		}
		what, kind, rest := "--"+f.Name, a[0], a[1:]
		_, setting := f.Annotations[envAnnotation]
		for _, path := range values(f) {
			if path == "" && f.Changed && !setting {
				noun := "file"
				if kind == fills {
					noun = "folder"
				}
				err = Usagef(cmd, "%s is empty: name a %s", what, noun)
			}
			switch kind {
			case reads:
				p.Read(what, path)
			case writes:
				p.Write(what, path, rest...)
			case fills:
				p.Fill(what, path, rest...)
			}
		}
	})
	if err != nil {
		return err
	}
	args := cmd.Flags().Args()
	if last := strings.Fields(cmd.Annotations[pathAnnotation+"_last"]); len(last) > 0 && len(args) > 0 {
		p.Write(last[0], args[len(args)-1], last[1:]...)
		args = args[:len(args)-1]
	}
	if name := cmd.Annotations[pathAnnotation+"_args"]; name != "" {
		for _, path := range args {
			if path == "" {
				return Usagef(cmd, "%s is empty: name a file", name)
			}
			p.Read(name, path)
		}
	}
	for _, f := range more {
		f(&p)
	}
	return PathError(cmd, p.Check())
}

// PathError is the error of a plan: one of the command line, or not.
func PathError(cmd *cobra.Command, err error) error {
	if m := (*outfile.Mistake)(nil); errors.As(err, &m) {
		return Usage(cmd, err)
	}
	return err
}

// values of a flag, which may be a list.
func values(f *pflag.Flag) []string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	return []string{f.Value.String()}
}
