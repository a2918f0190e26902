package driver

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"voxgrad/cuda/ptx"
)

// ArgumentError is a call that was refused for its arguments, before anything of it
// reached the device: the program is wrong, and the device can be used on.
type ArgumentError struct{ Msg string }

func (e *ArgumentError) Error() string { return e.Msg }

// IsArgument reports whether err is, or wraps, an ArgumentError.
func IsArgument(err error) bool { return errors.As(err, new(*ArgumentError)) }

// Entry is what a launch of a kernel is held against. Every Driver keeps one for each
// of its kernels and launches only what Slots accepts.
type Entry struct {
	Name       string
	Params     []*ptx.Var
	ReqNTid    [3]int // .reqntid, the only block it runs with; zeros if absent
	MaxThreads int    // of a block, by its .maxntid or its registers; 0 if not known
	Static     int    // bytes of static shared memory
}

// EntryIn finds a kernel of a module by name, as the PTX declares it, with Static left 0. If there is none, an
// *ArgumentError lists those there are.
func EntryIn(m *ptx.Module, name string) (Entry, error) {
	f := m.Entry(name)
	if f == nil {
		var have []string
		for _, e := range m.Entries() {
			have = append(have, e.Name)
		}
		slices.Sort(have)
		return Entry{}, &ArgumentError{fmt.Sprintf("the module has no kernel %s; it has %v", name, have)}
	}
	return EntryOf(f), nil
}

// EntryOf is the Entry of a kernel as the PTX declares it, with Static left 0.
func EntryOf(f *ptx.Func) Entry {
	return Entry{Name: f.Name, Params: f.Params, ReqNTid: f.ReqNTid, MaxThreads: f.MaxNTid[0] * f.MaxNTid[1] * f.MaxNTid[2]}
}

// Slots checks a launch on a device and packs its arguments into one slot of 8 bytes for each parameter. See
// Driver.Launch for what an argument may be. The error is an *ArgumentError.
func (e *Entry) Slots(i *Info, l Launch, args []any) ([]uint64, error) {
	refuse := func(format string, a ...any) ([]uint64, error) {
		return nil, &ArgumentError{fmt.Sprintf("kernel %s: %s (launched with %v)", e.Name, fmt.Sprintf(format, a...), l)}
	}
	if len(args) != len(e.Params) {
		return refuse("%d arguments, the entry has %d parameters", len(args), len(e.Params))
	}
	slots := make([]uint64, len(args))
	for n, p := range e.Params {
		if p.Size != int64(p.Type.Bits()/8) {
			return refuse("parameter %d, %s, is a structure of %d bytes; an argument is one number or pointer", n, p.Name, p.Size)
		}
		slot, ok := pack(args[n], p.Type)
		if !ok {
			return refuse("argument %d, for parameter %s, is %T %v, which is no .%s or does not fit its %d bytes", n, p.Name, args[n], args[n], p.Type, p.Size)
		}
		slots[n] = slot
	}
	g, b := l.Grid, l.Block
	if g.X < 1 || g.Y < 1 || g.Z < 1 || g.X > math.MaxInt32 || g.Y > 65535 || g.Z > 65535 {
		return refuse("the grid must be within 2147483647 x 65535 x 65535 blocks")
	}
	if b.X < 1 || b.Y < 1 || b.Z < 1 || b.X > 1024 || b.Y > 1024 || b.Z > 64 || b.Count() > 1024 {
		return refuse("a block must be within 1024 x 1024 x 64 threads and have at most 1024")
	}
	if r := e.ReqNTid; r[0] > 0 && r != [3]int{b.X, b.Y, b.Z} {
		return refuse("it was compiled for blocks of exactly %v threads (.reqntid)", r)
	}
	if e.MaxThreads > 0 && b.Count() > e.MaxThreads {
		return refuse("a block of it may have at most %d threads, by its registers or its .maxntid (__launch_bounds__)", e.MaxThreads)
	}
	if l.Shared < 0 {
		return refuse("a negative size of dynamic shared memory")
	}
	// Static shared memory is bound by what needs no opting in, the sum by both.
	if i.SharedPerCTA > 0 && e.Static > i.SharedPerCTA {
		return refuse("%d bytes of static shared memory, a block may have %d", e.Static, i.SharedPerCTA)
	}
	if i.SharedOptIn > 0 && l.Shared > i.SharedOptIn-e.Static {
		return refuse("%d bytes of static and %d of dynamic shared memory, a block may have %d", e.Static, l.Shared, i.SharedOptIn)
	}
	return slots, nil
}

// pack is an argument as the slot of a parameter of type t holds it.
func pack(a any, t ptx.Type) (uint64, bool) {
	bits := t.Bits()
	integer := false
	switch t {
	case "u8", "s8", "b8", "u16", "s16", "b16", "u32", "s32", "b32", "u64", "s64", "b64":
		integer = true
	}
	signed := func(v int64) (uint64, bool) {
		least := int64(math.MinInt64) >> (64 - bits)
		return uint64(v) & (math.MaxUint64 >> (64 - bits)), integer && v >= least && v <= ^least
	}
	unsigned := func(v uint64, width int) (uint64, bool) { return v, integer && width <= bits }
	switch v := a.(type) {
	case Ptr:
		return uint64(v), t == "u64" || t == "b64"
	case int:
		return signed(int64(v))
	case int8:
		return signed(int64(v))
	case int16:
		return signed(int64(v))
	case int32:
		return signed(int64(v))
	case int64:
		return signed(v)
	case uint8:
		return unsigned(uint64(v), 8)
	case uint16:
		return unsigned(uint64(v), 16)
	case uint32:
		return unsigned(uint64(v), 32)
	case uint64:
		return unsigned(v, 64)
	case bool:
		if v {
			return 1, integer
		}
		return 0, integer
	case float32:
		return uint64(math.Float32bits(v)), t == "f32"
	case float64:
		return math.Float64bits(v), t == "f64"
	}
	return 0, false
}
