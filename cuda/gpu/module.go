//go:build cuda && cgo && linux && amd64

package gpu

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/gpu/internal/cudrv"
	"voxgrad/cuda/ptx"

	"gorgonia.org/cu"
)

// module is loaded PTX.
type module struct {
	d       *Device
	parsed  *ptx.Module
	handle  cu.Module
	kernels map[string]*kernel // of the thread
}

// kernel is an entry with what limits its launch.
type kernel struct {
	d       *Device
	entry   driver.Entry
	handle  cu.Function
	optedIn int // bytes of dynamic shared memory; of the thread
}

// Name is that of the entry.
func (k *kernel) Name() string { return k.entry.Name }

// logBytes is the room for the assembler's messages.
const logBytes = 32 << 10

// Load compiles PTX; the driver keeps the result in its cache on disk.
func (d *Device) Load(text string) (driver.Module, error) {
	parsed, err := ptx.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("GPU %d: Load: %w", d.index, err)
	}
	m := &module{d: d, parsed: parsed, kernels: map[string]*kernel{}}
	err = d.call("Load", func() error {
		if err := d.runs(parsed); err != nil {
			return err
		}
		log, free := cudrv.Buffer(logBytes)
		defer free()
		opt := &cu.JITErrorLogBuffer{Buffer: log[:logBytes-1]}
		m.handle, err = cu.LoadDataEx(text, opt)
		runtime.KeepAlive(opt)
		said := ""
		if n := bytes.IndexByte(log, 0); n > 0 {
			said = ":\n" + strings.TrimSpace(string(log[:n]))
		}
		switch c := code(err); c {
		case unsupportedPTXVersion:
			return tooOld(parsed.Version, d.info.DriverVersion)
		case noAssembler:
			return refuse("the driver's assembler, libnvidia-ptxjitcompiler.so, is missing: install the driver in full")
		default:
			if err != nil && argument(c) {
				return refuse("the PTX is refused by the driver's assembler (%v)%s", c, said)
			}
			return err
		}
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// runs refuses PTX that cannot be run here, in clearer words than the driver's.
func (d *Device) runs(m *ptx.Module) error {
	if need := cudaFor(m.Version); need > d.info.DriverVersion {
		return tooOld(m.Version, d.info.DriverVersion)
	}
	target, exact := strings.CutPrefix(m.Target, "sm_")
	target, only := strings.CutSuffix(target, "a")
	if sm, err := strconv.Atoi(target); exact && err == nil && (sm > d.info.ComputeCapability || only && sm != d.info.ComputeCapability) {
		return refuse("the PTX is for %s, the GPU has compute capability %s", m.Target, capability(d.info.ComputeCapability))
	}
	return nil
}

// cudaFor is the oldest CUDA version whose driver reads a version of PTX, as
// cuDriverGetVersion numbers them; 0 for one that every driver still in use reads or that is
// not known. From the release history in NVIDIA's "Parallel Thread Execution ISA".
func cudaFor(version string) int {
	switch version {
	case "8.6":
		return 12070
	case "8.7":
		return 12080
	case "8.8":
		return 12090
	}
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n == 2 && (major == 7 && minor <= 8 || major == 8 && minor <= 5) {
		return 1000*(major+4) + 10*minor // 7.0 came with 11.0, 8.0 with 12.0
	}
	return 0
}

// branches are the first drivers for Linux of CUDA versions.
var branches = map[int]string{11080: "520.61", 12000: "525.60", 12020: "535.54", 12040: "550.54"}

func tooOld(version string, have int) error {
	need := cudaFor(version)
	if need == 0 {
		return refuse("the kernels are PTX %s, which this driver (for CUDA %s) cannot read: update the driver", version, cudaVersion(have))
	}
	branch := ""
	if b := branches[need]; b != "" {
		branch = " (" + b + " or later)"
	}
	return refuse("the kernels are PTX %s, which needs a driver for CUDA %s%s; this one is for CUDA %s: update the driver",
		version, cudaVersion(need), branch, cudaVersion(have))
}

func cudaVersion(v int) string { return fmt.Sprintf("%d.%d", v/1000, v%1000/10) }

// Kernel finds an entry.
func (m *module) Kernel(name string) (driver.Kernel, error) {
	f, err := driver.EntryIn(m.parsed, name)
	if err != nil {
		return nil, fmt.Errorf("GPU %d: %w", m.d.index, err)
	}
	var k *kernel
	err = m.d.call("Kernel", func() error {
		if k = m.kernels[name]; k != nil {
			return nil
		}
		found := &kernel{d: m.d, entry: f}
		var err error
		if found.handle, err = m.handle.Function(name); err != nil {
			return err
		}
		if found.entry.Static, err = found.handle.Attribute(cu.SharedSizeBytes); err != nil {
			return err
		}
		if found.entry.MaxThreads, err = found.handle.Attribute(cu.FnMaxThreadsPerBlock); err != nil {
			return err
		}
		k = found
		m.kernels[name] = k
		return nil
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

// optIn asks for dynamic shared memory beyond what a block has anyway.
func (k *kernel) optIn(bytes int) error {
	if k.entry.Static+bytes <= k.d.info.SharedPerCTA || bytes <= k.optedIn {
		return nil
	}
	// A cu.Function is a CUfunction, which cu does not export.
	f := *(*unsafe.Pointer)(unsafe.Pointer(&k.handle))
	if err := cudrv.SetAttribute(f, cudrv.MaxDynamicShared, bytes); err != nil {
		return err
	}
	k.optedIn = bytes
	return nil
}

// cu.Function must hold one pointer for optIn.
var _ = [1]struct{}{}[unsafe.Sizeof(cu.Function{})-unsafe.Sizeof(uintptr(0))]
