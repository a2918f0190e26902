package cuda

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/emu"
	"voxgrad/device"
	"voxgrad/device/devicetest"
)

func onEmulator(t testing.TB, opts []emu.Option, bopts ...Option) (*emu.Device, *Backend) {
	t.Helper()
	d := emu.New(opts...)
	b, err := New(d, bopts...)
	require.NoError(t, err)
	return d, b
}

// guardWord is a NaN of a pattern of its own.
const guardWord = 0x7fc0abcd

// GuardAlloc implements devicetest.Guarded. Without a pool the driver is an
// emulator that sees every access outside an allocation, and there is nothing to
// look at afterwards. With one, words of a pattern surround the tensor; it starts
// at a multiple of 256 bytes, as every tensor does.
func (b *Backend) GuardAlloc(s device.Shape, pad int) (device.Tensor, func() error) {
	if b.opt.exact {
		return b.Alloc(s), b.Sync
	}
	pad = roundUp(pad, 64)
	t := b.alloc(s, pad, fp32)
	m := t.Mem.(*buffer)
	all := make([]float32, s.Len()+2*pad)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.drv.Fill32(m.base, guardWord, int64(len(all))); err != nil {
		b.err = err
	}
	return t, func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if err := b.drv.ToHost(bytesOf(all), m.base); err != nil {
			return err
		}
		for i, v := range all {
			if (i < pad || i >= pad+s.Len()) && math.Float32bits(v) != guardWord {
				return fmt.Errorf("element %d became %g", i-pad, v)
			}
		}
		return nil
	}
}

// Without a pool, the emulator sees every access outside a tensor, to memory that
// was freed and of values nobody wrote, and blocks that meet. The latter costs a seventh of the time.
func TestConformance(t *testing.T) {
	devicetest.Run(t, func(t testing.TB) device.Backend {
		_, b := onEmulator(t, []emu.Option{emu.BlockRaces()}, WithoutPool())
		return b
	}, devicetest.Options{Guarded: true})
}

// With the pool, as on a GPU: tensors use memory of others again. Cases of many variations
// are left to the table above.
func TestConformanceWithPool(t *testing.T) {
	_, b := onEmulator(t, []emu.Option{emu.SkipRaces()})
	for i, c := range devicetest.Cases(devicetest.Options{Guarded: true}) {
		memory := c.FLOPs == 0 && len(c.Shapes) == 0
		if c.Closes || !memory && i%5 != 0 {
			continue
		}
		_, err := c.Check(b)
		require.NoError(t, err)
	}
	now, _ := b.Usage()
	require.Zero(t, now)
	require.NotZero(t, b.pool.idle)
	require.NoError(t, b.Close())
}
