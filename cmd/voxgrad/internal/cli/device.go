package cli

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"voxgrad/cuda"
	"voxgrad/cuda/gpu"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/train"
)

// DeviceFlag adds --device to a command.
func DeviceFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "device", "auto", "where to compute: auto (a GPU if one can be used, else the processor), cpu, cuda[:n] or emu (the GPU's kernels, interpreted: slow)")
}

// noGraph is the name of GraphFlag's option.
const noGraph = "no-graph"

// GraphFlag adds --no-graph to a command that trains.
func GraphFlag(cmd *cobra.Command) {
	cmd.Flags().Bool(noGraph, false, "on a GPU, launch each kernel of a training step by itself instead of a CUDA graph of all: to look for faults")
}

// PrecisionFlag adds --precision to a command with --device.
func PrecisionFlag(cmd *cobra.Command) {
	cmd.Flags().String("precision", "fp32", "what convolutions on a GPU multiply: fp32, tf32 or bf16 (on tensor cores, compute capability 8.0 or newer, sums in fp32), or auto (bf16 where the GPU has it, else fp32)")
}

// precisionOf is what a user asked of a kind of device; fp32 where the command has no choice.
func precisionOf(cmd *cobra.Command, kind string) (cuda.Precision, error) {
	f := cmd.Flags().Lookup("precision")
	if f == nil {
		return cuda.FP32, nil
	}
	p, err := cuda.ParsePrecision(f.Value.String())
	switch {
	case err != nil:
		return 0, Usagef(cmd, "--precision: %v", err)
	case kind != "cpu" || p == cuda.FP32:
		return p, nil
	case p == cuda.Auto:
		slog.Info("precision", "asked for", p, "chosen", cuda.FP32, "device", "the processor")
		return cuda.FP32, nil
	}
	return 0, fmt.Errorf("--precision %v: the processor computes in fp32; use --precision fp32 or auto, or --device cuda on a machine with a GPU", p)
}

// Precision is what a user asked of a GPU.
func Precision(cmd *cobra.Command) (cuda.Precision, error) { return precisionOf(cmd, "cuda") }

// opened reports what auto has become.
func opened(asked cuda.Precision, b *cuda.Backend) {
	if asked == cuda.Auto {
		slog.Info("precision", "asked for", asked, "chosen", b.Precision(), "device", b.Info().Name)
	}
}

// parseDevice splits the name a user gave into cpu, cuda or emu and a number;
// auto is cuda if a GPU can be used.
func parseDevice(cmd *cobra.Command, name string) (kind string, index int, err error) {
	kind, number, numbered := strings.Cut(name, ":")
	if numbered {
		if index, err = strconv.Atoi(number); err != nil || index < 0 || kind != "cuda" {
			return "", 0, Usagef(cmd, "--device %q: a number from 0 goes with cuda, as in cuda:0, and with nothing else", name)
		}
	}
	switch kind {
	case "auto":
		index, err := firstGPU()
		if err != nil {
			slog.Debug("no GPU is used", "reason", err)
			return "cpu", 0, nil
		}
		return "cuda", index, nil
	case "cpu", "cuda", "emu":
		return kind, index, nil
	}
	return "", 0, Usagef(cmd, "--device %q: want auto, cpu, cuda, cuda:n or emu", name)
}

// OpenDevice opens the device a user named.
func OpenDevice(cmd *cobra.Command, name string) (device.ImagingBackend, error) {
	return OpenLimited(cmd, name, 0)
}

// OpenLimited is OpenDevice of a device that takes at most limit bytes; 0 means no limit.
func OpenLimited(cmd *cobra.Command, name string, limit int64) (device.ImagingBackend, error) {
	kind, index, err := parseDevice(cmd, name)
	if err != nil {
		return nil, err
	}
	precision, err := precisionOf(cmd, kind)
	if err != nil {
		return nil, err
	}
	opts := []cuda.Option{cuda.WithPrecision(precision)}
	if limit > 0 {
		opts = append(opts, cuda.WithMemoryLimit(limit))
	}
	if off, err := cmd.Flags().GetBool(noGraph); err == nil && off { // an error is a command without the option
		opts = append(opts, cuda.WithoutGraphs())
	}
	switch kind {
	case "cuda":
		d, err := gpu.Open(index)
		if err != nil {
			return nil, fmt.Errorf("--device %s: %w; 'voxgrad devices' lists what there is", name, err)
		}
		b, err := newOnGPU(d, opts...)
		if err != nil {
			return nil, err
		}
		opened(precision, b.Backend)
		return b, nil
	case "emu":
		b, err := OpenEmulator(precision, opts...)
		if err != nil {
			return nil, err
		}
		opened(precision, b.Backend)
		return b, nil
	}
	b := cpu.New()
	if limit > 0 {
		b.SetLimit(limit)
	}
	return b, nil
}

// DryDevice is a device of the kind named that computes nothing and counts memory.
func DryDevice(cmd *cobra.Command, name string) (train.OpenDry, error) {
	kind, index, err := parseDevice(cmd, name)
	if err != nil {
		return nil, err
	}
	precision, err := precisionOf(cmd, kind)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "cuda":
		gpus, err := gpu.List()
		if err != nil {
			return nil, fmt.Errorf("--device %s: %w", name, err)
		}
		if index >= len(gpus) {
			return nil, fmt.Errorf("--device %s: there are %d GPUs; 'voxgrad devices' lists them", name, len(gpus))
		}
		return DryCUDA(gpus[index], cuda.WithPrecision(precision)), nil
	case "emu":
		e := newEmulator(precision)
		defer e.Close()
		return DryCUDA(e.Info(), cuda.WithPrecision(precision)), nil
	}
	return train.DryTensors, nil
}

// HostMemory returns the bytes that the machine can give.
func HostMemory() int64 { return cpu.AvailableMemory() }

// DeviceMemory returns the bytes that the device a user named can give, where that is known
// before it is asked: the processor's. 0 is unknown.
func DeviceMemory(cmd *cobra.Command, name string) (int64, error) {
	kind, _, err := parseDevice(cmd, name)
	if err != nil || kind != "cpu" {
		return 0, err
	}
	return cpu.AvailableMemory(), nil
}
