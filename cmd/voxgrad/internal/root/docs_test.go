package root_test

import (
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
	"voxgrad/cmd/voxgrad/internal/root"
)

const top = "../../../.."

// snippet is a piece of code in a document.
type snippet struct{ place, text string }

// snippets are the lines of code blocks, continued lines joined, and the inline
// code of a Markdown file.
func snippets(t *testing.T, file string) (blocks, inline []snippet) {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	code := regexp.MustCompile("`([^`]+)`")
	fenced, long := false, ""
	var prose strings.Builder
	for n, line := range strings.Split(string(b), "\n") {
		place := filepath.Base(file) + ":" + strconv.Itoa(n+1)
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		if !fenced && !strings.HasPrefix(line, "    ") {
			prose.WriteString(line + "\n")
			continue
		}
		if rest, more := strings.CutSuffix(line, "\\"); more {
			long += rest
			continue
		}
		blocks = append(blocks, snippet{place, strings.TrimSpace(long + line)})
		long = ""
	}
	for _, m := range code.FindAllStringSubmatch(prose.String(), -1) {
		inline = append(inline, snippet{filepath.Base(file), strings.Join(strings.Fields(m[1]), " ")})
	}
	require.False(t, fenced, "%s: a code block does not end", file)
	return blocks, inline
}

// documents are the Markdown files of the project that speak of the program.
func documents(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(top, "*.md"))
	require.NoError(t, err)
	files = slices.DeleteFunc(files, func(f string) bool { return filepath.Base(f) == "THIRD_PARTY.md" })
	require.NoError(t, filepath.WalkDir(filepath.Join(top, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			files = append(files, path)
		}
		return err
	}))
	require.Greater(t, len(files), 20)
	return files
}

// commandLines are the calls of the program in a line of a shell.
func commandLines(line string) (calls [][]string) {
	if at := strings.Index(line, " #"); at >= 0 {
		line = line[:at]
	}
	for _, part := range regexp.MustCompile(`;|&&| \| `).Split(line, -1) {
		words := shellWords(part)
		for len(words) > 0 && regexp.MustCompile(`^[A-Z_]+=`).MatchString(words[0]) {
			words = words[1:]
		}
		if len(words) > 0 && (words[0] == "voxgrad" || words[0] == "bin/voxgrad") {
			calls = append(calls, words[1:])
		}
	}
	return calls
}

// shellWords are the words of a command; quotes keep spaces, and a variable stands for
// something that is not told.
func shellWords(s string) (words []string) {
	for _, m := range regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`).FindAllString(s, -1) {
		if strings.HasPrefix(m, "$") {
			m = "…"
		}
		words = append(words, strings.Trim(m, `'"`))
	}
	return words
}

// every calls f for each command, groups included.
func every(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		every(sub, f)
	}
}

// options are the names of all options of all commands.
func options() map[string]bool {
	known := map[string]bool{"help": true, "version": true}
	every(root.New(), func(c *cobra.Command) {
		for _, set := range []*pflag.FlagSet{c.Flags(), c.PersistentFlags()} {
			set.VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
			for _, name := range formerNames {
				known[name] = known[name] || set.Lookup(name) != nil
			}
		}
	})
	return known
}

// formerNames are names of options that are still understood, as the commands report.
var formerNames = []string{"hop"}

// othersOptions are options of other programs that the documents name by themselves.
var othersOptions = []string{"signal"}

var optionWord = regexp.MustCompile(`(?:^|[\s("'` + "`" + `/\[|])--([a-zA-Z][\w-]*)`)

// long are the commands that work without any input: their options are parsed, and
// other tests run them.
var long = []string{"demo", "bench", "gradcheck", "devices", "phantom"}

// tryCall holds a documented call against the program. One with … in it stands for
// others, so that only its command and its options are looked up; any other one is
// run where none of the files that it names exist, and must be told so, not that the
// command line is wrong.
func tryCall(t *testing.T, place string, args []string) {
	t.Helper()
	what := place + ": voxgrad " + strings.Join(args, " ")
	cmd, rest, err := root.New().Find(slices.DeleteFunc(slices.Clone(args), func(s string) bool { return s == "…" }))
	require.NoError(t, err, what)
	if strings.Contains(strings.Join(args, " "), "…") || cmd.HasSubCommands() {
		for _, w := range rest {
			name, _, _ := strings.Cut(strings.TrimPrefix(w, "--"), "=")
			if !strings.HasPrefix(w, "--") || name == "help" || name == "version" {
				continue
			}
			found := false
			every(cmd, func(c *cobra.Command) { found = found || c.Flag(name) != nil })
			require.True(t, found, "%s: there is no option --%s", what, name)
		}
		return
	}
	if len(rest) == 0 && !strings.Contains(place, ":") {
		return // the name of a command in a sentence
	}
	if slices.Contains(args, "--help") {
		return
	}
	if slices.Contains(long, cmd.Name()) {
		require.NoError(t, cmd.ParseFlags(rest), what)
		return
	}
	run := clitest.Command(args...)
	run.Dir = t.TempDir()
	out, err := run.CombinedOutput()
	if slices.Contains(args, "--print-config") { // which needs no files
		require.NoError(t, err, "%s\n%s", what, out)
		return
	}
	require.Error(t, err, "%s: works without its files", what)
	require.NotEqual(t, 2, run.ProcessState.ExitCode(), "%s\n%s", what, out)
}

