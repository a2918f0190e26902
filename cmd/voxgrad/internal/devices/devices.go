// Package devices is the command devices.
package devices

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/cuda"
	"voxgrad/cuda/driver"
	"voxgrad/cuda/gpu"
	"voxgrad/cuda/kernels"
	"voxgrad/device/cpu"
	"voxgrad/internal/text"
	"voxgrad/report"
)

// deviceList is what devices found.
type deviceList struct {
	CPU   hostCPU   `json:"cpu"`
	GPUs  []gpuInfo `json:"gpus"`
	NoGPU string    `json:"no_gpu,omitempty"` // why none can be used
	PTX   []string  `json:"ptx_modules"`
}

// gpuInfo is a CUDA device.
type gpuInfo struct {
	Index      int     `json:"index"`
	Name       string  `json:"name"`
	Compute    string  `json:"compute_capability"`
	Multiprocs int     `json:"multiprocessors"`
	Memory     int64   `json:"memory_bytes"`
	Free       int64   `json:"free_bytes"` // 0 if not known
	L2         int     `json:"l2_bytes"`
	Driver     string  `json:"driver_cuda_version"`
	PTX        string  `json:"ptx_variant,omitempty"` // the best that a kernel of it has
	Precision  string  `json:"precision,omitempty"`   // what --precision can be, auto last
	Unusable   string  `json:"unusable,omitempty"`
	PeakGBytes float64 `json:"memory_gbytes_per_s"` // by clock and bus width
}

// New returns the command.
func New() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "devices",
		Short: "List what this machine can compute on",
		Long: `Lists the processor with the features that the kernels use, and the GPUs with their compute
capability, memory, driver, and the variant of the kernels' PTX that would be used; if no GPU
can be used, the reason.`,
		Args: cli.ExactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list := findDevices()
			if asJSON {
				return cli.PrintJSON(list)
			}
			return list.write()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func findDevices() deviceList {
	l := deviceList{CPU: findCPU(), GPUs: []gpuInfo{}, PTX: kernels.Names()}
	dev := cpu.New()
	l.CPU.Backend = dev.Name()
	_ = dev.Close()
	if err := gpu.Available(); err != nil {
		l.NoGPU = err.Error()
	}
	infos, err := gpu.List() // also those that are too old, where there is a driver
	if err == nil {
		for i, info := range infos {
			l.GPUs = append(l.GPUs, describeGPU(i, info))
		}
	} else if l.NoGPU == "" {
		l.NoGPU = err.Error()
	}
	return l
}

func describeGPU(index int, i driver.Info) gpuInfo {
	g := gpuInfo{Index: index, Name: i.Name, Compute: fmt.Sprintf("%d.%d", i.ComputeCapability/10, i.ComputeCapability%10), Multiprocs: i.Multiprocs,
		Memory: i.Memory, Free: i.FreeMemory, L2: i.L2,
		Driver: fmt.Sprintf("%d.%d", i.DriverVersion/1000, i.DriverVersion%1000/10),
		// Two transfers a clock, as all memory of these cards.
		PeakGBytes: 2 * float64(i.MemClockKHz) * 1e3 * float64(i.MemBusBits) / 8 / 1e9}
	var err error
	if g.PTX, err = cli.KernelsFor(index, i); err != nil {
		g.PTX, g.Unusable = "", err.Error()
		return g
	}
	g.Precision = precisions(i.ComputeCapability)
	return g
}

// precisions are those that a card has, and what auto is.
func precisions(compute int) string {
	var has []string
	for _, p := range []cuda.Precision{cuda.FP32, cuda.TF32, cuda.BF16} {
		if _, err := p.On(compute); err == nil {
			has = append(has, p.String())
		}
	}
	auto, _ := cuda.Auto.On(compute) // every card has one
	return fmt.Sprintf("%s; auto is %v", strings.Join(has, ", "), auto)
}

func (l deviceList) write() error {
	t := &report.Table{Title: "cpu", Columns: []report.Column{{Name: ""}, {Name: ""}}}
	c := l.CPU
	t.Add("model", c.Model)
	if len(c.Features) > 0 {
		t.Add("features", strings.Join(c.Features, ", "))
	}
	t.Add("cores", fmt.Sprintf("%d, %d of them used", c.Cores, c.Threads))
	t.Add("memory", memoryText(c.Memory, c.Available))
	t.Add("cache", text.Bytes(c.Cache))
	t.Add("backend", c.Backend)
	if err := t.WriteText(cli.Out); err != nil {
		return err
	}
	for _, g := range l.GPUs {
		t := &report.Table{Title: fmt.Sprintf("cuda:%d", g.Index), Columns: []report.Column{{Name: ""}, {Name: ""}}}
		t.Add("model", g.Name)
		t.Add("compute capability", g.Compute)
		t.Add("multiprocessors", fmt.Sprint(g.Multiprocs))
		t.Add("memory", memoryText(g.Memory, g.Free)+fmt.Sprintf(", %.0f GB/s by its clock", g.PeakGBytes))
		t.Add("driver", "CUDA "+g.Driver)
		if g.Unusable != "" {
			t.Add("kernels", "none: "+g.Unusable)
		} else {
			t.Add("kernels", "PTX for "+g.PTX)
			t.Add("precision", g.Precision)
		}
		fmt.Fprintln(cli.Out)
		if err := t.WriteText(cli.Out); err != nil {
			return err
		}
	}
	if l.NoGPU != "" {
		fmt.Fprintf(cli.Out, "\nno GPU can be used: %s\n", l.NoGPU)
	}
	return nil
}

func memoryText(total, free int64) string {
	if free == 0 {
		return text.Bytes(total)
	}
	return fmt.Sprintf("%s, %s of it free", text.Bytes(total), text.Bytes(free))
}
