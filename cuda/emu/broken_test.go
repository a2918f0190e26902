package emu

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
)

// Each kernel of testdata/broken.cu is reported for what it does, at a line that
// holds the instruction to blame and by a thread that does it.
func TestBrokenKernelsAreReported(t *testing.T) {
	block := func(n int) driver.Launch { return driver.Launch{Grid: driver.D1(1), Block: driver.D1(n)} }
	ones := make([]float32, 300)
	for i := range ones {
		ones[i] = 1
	}
	type args func(t *testing.T, d *Device) []any
	plain := func(floats int64, rest ...any) args {
		return func(t *testing.T, d *Device) []any {
			return append([]any{uint64(room(t, d, 4*floats))}, rest...)
		}
	}
	with := func(floats int64, in any) args {
		return func(t *testing.T, d *Device) []any {
			var p driver.Ptr
			switch in := in.(type) {
			case []float32:
				p = upload(t, d, in)
			case []int32:
				p = upload(t, d, in)
			}
			return []any{uint64(room(t, d, 4*floats)), uint64(p)}
		}
	}
	for _, c := range []struct {
		kernel string
		kind   Kind
		block  int
		args   args
		op     string // of the instruction
		thread int    // -1: any
		detail string
	}{
		{"read_behind", OutOfRange, 64, func(t *testing.T, d *Device) []any {
			return append(with(64, ones[:64])(t, d), 64)
		}, "ld.global", 63, "0 bytes after the end of allocation"},
		{"write_behind", OutOfRange, 64, plain(40, 40), "st.global", 40, "after the end"},
		{"write_before", OutOfRange, 64, plain(64), "st.global", 0, "4 bytes before allocation"},
		{"misaligned_vector", Misaligned, 32, with(128, ones), "ld.global.v4", 0, "16 bytes"},
		{"sum_of_unwritten", Uninitialised, 32, func(t *testing.T, d *Device) []any {
			x := room(t, d, 128)
			require.NoError(t, d.ToDevice(x, make([]byte, 60)))
			return []any{uint64(room(t, d, 128)), uint64(x)}
		}, "ld.global", 15, "nobody wrote byte 60"},
		{"add_to_output", Uninitialised, 32, with(32, ones), "ld.global", 0, "nobody wrote"},
		{"unwritten_shared", Uninitialised, 64, plain(64), "ld.shared", 63, "byte 252 of shared memory"},
		{"shared_behind", OutOfRange, 64, plain(64, 3), "st.shared", 61, "256 bytes of shared memory"},
		{"missing_barrier", SharedRace, 64, plain(64), ".shared", -1, "no barrier between"},
		{"missing_second_barrier", SharedRace, 64, with(64, ones), ".shared", -1, "no barrier between"},
		{"write_race", SharedRace, 64, plain(64), "st.shared", 1, "thread (0,0,0)"},
		{"warp_race", SharedRace, 32, plain(32), "ld.shared", 0, "thread (31,0,0)"},
		{"warp_race_behind_own_read", SharedRace, 32, plain(32), "ld.volatile.shared", 0, "thread (31,0,0)"},
		{"overwrite", SharedRace, 64, with(64, ones), "st.shared", 0, "was read by thread (63,0,0)"},
		{"divergent_barrier", DivergentBarrier, 64, plain(64), "bar", -1, "16 of the 32 threads"},
		{"early_return", MissingBarrier, 64, plain(64, 40), "bar", 40, "exited"},
		{"early_return", MissingBarrier, 64, plain(64, 32), "bar", -1, "warp 1 has exited"},
		{"lonely_barrier", MissingBarrier, 64, plain(64), "bar", -1, "warp 0 has exited"},
		{"endless", Runaway, 32, with(32, []int32{0}), "", -1, "instructions"},
		{"shuffle_from_nobody", DivergentShuffle, 32, plain(32), "shfl", 8, "lane 16"},
		{"shuffle_in_branch", DivergentShuffle, 32, plain(32), "shfl", 0, "lane 16"},
		{"divide", DivideByZero, 32, with(32, make([]int32, 32)), "div", 0, "by 0"},
		{"unwritten_local", Uninitialised, 8, func(t *testing.T, d *Device) []any {
			x := upload(t, d, []int32{0, 1, 2, 3, 4, 5, 6, 7})
			return []any{uint64(room(t, d, 32)), uint64(x), 5}
		}, "ld.local", 5, "local memory"},
		{"give_up", Trapped, 32, plain(32), "trap", 5, ""},
		{"write_before", NullPointer, 32, func(*testing.T, *Device) []any { return []any{4} }, "st.global", 0, ""},
		{"sum_of_unwritten", UseAfterFree, 32, func(t *testing.T, d *Device) []any {
			x := upload(t, d, ones[:32])
			require.NoError(t, d.Free(x))
			return []any{uint64(room(t, d, 128)), uint64(x)}
		}, "ld.global", 0, "was freed"},
		{"sum_of_unwritten", OutOfRange, 32, func(t *testing.T, d *Device) []any {
			return []any{uint64(room(t, d, 128)), 1 << 50}
		}, "ld.global", 0, "no allocation"},
	} {
		t.Run(c.kernel+"/"+string(c.kind), func(t *testing.T) {
			d, m := load(t, "broken", Budget(100_000))
			err := d.Launch(kernelOf(t, m, c.kernel), block(c.block), c.args(t, d)...)
			f := faultOf(t, err)
			require.Equal(t, c.kind, f.Kind, "%v", err)
			require.Contains(t, f.Text, c.op)
			require.Contains(t, f.Detail, c.detail)
			require.Equal(t, c.kernel, f.Kernel)
			if c.thread >= 0 {
				require.Equal(t, driver.Dim{X: c.thread}, f.Thread, "%v", err)
			}
			require.Contains(t, line(t, "broken", f.Line), c.op)
			// The device is lost.
			require.Equal(t, err, d.Sync())
			_, err2 := d.Alloc(4)
			require.Equal(t, err, err2)
		})
	}
}

