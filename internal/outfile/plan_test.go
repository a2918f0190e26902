package outfile

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlan(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"scan.nii.gz", "data/case1/flair.nii", "data/old.csv", "run/fold_0/best.safetensors", "run/config.toml"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(at(name)), 0o777))
		require.NoError(t, os.WriteFile(at(name), []byte("x"), 0o666))
	}
	require.NoError(t, os.Symlink(at("scan.nii.gz"), at("link.nii.gz")))
	require.NoError(t, os.Link(at("scan.nii.gz"), at("hard.nii.gz")))
	require.NoError(t, os.Link(at("data/case1/flair.nii"), at("other.nii")))
	require.NoError(t, os.Symlink(dir, at("here")))
	require.NoError(t, os.Symlink(at("nowhere"), at("dangling")))
	require.NoError(t, os.WriteFile(at("kept.nii"), nil, 0o444))
	image := []string{".nii", ".nii.gz"}
	for _, c := range []struct {
		name    string
		plan    func(p *Plan)
		says    string
		mistake bool
	}{
		{"fine", func(p *Plan) {
			p.Read("--flair", at("scan.nii.gz"), at("data"), at("absent"), "")
			p.Write("--out", at("new.nii.gz"), image...)
			p.Write("--prob", at("NEW2.NII"), image...)
			p.Write("--csv", at("data/old.csv"), ".csv")
			p.Write("--none", "")
			p.Fill("--run", at("a/b/c"))
			p.Fill("", "")
		}, "", false},
		{"same", func(p *Plan) { p.Read("--flair", at("scan.nii.gz")); p.Write("--out", at("scan.nii.gz")) }, "would overwrite what --flair", true},
		{"dot", func(p *Plan) { p.Read("--flair", at("scan.nii.gz")); p.Write("--out", dir+"/./data/../scan.nii.gz") }, "would overwrite", true},
		{"symbolic link", func(p *Plan) { p.Read("--flair", at("scan.nii.gz")); p.Write("--out", at("link.nii.gz")) }, "would overwrite", true},
		{"linked input", func(p *Plan) { p.Read("--flair", at("link.nii.gz")); p.Write("--out", at("scan.nii.gz")) }, "would overwrite", true},
		{"hard link", func(p *Plan) { p.Read("--flair", at("scan.nii.gz")); p.Write("--out", at("hard.nii.gz")) }, "would overwrite", true},
		{"linked folder", func(p *Plan) { p.Read("--flair", at("scan.nii.gz")); p.Write("--out", at("here/scan.nii.gz")) }, "would overwrite", true},
		{"two outputs", func(p *Plan) { p.Write("--out", at("new.nii")); p.Write("--prob", dir+"/./new.nii") }, "are the same file", true},
		{"two outputs through a link", func(p *Plan) { p.Write("--out", at("new.nii")); p.Write("--prob", at("here/new.nii")) }, "are the same file", true},
		{"two outputs that exist", func(p *Plan) { p.Write("--out", at("hard.nii.gz")); p.Write("--prob", at("link.nii.gz")) }, "are the same file", true},
		{"twice", func(p *Plan) { p.Write("--out", at("new.nii")); p.Write("--out", at("new.nii")) }, "written twice", true},
		{"in a folder that is read", func(p *Plan) { p.Read("--data", at("data")); p.Write("--out", at("data/case1/flair.nii")) }, "a file of --data", true},
		{"linked into a folder that is read", func(p *Plan) { p.Read("--data", at("data")); p.Write("--out", at("other.nii")) }, "a file of --data", true},
		{"folder is read", func(p *Plan) { p.Read("--data", at("data")); p.Fill("--out", at("here/data"), "fold_0") }, "is the folder that --data", true},
		{"folder holds an input", func(p *Plan) {
			p.Read("--start", at("run/fold_0/best.safetensors"))
			p.Fill("--out", at("run"), "fold_0")
		}, "where --out writes", true},
		{"whole folder holds an input", func(p *Plan) {
			p.Read("--start", at("here/run/fold_0/best.safetensors"))
			p.Fill("--out", at("run"), ".")
		}, "where --out writes", true},
		{"beside the places", func(p *Plan) {
			p.Read("--config", at("run/config.toml"))
			p.Fill("--out", at("run"), "fold_0", "fold_1")
		}, "", false},
		{"a place is an input", func(p *Plan) { p.Read("--config", at("run/config.toml")); p.Fill("--out", at("run"), "config.toml") }, "would overwrite", true},
		{"output in another's folder", func(p *Plan) { p.Write("--csv", at("run/fold_0/x.csv")); p.Fill("--out", at("run"), "fold_0") }, "is in the folder that --out", true},
		{"standard output", func(p *Plan) { p.Write("--csv", "-") }, "not written to standard output", true},
		{"ending", func(p *Plan) { p.Write("--picture", at("x.jpg"), ".png") }, "must end in .png", true},
		{"ending alone", func(p *Plan) { p.Write("--picture", at(".png"), ".png") }, "must end in .png", true},
		{"no folder", func(p *Plan) { p.Write("--out", at("no/x.nii")) }, "make the folder first", false},
		{"a folder", func(p *Plan) { p.Write("--out", at("data")) }, "it is a folder", false},
		{"a file as a folder", func(p *Plan) { p.Fill("--out", at("scan.nii.gz/x")) }, "not a directory", false},
		{"a file as the folder", func(p *Plan) { p.Fill("--out", at("scan.nii.gz"), "y") }, "not a directory", false},
		{"a link to nowhere", func(p *Plan) { p.Fill("--out", at("dangling/x")) }, "a link to what is not there", false},
		{"protected", func(p *Plan) { p.Write("--out", at("kept.nii")) }, "write-protected", false},
		{"long", func(p *Plan) { p.Write("--out", at(strings.Repeat("x", 300))) }, "cannot write", false},
		{"no space", func(p *Plan) { p.Fill("--out", at("a/b")); p.Size(at("a/b"), 1<<60, 1<<61) }, "of free space, and at least 1", false},
	} {
		var p Plan
		c.plan(&p)
		before := names(t, dir)
		err := p.Check()
		if c.says == "" {
			require.NoError(t, err, c.name)
		} else {
			require.ErrorContains(t, err, c.says, c.name)
			m := (*Mistake)(nil)
			require.Equal(t, c.mistake, asMistake(err, &m), c.name)
		}
		require.Equal(t, before, names(t, dir), "%s: looking leaves nothing", c.name)
	}
}

