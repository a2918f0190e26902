package launches

import (
	"fmt"
	"slices"

	"voxgrad/cuda/driver"
)

// Timed is a driver that times the launches of another one: each distinct one, of a kernel, a geometry and
// numbers among its arguments, is made again as often as asked for, between two events. What the
// kernels leave in memory is then of no use: one may have added to it several times.
type Timed struct {
	driver.Driver
	Repeats int

	on   bool
	all  []*Timing // launches in their order
	seen map[string]*Timing
}

// Timing is what is known of a distinct launch.
type Timing struct {
	Kernel string
	driver.Launch
	Count int // how often it was launched

	from, to driver.Event
	repeats  int
}

// Start begins to time.
func (t *Timed) Start() { t.on, t.all, t.seen = true, nil, map[string]*Timing{} }

// Stop ends that and returns the launches since Start in their order; equal ones are one Timing.
func (t *Timed) Stop() []*Timing {
	t.on = false
	return t.all
}

// Launch launches, and times what is new.
func (t *Timed) Launch(k driver.Kernel, l driver.Launch, args ...any) error {
	if err := t.Driver.Launch(k, l, args...); err != nil || !t.on {
		return err
	}
	numbers := slices.DeleteFunc(slices.Clone(args), func(a any) bool { _, pointer := a.(driver.Ptr); return pointer })
	key := fmt.Sprint(k.Name(), l, numbers)
	at := t.seen[key]
	if at == nil {
		at = &Timing{Kernel: k.Name(), Launch: l, repeats: t.Repeats}
		t.seen[key] = at
		var err error
		if at.from, err = t.RecordEvent(); err != nil {
			return err
		}
		for range t.Repeats {
			if err := t.Driver.Launch(k, l, args...); err != nil {
				return err
			}
		}
		if at.to, err = t.RecordEvent(); err != nil {
			return err
		}
	}
	at.Count++
	t.all = append(t.all, at)
	return nil
}

// Seconds is the time of one launch, by the device's clock.
func (t *Timed) Seconds(at *Timing) (float64, error) {
	took, err := t.Elapsed(at.from, at.to)
	return took.Seconds() / float64(at.repeats), err
}

// Counted is a driver that keeps the accounts of another one's memory.
type Counted struct {
	driver.Driver
	sizes      map[driver.Ptr]int64
	used, peak int64
}

// NewCounted makes one.
func NewCounted(d driver.Driver) *Counted {
	return &Counted{Driver: d, sizes: map[driver.Ptr]int64{}}
}

// Alloc counts.
func (c *Counted) Alloc(n int64) (driver.Ptr, error) {
	p, err := c.Driver.Alloc(n)
	if err == nil {
		c.sizes[p] = n
		c.used += n
		c.peak = max(c.peak, c.used)
	}
	return p, err
}

// Free counts.
func (c *Counted) Free(p driver.Ptr) error {
	c.used -= c.sizes[p]
	delete(c.sizes, p)
	return c.Driver.Free(p)
}

// Peak is the most bytes that were taken at once.
func (c *Counted) Peak() int64 { return c.peak }