// Every command line in the documentation and in the examples of the help is one
// that the program takes.
func TestDocumentedCommandsWork(t *testing.T) {
	n := 0
	for _, file := range documents(t) {
		blocks, inline := snippets(t, file)
		for _, s := range append(blocks, inline...) {
			for _, call := range commandLines(s.text) {
				n++
				tryCall(t, s.place, call)
			}
		}
	}
	every(root.New(), func(c *cobra.Command) {
		lines := strings.ReplaceAll(c.Example, "\\\n", "")
		for i, line := range strings.Split(lines, "\n") {
			for _, call := range commandLines(line) {
				n++
				tryCall(t, "help of "+c.CommandPath()+":"+strconv.Itoa(i+1), call)
			}
		}
	})
	require.Greater(t, n, 60)
}

// Every option that a document names exists.
func TestDocumentedOptionsExist(t *testing.T) {
	known := options()
	n := 0
	for _, file := range documents(t) {
		blocks, inline := snippets(t, file)
		for _, s := range append(blocks, inline...) {
			if foreign.MatchString(s.text) {
				continue
			}
			for _, m := range optionWord.FindAllStringSubmatch(s.text, -1) {
				n++
				require.True(t, known[m[1]] || slices.Contains(othersOptions, m[1]), "%s: %s: there is no option --%s", s.place, s.text, m[1])
			}
		}
	}
	require.Greater(t, n, 100)
}

// foreign are the calls of other programs in the documents.
var foreign = regexp.MustCompile(`^\$?\s*(python3?|git|sbatch|srun|nvcc|ptxas|pip|ssh|docker|apt-get|npx|cuobjdump|tools/|\./tools/|go run \./tools/)`)

// Every target of make that a document names exists.
func TestDocumentedTargetsExist(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(top, "Makefile"))
	require.NoError(t, err)
	n := 0
	for _, file := range documents(t) {
		blocks, inline := snippets(t, file)
		for _, s := range append(blocks, inline...) {
			m := regexp.MustCompile(`^make ([a-z-]+)`).FindStringSubmatch(s.text)
			if m == nil {
				continue
			}
			n++
			require.Regexp(t, `(?m)^`+m[1]+`:`, string(b), "%s: make %s", s.place, m[1])
		}
	}
	require.Greater(t, n, 10)
}

// The options that docs/choices.md names are options or settings.
func TestChoicesNameSettings(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(top, "docs/choices.md"))
	require.NoError(t, err)
	known := options()
	n := 0
	for _, line := range strings.Split(string(b), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.Contains(cells[3], "---") || strings.HasPrefix(strings.TrimSpace(cells[1]), "github.com") {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[3], -1) {
			name := strings.ReplaceAll(strings.TrimPrefix(m[1], "--"), "_", "-")
			if i := strings.LastIndexByte(name, '.'); i >= 0 && !known[name] {
				name = name[i+1:]
			}
			n++
			require.True(t, known[name], "docs/choices.md: there is no setting %s", m[1])
		}
	}
	require.Greater(t, n, 9)
}

// Every option and command that an error or a help text names exists.
func TestTextsOfTheProgramNameWhatExists(t *testing.T) {
	known := options()
	n := 0
	command := regexp.MustCompile("[`'\"(]voxgrad ([a-z]+(?: [a-z]+)?)")
	require.NoError(t, filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(top, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (rel == "tools" || strings.HasPrefix(d.Name(), ".") && rel != "." || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		for _, s := range literals(t, path) {
			for _, m := range optionWord.FindAllStringSubmatch(strings.ReplaceAll(s, "var(--", ""), -1) {
				n++
				require.True(t, known[m[1]], "%s: %q: there is no option --%s", rel, s, m[1])
			}
			for _, m := range command.FindAllStringSubmatch(s, -1) {
				n++
				_, _, err := root.New().Find(strings.Fields(m[1]))
				require.NoError(t, err, "%s: %q", rel, s)
			}
		}
		return nil
	}))
	require.Greater(t, n, 50)
}

// literals are the texts in a Go file.
func literals(t *testing.T, path string) (all []string) {
	t.Helper()
	src, err := os.ReadFile(path)
	require.NoError(t, err)
	var s scanner.Scanner
	s.Init(token.NewFileSet().AddFile(path, -1, len(src)), src, nil, 0)
	for {
		_, tok, lit := s.Scan()
		if tok == token.EOF {
			return all
		}
		if tok == token.STRING {
			text, err := strconv.Unquote(lit)
			require.NoError(t, err, path)
			all = append(all, text)
		}
	}
}
