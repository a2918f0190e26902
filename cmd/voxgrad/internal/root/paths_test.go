package root_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/cmd/voxgrad/internal/clitest"
	"voxgrad/cmd/voxgrad/internal/root"
)

// noPaths are the flags with a text that is no path.
var noPaths = strings.Fields(`device find transform params preset normalize interpolation patch stride weights augment window filter step up
	measures only vram size layout channels on-collapse lesion-point strip register atlas prepare grid schedule norm precision predict`)

// commands are all that do something, by their path without the program's name.
func commands() map[string]*cobra.Command {
	all := map[string]*cobra.Command{}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if !c.HasSubCommands() {
			all[strings.TrimPrefix(c.CommandPath(), "voxgrad ")] = c
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root.New())
	return all
}

// A flag that takes a text and a command that takes arguments say what they read and
// write: whoever adds one has to decide.
func TestEveryPathIsDeclared(t *testing.T) {
	plain := map[string]bool{}
	for _, name := range noPaths {
		plain[name] = false
	}
	for path, c := range commands() {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			switch f.Value.Type() {
			case "string", "stringArray", "stringSlice", "strings", "list":
			default:
				return
			}
			name := f.Name
			_, isPlain := plain[name]
			if name == "truth" && (strings.HasPrefix(path, "train") || strings.HasPrefix(path, "data") || path == "prepare") {
				isPlain = true // which one of several raters'
			}
			assert.NotEqual(t, isPlain, cli.PathKind(f) != "", "voxgrad %s --%s: declare it as a path (cli.Reads, Writes, Fills) or list it here as none", path, f.Name)
			if isPlain && name != "truth" {
				plain[name] = true
			}
		})
		if regexp.MustCompile(`^\S+ .*\b(FILE|CHECKPOINT|RUN|DIR|A|SCAN)\b`).MatchString(strings.Split(c.Use, " --")[0]) {
			require.True(t, cli.ArgsDeclared(c), "voxgrad %s: its arguments are not declared", path)
		}
	}
	for name, used := range plain {
		assert.True(t, used, "no command has --%s any more", name)
	}
}

// Every output of every command, given as an input of the same command or as another
// output of it, is refused before the work, and the file stays.
func TestNoOutputIsAnInput(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other")
	require.NoError(t, os.WriteFile(other, []byte("other"), 0o666))
	// The commands with arguments and outputs, and how many arguments they have.
	numbers := map[string]int{"compare": 2, "report": 1, "weights from-authors": 1, "weights to-authors": 1}
	n := 0
	for path, c := range commands() {
		var ins, outs, folders []string
		base := map[string]string{}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			switch cli.PathKind(f) {
			case "reads":
				ins = append(ins, f.Name)
			case "writes":
				outs = append(outs, f.Name)
			case "fills":
				folders = append(folders, f.Name)
			}
			if len(f.Annotations[cobra.BashCompOneRequiredFlag]) > 0 {
				base[f.Name] = other
				if cli.PathKind(f) == "writes" {
					base[f.Name] = filepath.Join(dir, "new-"+f.Name+ending(f))
				}
				if cli.PathKind(f) == "fills" {
					base[f.Name] = filepath.Join(dir, "new-"+f.Name)
				}
			}
		})
		args := func(more ...string) []string {
			given := map[string]string{}
			for k, v := range base {
				given[k] = v
			}
			line := strings.Fields(path)
			rest := slices.Repeat([]string{other}, numbers[path])
			for i := 0; i < len(more); i += 2 {
				if more[i] == "" {
					rest[0] = more[i+1]
				} else {
					given[more[i]] = more[i+1]
				}
			}
			for k, v := range given {
				line = append(line, "--"+k+"="+v)
			}
			return append(line, rest...)
		}
		refused := func(file string, line []string) {
			n++
			before, err := os.ReadFile(file)
			if err != nil {
				before = nil
			}
			status, stdout, errs := clitest.Run(t, line...)
			require.Equal(t, 2, status, "%v\n%s", line, errs)
			require.Empty(t, stdout)
			require.Regexp(t, `would overwrite|are the same file|would overwrite a file of|is the folder that`, errs, "%v", line)
			after, err := os.ReadFile(file)
			require.Equal(t, before != nil, err == nil)
			require.Equal(t, before, after, "%v", line)
		}
		for _, out := range outs {
			end := ending(c.Flag(out))
			file := filepath.Join(dir, strings.ReplaceAll(path, " ", "_")+"_"+out+end)
			require.NoError(t, os.WriteFile(file, []byte("precious"), 0o666))
			link := filepath.Join(dir, "link_"+filepath.Base(file))
			require.NoError(t, os.Symlink(file, link))
			for _, in := range ins {
				refused(file, args(out, file, in, file))
				refused(file, args(out, link, in, file))
				refused(file, args(out, dir+"/./"+filepath.Base(file), in, link))
			}
			if cli.ArgsDeclared(c) {
				refused(file, args(out, file, "", file))
			}
			for _, also := range outs {
				if also != out && ending(c.Flag(also)) == end {
					fresh := filepath.Join(dir, "fresh"+end)
					refused(fresh, args(out, fresh, also, dir+"/../"+filepath.Base(dir)+"/fresh"+end))
				}
			}
		}
		for _, out := range folders {
			for _, in := range ins {
				refused("", args(out, dir, in, dir+"/."))
			}
		}
	}
	require.Greater(t, n, 100)
	status, _, errs := clitest.Run(t, "weights", "strip", filepath.Join(dir, "other"), filepath.Join(dir, "other"))
	require.Equal(t, 2, status)
	require.Contains(t, errs, "must end in .safetensors")
	same := filepath.Join(dir, "same.safetensors")
	require.NoError(t, os.WriteFile(same, []byte("x"), 0o666))
	status, _, errs = clitest.Run(t, "weights", "strip", same, dir+"/./same.safetensors")
	require.Equal(t, 2, status)
	require.Contains(t, errs, "OUT "+dir+"/./same.safetensors would overwrite what CHECKPOINT")
}

