package cuda

import (
	"errors"
	"fmt"
	"slices"

	"voxgrad/cuda/driver"
	"voxgrad/internal/text"
)

// pool keeps freed memory for reuse: asking the driver costs much more than a
// launch. A training step asks for the same sizes again and again, so nearly
// every request finds an exact fit. The caller locks.
type pool struct {
	drv   driver.Driver
	limit int64  // of reserved; 0 for none
	exact bool   // no rounding, no reuse
	flush func() // makes the calls that a Graph has kept: memory that they use is about to go
	busy  bool   // a Graph keeps calls, whose memory must not be poisoned yet

	// free is by rounded size, in ascending order of addresses: what is free, not the order in
	// which it was freed, decides which addresses come next, so that equal steps get equal ones.
	free     map[int64][]driver.Ptr
	all      map[driver.Ptr]int64 // everything taken from the driver, with its size
	reserved int64                // bytes in all
	idle     int64                // bytes in free

	used, peak int64 // bytes of live tensors
}

// poisoner is a driver that can forget what memory holds, to find reads of it.
type poisoner interface {
	Poison(p driver.Ptr, bytes int64) error
}

// rounded makes sizes meet more often: to 512 bytes, above 1 MiB to 128 KiB.
func rounded(bytes int64) int64 {
	unit := int64(512)
	if bytes > 1<<20 {
		unit = 128 << 10
	}
	return (bytes + unit - 1) / unit * unit
}

// get returns memory for bytes.
func (p *pool) get(bytes int64) (driver.Ptr, error) {
	want := bytes
	if !p.exact {
		want = rounded(bytes)
		var best int64
		for size := range p.free {
			if size >= want && size <= want+want/4 && (best == 0 || size < best) {
				best = size
			}
		}
		if best != 0 {
			return p.reuse(best)
		}
	}
	if p.limit > 0 && p.reserved+want > p.limit {
		if err := p.trim(); err != nil {
			return 0, err
		}
		if p.reserved+want > p.limit {
			return 0, fmt.Errorf("%w: %s wanted, %s in use, the limit is %s", driver.ErrOutOfMemory, text.Bytes(want), text.Bytes(p.reserved), text.Bytes(p.limit))
		}
	}
	ptr, err := p.drv.Alloc(want)
	if errors.Is(err, driver.ErrOutOfMemory) && p.idle > 0 {
		if err := p.trim(); err != nil {
			return 0, err
		}
		ptr, err = p.drv.Alloc(want)
	}
	if errors.Is(err, driver.ErrOutOfMemory) {
		return 0, fmt.Errorf("%s wanted, %s in use: %w", text.Bytes(want), text.Bytes(p.reserved), err)
	}
	if err != nil {
		return 0, err
	}
	p.all[ptr] = want
	p.reserved += want
	return ptr, nil
}

func (p *pool) reuse(size int64) (driver.Ptr, error) {
	list := p.free[size]
	ptr := list[0]
	if len(list) == 1 {
		delete(p.free, size)
	} else {
		p.free[size] = slices.Delete(list, 0, 1)
	}
	p.idle -= size
	if d, ok := p.drv.(poisoner); ok && !p.busy {
		return ptr, d.Poison(ptr, size)
	}
	return ptr, nil
}

// put takes memory back.
func (p *pool) put(ptr driver.Ptr) {
	size, ok := p.all[ptr]
	if !ok {
		return
	}
	if p.exact {
		_ = p.release(ptr, size) // a device that fails here fails in the next call too
		return
	}
	at, _ := slices.BinarySearch(p.free[size], ptr)
	p.free[size] = slices.Insert(p.free[size], at, ptr)
	p.idle += size
}

// release returns memory to the driver. Its error is one of work done before, and
// will come out of the next call as well.
func (p *pool) release(ptr driver.Ptr, size int64) error {
	delete(p.all, ptr)
	p.reserved -= size
	return p.drv.Free(ptr)
}

// trim returns all idle memory to the driver.
func (p *pool) trim() error {
	var first error
	p.flush()
	for size, list := range p.free {
		for _, ptr := range list {
			if err := p.release(ptr, size); first == nil {
				first = err
			}
		}
	}
	clear(p.free)
	p.idle = 0
	return first
}

// close returns everything.
func (p *pool) close() {
	for ptr, size := range p.all {
		_ = p.release(ptr, size) // the device is being closed
	}
	clear(p.free)
	p.idle = 0
}
