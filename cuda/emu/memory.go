package emu

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"unsafe"

	"voxgrad/cuda/driver"
)

// Device addresses are 64 bits: a slot number above slotBits and an offset below.
// Every allocation starts slotStart bytes into slots of its own that are never
// used again, so an address outside it or after Free belongs to nothing else.
const (
	slotBits  = 32
	slotStart = 1 << 20
	poison    = 0xff
)

// allocation is a range of device memory with a shadow byte for every byte: not
// 0 once it was written.
type allocation struct {
	base   uint64
	size   uint64
	absent uint64 // bytes before base that belong to it, with EndsOnly
	data   []byte
	shadow []byte
	owners *owners // with BlockRaces
	index  int
	freed  bool
	fixed  bool // a variable of a module, not to be freed
	ro     bool // constant
	name   string
}

// aligned returns n bytes at a multiple of 8.
func aligned(n uint64) []byte {
	words := make([]uint64, (n+7)/8+1)
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), n)
}

func (d *Device) allocate(n uint64) *allocation {
	a := &allocation{size: n}
	if end := uint64(d.opt.endBytes); end > 0 && n > end {
		a.absent = (n - end) &^ 255
		a.size -= a.absent
	}
	a.data, a.shadow = aligned(a.size), aligned(a.size)
	a.base = uint64(len(d.slots))<<slotBits + slotStart + a.absent
	for i := range a.data {
		a.data[i] = poison
		if d.opt.endBytes > 0 {
			a.shadow[i] = 1
		}
	}
	if d.opt.blockRaces {
		a.owners = newOwners(a.size)
	}
	for range (n+slotStart)>>slotBits + 1 {
		d.slots = append(d.slots, a)
	}
	return a
}

// Alloc returns poisoned memory in a guarded range of its own.
func (d *Device) Alloc(bytes int64) (driver.Ptr, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(); err != nil {
		return 0, err
	}
	if bytes <= 0 {
		return 0, fmt.Errorf("emulator: Alloc of %d bytes", bytes)
	}
	if bytes > d.opt.memory-d.used {
		return 0, fmt.Errorf("emulator: %w: %d bytes asked for, %d of %d are free", driver.ErrOutOfMemory, bytes, d.opt.memory-d.used, d.opt.memory)
	}
	a := d.allocate(uint64(bytes))
	d.count++
	a.index = d.count
	d.used += bytes
	p := driver.Ptr(a.base - a.absent)
	d.live[p] = a
	return p, nil
}

// Free ends an allocation: later uses of it are reported.
func (d *Device) Free(p driver.Ptr) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errClosed
	}
	a := d.live[p]
	if a == nil {
		return fmt.Errorf("emulator: Free(%#x): %s", uint64(p), d.describe(uint64(p)))
	}
	delete(d.live, p)
	a.freed = true
	a.data, a.shadow, a.owners = nil, nil, nil
	d.used -= int64(a.absent + a.size)
	return d.sticky
}

// describe names the place of an address.
func (d *Device) describe(addr uint64) string {
	if addr < slotStart {
		return "a null pointer"
	}
	slot := addr >> slotBits
	if slot >= uint64(len(d.slots)) || d.slots[slot] == nil {
		return fmt.Sprintf("address %#x belongs to no allocation", addr)
	}
	a := d.slots[slot]
	what := fmt.Sprintf("allocation %d (%d bytes at %#x)", a.index, a.size, a.base)
	if a.name != "" {
		what = fmt.Sprintf("variable %s (%d bytes)", a.name, a.size)
	}
	if a.freed {
		what += ", which was freed"
	}
	switch off := addr - a.base; {
	case addr < a.base && a.base-addr <= a.absent:
		return fmt.Sprintf("%d bytes before the part of %s that is there", a.base-addr, what)
	case addr < a.base:
		return fmt.Sprintf("%d bytes before %s", a.base-addr, what)
	case off >= a.size:
		return fmt.Sprintf("%d bytes after the end of %s", off-a.size, what)
	default:
		return fmt.Sprintf("byte %d of %s", off, what)
	}
}

// span finds n bytes at p for the host.
func (d *Device) span(call string, p driver.Ptr, n int64) (*allocation, uint64, error) {
	if err := d.usable(); err != nil {
		return nil, 0, err
	}
	addr := uint64(p)
	if slot := addr >> slotBits; n >= 0 && slot < uint64(len(d.slots)) {
		a := d.slots[slot]
		if a != nil && !a.freed && addr >= a.base && addr-a.base <= a.size && uint64(n) <= a.size-(addr-a.base) {
			return a, addr - a.base, nil
		}
	}
	return nil, 0, fmt.Errorf("emulator: %s of %d bytes at %#x: %s", call, n, addr, d.describe(addr))
}

func fill(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}

// ToDevice copies src to device memory.
func (d *Device) ToDevice(dst driver.Ptr, src []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(src) == 0 {
		return d.usable()
	}
	a, off, err := d.span("ToDevice", dst, int64(len(src)))
	if err != nil {
		return err
	}
	copy(a.data[off:], src)
	fill(a.shadow[off:off+uint64(len(src))], 1)
	return nil
}