// line reads one line of a PTX file.
func line(t *testing.T, name string, n int) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".ptx")
	require.NoError(t, err)
	for i := 1; i < n; i++ {
		for k, b := range text {
			if b == '\n' {
				text = text[k+1:]
				break
			}
		}
	}
	for k, b := range text {
		if b == '\n' {
			return string(text[:k])
		}
	}
	return string(text)
}

func TestRefusedWhenLoaded(t *testing.T) {
	for name, want := range map[string][]Problem{
		"float_atomic": {{Kind: FloatAtomic, Func: "float_atomic"}},
		"unknown":      {{UnknownOpcode, "unknown", 9, "", ""}, {UnknownOpcode, "unknown", 10, "", ""}, {UnknownOpcode, "unknown", 11, "", ""}},
	} {
		text, err := os.ReadFile("testdata/" + name + ".ptx")
		require.NoError(t, err)
		_, err = New().Load(string(text))
		var le *LoadError
		require.True(t, errors.As(err, &le), "%v", err)
		require.Len(t, le.Problems, len(want))
		for i, p := range le.Problems {
			require.Equal(t, want[i].Kind, p.Kind)
			require.Equal(t, want[i].Func, p.Func)
			require.Contains(t, strings.Join(strings.Fields(line(t, name, p.Line)), " "), p.Text)
			if want[i].Line > 0 {
				require.Equal(t, want[i].Line, p.Line)
			}
		}
	}
	for text, want := range map[string]string{
		"not PTX":                               "line 1",
		ptxHead + ".global .b8 x[99999999999];": "line 4, \"x\": not supported: 99999999999 bytes",
		ptxHead + ".global .b8 x[17000000]; .global .b8 y[17163091969];":                                            "line 4, \"y\": not supported: 17163091969 bytes, 17162869184 of the device's 17179869184 are free",
		ptxHead + calls(20) + ".entry k() { call f0; ret; }":                                                        "too many calls inside calls",
		ptxHead + ".func f1() { .reg .b32 a<200000>; } .entry k() {" + strings.Repeat("call f1;", 9) + "}":          "too many calls inside calls",
		ptxHead + ".entry k() { .reg .pred p; .reg .b32 a<200000>; l: " + strings.Repeat("@p bra l;", 20_000) + "}": "200001 registers in 20002 basic blocks are too many",
		ptxHead + ".entry k() { .reg .b32 a; " + constants(1<<16) + "}":                                             "registers and constants at once, the limit is 65536",
		ptxHead + ".entry k() { .local .b8 x[600000]; ret; }":                                                       "600000 bytes of local memory",
		ptxHead + ".func f() { call f; ret; } .entry k() { call f; ret; }":                                          "recursive call of f",
		ptxHead + ".extern .func f(); .entry k() { call f; ret; }":                                                  "call of f, which has no body",
	} {
		_, err := New().Load(text)
		require.ErrorContains(t, err, want)
	}
}

