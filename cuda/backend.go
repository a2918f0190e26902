package cuda

import (
	"fmt"
	"os"
	"sync"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/kernels"
	"voxgrad/device"
)

var _ device.ImagingBackend = (*Backend)(nil)

// Backend implements device.Backend and device.Imaging. Make one with New.
type Backend struct {
	device.Ops // run

	drv  driver.Driver
	info driver.Info
	opt  options

	mu      sync.Mutex // held by one operation at a time, from its checks to its last launch
	pool    pool
	modules map[string]*Module
	source  func(name string, compute int) (ptx, variant string, err error) // of a module
	last    launched                                                        // the newest launch, for errors that arrive late
	since   int                                                             // launches after the last successful Sync
	tables  map[string]*slotTable                                           // of the last Adam, NonFinite and TotalNorm
	graphs  graphs
	noted   map[string]bool // what inFP32 has told of
	err     error           // the first failure; every later call does nothing
}

type options struct {
	limit     int64
	exact     bool
	stepwise  bool
	taps      int // bytes; see tapBytes
	noGraphs  bool
	precision Precision
	few       int // blocks of a product in fp32 from which its sum is not split
	blocks    int // of a product on tensor cores that need no shares of its sum
	spread    int // blocks of a gradient of weights on them
}

// Option changes a Backend made by New.
type Option func(*options)

// WithMemoryLimit bounds what the backend takes from the device, in bytes; 0 means
// all there is.
func WithMemoryLimit(bytes int64) Option { return func(o *options) { o.limit = bytes } }

// WithoutPool makes every tensor and workspace an allocation of exactly its size
// and returns it to the driver when it is freed. An emulator then sees each
// access outside a tensor or after Free. Slow.
func WithoutPool() Option { return func(o *options) { o.exact = true } }

// WithSyncEach waits after every launch, so that an error names the kernel that
// caused it. Slow. The environment variable CUDA_LAUNCH_BLOCKING=1 does the same for every backend.
func WithSyncEach() Option { return func(o *options) { o.stepwise = true } }

// New makes a backend of a device. It owns d from then on: Close closes it too.
// An error means that the device cannot run the kernels; d is then still open.
func New(d driver.Driver, opts ...Option) (*Backend, error) {
	b := &Backend{drv: d, info: d.Info(), modules: map[string]*Module{}, noted: map[string]bool{}, source: kernels.Source, tables: map[string]*slotTable{}}
	b.opt.taps, b.opt.few, b.opt.blocks, b.opt.spread = tapBytes, fewBlocks, mmaBlocks, mmaSpread
	b.opt.stepwise = os.Getenv("CUDA_LAUNCH_BLOCKING") == "1"
	b.Ops = b.run
	for _, o := range opts {
		o(&b.opt)
	}
	if b.opt.limit < 0 {
		return nil, fmt.Errorf("cuda: a memory limit of %d bytes; set a positive one, or 0 for all the device has", b.opt.limit)
	}
	// A card or a driver too old for the kernels is found out here, not by the first operation.
	if _, err := b.module("memory"); err != nil {
		return nil, fmt.Errorf("cuda: %s: %w; use the cpu", b.info.Name, err)
	}
	p, err := b.opt.precision.On(b.info.ComputeCapability)
	if err != nil {
		return nil, fmt.Errorf("cuda: %s: %w", b.info.Name, err)
	}
	if b.opt.precision = p; p != FP32 {
		if _, err := b.module("conv_mma"); err != nil {
			return nil, fmt.Errorf("cuda: %s: %w; use fp32", b.info.Name, err)
		}
	}
	b.pool = pool{drv: d, limit: b.opt.limit, exact: b.opt.exact, flush: b.flush, free: map[int64][]driver.Ptr{}, all: map[driver.Ptr]int64{}}
	return b, nil
}

// Name is the device's name and compute capability, and the precision if it is not fp32.
func (b *Backend) Name() string {
	kind := "cuda"
	if b.info.Emulated {
		kind = "emu"
	}
	if b.opt.precision != FP32 {
		return fmt.Sprintf("%s (%s, sm_%d, %v)", kind, b.info.Name, b.info.ComputeCapability, b.opt.precision)
	}
	return fmt.Sprintf("%s (%s, sm_%d)", kind, b.info.Name, b.info.ComputeCapability)
}

// Info describes the device as it was when the backend was made.
func (b *Backend) Info() driver.Info { return b.info }

// Sync waits for all earlier calls and returns the first failure.
func (b *Backend) Sync() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sync()
	return b.err
}

func (b *Backend) sync() {
	b.flush()
	if b.err != nil {
		return
	}
	if err := b.drv.Sync(); err != nil {
		b.err = b.late(err)
		return
	}
	b.since = 0
}

// Close frees all memory, of tensors that were not freed too, and closes the device.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == errClosed {
		return errClosed
	}
	b.sync()
	b.freeGraph()
	err := b.err
	b.pool.close()
	b.modules = nil
	if e := b.drv.Close(); err == nil {
		err = e
	}
	b.err = errClosed
	return err
}
