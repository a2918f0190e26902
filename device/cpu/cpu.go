// Package cpu is the default backend: float32 on all cores, with hand-written
// AVX2 and FMA kernels on amd64, those of convolutions also for AVX-512, and the same kernels
// in plain Go elsewhere, on older processors, and under the build tag purego.
//
// Work is cut into pieces that depend on shapes alone, and sums are taken in a
// fixed order, so the bits of a result do not depend on the number of cores.
// AVX-512 and AVX2 agree to the bit, the assembly and the plain kernels to rounding. The environment variable
// VOXGRAD_CPU asks for less than the processor has: avx2 or go.
package cpu

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"voxgrad/device"
	"voxgrad/internal/par"
)

// Backend implements device.Backend and device.Imaging. Make one with New.
type Backend struct {
	device.Ops // checks a call and runs it on engine
	engine     engine

	mu   sync.Mutex
	pool pool
	err  error // the first failure; every later call does nothing
}

// engine has the operations.
type engine struct {
	simd bool // use the assembly kernels
	wide bool // use those for AVX-512

	winograds choice
	executed  atomic.Int64 // see Backend.Executed

	mu      sync.Mutex
	scratch []*scratch
	spaces  map[int][][]float32 // by capacity
}

var _ device.ImagingBackend = (*Backend)(nil)

// New opens the backend with the fastest kernels the processor has, or those that VOXGRAD_CPU
// allows. It may use as much memory as the machine, or the control group it runs in, has to spare
// now; see SetLimit.
func New() *Backend {
	v := os.Getenv("VOXGRAD_CPU")
	b := open(haveAVX2 && v != "go", haveAVX512 && v == "")
	if v != "" && v != "avx2" && v != "go" {
		b.err = fmt.Errorf("the environment variable VOXGRAD_CPU is %q: it may be avx2 or go, or not be set", v)
	}
	return b
}

// NewPortable opens the backend with the plain Go kernels.
func NewPortable() *Backend { return open(false, false) }

func open(simd, wide bool) *Backend {
	b := &Backend{engine: engine{simd: simd, wide: wide}, pool: pool{limit: availableMemory(), auto: true, free: map[int][][]float32{}}}
	b.Ops = func(c *device.Call) {
		if !c.Idle() && b.Sync() == nil {
			c.Check("cpu", b.own)
			c.RunAndMask(&b.engine)
		}
	}
	return b
}

// Name is the instruction set and the number of threads.
func (b *Backend) Name() string {
	kind := map[int]string{1: "go", 8: "avx2", 16: "avx512"}[b.Lanes()]
	n := par.Threads()
	if n == 1 {
		return fmt.Sprintf("cpu (%s, 1 thread)", kind)
	}
	return fmt.Sprintf("cpu (%s, %d threads)", kind, n)
}

// Lanes is how many numbers a vector of the convolutions' kernels holds: 16, 8 or 1.
func (b *Backend) Lanes() int {
	switch {
	case b.engine.wide:
		return 16
	case b.engine.simd:
		return 8
	}
	return 1
}

// Executed is how many multiplications and additions the kernels of convolutions, of their gradients and of matrix products have
// done so far, with those of lanes that a tensor does not fill, without those of Winograd's transforms.
func (b *Backend) Executed() int64 { return b.engine.executed.Load() }

// Sync returns the first failure. Calls run to completion before they return,
// so there is nothing to wait for.
func (b *Backend) Sync() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// Close frees all memory.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pool.free = map[int][][]float32{}
	b.pool.held = 0
	b.engine.release()
	if b.err == nil {
		b.err = errClosed
	}
	return nil
}

// span is the number of elements in one piece of an element-wise loop: large
// enough to outweigh the hand-out, small enough for a cache.
const span = 1 << 15

// elements runs f over [0, n) in pieces of span elements.
func elements(n int, f func(lo, hi int)) { par.Chunks(n, span, f) }

// rows runs f over [0, n) rows of c elements in pieces of about span elements.
func rows(n, c int, f func(lo, hi int)) { par.Chunks(n, rowsPerChunk(c), f) }

func rowsPerChunk(c int) int { return max(1, span/c) }
