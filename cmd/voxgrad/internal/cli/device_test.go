package cli

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"voxgrad/cuda"
	"voxgrad/cuda/driver"
	"voxgrad/cuda/emu"
	"voxgrad/device/bench"
	"voxgrad/train"
)

// A GPU's own clock and ceiling, on the emulator for want of one.
func TestOnGPU(t *testing.T) {
	dev, err := newOnGPU(emu.New(emu.ComputeCapability(61)))
	require.NoError(t, err)
	r, err := bench.Run(t.Context(), dev, bench.Ops(bench.Shapes{Width: 1, Patch: 8, Batch: 1})[:1], bench.Options{Least: 2, CopyBytes: 4096})
	require.NoError(t, err)
	require.Equal(t, "device", r.Timing)
	require.Len(t, r.Results[0].Seconds, 2)
	require.NoError(t, dev.Close())
	_, err = newOnGPU(emu.New(emu.ComputeCapability(50)))
	require.ErrorContains(t, err, "5.0")
}

// What a card would give is more than the tensors take, and not much.
func TestMemoryPlanOfACard(t *testing.T) {
	c := train.Defaults("segmenter")
	c.Network.Width, c.Run.Batch = 4, 2
	c.Sampler.Patch, c.Sampler.Jitter = [3]int{16, 16, 16}, 4
	open := DryCUDA(driver.Info{Name: "card", ComputeCapability: 61, Multiprocs: 20, SharedPerCTA: 48 << 10, SharedOptIn: 99 << 10})
	m, err := train.MemoryOf(c, open)
	require.NoError(t, err)
	tensors, err := train.MemoryOf(c, train.DryTensors)
	require.NoError(t, err)
	require.Equal(t, tensors.Peak, m.Peak)
	require.Greater(t, m.Taken, m.Peak)
	p, err := train.PlanMemory(c, m.Taken, open)
	require.NoError(t, err)
	require.True(t, p.Fits)
	require.GreaterOrEqual(t, p.Largest.Batch, 2)
	p, err = train.PlanMemory(c, tensors.Peak, open)
	require.NoError(t, err)
	require.False(t, p.Fits, "the tensors alone fill it")
	require.ErrorContains(t, p.Check(), "not enough memory")
	t.Logf("%v", p)

	// Activations take half of it in bf16, where they have eight channels, and the same in tf32.
	c.Network.Width = 8
	taken := map[cuda.Precision]train.Memory{}
	for _, precision := range []cuda.Precision{cuda.FP32, cuda.TF32, cuda.BF16} {
		open := DryCUDA(driver.Info{Name: "card", ComputeCapability: 80, Multiprocs: 20, SharedPerCTA: 48 << 10, SharedOptIn: 99 << 10}, cuda.WithPrecision(precision))
		taken[precision], err = train.MemoryOf(c, open)
		require.NoError(t, err)
	}
	fp32, tf32, bf16 := taken[cuda.FP32], taken[cuda.TF32], taken[cuda.BF16]
	require.Equal(t, fp32.Kept, bf16.Kept, "weights, gradients and moments are fp32")
	require.Equal(t, fp32.Peak, tf32.Peak)
	require.Less(t, bf16.Peak-bf16.Kept, (fp32.Peak-fp32.Kept)*2/3)
}

func TestPickGPU(t *testing.T) {
	old, good := driver.Info{ComputeCapability: 52, DriverVersion: 12040}, driver.Info{ComputeCapability: 90, DriverVersion: 12040}
	index, err := pickGPU([]driver.Info{old, good, good})
	require.NoError(t, err)
	require.Equal(t, 1, index, "the first one that can be used")
	_, err = pickGPU([]driver.Info{old})
	require.ErrorContains(t, err, "5.2")
}

func TestPrecisionFlag(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	for _, k := range []struct{ device, precision, name, fails string }{
		{"cpu", "fp32", "cpu", ""},
		{"cpu", "auto", "cpu", ""},
		{"cpu", "bf16", "", "--precision bf16: the processor computes in fp32; use --precision fp32 or auto"},
		{"cpu", "half", "", `there is no precision "half"; want fp32, tf32, bf16, auto`},
		{"emu", "fp32", "sm_61", ""},
		{"emu", "tf32", "sm_80, tf32", ""},
		{"emu", "auto", "sm_80, bf16", ""},
	} {
		cmd := &cobra.Command{}
		PrecisionFlag(cmd)
		require.NoError(t, cmd.Flags().Set("precision", k.precision))
		open, err := DryDevice(cmd, k.device)
		if k.fails != "" {
			require.ErrorContains(t, err, k.fails)
			_, err = OpenDevice(cmd, k.device)
			require.ErrorContains(t, err, k.fails)
			continue
		}
		require.NoError(t, err)
		dry, err := open(0)
		require.NoError(t, err)
		require.NoError(t, dry.Close())
		dev, err := OpenDevice(cmd, k.device)
		require.NoError(t, err)
		require.Contains(t, dev.Name(), k.name)
		require.NoError(t, dev.Close())

		// auto reports what it has become.
		for name, chosen := range map[string]string{"cpu": "chosen=fp32 device=\"the processor\"", "emu": "chosen=bf16"} {
			if k.precision == "auto" && k.device == name {
				require.Contains(t, log.String(), chosen)
			} else if k.precision != "auto" {
				require.Empty(t, log.String())
			}
		}
		log.Reset()
	}

	// A command without the flag.
	dev, err := OpenDevice(&cobra.Command{}, "emu")
	require.NoError(t, err)
	require.Contains(t, dev.Name(), "sm_61")
	require.NoError(t, dev.Close())

	_, err = newOnGPU(emu.New(emu.ComputeCapability(75)), cuda.WithPrecision(cuda.BF16))
	require.ErrorContains(t, err, "bf16 needs compute capability 8.0 or newer, the device has 7.5; use fp32, or auto")
}
