package cpu

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

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
	for name, b := range map[string]*Backend{"winograd": byWinograd(), "winograd portable": NewPortable(), "direct": New()} {
		t.Run(name, func(t *testing.T) {
			defer b.Close()
			b.engine.winograds = always
			if name == "direct" {
				b.engine.winograds = never
			}
			worst := 0.0
			for _, c := range devicetest.Cases(devicetest.Options{Large: true, Guarded: true}) {
				if strings.Contains(c.Methods[0], "Conv") {
					t.Run(c.Name, func(t *testing.T) {
						r, err := c.Check(b)
						require.NoError(t, err)
						if r.Bound > 0 {
							worst = max(worst, r.MaxErr/r.Bound)
						}
					})
				}
			}
			t.Logf("largest error %.3f of its bound", worst)
		})
	}
	if haveAVX2 {
		t.Run("portable", func(t *testing.T) {
			devicetest.Run(t, func(testing.TB) device.Backend { return NewPortable() }, devicetest.Options{Guarded: true})
		})
	}
}