func asMistake(err error, m **Mistake) bool {
	var ok bool
	*m, ok = err.(*Mistake)
	return ok
}

// Where the file system takes two names for one, so does the plan.
func TestNamesThatAFileSystemTakesForOne(t *testing.T) {
	dir := t.TempDir()
	require.False(t, sameName(dir, "a", "b"))
	require.Empty(t, names(t, dir))
	require.Equal(t, runtime.GOOS == "darwin" || runtime.GOOS == "windows", sameName(dir, "a.nii", "A.nii"))
	was := sameName
	t.Cleanup(func() { sameName = was })
	sameName = func(_, a, b string) bool { return strings.EqualFold(a, b) }
	var p Plan
	p.Write("--out", filepath.Join(dir, "a.nii"))
	p.Write("--prob", filepath.Join(dir, "A.nii"))
	require.ErrorContains(t, p.Check(), "are the same file")
}

// Folders that cannot be written to are found by trying, whoever asks.
func TestFoldersThatCannotBeWritten(t *testing.T) {
	for _, dir := range []string{"/proc", "/sys"} {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			t.Skip("no " + dir + " here")
		}
		var p Plan
		p.Write("--out", filepath.Join(dir, "x.nii"))
		require.ErrorContains(t, p.Check(), "cannot write to the folder "+dir)
		p = Plan{}
		p.Fill("--out", filepath.Join(dir, "run"))
		require.ErrorContains(t, p.Check(), "cannot write to the folder "+dir)
	}
}
