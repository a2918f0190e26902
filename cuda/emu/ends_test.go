package emu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
)

// Ten GiB of which the last are there, and the last block of a launch over them.
func TestEndsOnly(t *testing.T) {
	const size = 10<<30 + 12
	d := New(EndsOnly(1<<10, 2), Memory(1<<40))
	p, err := d.Alloc(size)
	require.NoError(t, err)
	require.EqualValues(t, 1<<40-size, d.Info().FreeMemory)
	end := p + size
	require.NoError(t, d.ToDevice(end-8, []byte{1, 2, 3, 4, 5, 6, 7, 8}))
	got := make([]byte, 4)
	require.NoError(t, d.ToHost(got, end-4))
	require.Equal(t, []byte{5, 6, 7, 8}, got)
	require.ErrorContains(t, d.ToDevice(end-4, make([]byte, 5)), "byte 1")
	require.ErrorContains(t, d.ToHost(got, p), "bytes before the part of allocation 1")
	require.Equal(t, []Leak{{p, size, 1}}, d.Leaks())

	m, err := d.Load(`.version 7.8
.target sm_61
.address_size 64
.visible .entry touch(.param .u64 end, .param .u64 each) {
	.reg .b32 %r<2>;
	.reg .b64 %rd<6>;
	ld.param.u64 %rd1, [end];
	ld.param.u64 %rd2, [each];
	mov.u32 %r1, %ctaid.x;
	cvt.u64.u32 %rd3, %r1;
	mad.lo.u64 %rd4, %rd3, %rd2, %rd1;
	st.global.u32 [%rd4], %r1;
	ret;
}
`)
	require.NoError(t, err)
	k, err := m.Kernel("touch")
	require.NoError(t, err)
	const blocks = 1 << 30
	l := driver.Launch{Grid: driver.D1(blocks), Block: driver.D1(1)}
	require.NoError(t, d.Launch(k, l, uint64(end)-4*blocks, 4)) // blocks 2³⁰ − 2 and − 1
	got = make([]byte, 8)
	require.NoError(t, d.ToHost(got, end-8))
	require.Equal(t, []byte{0xfe, 0xff, 0xff, 0x3f, 0xff, 0xff, 0xff, 0x3f}, got)
	require.EqualValues(t, 2, d.Stats()["touch"].Blocks)
	err = d.Launch(k, l, uint64(p), 8) // at 8 GiB
	var f *Fault
	require.ErrorAs(t, err, &f)
	require.Equal(t, OutOfRange, f.Kind)
	require.ErrorContains(t, err, "before the part of allocation 1")
	require.Error(t, d.Free(p))
	require.NoError(t, d.Close())
}
