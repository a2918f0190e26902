package cpu

import (
	"fmt"
	"math"
	"testing"

	"voxgrad/device"
	"voxgrad/device/devicetest"
)

// GuardAlloc implements devicetest.Guarded. The guards are NaNs of a pattern
// of their own; the tensor starts at any multiple of four bytes, as kernels
// must not count on more.
func (b *Backend) GuardAlloc(s device.Shape, pad int) (device.Tensor, func() error) {
	const guard = 0x7fc0abcd
	n := s.Len()
	pad++ // off every alignment
	all := aligned(n + 2*pad)
	for i := range all {
		all[i] = math.Float32frombits(guard)
	}
	m := &buffer{owner: b, data: all[pad : pad+n : pad+n]}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pool.used += m.Bytes()
	return device.Tensor{Shape: s, Mem: m}, func() error {
		for i, v := range all {
			if (i < pad || i >= pad+n) && math.Float32bits(v) != guard {
				return fmt.Errorf("element %d became %g", i-pad, v)
			}
		}
		return nil
	}
}

func TestConformance(t *testing.T) {
	t.Run("default", func(t *testing.T) {
		devicetest.Run(t, func(testing.TB) device.Backend { return New() }, devicetest.Options{Large: true, Guarded: true})
	})
	if haveAVX512 {
		t.Run("avx2", func(t *testing.T) {
			devicetest.Run(t, func(testing.TB) device.Backend { return open(true, false) }, devicetest.Options{Guarded: true})
		})
	}
	t.Run("winograd", func(t *testing.T) {
		devicetest.Run(t, func(testing.TB) device.Backend {
			b := New()
			b.engine.winograds = always
			return b
		}, devicetest.Options{Large: true, Guarded: true})
	})
	if haveAVX2 {
		t.Run("portable", func(t *testing.T) {
			devicetest.Run(t, func(testing.TB) device.Backend { return NewPortable() }, devicetest.Options{Guarded: true})
		})
	}
}
