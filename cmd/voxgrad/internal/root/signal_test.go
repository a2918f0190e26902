//go:build unix

package root_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
	"voxgrad/volume"
)

// log is standard error, read while the process runs.
type log struct {
	sync.Mutex
	bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.Buffer.Write(b)
}

func (l *log) String() string {
	l.Lock()
	defer l.Unlock()
	return l.Buffer.String()
}

// A signal ends every command that takes time, with 130 and nothing half-written.
func TestSignalsEndEveryCommand(t *testing.T) {
	data := clitest.Trained(t)
	one := filepath.Join(data, "data/phantom001")
	dir := t.TempDir()
	seg := filepath.Join(data, "seg/fold_0/checkpoint_best.safetensors")
	scan, truth := filepath.Join(one, "flair_time01_on_middle_space.nii.gz"), filepath.Join(one, "ground_truth.nii.gz")
	pairs, cases := "prediction,truth,case\n", "case,flair,mask\n"
	for n := range 20000 {
		pairs += fmt.Sprintf("%s,%s,%d\n", truth, truth, n)
		cases += fmt.Sprintf("%d,%s,%s\n", n, scan, truth)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pairs.csv"), []byte(pairs), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cases.csv"), []byte(cases), 0o600))
	big, err := volume.NewPhantom(volume.DefaultPhantom(1)) // of 96³ voxels and more
	require.NoError(t, err)
	head := filepath.Join(dir, "head.nii.gz")
	require.NoError(t, volume.Write(head, big.Time1, volume.Float32))
	labels := filepath.Join(dir, "labels") // of a box in a box
	require.NoError(t, os.Mkdir(labels, 0o777))
	box := volume.New(volume.Grid{Size: [3]int{40, 40, 40}, Affine: volume.Identity})
	for i := range box.Data {
		if x, y, z := i%40, i/40%40, i/1600; min(x, y, z) >= 5 && max(x, y, z) < 35 {
			box.Data[i] = 2
		}
	}
	require.NoError(t, volume.Write(filepath.Join(labels, "box.nii.gz"), box, volume.Int16))
	config := filepath.Join(dir, "ms.toml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "folds = 2\nmembers = 1\n[data.single]\nroot = %q\n[data.pairs]\nroot = %q\n[data.test]\nroot = %[2]q\n[network]\nwidth = 2\n[sampler]\npatch = [16, 16, 16]\njitter = 4\n[run]\nsteps = 100000\nvalid_patches = 1\n",
		filepath.Join(data, "data/single.csv"), filepath.Join(data, "data")), 0o600))
	for name, line := range map[string][]string{
		"phantom":     {"phantom", "--out", "D/many", "--count", "10000", "--size", "32"},
		"large":       {"phantom", "--out", "D/large", "--size", "400"},
		"gradcheck":   {"gradcheck"},
		"bench":       {"bench", "--out", "D/bench.json"},
		"evaluate":    {"evaluate", "--pairs", filepath.Join(dir, "pairs.csv"), "--csv", "D/scores.csv"},
		"data check":  {"data", "check", filepath.Join(dir, "cases.csv")},
		"segment":     {"segment", "--model", seg, "--flair", scan, "--out", "D/m.nii.gz", "--prob", "D/p.nii.gz", "--patch", "16", "--hop", "1"},
		"augment":     {"augment", "--in", scan, "--out", "D/a.nii.gz", "--preset", "default", "--count", "10000"},
		"prepare":     {"prepare", "--time1", head, "--time2", head, "--register", "all", "--denoise", "--out", "D/one"},
		"prepare all": {"prepare", "--data", filepath.Join(dir, "cases.csv"), "--out", "D/all"},
		"labels":      {"synth", "--labels", labels, "--find", "brain", "--size", "32x40x32", "--device", "cpu", "--out", "D/drawn", "--count", "10000"},
		"train":       {"train", "segmenter", "--data", filepath.Join(data, "data/single.csv"), "--out", "D/run", "--width", "2", "--patch", "16", "--jitter", "4", "--folds", "2", "--steps", "100000"},
		"pipeline":    {"pipeline", "--config", config, "--out", "D/all", "--device", "cpu"},
		"demo":        {"demo", "--out", "D/demo", "--device", "cpu"},
	} {
		signals := []syscall.Signal{syscall.SIGTERM, syscall.SIGINT}
		if testing.Short() {
			signals = signals[:1]
		}
		for _, s := range signals {
			out := t.TempDir()
			args := []string{"--verbose"}
			for _, a := range line {
				args = append(args, strings.Replace(a, "D/", out+"/", 1))
			}
			cmd := clitest.Command(args...)
			var errs log
			cmd.Stderr = &errs
			var printed bytes.Buffer
			cmd.Stdout = &printed
			require.NoError(t, cmd.Start())
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			begun := time.Now()
			require.Eventually(t, func() bool {
				// gradcheck has a --verbose of its own.
				return strings.Contains(errs.String(), "msg=running") || name == "gradcheck" && time.Since(begun) > 2*time.Second
			}, time.Minute, 5*time.Millisecond, name)
			time.Sleep(300 * time.Millisecond)
			require.NoError(t, cmd.Process.Signal(s), "%s ended by itself: %s", name, errs.String())
			select {
			case <-ended:
			case <-time.After(time.Minute):
				cmd.Process.Kill()
				t.Fatalf("%s goes on a minute after %v:\n%s", name, s, errs.String())
			}
			require.Equal(t, 130, cmd.ProcessState.ExitCode(), "%s, %v\n%s", name, s, errs.String())
			require.Contains(t, errs.String(), "voxgrad: interrupted", name)
			require.NotContains(t, errs.String(), "context canceled", name)
			if name != "train" { // which says how far it came
				require.Empty(t, printed.String(), name)
			}
			require.NoError(t, filepath.WalkDir(out, func(path string, e os.DirEntry, err error) error {
				require.NoError(t, err)
				require.NotRegexp(t, `\.tmp|\.part|\.lock`, filepath.Base(path), name)
				if e.IsDir() && path != out {
					inside, err := os.ReadDir(path)
					require.NoError(t, err)
					require.NotEmpty(t, inside, "%s left the empty folder %s", name, path)
				}
				return nil
			}))
			if line[0] == "prepare" && line[1] == "--data" || line[0] == "synth" { // whose cases appear one by one
				require.Contains(t, errs.String(), "the same", name)
				continue
			}
			if line[0] != "phantom" && line[0] != "train" && line[0] != "pipeline" && line[0] != "demo" {
				entries, err := os.ReadDir(out)
				require.NoError(t, err)
				require.Empty(t, entries, "%s: nothing written", name)
				require.Contains(t, errs.String(), "nothing written", name)
			}
		}
	}
}