// ending is the first of those that a flag's file may have.
func ending(f *pflag.Flag) string {
	for _, list := range f.Annotations {
		if len(list) > 1 && list[0] == "writes" {
			return list[1]
		}
	}
	return ""
}

// What is wrong with the place of an output is said before anything is read: the inputs
// here are not there.
func TestPlacesAreLookedAtFirst(t *testing.T) {
	dir := t.TempDir()
	none := filepath.Join(dir, "none.nii.gz")
	for _, c := range []struct {
		status int
		says   string
		args   string
	}{
		{2, "--csv -: files are not written to standard output", "evaluate --truth X --pred X --csv -"},
		{2, "--picture D/p.jpg: the name must end in .png", "segment --model X --flair X --out D/o.nii --picture D/p.jpg"},
		{2, "--out D/o.mgz: the name must end in .nii or .nii.gz", "segment --model X --flair X --out D/o.mgz"},
		{2, "--table D/t.xlsx: the name must end in .csv", "predict --model X --time1 X --time2 X --out D/o.nii --table D/t.xlsx"},
		{2, "--report D/r.pdf: the name must end in .html", "compare X X --truth X --report D/r.pdf"},
		{2, "--montage D/m.gif: the name must end in .png", "augment --in X --out D/a.nii --preset default --montage D/m.gif"},
		{2, "--out is empty", "segment --model X --flair X --out="},
		{2, "--brainmask is empty", "segment --model X --flair X --out D/o.nii --brainmask="},
		{2, "FILE is empty", "weights show E"},
		{1, "make the folder first", "evaluate --truth X --pred X --csv D/no/s.csv"},
		{1, "make the folder first", "segment --model X --flair X --out D/o.nii --prob D/no/p.nii"},
		{1, "it is a folder", "report X --out D/page.html"},
		{1, "cannot write to the folder /proc", "segment --model X --flair X --out /proc/o.nii"},
		{1, "cannot write to the folder /proc", "train segmenter --data X --out /proc/run"},
		{1, "cannot write to the folder /proc", "pipeline --config X --out /proc/run"},
		{1, "cannot write to the folder /proc", "phantom --out /proc/p"},
		{1, "not a directory", "synth --flair X --lesions X --inpainter X --generator X --out F/pair"},
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "page.html"), 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o666))
		var line []string
		for _, a := range strings.Fields(c.args) {
			switch a {
			case "X":
				a = none
			case "E":
				a = ""
			}
			a = strings.Replace(strings.Replace(a, "D/", dir+"/", 1), "F/", dir+"/file/", 1)
			line = append(line, a)
		}
		status, _, errs := clitest.Run(t, line...)
		require.Equal(t, c.status, status, "%s\n%s", c.args, errs)
		require.Contains(t, errs, strings.Replace(c.says, "D/", dir+"/", 1), c.args)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 2, c.args)
	}
}

