// Package driver is what the CUDA backend needs of a GPU: a dozen calls, as interface Driver. One
// implementation talks to the hardware (cuda/gpu), another executes PTX on the CPU
// and refuses what hardware would silently do (cuda/emu), a third keeps the accounts of memory
// and launches nothing (cuda/memplan).
//
// A program that has tensors uses package cuda instead, which owns a Driver and launches its own kernels and those
// of others on device.Tensors. A Driver is for work below that: the example loads PTX, launches an entry and
// copies the result.
//
// # Errors
//
// An *ArgumentError (IsArgument) is a launch or a name that was refused, and ErrOutOfMemory an Alloc of more than there
// is: the device can be used on. Any other failure is the device's. Hardware runs behind the calls, so it may come out of
// a later call than the one that caused it, and from then on every call returns it.
//
// # Arguments of kernels
//
// All drivers hold a launch against the entry in the PTX, by Entry.Slots: the number of arguments, the kind and
// range of each, the geometry. An integer for an .f32 is refused, not written as the bits of another number.
package driver

import (
	"errors"
	"fmt"
	"time"
)

// ErrOutOfMemory is in the error of an Alloc that asked for more than there is. The device
// can be used on, other than after any other failure of Alloc.
var ErrOutOfMemory = errors.New("out of memory")

// Ptr is an address in device memory. The zero Ptr is null.
type Ptr uint64

// Info describes a device.
type Info struct {
	Name              string // "NVIDIA H100 80GB HBM3", "emulator"
	ComputeCapability int    // compute capability times ten: 90 for 9.0
	Multiprocs        int    // streaming multiprocessors
	Memory            int64  // bytes in all
	FreeMemory        int64  // bytes free when asked
	SharedPerMP       int    // bytes of shared memory of one multiprocessor
	SharedPerCTA      int    // bytes a block may use without opting in
	SharedOptIn       int    // bytes a block may use after opting in
	L2                int    // bytes
	ClockKHz          int    // of the multiprocessors
	MemClockKHz       int    // of the memory
	MemBusBits        int    // width of the memory bus
	DriverVersion     int    // CUDA version of the driver: 12040 for 12.4
	Emulated          bool
}

// Dim is the extent of a grid (in blocks) or of a block (in threads).
type Dim struct{ X, Y, Z int }

// Count is the number of blocks or threads.
func (d Dim) Count() int { return d.X * d.Y * d.Z }

func (d Dim) String() string { return fmt.Sprintf("(%d,%d,%d)", d.X, d.Y, d.Z) }

// D1 is a one-dimensional extent.
func D1(x int) Dim { return Dim{x, 1, 1} }

// Launch is the geometry of one kernel launch.
type Launch struct {
	Grid, Block Dim
	Shared      int // bytes of dynamic shared memory
}

func (l Launch) String() string {
	return fmt.Sprintf("grid %v, block %v, %d bytes of dynamic shared memory", l.Grid, l.Block, l.Shared)
}

// Kernel is an entry of a loaded module, a pointer.
type Kernel interface {
	Name() string

	// Check returns the *ArgumentError of a Launch with these arguments, if there is one.
	Check(l Launch, args ...any) error
}

// Module is loaded PTX.
type Module interface {
	// Kernel finds an entry by name; an *ArgumentError lists those there are.
	Kernel(name string) (Kernel, error)
}

// Event is a place in the stream of work, for timing.
type Event any

// Call is a launch or, without a kernel, a Fill32.
type Call struct {
	Kernel Kernel
	Launch Launch
	Args   []any

	Dst  Ptr
	Word uint32
	N    int64
}

// Graph is calls that a device can make again.
type Graph interface {
	// Replay makes the calls, one after another, with the arguments that they were captured
	// with. An error of one of them may be a *CallError.
	Replay() error

	// Free forgets the graph; no replay of it may be under way.
	Free() error
}

// CallError is the error of one call of a graph.
type CallError struct {
	Index int // of the call
	Err   error
}

func (e *CallError) Error() string { return e.Err.Error() }
func (e *CallError) Unwrap() error { return e.Err }

// Span is bytes of device memory.
type Span struct {
	Ptr   Ptr
	Bytes int64
}

// Fetched is a copy on its way to the host.
type Fetched interface {
	// Wait waits for the copy, not for later work, and returns the bytes of all spans one
	// after another. It may be called once.
	Wait() ([]byte, error)
}

// Driver is one device. Work is done in the order of the calls; Launch, Fill32 and
// ToDevice may return before it is done, ToHost and Sync return after all earlier
// work. A Driver may be used by several goroutines. Once a call has failed because
// the device did (and not because of its arguments), all later ones fail alike.
type Driver interface {
	Info() Info

	// Alloc returns bytes of memory, aligned to 256. What it holds is undefined. Too little
	// memory is ErrOutOfMemory.
	Alloc(bytes int64) (Ptr, error)
	Free(p Ptr) error

	// ToDevice and ToHost copy len(src), len(dst) bytes. ToDevice has taken its copy of src
	// when it returns: the caller may change src at once, also if the bytes are on the device later.
	ToDevice(dst Ptr, src []byte) error
	ToHost(dst []byte, src Ptr) error

	// Fetch begins to copy memory to the host, as all earlier work leaves it, and does not wait.
	Fetch(from []Span) (Fetched, error)

	// Fill32 writes n words of 32 bits.
	Fill32(dst Ptr, word uint32, n int64) error

	// Load compiles PTX. The error holds the assembler's messages.
	Load(ptx string) (Module, error)

	// Launch runs a kernel. It has one argument for each parameter of the entry, of its kind: a Ptr for a pointer
	// (.u64, .b64), an integer or a bool (1 or 0) for an integer, a float32 for an .f32, a float64 for an .f64. A signed
	// integer must be in the range of a signed number of the parameter's width, the type of an unsigned one no wider than the
	// parameter. Anything else, and a geometry that the kernel or the device does not allow, is an
	// *ArgumentError and launches nothing. More dynamic shared memory than SharedPerCTA is opted into.
	Launch(k Kernel, l Launch, args ...any) error

	// Capture keeps calls as a graph and makes none of them. It may be used while earlier
	// work is under way.
	Capture(calls []Call) (Graph, error)

	// RecordEvent notes a place in the stream; Elapsed waits for both and returns the time
	// between them as the device measured it.
	RecordEvent() (Event, error)
	Elapsed(from, to Event) (time.Duration, error)

	Sync() error
	Close() error
}
