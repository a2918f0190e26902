package main

import (
	"github.com/spf13/cobra"

	"voxgrad/device"
	"voxgrad/device/cpu"
)

// deviceFlag adds --device to a command.
func deviceFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "device", "auto", "where to compute: auto or cpu")
}

// openDevice opens the device a user named.
func openDevice(cmd *cobra.Command, name string) (device.Backend, error) {
	switch name {
	case "auto", "cpu":
		return cpu.New(), nil
	}
	return nil, usagef(cmd, "--device %q: want auto or cpu", name)
}
