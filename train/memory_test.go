package train

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/internal/text"
	"voxgrad/layers"
)

func planned(task, up string, width, batch, edge int) Config {
	c := Defaults(task)
	c.Network.Width, c.Network.Up = width, up
	c.Run.Batch = batch
	c.Sampler.Patch, c.Sampler.Jitter = [3]int{edge, 8, edge}, 2
	return c
}

func filledOnly(c Config) Config {
	c.Loss.FilledOnly = true
	return c
}

// The plan is the peak that the cpu reports for the same two steps, to the byte.
func TestMemoryOfIsTheCPUsPeak(t *testing.T) {
	for _, c := range []Config{
		planned("segmenter", layers.Transposed, 3, 1, 8),
		planned("segmenter", layers.Trilinear, 2, 3, 16),
		planned("detector", layers.Transposed, 2, 2, 16),
		planned("detector", layers.Trilinear, 5, 1, 8),
		planned("inpainter", layers.Transposed, 2, 2, 16),
		planned("generator", layers.Trilinear, 2, 1, 16),
		filledOnly(planned("generator", layers.Transposed, 2, 2, 8)),
		madePairs(),
	} {
		t.Run(fmt.Sprintf("%s/%s/%d", c.Task, c.Network.Up, c.Run.Batch), func(t *testing.T) {
			plan, err := MemoryOf(c, DryTensors)
			require.NoError(t, err)

			dev := cpu.New()
			defer dev.Close()
			if c.Task == "detector" && c.Encoder == "" {
				c.Encoder = "any"
			}
			tr, err := newTrainer(c, dev, nil)
			require.NoError(t, err)
			require.NoError(t, tr.openNet(true))
			require.NoError(t, tr.openTask())
			full, plain, err := tr.blank()
			require.NoError(t, err)
			dev.ResetPeak()
			for step := range 3 {
				_, err := tr.step(blankBatch(full, plain, c.Run.Batch))
				require.NoError(t, err)
				now, peak := dev.Usage()
				require.Equal(t, plan.Kept, now, "step %d", step)
				if step > 0 {
					require.Equal(t, plan.Peak, peak, "step %d", step)
				} else {
					require.LessOrEqual(t, peak, plan.Peak)
				}
			}
			require.NoError(t, tr.close())
		})
	}
}

func TestPlanMemory(t *testing.T) {
	c := planned("segmenter", layers.Transposed, 2, 4, 16)
	need := make([]int64, 10)
	for b := 1; b < len(need); b++ {
		d := c
		d.Run.Batch = b
		m, err := MemoryOf(d, DryTensors)
		require.NoError(t, err)
		require.Equal(t, m.Peak, m.Taken)
		require.Greater(t, m.Peak, need[b-1])
		need[b] = m.Peak
	}
	for b := 1; b < len(need)-1; b++ {
		for _, limit := range []int64{need[b], need[b+1] - 1} {
			p, err := PlanMemory(c, limit, DryTensors)
			require.NoError(t, err)
			require.Equal(t, b, p.Largest.Batch)
			require.False(t, p.AtLeast)
			require.Equal(t, need[b], p.Largest.Peak)
			require.Equal(t, need[4], p.Asked.Peak)
			require.Equal(t, b >= 4, p.Fits)
			if b < 4 {
				require.ErrorContains(t, p.Check(), fmt.Sprintf("batch %d fits and needs %s", b, text.Bytes(need[b])))
			} else {
				require.NoError(t, p.Check())
			}
		}
	}
	p, err := PlanMemory(c, need[1]-1, DryTensors)
	require.NoError(t, err)
	require.Zero(t, p.Largest.Batch)
	require.ErrorContains(t, p.Check(), "even batch 1 needs "+text.Bytes(need[1]))

	// A device that takes a quarter more has the last word.
	more := func(limit int64) (DryDevice, error) {
		d, err := DryTensors(limit * 4 / 5)
		d.Taken = func() int64 { _, peak := d.Usage(); return peak * 5 / 4 }
		return d, err
	}
	want := 0
	for b := range need {
		if need[b]*5/4 <= need[6] {
			want = b
		}
	}
	require.Less(t, want, 6)
	p, err = PlanMemory(c, need[6], more)
	require.NoError(t, err)
	require.Equal(t, want, p.Largest.Batch)
	require.Equal(t, need[want]*5/4, p.Largest.Taken)

	_, err = PlanMemory(c, 0, DryTensors)
	require.Error(t, err)
	c.Sampler.Patch[1] = 12
	_, err = PlanMemory(c, 1e9, DryTensors)
	require.ErrorContains(t, err, "multiple of 8")
	_, err = PlanMemory(Defaults("detector"), 1e9, DryTensors)
	require.ErrorContains(t, err, "encoder")
}

// A run itself, with patches of data, takes what was planned.
func TestPlanHoldsForARun(t *testing.T) {
	for _, c := range []Config{tiny(), restorer("generator"), madePairs()} {
		c.Run.Epochs = 2
		plan, err := MemoryOf(c, DryTensors)
		require.NoError(t, err)
		dev := cpu.New()
		_, err = Run(context.Background(), Job{Device: dev, Config: c, Folder: t.TempDir()})
		require.NoError(t, err)
		_, peak := dev.Usage()
		require.Equal(t, plan.Peak, peak, c.Task)
		require.NoError(t, dev.Close())
	}
}

// The promise of the recipe: the published detector trains at batch 4 in 12 GB.
func TestPublishedDetectorFitsTwelveGB(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the network of width 24")
	}
	c := Defaults("detector")
	c.Network.Width = 24
	m, err := MemoryOf(c, DryTensors)
	require.NoError(t, err)
	t.Logf("%+v", m)
	require.Equal(t, 4, m.Batch)
	require.Less(t, m.Peak, int64(12e9))
}
