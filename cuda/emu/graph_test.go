package emu

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
)

// A graph makes the calls that were captured, in their order, with the arguments of then.
func TestGraph(t *testing.T) {
	const text = ".version 7.8\n.target sm_61\n.address_size 64\n" + `
.visible .entry increment(.param .u64 p)
{
	.reg .b32 %r<2>;
	.reg .b64 %rd<2>;
	ld.param.u64 %rd1, [p];
	ld.global.u32 %r1, [%rd1];
	add.u32 %r1, %r1, 1;
	st.global.u32 [%rd1], %r1;
	ret;
}`
	open := func() (*Device, driver.Kernel) {
		d := New()
		m, err := d.Load(text)
		require.NoError(t, err)
		return d, kernelOf(t, m, "increment")
	}
	d, k := open()
	p, err := d.Alloc(8)
	require.NoError(t, err)
	one := driver.Launch{Grid: driver.D1(1), Block: driver.D1(1)}
	args := []any{p}
	calls := []driver.Call{{Dst: p, Word: 5, N: 1}, {Kernel: k, Launch: one, Args: args}, {Kernel: k, Launch: one, Args: []any{p}}}
	g, err := d.Capture(calls)
	require.NoError(t, err)
	args[0] = driver.Ptr(0)
	for range 2 {
		require.NoError(t, g.Replay())
		f, err := d.Fetch([]driver.Span{{Ptr: p, Bytes: 4}, {Ptr: p, Bytes: 1}})
		require.NoError(t, err)
		require.NoError(t, d.Fill32(p, 9, 1), "after the copy")
		raw, err := f.Wait()
		require.NoError(t, err)
		require.Equal(t, []byte{7, 0, 0, 0, 7}, raw)
	}
	_, err = d.Capture([]driver.Call{{Kernel: k, Launch: one}})
	require.True(t, driver.IsArgument(err))
	_, other := open()
	_, err = d.Capture([]driver.Call{{Kernel: other, Launch: one, Args: []any{p}}})
	require.True(t, driver.IsArgument(err))
	require.NoError(t, g.Free())
	require.ErrorContains(t, g.Replay(), "was freed")
	require.ErrorContains(t, g.Free(), "freed twice")

	bad, err := d.Capture([]driver.Call{{Dst: p, Word: 5, N: 1}, {Kernel: k, Launch: one, Args: []any{p + 4}}})
	require.NoError(t, err)
	var at *driver.CallError
	var fault *Fault
	err = bad.Replay()
	require.True(t, errors.As(err, &at) && errors.As(err, &fault), "%v", err)
	require.Equal(t, 1, at.Index)
}
