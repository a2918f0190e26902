package train

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda"
	"voxgrad/cuda/driver"
	"voxgrad/cuda/emu"
	"voxgrad/cuda/memplan"
	"voxgrad/layers"
	"voxgrad/train/sample"
)

// asked counts what a step asks of a GPU's driver.
type asked struct {
	driver.Driver
	uploads, waits, late, launches, replays int

	calls    []driver.Call // of the newest Capture
	launched []string
}

func (a *asked) ToDevice(p driver.Ptr, src []byte) error {
	a.uploads++
	return a.Driver.ToDevice(p, src)
}

func (a *asked) ToHost(dst []byte, p driver.Ptr) error {
	a.waits++
	return a.Driver.ToHost(dst, p)
}

func (a *asked) Sync() error {
	a.waits++
	return a.Driver.Sync()
}

func (a *asked) Launch(k driver.Kernel, l driver.Launch, args ...any) error {
	a.launches++
	a.launched = append(a.launched, fmt.Sprintln(k.Name(), l, args))
	return a.Driver.Launch(k, l, args...)
}

func (a *asked) Capture(calls []driver.Call) (driver.Graph, error) {
	a.calls = calls
	g, err := a.Driver.Capture(calls)
	return askedGraph{g, a}, err
}

type askedGraph struct {
	driver.Graph
	a *asked
}

func (g askedGraph) Replay() error {
	g.a.replays++
	return g.Graph.Replay()
}

func (a *asked) Fetch(from []driver.Span) (driver.Fetched, error) {
	f, err := a.Driver.Fetch(from)
	return askedFetch{f, a}, err
}

type askedFetch struct {
	driver.Fetched
	a *asked
}

func (f askedFetch) Wait() ([]byte, error) {
	f.a.late++
	return f.Fetched.Wait()
}

func (a *asked) reset() {
	a.uploads, a.waits, a.late, a.launches, a.replays, a.launched = 0, 0, 0, 0, 0, nil
}

// everyTask are the networks at their own width and patch, at batch 1.
func everyTask() []Config {
	made := planned("detector", layers.Transposed, 24, 1, 64)
	made.Synthesis.Inpainter, made.Synthesis.Generator = weightsFile("inpainter"), weightsFile("generator")
	all := []Config{planned("segmenter", layers.Transposed, 24, 1, 64), planned("segmenter", layers.Trilinear, 24, 1, 64),
		planned("detector", layers.Transposed, 24, 1, 64), planned("inpainter", layers.Transposed, 24, 1, 64), planned("generator", layers.Transposed, 24, 1, 64), made}
	for i := range all {
		all[i].Augment = "default"
		if all[i].Task == "detector" {
			all[i].Encoder, all[i].FreezeEncoder = "any", true
		}
	}
	return all
}

// A step at batch 1, with every transform there is, waits for one thing, what came of the step
// before it, and brings little to the device. Of two consecutive steps each launch of the network
// is the same, so that it is made by a graph.
func TestStepNeverWaits(t *testing.T) {
	for _, c := range everyTask() {
		name := fmt.Sprintf("%s/%s/%v", c.Task, c.Network.Up, c.Synthesis.On())
		t.Run(name, func(t *testing.T) {
			a := &asked{Driver: memplan.New(driver.Info{Name: "planned", ComputeCapability: 90, SharedPerCTA: 48 << 10, SharedOptIn: 227 << 10})}
			for _, graphs := range []bool{true, false} {
				if !graphs && (c.Task != "segmenter" || c.Network.Up != layers.Transposed) {
					break
				}
				var opts []cuda.Option
				if !graphs {
					a = &asked{Driver: memplan.New(driver.Info{Name: "planned", ComputeCapability: 90, SharedPerCTA: 48 << 10, SharedOptIn: 227 << 10})}
					opts = append(opts, cuda.WithoutGraphs())
				}
				dev, err := cuda.New(a, opts...)
				require.NoError(t, err)
				tr, err := newTrainer(c, dev, nil)
				require.NoError(t, err)
				require.NoError(t, tr.openNet(true))
				require.NoError(t, tr.openTask())
				full, plain, err := tr.blank()
				require.NoError(t, err)
				batch := func() *sample.Batch { return blankBatch(full, plain, 1) }
				for range 3 {
					_, err := tr.step(batch())
					require.NoError(t, err)
				}
				a.reset()
				first := tr.begin(batch())
				require.Zero(t, a.waits+a.late, "the host runs ahead")
				one := *a
				a.reset()
				second := tr.begin(batch())
				_, err = tr.result(first)
				require.NoError(t, err)
				t.Logf("%s, graphs %v: %d launches, %d replays of %d calls, %d uploads, %d waits, %d late",
					name, graphs, a.launches, a.replays, len(a.calls), a.uploads, a.waits, a.late)
				require.Equal(t, one.launched, a.launched, "kernels, geometry and arguments of two steps")
				require.LessOrEqual(t, a.uploads, 10)
				require.Equal(t, 1, a.late)
				require.Zero(t, a.waits)
				if graphs {
					require.Equal(t, 1, a.replays)
				} else {
					require.Zero(t, a.replays)
				}
				_, err = tr.result(second)
				require.NoError(t, err)
				require.NoError(t, tr.close())
				require.NoError(t, dev.Close())
			}
		})
	}
}

// Training on the emulator, with a graph and a step behind, writes the files of training
// without, and is interrupted and resumed to the same bits.
func TestGraphTrainsTheSame(t *testing.T) {
	c := tiny()
	c.Network.Width, c.Sampler.Patch, c.Sampler.Jitter = 1, [3]int{8, 8, 8}, 2
	c.Run.Batch, c.Run.Steps, c.Run.Epochs, c.Run.ValidPatches, c.Augment = 1, 5, 1, 1, "none"
	train := func(folder string, resume bool, events func(Event), ctx context.Context, opts ...cuda.Option) *asked {
		a := &asked{Driver: emu.New(emu.SkipRaces())}
		dev, err := cuda.New(a, opts...)
		require.NoError(t, err)
		_, err = Run(ctx, Job{Device: dev, Config: c, Folder: folder, Resume: resume, Events: events})
		require.NoError(t, err)
		require.NoError(t, dev.Close())
		return a
	}
	dir := t.TempDir()
	plain, graph, stopped := filepath.Join(dir, "plain"), filepath.Join(dir, "graph"), filepath.Join(dir, "stopped")
	require.Zero(t, train(plain, false, nil, context.Background(), cuda.WithoutGraphs()).replays)
	require.GreaterOrEqual(t, train(graph, false, nil, context.Background()).replays, 2, "of five steps the first allocate and bring tables")
	require.Equal(t, files(t, plain), files(t, graph))
	ctx, stop := context.WithCancel(context.Background())
	train(stopped, false, func(e Event) {
		if s, ok := e.(StepDone); ok && s.Step == 2 {
			stop()
		}
	}, ctx)
	train(stopped, true, nil, context.Background())
	require.Equal(t, files(t, plain), files(t, stopped))
}
