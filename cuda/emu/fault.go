package emu

import (
	"fmt"
	"strings"

	"voxgrad/cuda/driver"
)

// Kind is what a Fault is about.
type Kind string

// What the emulator refuses while a kernel runs.
const (
	OutOfRange       Kind = "out of range"
	Misaligned       Kind = "misaligned access"
	NullPointer      Kind = "null pointer"
	UseAfterFree     Kind = "use after free"
	Uninitialised    Kind = "uninitialised read"
	ReadOnly         Kind = "write to constant memory"
	SharedRace       Kind = "shared-memory race"
	BlockRace        Kind = "race between blocks"
	DivergentBarrier Kind = "divergent barrier"
	MissingBarrier   Kind = "barrier not reached by all threads"
	DivergentShuffle Kind = "exchange with a thread that does not take part"
	DivergentMatrix  Kind = "matrix instruction that not all lanes execute"
	AsyncCopy        Kind = "asynchronous copy not waited for"
	DivideByZero     Kind = "integer division by zero"
	Runaway          Kind = "runaway kernel"
	Trapped          Kind = "trap"
	BadBranch        Kind = "bad branch"
)

// Fault is what stopped a kernel. Use errors.As to get at it.
type Fault struct {
	Kind   Kind
	Kernel string
	Line   int    // of the PTX
	Text   string // the instruction
	Launch driver.Launch
	Block  driver.Dim // blockIdx
	Thread driver.Dim // threadIdx
	Detail string
}

func (f *Fault) Error() string {
	return fmt.Sprintf("emulator: kernel %s, PTX line %d, %q, block %v, thread %v: %s: %s (launched with %v)",
		f.Kernel, f.Line, f.Text, f.Block, f.Thread, f.Kind, f.Detail, f.Launch)
}

// LoadError lists what in a module the emulator refuses.
type LoadError struct {
	Problems []Problem
}

// Problem is one refused instruction or declaration.
type Problem struct {
	Kind string // "unknown opcode", "floating-point atomic", "unsupported"
	Func string
	Line int
	Text string
	Why  string
}

// What a Problem can be about.
const (
	UnknownOpcode = "unknown opcode"
	FloatAtomic   = "floating-point atomic"
	Unsupported   = "not supported"
)

func (e *LoadError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "emulator: PTX refused, %d problem(s)", len(e.Problems))
	for i, p := range e.Problems {
		if i == 10 {
			b.WriteString("; ...")
			break
		}
		fmt.Fprintf(&b, "; %s, line %d, %q: %s: %s", p.Func, p.Line, p.Text, p.Kind, p.Why)
	}
	return b.String()
}

// LeakError is what Close reports when allocations were not freed.
type LeakError struct {
	Leaks []Leak
}

// Leak is an allocation nobody freed.
type Leak struct {
	Ptr   driver.Ptr
	Bytes int64
	Index int // the n-th allocation of the device, from 1
}

func (e *LeakError) Error() string {
	var total int64
	for _, l := range e.Leaks {
		total += l.Bytes
	}
	l := e.Leaks[0]
	return fmt.Sprintf("emulator: %d allocation(s) of %d bytes in all were not freed, the first is allocation %d at %#x with %d bytes",
		len(e.Leaks), total, l.Index, uint64(l.Ptr), l.Bytes)
}

// panicFault carries a Fault out of the instruction that found it.
type panicFault struct{ f *Fault }
