package view_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"voxgrad/report/view"
)

// opened puts a desktop in place that notes what it is asked to open, and returns what
// it was asked: the arguments of the process, as everybody can read them.
func opened(t *testing.T, server *view.Server) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the desktop is replaced by the name that it has on Linux")
	}
	dir := t.TempDir()
	note := filepath.Join(dir, "arguments")
	// tr shows the process as other users see it.
	script := "#!/bin/sh\ntr '\\0' '\\n' </proc/$$/cmdline >" + note + ".new && mv " + note + ".new " + note + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "xdg-open"), []byte(script), 0o700))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	require.NoError(t, server.OpenBrowser())
	var b []byte
	require.Eventually(t, func() bool {
		var err error
		b, err = os.ReadFile(note)
		return err == nil
	}, 30*time.Second, 10*time.Millisecond)
	return string(b)
}

// Who reads the list of processes learns where a file is, and cannot read it.
func TestTheTokenIsNoArgument(t *testing.T) {
	dir := t.TempDir()
	scan := cube(t, dir, "scan.nii.gz", 4, map[int]float32{5: 100})
	study, err := view.Load(view.Files{Scans: []view.Scan{{Label: "scan", Path: scan}}})
	require.NoError(t, err)
	server, err := view.Listen(0, study)
	require.NoError(t, err)
	arguments := opened(t, server)
	_, token, ok := strings.Cut(server.URL(), "token=")
	require.True(t, ok)
	require.NotContains(t, arguments, token)
	require.NotContains(t, arguments, "127.0.0.1")

	lines := strings.Split(strings.TrimSpace(arguments), "\n")
	file := lines[len(lines)-1]
	text, err := os.ReadFile(file)
	require.NoError(t, err, arguments)
	require.Contains(t, string(text), token)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	info, err = os.Stat(filepath.Dir(file))
	require.NoError(t, err)
	require.EqualValues(t, 0o700, info.Mode().Perm())

	require.NoError(t, server.Close())
	require.NoFileExists(t, file)
	require.NoDirExists(t, filepath.Dir(file))
}

// The file leads a browser to the page, and a truth without a mask is called one.
func TestChromiumFollowsTheFile(t *testing.T) {
	files := phantomFiles(t)
	files.Mask, files.Probability = "", ""
	study, server := start(t, files)
	c := openChromium(t)
	lines := strings.Split(strings.TrimSpace(opened(t, server)), "\n")
	c.open("file://" + lines[len(lines)-1])
	require.True(t, strings.HasPrefix(c.text(`location.href`), server.URL()[:20]), c.text(`location.href`))
	require.Empty(t, c.text(`document.referrer`))
	require.Contains(t, c.text(`document.getElementById("files").textContent`), "truth: truth.nii.gz")
	require.NotContains(t, c.text(`document.body.innerText`), "Mask")
	require.Contains(t, c.text(`document.querySelector("caption").textContent`), "true lesion")
	require.Contains(t, c.text(`document.getElementById("legend").textContent`), "true lesion")
	require.Equal(t, len(study.Lesions()), int(number(c, `document.querySelectorAll("tbody tr").length`)))
}
