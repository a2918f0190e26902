package driver_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/ptx"
)

func entryOf(t *testing.T, signature string) driver.Entry {
	m, err := ptx.Parse(".version 7.8\n.target sm_61\n.address_size 64\n.visible .entry k(" + signature + " { ret; }")
	require.NoError(t, err)
	e, err := driver.EntryIn(m, "k")
	require.NoError(t, err)
	return e
}

var one = driver.Launch{Grid: driver.D1(1), Block: driver.D1(1)}

func TestSlots(t *testing.T) {
	for _, c := range []struct {
		arg  any
		t    ptx.Type
		want uint64
		ok   bool
	}{
		{driver.Ptr(5), "u64", 5, true},
		{driver.Ptr(5), "u32", 0, false},
		{driver.Ptr(5), "f64", 0, false},
		{-1, "u32", 0xffffffff, true},
		{-1, "u64", math.MaxUint64, true},
		{1 << 31, "u32", 0, false},
		{-1<<31 - 1, "s32", 0, false},
		{1 << 31, "u64", 1 << 31, true},
		{uint32(1 << 31), "u32", 1 << 31, true},
		{uint32(1 << 31), "s64", 1 << 31, true},
		{uint32(1), "f32", 0, false},
		{uint32(1), "f64", 0, false},
		{uint32(1), "u16", 0, false},
		{1, "f32", 0, false},
		{float32(1), "f32", 0x3f800000, true},
		{float32(1), "f64", 0, false},
		{float32(1), "b32", 0, false},
		{1.0, "f64", 0x3ff0000000000000, true},
		{1.0, "u64", 0, false},
		{1.0, "f32", 0, false},
		{true, "u32", 1, true},
		{false, "u64", 0, true},
		{true, "u8", 1, true},
		{true, "f32", 0, false},
		{uint64(7), "u32", 0, false},
		{uint64(3), "f32", 0, false},
		{uint64(math.MaxUint64), "b64", math.MaxUint64, true},
		{uint8(200), "u8", 200, true},
		{127, "s8", 127, true},
		{-128, "u8", 0x80, true},
		{128, "u8", 0, false},
		{int16(-2), "b16", 0xfffe, true},
		{uint16(65535), "u16", 65535, true},
		{int8(-1), "u64", math.MaxUint64, true},
		{"x", "u64", 0, false},
		{nil, "u64", 0, false},
	} {
		e := entryOf(t, ".param ."+string(c.t)+" p)")
		slots, err := e.Slots(&driver.Info{}, one, []any{c.arg})
		if !c.ok {
			require.EqualError(t, err, fmt.Sprintf("kernel k: argument 0, for parameter p, is %T %v, which is no .%s or does not fit its %d bytes "+
				"(launched with grid (1,1,1), block (1,1,1), 0 bytes of dynamic shared memory)", c.arg, c.arg, c.t, c.t.Bits()/8))
			require.True(t, driver.IsArgument(fmt.Errorf("GPU 0: %w", err)))
			continue
		}
		require.NoError(t, err, "%T %v for .%s", c.arg, c.arg, c.t)
		require.Equal(t, []uint64{c.want}, slots, "%T %v for .%s", c.arg, c.arg, c.t)
	}
}

func TestLaunchRefused(t *testing.T) {
	e := entryOf(t, ".param .align 8 .b8 s[24])")
	_, err := e.Slots(&driver.Info{}, one, []any{1})
	require.ErrorContains(t, err, "parameter 0, s, is a structure of 24 bytes")
	_, err = e.Slots(&driver.Info{}, one, nil)
	require.ErrorContains(t, err, "0 arguments, the entry has 1 parameters")

	limits := &driver.Info{SharedPerCTA: 48 << 10, SharedOptIn: 99 << 10}
	e = entryOf(t, ") .maxntid 16, 4")
	e.Static = 1024
	exact := entryOf(t, ") .reqntid 64")
	large := e
	large.Static = 49 << 10
	dim := func(x, y, z int) driver.Dim { return driver.Dim{X: x, Y: y, Z: z} }
	for _, c := range []struct {
		e    *driver.Entry
		l    driver.Launch
		want string
	}{
		{&e, driver.Launch{Grid: dim(math.MaxInt32, 65535, 65535), Block: dim(1, 1, 64), Shared: 98 << 10}, ""},
		{&e, driver.Launch{Grid: dim(math.MaxInt32+1, 1, 1), Block: dim(1, 1, 1)}, "the grid must be within"},
		{&e, driver.Launch{Grid: dim(1, 65536, 1), Block: dim(1, 1, 1)}, "the grid must be within"},
		{&e, driver.Launch{Grid: dim(1, 1, 65536), Block: dim(1, 1, 1)}, "the grid must be within"},
		{&e, driver.Launch{Grid: dim(1, 0, 1), Block: dim(1, 1, 1)}, "the grid must be within"},
		{&e, driver.Launch{Grid: dim(1, 1, 1), Block: dim(1, 1, 65)}, "a block must be within"},
		{&e, driver.Launch{Grid: dim(1, 1, 1), Block: dim(0, 1, 1)}, "a block must be within"},
		{&e, driver.Launch{Grid: dim(1, 1, 1), Block: dim(33, 32, 1)}, "a block must be within"},
		{&e, driver.Launch{Grid: dim(1, 1, 1), Block: dim(65, 1, 1)}, "at most 64 threads"},
		{&exact, driver.Launch{Grid: dim(1, 1, 1), Block: dim(32, 2, 1)}, "blocks of exactly [64 1 1] threads"},
		{&e, driver.Launch{Grid: dim(1, 1, 1), Block: dim(1, 1, 1), Shared: -1}, "a negative size"},
		{&e, driver.Launch{Grid: dim(1, 1, 1), Block: dim(1, 1, 1), Shared: 98<<10 + 1}, "1024 bytes of static and 100353 of dynamic shared memory, a block may have 101376"},
		{&e, driver.Launch{Grid: dim(1, 1, 1), Block: dim(1, 1, 1), Shared: math.MaxInt}, "of dynamic shared memory, a block may have"},
		{&large, driver.Launch{Grid: dim(1, 1, 1), Block: dim(1, 1, 1)}, "50176 bytes of static shared memory, a block may have 49152"},
	} {
		_, err := c.e.Slots(limits, c.l, nil)
		if c.want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, c.want)
		}
	}
}