// What the settings of a file name is read, too; and a run's folder is written to in some
// places alone.
func TestRunFoldersAndTheirInputs(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, content := range map[string]string{
		"run/fold_0/best.safetensors": "x", "run/fold_0/config.toml": "[run]\nepochs = 1\n", "run/fold_1/best.safetensors": "x", "data/cases.csv": "x",
		"all/detector/cases.csv": "x", "all/own/cases.csv": "x",
		"encoder.toml": fmt.Sprintf("encoder = %q\n", filepath.Join(dir, "run/fold_0/best.safetensors")),
		"inside.toml":  fmt.Sprintf("[data.single]\nroot = %q\n", filepath.Join(dir, "all/detector/cases.csv")),
		"same.toml":    fmt.Sprintf("[data.test]\nroot = %q\n", filepath.Join(dir, "all")),
		"beside.toml":  fmt.Sprintf("[data.single]\nroot = %q\n", filepath.Join(dir, "all/own/cases.csv")),
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(at(name)), 0o777))
		require.NoError(t, os.WriteFile(at(name), []byte(content), 0o666))
	}
	detector := []string{"train", "detector", "--device", "cpu", "--data", at("data/cases.csv"), "--out", at("run")}
	for _, c := range []struct {
		status int
		says   string
		args   []string
	}{
		{2, "--encoder " + at("run/fold_0/best.safetensors") + " reads what is in", append(detector, "--encoder", at("run/fold_0/best.safetensors"))},
		{2, "reads what is in", append(detector, "--config", at("encoder.toml"))},
		{2, "--config " + at("run/fold_0/config.toml") + " reads what is in", append(detector, "--config", at("run/fold_0/config.toml"))},
		{1, "a detector needs encoder", append(detector, "--resume", "--config", at("run/fold_0/config.toml"))},
		{2, "is the folder that --data", append(detector, "--data", at("run"))},
		{1, "best.safetensors", append(detector, "--encoder", at("run/fold_1/best.safetensors"))}, // damaged, but no output
		{2, "data.single.root " + at("all/detector/cases.csv") + " reads what is in", []string{"pipeline", "--device", "cpu", "--config", at("inside.toml"), "--out", at("all")}},
		{2, "is the folder that data.test.root", []string{"pipeline", "--device", "cpu", "--config", at("same.toml"), "--out", at("all")}},
		{1, "data.test.root are needed", []string{"pipeline", "--device", "cpu", "--config", at("beside.toml"), "--out", at("all")}},
	} {
		status, _, errs := clitest.Run(t, c.args...)
		require.Equal(t, c.status, status, "%v\n%s", c.args, errs)
		require.Contains(t, errs, c.says, "%v", c.args)
	}
}

// Commands print through cli.Out alone, so that what does not arrive is an error.
func TestCommandsPrintThroughOnePlace(t *testing.T) {
	n := 0
	require.NoError(t, filepath.WalkDir("..", func(path string, e os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || filepath.ToSlash(path) == "../cli/output.go" {
			return err
		}
		n++
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NotRegexp(t, `os\.Stdout|fmt\.Print|OpenFile\(|os\.Create\(|os\.WriteFile\(`, strings.ReplaceAll(string(text), "os.WriteFile(filepath.Join(dir, \"ready\")", ""), "%s: print to cli.Out, write with outfile", path)
		return nil
	}))
	require.Greater(t, n, 40)
}

// What is printed and does not arrive is an error.
func TestFullStandardOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	defer full.Close()
	for _, line := range []string{"--help", "--version", "train --help", "devices", "devices --json", "help predict"} {
		cmd := clitest.Command(strings.Fields(line)...)
		cmd.Stdout = full
		var errs strings.Builder
		cmd.Stderr = &errs
		require.Error(t, cmd.Run(), line)
		require.Equal(t, 1, cmd.ProcessState.ExitCode(), line)
		require.Contains(t, errs.String(), "cannot write to standard output", line)
	}
}

func TestUnknownWordsAreGuessed(t *testing.T) {
	for line, says := range map[string]string{
		"segmnt":                                 "did you mean segment?",
		"train segmentr":                         "did you mean segmenter?",
		"evaluate --trth x":                      "did you mean --truth?",
		"train detector --learing-rate":          "did you mean --learning-rate?",
		"predict --thread 3":                     "did you mean --threads?",
		"--threads 100000000 devices":            "--threads 100000000: a number of cores up to 4096",
		"--threads 99999999999999999999 devices": "--threads",
	} {
		status, _, errs := clitest.Run(t, strings.Fields(line)...)
		require.Equal(t, 2, status, line)
		require.Contains(t, errs, says, line)
	}
}
