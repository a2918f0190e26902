//go:build cuda && cgo && linux && amd64

package gpu

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/gpu/internal/cudrv" // before cu: its linker flags must come first

	"gorgonia.org/cu"
)

// minCompute is the oldest compute capability for which kernels are compiled, times ten.
const minCompute = 61

// oldestPTX is the version of PTX that the kernels are compiled to.
const oldestPTX = "7.8"

const noDevice = cudrv.Code(100) // CUDA_ERROR_NO_DEVICE

// start loads the driver and counts its devices.
func start() (int, error) {
	err := cudrv.Open()
	n := 0
	if err == nil {
		n, err = cu.NumDevices()
	}
	switch {
	case errors.Is(err, cudrv.ErrNoLibrary):
		return 0, fmt.Errorf("%w: install NVIDIA's driver or, if it is installed, put its folder into LD_LIBRARY_PATH", err)
	case code(err) == noDevice, err == nil && n == 0:
		return 0, errors.New("the CUDA driver finds no GPU (CUDA_VISIBLE_DEVICES can hide them, and a container must be given them)")
	case err != nil:
		return 0, fmt.Errorf("the CUDA driver does not start: %w", explain(err))
	}
	return n, nil
}

// Available is nil if there is a GPU that can be used, otherwise the reason.
func Available() error {
	n, err := start()
	if err != nil {
		return err
	}
	var first error
	for i := range n {
		info, err := describe(i)
		if err == nil {
			err = Supported(i, info)
		}
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// List describes all GPUs, also those too old to be used. FreeMemory is 0 where
// it cannot be found out, because the GPU is too old or takes no more processes.
func List() ([]driver.Info, error) {
	n, err := start()
	if err != nil {
		return nil, err
	}
	infos := make([]driver.Info, n)
	for i := range infos {
		if infos[i], err = describe(i); err != nil {
			return nil, err
		}
		if infos[i].ComputeCapability >= minCompute {
			infos[i].FreeMemory = freeMemory(i)
		}
	}
	return infos, nil
}

// freeMemory asks in a context made for the purpose.
func freeMemory(index int) int64 {
	answer := make(chan int64)
	go func() {
		// The thread ends with the goroutine, and what is current on it with the thread.
		runtime.LockOSThread()
		free := int64(0)
		if ctx, err := cu.Device(index).MakeContext(cu.SchedBlockingSync); err == nil {
			free, _, _ = cu.MemInfo()
			_ = ctx.Destroy()
		}
		answer <- free
	}()
	return <-answer
}

// Supported is nil if the kernels run on a GPU that List names, otherwise the reason.
func Supported(index int, i driver.Info) error {
	if i.ComputeCapability < minCompute {
		return fmt.Errorf("GPU %d (%s) has compute capability %s; the kernels need %s or later",
			index, i.Name, capability(i.ComputeCapability), capability(minCompute))
	}
	if i.DriverVersion < cudaFor(oldestPTX) {
		return fmt.Errorf("GPU %d (%s): %w", index, i.Name, tooOld(oldestPTX, i.DriverVersion))
	}
	return nil
}

func capability(c int) string { return fmt.Sprintf("%d.%d", c/10, c%10) }

// describe asks for everything that needs no context.
func describe(index int) (driver.Info, error) {
	fail := func(err error) (driver.Info, error) {
		return driver.Info{}, fmt.Errorf("GPU %d cannot be examined: %w", index, explain(err))
	}
	dev, err := cu.GetDevice(index)
	if err != nil {
		return fail(err)
	}
	i := driver.Info{DriverVersion: cu.Version()}
	if i.Name, err = dev.Name(); err != nil {
		return fail(err)
	}
	if i.Memory, err = dev.TotalMem(); err != nil {
		return fail(err)
	}
	var major, minor int
	for _, a := range []struct {
		to *int
		of cu.DeviceAttribute
	}{
		{&major, cu.ComputeCapabilityMajor},
		{&minor, cu.ComputeCapabilityMinor},
		{&i.Multiprocs, cu.MultiprocessorCount},
		{&i.SharedPerMP, cu.MaxSharedMemoryPerMultiprocessor},
		{&i.SharedPerCTA, cu.MaxSharedMemoryPerBlock},
		{&i.SharedOptIn, sharedOptIn},
		{&i.L2, cu.L2CacheSize},
		{&i.ClockKHz, cu.ClockRate},
		{&i.MemClockKHz, cu.MemoryClockRate},
		{&i.MemBusBits, cu.GlobalMemoryBusWidth},
	} {
		if *a.to, err = dev.Attribute(a.of); err != nil {
			return fail(err)
		}
	}
	i.ComputeCapability = 10*major + minor
	i.SharedOptIn = max(i.SharedOptIn, i.SharedPerCTA)
	return i, nil
}

// sharedOptIn is CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, which cu lacks.
const sharedOptIn cu.DeviceAttribute = 97

// Open opens a GPU. The driver may be used by several goroutines. Its Launch only
// queues; if the driver then refuses a launch, this is the error of a later call.
func Open(index int) (driver.Driver, error) {
	n, err := start()
	if err != nil {
		return nil, err
	}
	if index < 0 || index >= n {
		return nil, fmt.Errorf("there is no GPU %d; there are: %s", index, strings.Join(inventory(n), ", "))
	}
	info, err := describe(index)
	if err != nil {
		return nil, err
	}
	if err := Supported(index, info); err != nil {
		return nil, err
	}
	d := &Device{index: index, info: info, jobs: make(chan job, queue), ended: make(chan struct{})}
	opened := make(chan error)
	go d.run(opened)
	if err := <-opened; err != nil {
		return nil, fmt.Errorf("GPU %d (%s) cannot be opened: %w", index, info.Name, explain(err))
	}
	return d, nil
}

// inventory names the devices.
func inventory(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint(i)
		if info, err := describe(i); err == nil {
			names[i] = fmt.Sprintf("%d (%s, compute capability %s)", i, info.Name, capability(info.ComputeCapability))
		}
	}
	return names
}
