package cuda

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/emu"
	"voxgrad/device/ref"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/models/weights"
)

func TestRecordedNetworks(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	recordedNetworks(t, withoutRaces)
}

func withoutRaces(t testing.TB) *Backend {
	_, b := onEmulator(t, []emu.Option{emu.SkipRaces()})
	return b
}

// recordedNetworks sets networks against PyTorch. Ten updates drive fp32 and float64 apart by more than outputs
// and gradients differ, see equalSides; so the oracle makes the updates, and the device is asked at its weights.
func recordedNetworks(t *testing.T, open func(t testing.TB) *Backend) {
	for _, name := range recordedNames {
		t.Run(name, func(t *testing.T) {
			r := readRecorded(t, name)
			b := open(t)
			l := newLearner(t, &sides{Backend: b}, r)
			o := newLearner(t, &sides{Backend: ref.New[float64]()}, r)
			l.output()
			adam := o.net.Adam(1e-3)
			for i, want := range r.losses {
				before := o.snapshot()
				require.InDelta(t, want, o.step(), 1e-6, "the oracle's loss of step %d", i+1)
				if i == 9 {
					o.gradients("the oracle", 1e-5, func(p *layers.Param) []float64 { return r.gradient(t, p) })
				}
				if i == 0 || i == 9 {
					equalSides(l, o, before, want)
				}
				adam.Update()
			}
			require.NoError(t, b.Close())
		})
	}
}

// equalSides compares a step at the oracle's weights. Where a ReLU's input is near zero, the device and the oracle may be on
// different sides of it, and the gradients below change by a thousandth; Adam makes updates of ±rate of them
// however small they are. That is why ten updates part by more than rounding: with the oracle on the
// device's sides all gradients agree as far as fp32 goes.
func equalSides(l, o *learner, before *weights.File, want float64) {
	t := l.t
	require.NoError(t, models.Restore(l.net, before))
	var noted [][]float32
	l.dev.(*sides).noted = &noted
	require.InDelta(t, want, l.step(), 1e-6, "loss")

	own := o.snapshot()
	*o.dev.(*sides) = sides{Backend: o.dev.(*sides).Backend, noted: &noted, replay: true}
	require.NoError(t, models.Restore(o.net, before))
	o.step()
	require.Empty(t, noted)
	other := o.dev.(*sides)
	t.Logf("%d ReLUs on different sides of zero, the largest value is %.2g", other.flipped, other.largest)
	require.Less(t, other.largest, 1e-5)
	grads := map[string][]float64{}
	for _, p := range o.net.Params() {
		grads[p.Name] = exact(o.dev, p.Grad())
	}
	l.gradients("on equal sides", 2e-5, func(p *layers.Param) []float64 { return grads[p.Name] })

	other.noted = nil
	require.NoError(t, models.Restore(o.net, own))
	o.step() // its own gradients again
}

func TestTenSteps(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	tenSteps(t, withoutRaces)
}

// tenSteps are ten updates made by the device itself.
func tenSteps(t *testing.T, open func(t testing.TB) *Backend) {
	for _, name := range recordedNames {
		t.Run(name, func(t *testing.T) {
			r := readRecorded(t, name)
			b := open(t)
			l := newLearner(t, b, r)
			adam := l.net.Adam(1e-3)
			for i, want := range r.losses {
				got := l.step()
				bound := 1e-3 // see equalSides
				if i == 0 {
					bound = 1e-6
				}
				require.InDelta(t, want, got, bound, "loss of step %d", i+1)
				t.Logf("loss of step %d: %.8f, off by %.2g", i+1, got, got-want)
				adam.Update()
			}
			require.NoError(t, b.Close())
		})
	}
}

// Ten updates in bf16 follow PyTorch's automatic mixed precision (testdata/amp.json, tools/amp): no step's loss is farther from
// float64's than the recorded runs, of the same training in two memory formats and from weights that differ in their last bits, are from it or from each
// other at their farthest. The emulator would take an hour; the conformance tables hold that the kernels compute what is computed here: fp32 on rounded operands,
// results rounded where they are stored.
func TestTenStepsInBF16(t *testing.T) {
	b, err := os.ReadFile("testdata/amp.json")
	require.NoError(t, err)
	var amp map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(b, &amp))
	for _, name := range []string{"unet_transposed", "unet_trilinear"} {
		t.Run(name, func(t *testing.T) {
			var runs struct {
				A []float64   `json:"contiguous"`
				B []float64   `json:"channels_last"`
				C [][]float64 `json:"nudged"`
			}
			require.NoError(t, json.Unmarshal(amp[name], &runs))
			r := readRecorded(t, name)
			dev := newRounding()
			l := newLearner(t, dev, r)
			adam := l.net.Adam(1e-3)
			spread, moved := 0.0, 0.0
			all := append(runs.C, runs.A, runs.B)
			require.Len(t, all, 5)
			for i, want := range r.losses {
				low, high := want, want
				for _, run := range all {
					low, high = min(low, run[i]), max(high, run[i])
				}
				spread = max(spread, high-low)
			}
			t.Logf("spread of PyTorch's runs: %.2g", spread)
			for i, want := range r.losses {
				got := l.step()
				moved = max(moved, math.Abs(got-want))
				t.Logf("loss of step %d: %.6f, off by %.2g; PyTorch's AMP by %.2g and %.2g", i+1, got, got-want, runs.A[i]-want, runs.B[i]-want)
				require.InDelta(t, want, got, spread)
				adam.Update()
			}
			require.Greater(t, moved, 1e-5, "operands are rounded")
			require.NoError(t, dev.Close())
		})
	}
}
