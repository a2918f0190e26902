package root_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
	"voxgrad/models/weights"
	"voxgrad/volume"
)

// harmless fails where a terminal would obey what the program has printed.
func harmless(t *testing.T, what, out string) {
	t.Helper()
	require.Less(t, len(out), 20_000, "%s: the length of a message is anybody's choice", what)
	for _, r := range out {
		require.False(t, unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r), "%s prints %q in\n%.2000q", what, r, out)
	}
}

// Whatever a file holds and however it is called, the terminal shows it and does
// not obey it.
func TestNamesFromOutsideReachNoTerminalRaw(t *testing.T) {
	const evil = "a\x1b[2J\x1b]0;title\a\u202e\u009b31m"
	dir := t.TempDir()
	folder := filepath.Join(dir, evil)
	require.NoError(t, os.MkdirAll(folder, 0o700))
	broken := filepath.Join(folder, "broken\r"+evil+".nii")
	require.NoError(t, os.WriteFile(broken, []byte(strings.Repeat("x", 400)), 0o600))
	scan := filepath.Join(folder, evil+".nii.gz")
	v := volume.New(volume.Grid{Size: [3]int{8, 8, 8}, Affine: volume.Identity})
	v.Data[100] = 1
	require.NoError(t, volume.Write(scan, v, volume.Float32))
	net := filepath.Join(folder, "net.safetensors")
	require.NoError(t, weights.Write(net, []weights.Tensor{weights.Float32(evil, nil, []float32{1})},
		map[string]string{evil: strings.Repeat(evil, 1<<16), "model": evil, "format": "pt"}))
	table := filepath.Join(dir, "table.csv")
	require.NoError(t, os.WriteFile(table, []byte("case,time1,time2,mask\n"+evil+","+scan+","+scan+","+scan+"\n"), 0o600))
	config := filepath.Join(dir, "config.toml")
	require.NoError(t, os.WriteFile(config, []byte(`"`+strings.Repeat(`\u001b`, 1<<16)+`" = 1`), 0o600))
	out := filepath.Join(dir, "out")

	for _, args := range [][]string{
		{evil}, {"--" + evil}, {"view", "--" + evil}, {"view", broken}, {"view", filepath.Join(dir, strings.Repeat(evil, 1000))},
		{"weights", "show", net}, {"weights", "check", net}, {"weights", "show", broken},
		{"predict", "--model", net, "--time1", scan, "--time2", broken, "--out", out + ".nii.gz"},
		{"segment", "--model", broken, "--image", scan, "--out", out + ".nii.gz"},
		{"evaluate", "--truth", scan, "--pred", scan}, {"evaluate", "--truth", broken, "--pred", scan}, {"evaluate", "--truth", folder, "--pred", folder},
		{"data", "check", folder}, {"data", "check", table}, {"data", "check", broken},
		{"train", "segmenter", "--data", folder, "--out", out, "--config", config},
		{"train", "segmenter", "--data", folder, "--out", out, "--device", evil},
		{"augment", "--in", scan, "--transform", evil, "--out", out},
		{"report", folder}, {"compare", folder, folder, "--truth", folder},
		{"phantom", "--out", out, "--size", evil},
	} {
		_, stdout, stderr := clitest.Run(t, args...)
		harmless(t, "stdout of "+args[0], stdout)
		harmless(t, "stderr of "+args[0], stderr)
		require.NotEmpty(t, stdout+stderr, args[0])
	}
}

// A line break in a name begins no line of its own.
func TestMessagesOfNamesWithLineBreaksAreOneLine(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "a\nvoxgrad: all is well")
	require.NoError(t, os.Mkdir(folder, 0o700))
	broken := filepath.Join(folder, "b\nc.nii.gz")
	require.NoError(t, os.WriteFile(broken, make([]byte, 400), 0o600))
	for _, args := range [][]string{
		{"segment", "--flair", broken, "--out", filepath.Join(dir, "o.nii.gz")},
		{"segment", "--flair=" + broken, "--out", filepath.Join(dir, "o.nii.gz")},
		{"segment", "--flair", broken + ".no", "--out", filepath.Join(dir, "o.nii.gz")},
		{"segment", "--flair", broken, "--out", filepath.Join(dir, "no\nwhere", "o.nii.gz")},
		{"weights", "check", broken}, {"view", broken, "--no-browser"}, {"a\nb"},
	} {
		status, _, errs := clitest.Run(t, args...)
		require.NotZero(t, status, args)
		lines := strings.Split(strings.TrimSuffix(errs, "\n"), "\n")
		require.LessOrEqual(t, len(lines), 2, "%q: %s", args, errs) // the second tells how to call it
		require.True(t, strings.HasPrefix(lines[0], "voxgrad: "), "%q: %s", args, errs)
		if len(lines) == 2 {
			require.True(t, strings.HasPrefix(lines[1], "Run 'voxgrad"), "%q: %s", args, errs)
		}
		require.Contains(t, lines[0], `\n`, args)
	}
}

// A header whose shape has a million entries does not fill the terminal.
func TestMessagesAreBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "net.safetensors")
	header := `{"x":{"dtype":"F32","shape":[` + strings.Repeat("1,", 1_000_000) + `1],"data_offsets":[0,8]}}`
	b := []byte{0, 0, 0, 0, 0, 0, 0, 0}
	for i := range 8 {
		b[i] = byte(len(header) >> (8 * i))
	}
	require.NoError(t, os.WriteFile(file, append(append(b, header...), make([]byte, 8)...), 0o600))
	status, stdout, stderr := clitest.Run(t, "weights", "show", file)
	require.Equal(t, 1, status)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "damaged header")
	require.Contains(t, stderr, "net.safetensors")
	require.Less(t, len(stderr), 10_000)
}
