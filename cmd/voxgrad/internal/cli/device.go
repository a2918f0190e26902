package cli

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"voxgrad/cuda"
	"voxgrad/cuda/emu"
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
	var opts []cuda.Option
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
		return b, nil
	case "emu":
		b, err := OpenEmulator(opts...)
		if err != nil {
			return nil, err
		}
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
	switch kind {
	case "cuda":
		gpus, err := gpu.List()
		if err != nil {
			return nil, fmt.Errorf("--device %s: %w", name, err)
		}
		if index >= len(gpus) {
			return nil, fmt.Errorf("--device %s: there are %d GPUs; 'voxgrad devices' lists them", name, len(gpus))
		}
		return DryCUDA(gpus[index]), nil
	case "emu":
		e := emu.New()
		defer e.Close()
		return DryCUDA(e.Info()), nil
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