// calls are n functions, each of which calls the next twice.
func calls(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".func f%d() { }\n", n)
	for i := n - 1; i >= 0; i-- {
		fmt.Fprintf(&b, ".func f%d() { call f%d; call f%d; }\n", i, i+1, i+1)
	}
	return b.String()
}

func constants(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "mov.b32 a, %d;", i)
	}
	return b.String()
}

func TestArgumentsAreCheckedBeforeTheLaunch(t *testing.T) {
	d, m := load(t, "broken")
	k := kernelOf(t, m, "small_blocks")
	y := uint64(room(t, d, 4096))
	ok := driver.Launch{Grid: driver.D1(1), Block: driver.D1(64)}
	for want, err := range map[string]error{
		"2 arguments, the entry has 1":        d.Launch(k, ok, y, y),
		"0 arguments":                         d.Launch(k, ok),
		"at most 64":                          d.Launch(k, driver.Launch{Grid: driver.D1(1), Block: driver.D1(65)}, y),
		"1024":                                d.Launch(k, driver.Launch{Grid: driver.D1(1), Block: driver.D1(1025)}, y),
		"65535":                               d.Launch(k, driver.Launch{Grid: driver.Dim{X: 1, Y: 65536, Z: 1}, Block: driver.D1(1)}, y),
		"65535 blocks":                        d.Launch(k, driver.Launch{Grid: driver.Dim{X: 0, Y: 1, Z: 1}, Block: driver.D1(1)}, y),
		"of dynamic shared memory, a block":   d.Launch(k, driver.Launch{Grid: driver.D1(1), Block: driver.D1(1), Shared: 100 << 10}, y),
		"a negative size":                     d.Launch(k, driver.Launch{Grid: driver.D1(1), Block: driver.D1(1), Shared: -1}, y),
		"does not fit its 4 bytes":            d.Launch(kernelOf(t, m, "shared_behind"), ok, y, 1<<32+5),
		"another device":                      New().Launch(k, ok, y),
		"has no kernel nothing; it has [add_": func() error { _, err := m.Kernel("nothing"); return err }(),
	} {
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, d.Sync(), "an argument's mistake does not lose the device")
	require.NoError(t, d.Launch(k, ok, y))
}

func TestRacesBetweenBlocks(t *testing.T) {
	for _, c := range []struct{ kernel, op, detail string }{
		{"overlapping_parts", "st.global", "was written by block (0,0,0)"},
		{"blur_in_place", "", "in the same launch"},
	} {
		for _, threads := range []int{1, 2} {
			d, m := load(t, "broken", BlockRaces(), Threads(threads))
			y := uint64(upload(t, d, make([]float32, 257)))
			f := faultOf(t, d.Launch(kernelOf(t, m, c.kernel), grid(2, 64), y, 128))
			require.Equal(t, BlockRace, f.Kind)
			require.Contains(t, f.Text, c.op)
			if threads == 1 {
				require.Contains(t, f.Detail, c.detail)
			}
		}
	}
	// What is right passes: separate parts, two launches, atomics, volatile after a fence.
	d, m := load(t, "memory", BlockRaces(), Threads(3))
	total, part := room(t, d, 4), room(t, d, 4*17)
	x := uint64(upload(t, d, make([]int32, 5000)))
	for range 2 {
		require.NoError(t, d.Launch(kernelOf(t, m, "last_block"), grid(17, 64), uint64(total), uint64(part), x, 5000))
	}
}
