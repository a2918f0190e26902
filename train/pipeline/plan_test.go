package pipeline

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/train"
)

func TestPlan(t *testing.T) {
	c := tiny()
	out := t.TempDir()
	p := folder(t, c, out, nil)
	stopped, stop := context.WithCancel(context.Background())
	stop()
	_, err := p.Plan(stopped, true)
	require.ErrorIs(t, err, ErrInterrupted)
	require.ErrorContains(t, err, "nothing was written")
	plan, err := p.Plan(context.Background(), true)
	require.NoError(t, err)
	of := map[string]Planned{}
	for _, s := range plan {
		of[s.Step.Name] = s
		require.False(t, s.Done, s.Step.Name)
	}
	require.Equal(t, "has not run", of["segmenter"].Why)
	require.Equal(t, "after segmenter … generator", of["detector/fold_1"].Why)
	require.Equal(t, "a step timed now", of["detector/fold_1"].From)
	require.Equal(t, "a window timed now", of["predict"].From)
	require.Equal(t, of["finetune/fold_0"].Seconds, of["finetune/fold_1"].Seconds, "one measurement for all members")
	for _, name := range []string{"segmenter", "inpainter", "generator", "detector/fold_0", "finetune/fold_0", "predict"} {
		require.Greater(t, of[name].Seconds, 0.0, name)
		require.Less(t, of[name].Seconds, 60.0, name)
		require.Greater(t, of[name].Memory, int64(1000), name)
	}
	require.True(t, math.IsNaN(of["evaluate"].Seconds))
	entries, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Empty(t, entries, "a plan does nothing")
	now, _ := p.job.Device.Usage()
	require.Zero(t, now)

	// The memory is the trainer's own figure, to the byte.
	m, err := train.MemoryOf(p.steps[0].work.(*training).config(p), train.DryTensors)
	require.NoError(t, err)
	require.Equal(t, m.Taken, of["segmenter"].Memory)

	// Half done: the stamps say how long a step takes.
	for _, s := range []string{segmenter, inpainter, generator} {
		require.NoError(t, p.Only(context.Background(), s, -1))
	}
	require.NoError(t, p.Only(context.Background(), detector, 0))
	plan, err = p.Plan(context.Background(), false)
	require.NoError(t, err)
	for _, s := range plan {
		of[s.Step.Name] = s
	}
	require.True(t, of["segmenter"].Done)
	require.Zero(t, of["segmenter"].Seconds)
	require.True(t, of["detector/fold_0"].Done)
	require.Equal(t, "has not run", of["detector/fold_1"].Why)
	require.Equal(t, "the steps of detector/fold_0", of["detector/fold_1"].From)
	st, ok := readJSON[Stamp](filepath.Join(out, "steps/detector.fold_0.json"))
	require.True(t, ok)
	require.InDelta(t, st.Seconds, of["detector/fold_1"].Seconds, 1e-9, "as many steps again")
	require.True(t, math.IsNaN(of["finetune/fold_0"].Seconds), "not timed, not asked to")
	require.Equal(t, "after finetune/fold_0 and finetune/fold_1", of["predict"].Why)

	// Of steps alone: what has to run before them is looked at, not listed.
	plan, err = p.PlanOnly(context.Background(), finetune, 1, false)
	require.NoError(t, err)
	require.Len(t, plan, 1)
	require.Equal(t, "finetune/fold_1", plan[0].Step.Name)
	require.Equal(t, "after detector/fold_1", plan[0].Why)
	_, err = p.PlanOnly(context.Background(), finetune, 2, false)
	require.EqualError(t, err, "there is no member 2 of finetune: they are 0 to 1")

	// The member that lacks something is the one that is named.
	require.ErrorContains(t, p.Only(context.Background(), finetune, -1), "finetune/fold_1 needs step detector/fold_1, which is not done")
}
