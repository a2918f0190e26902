package main

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"voxgrad/cuda"
	"voxgrad/cuda/driver"
	"voxgrad/cuda/emu"
	"voxgrad/cuda/hw"
	"voxgrad/device"
	"voxgrad/device/cpu"
)

// deviceFlag adds --device to a command.
func deviceFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "device", "auto", "where to compute: auto (a GPU if one can be used, else the processor), cpu, cuda[:n] or emu (the GPU's kernels, interpreted: slow)")
}

// openDevice opens the device a user named.
func openDevice(cmd *cobra.Command, name string) (device.Backend, error) {
	kind, number, numbered := strings.Cut(name, ":")
	index := 0
	if numbered {
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || kind != "cuda" {
			return nil, usagef(cmd, "--device %q: a number goes with cuda only, as in cuda:0", name)
		}
		index = n
	}
	switch kind {
	case "cpu":
		return cpu.New(), nil
	case "auto":
		if err := hw.Available(); err != nil {
			slog.Debug("no GPU is used", "reason", err)
			return cpu.New(), nil
		}
		b, err := openCUDA(0)
		if err != nil {
			slog.Warn("the GPU cannot be used, computing on the processor", "reason", err)
			return cpu.New(), nil
		}
		return b, nil
	case "cuda":
		return openCUDA(index)
	case "emu":
		return backendOn(emu.New())
	}
	return nil, usagef(cmd, "--device %q: want auto, cpu, cuda, cuda:n or emu", name)
}

func openCUDA(index int) (device.Backend, error) {
	d, err := hw.Open(index)
	if err != nil {
		return nil, fmt.Errorf("--device cuda:%d: %w; 'voxgrad devices' lists what there is", index, err)
	}
	return backendOn(d)
}

// backendOn makes a backend of a driver and closes the driver if that fails.
func backendOn(d driver.Driver) (device.Backend, error) {
	b, err := cuda.New(d)
	if err != nil {
		d.Close()
		return nil, err
	}
	return b, nil
}