// ToHost copies from device memory. Bytes nobody wrote are refused.
func (d *Device) ToHost(dst []byte, src driver.Ptr) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(dst) == 0 {
		return d.usable()
	}
	a, off, err := d.span("ToHost", src, int64(len(dst)))
	if err != nil {
		return err
	}
	for i, s := range a.shadow[off : off+uint64(len(dst))] {
		if s == 0 {
			return fmt.Errorf("emulator: ToHost of %d bytes at %#x: nobody wrote %s", len(dst), uint64(src), d.describe(uint64(src)+uint64(i)))
		}
	}
	copy(dst, a.data[off:])
	return nil
}

// Fill32 writes n words of 32 bits; dst must be a multiple of 4.
func (d *Device) Fill32(dst driver.Ptr, word uint32, n int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if dst%4 != 0 {
		return fmt.Errorf("emulator: Fill32 at %#x, which is no multiple of 4", uint64(dst))
	}
	if n == 0 {
		return d.usable()
	}
	if n < 0 || n > 1<<40 {
		return fmt.Errorf("emulator: Fill32 of %d words", n)
	}
	a, off, err := d.span("Fill32", dst, 4*n)
	if err != nil {
		return err
	}
	for i := off; i < off+uint64(4*n); i += 4 {
		put32(a.data[i:], word)
	}
	fill(a.shadow[off:off+uint64(4*n)], 1)
	return nil
}

// Poison makes n bytes at p as undefined as fresh memory: a memory pool calls it
// when it hands a buffer out again, so that reads of the former content are found.
func (d *Device) Poison(p driver.Ptr, n int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, off, err := d.span("Poison", p, n)
	if err != nil {
		return err
	}
	fill(a.data[off:off+uint64(n)], poison)
	fill(a.shadow[off:off+uint64(n)], 0)
	return nil
}

// owners remembers for each word of an allocation which block wrote and which read it
// in a launch: the number of the launch above, the block's index plus 1 below,
// severalBlocks for readers that are not one.
type owners struct {
	writer, reader []atomic.Uint64
}

const severalBlocks = 1<<32 - 1

func newOwners(bytes uint64) *owners {
	return &owners{make([]atomic.Uint64, bytes/4), make([]atomic.Uint64, bytes/4)}
}

// own refuses an access to global memory that another block of the launch has to do
// with. Accesses of less than a word are not looked at, for a word may belong to several
// blocks then.
func (w *warp) own(in *inst, lane int, a *allocation, off, n uint64) {
	if a.owners == nil || in.n < 4 || in.flags&fVolatile != 0 {
		return
	}
	launch := uint64(w.b.l.number) << 32
	me := launch | uint64(w.b.index+1)
	other := func(stamp uint64) bool { return stamp>>32 == launch>>32 && stamp != me }
	for i := off / 4; i < (off+n)/4; i++ {
		reader, writer := &a.owners.reader[i], &a.owners.writer[i]
		if in.flags&fStore != 0 {
			// A writer marks the word and then looks for readers, a reader the other way
			// round: one of the two sees the other.
			if old := writer.Swap(me); other(old) {
				w.raceOf(in, lane, "written", old)
			}
			if old := reader.Load(); other(old) {
				w.raceOf(in, lane, "read", old)
			}
			continue
		}
		for {
			old, mark := reader.Load(), me
			if other(old) {
				mark = launch | severalBlocks
			}
			if old == mark || reader.CompareAndSwap(old, mark) {
				break
			}
		}
		if old := writer.Load(); other(old) {
			w.raceOf(in, lane, "written", old)
		}
	}
}

func (w *warp) raceOf(in *inst, lane int, what string, stamp uint64) {
	who := "several blocks"
	if b := stamp & severalBlocks; b != severalBlocks {
		who = "block " + w.b.blockAt(int(b-1)).String()
	}
	w.faultLane(in, lane, BlockRace, "%s was %s by %s in the same launch", w.b.k.mod.d.describe(w.addr[lane&31]), what, who)
}

func get16(b []byte) uint16    { return binary.LittleEndian.Uint16(b) }
func get32(b []byte) uint32    { return binary.LittleEndian.Uint32(b) }
func get64(b []byte) uint64    { return binary.LittleEndian.Uint64(b) }
func put16(b []byte, v uint16) { binary.LittleEndian.PutUint16(b, v) }
func put32(b []byte, v uint32) { binary.LittleEndian.PutUint32(b, v) }
func put64(b []byte, v uint64) { binary.LittleEndian.PutUint64(b, v) }

// extend reads n bytes and extends them to 64 bits.
func extend(b []byte, n int, signed bool) uint64 {
	switch n {
	case 1:
		if signed {
			return uint64(int64(int8(b[0])))
		}
		return uint64(b[0])
	case 2:
		if signed {
			return uint64(int64(int16(get16(b))))
		}
		return uint64(get16(b))
	case 4:
		if signed {
			return uint64(int64(int32(get32(b))))
		}
		return uint64(get32(b))
	}
	return get64(b)
}

// store writes the low n bytes of v.
func store(b []byte, n int, v uint64) {
	switch n {
	case 1:
		b[0] = byte(v)
	case 2:
		put16(b, uint16(v))
	case 4:
		put32(b, uint32(v))
	default:
		put64(b, v)
	}
}
