package pipeline

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/internal/rng"
	"voxgrad/train"
)

// child runs the tiny pipeline and tells of everything it does.
func child(folder string) error {
	dev := cpu.New()
	p, err := Open(Job{Config: tiny(), Out: folder, Device: dev, Version: "test", Events: func(e Event) {
		switch e := e.(type) {
		case Started:
			fmt.Println("step", e.Step.Name)
		case Training:
			if s, ok := e.Event.(train.StepDone); ok {
				fmt.Println("training step", s.Step)
			}
		case Progress:
			fmt.Println("case", e.Done)
		}
	}})
	if err != nil {
		return err
	}
	return p.Run(context.Background())
}

// results are the files that must not depend on how often the pipeline was
// stopped, by hash. checkpoint_last is among them only if last is set: it holds the
// paths of its data.
func results(t *testing.T, folder string, last bool) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := d.Name()
		if name == train.LastFile && !last {
			return nil
		}
		switch filepath.Ext(name) {
		case ".safetensors", ".gz", ".csv", ".png":
		default:
			if name != "scores.json" {
				return nil
			}
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(folder, path)
		out[rel] = fmt.Sprintf("%x", sha256.Sum256(b))
		return err
	}))
	return out
}

// A pipeline is killed at random moments of a fixed list, in the middle of whatever
// it does, and started again until it is through: weights, masks and tables are
// those of a run that nobody disturbed.
func TestKilledPipelineEndsWithTheSameBits(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	out := filepath.Join(t.TempDir(), "run") // one path for both: checkpoint_last holds it
	lines := 0
	p := folder(t, tiny(), out, func(e Event) {
		switch e := e.(type) {
		case Started, Progress:
			lines++
		case Training:
			if _, ok := e.Event.(train.StepDone); ok {
				lines++
			}
		}
	})
	require.NoError(t, p.Run(context.Background()))
	want := results(t, out, true)
	require.NoError(t, os.RemoveAll(out))
	require.Contains(t, want, "scores.csv")
	require.Contains(t, want, "finetune/fold_1/checkpoint_best.safetensors")
	require.Contains(t, want, "predictions/case2_new.nii.gz")

	const kills = 5
	moments := rng.New(7, "kills")
	done := 0
	for run := 0; ; run++ {
		require.Less(t, run, 3*kills, "the pipeline does not come to its end")
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "VOXGRAD_PIPELINE_CHILD="+out, "VOXGRAD_PIPELINE_DATA="+data)
		cmd.Stderr = os.Stderr
		pipe, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		after, pause := 2+moments.Intn(2*lines/(kills+1)), time.Duration(moments.Intn(25_000))*time.Microsecond
		killed, last := false, ""
		scan := bufio.NewScanner(pipe)
		for n := 1; scan.Scan(); n++ {
			if strings.HasPrefix(scan.Text(), "step ") {
				last = scan.Text()
			}
			if n == after && done < kills {
				time.Sleep(pause)
				killed = cmd.Process.Kill() == nil
				break
			}
		}
		err = cmd.Wait()
		if !killed {
			require.NoError(t, err)
			break
		}
		if err != nil {
			done++
			t.Logf("killed %v after line %d, in %s", pause, after, last)
		}
	}
	require.GreaterOrEqual(t, done, 3)
	got := results(t, out, true)
	require.Equal(t, sortedKeys(want), sortedKeys(got))
	for _, f := range sortedKeys(want) {
		require.Equal(t, want[f], got[f], "%s differs from the undisturbed run's", f)
	}
	again, _ := ran(t, tiny(), out)
	require.Empty(t, again, "everything is done")
}
