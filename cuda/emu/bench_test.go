package emu

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
)

// cpuTime is what the process has used: on a busy machine it says more than the clock.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Each benchmark reports millions of instructions of threads for each second of
// processor time, on one goroutine.
func benchmark(b *testing.B, file, name string, l driver.Launch, args func(d *Device) []any) {
	d, m := load(b, file, Threads(1))
	k := kernelOf(b, m, name)
	a := args(d)
	d.ResetStats()
	start := cpuTime(b)
	for b.Loop() {
		require.NoError(b, d.Launch(k, l, a...))
	}
	b.ReportMetric(float64(d.Stats()[name].LaneInstructions)/(cpuTime(b)-start).Seconds()/1e6, "Mlane-instr/s")
}

func BenchmarkKernel(b *testing.B) {
	l := driver.Launch{Grid: driver.D1(4), Block: driver.D1(128)}
	out := func(b *testing.B, d *Device) uint64 { return uint64(room(b, d, 4*4*128)) }
	b.Run("name=ints", func(b *testing.B) {
		benchmark(b, "speed", "ints", l, func(d *Device) []any { return []any{out(b, d), 50} })
	})
	b.Run("name=fmas", func(b *testing.B) {
		benchmark(b, "speed", "fmas", l, func(d *Device) []any { return []any{out(b, d), 50} })
	})
	b.Run("name=diverge", func(b *testing.B) {
		benchmark(b, "speed", "diverge", l, func(d *Device) []any { return []any{out(b, d), 100} })
	})
	b.Run("name=copy", func(b *testing.B) {
		const n = 1 << 14
		benchmark(b, "speed", "copy", l, func(d *Device) []any {
			return []any{uint64(room(b, d, 16*n)), uint64(upload(b, d, randoms(1, 4*n))), n}
		})
	})
	b.Run("name=matmul", func(b *testing.B) {
		const n = 64
		g := driver.Launch{Grid: driver.Dim{X: n / 16, Y: n / 16, Z: 1}, Block: driver.Dim{X: 16, Y: 16, Z: 1}}
		benchmark(b, "basic", "matmul", g, func(d *Device) []any {
			return []any{uint64(room(b, d, 4*n*n)), uint64(upload(b, d, randoms(1, n*n))), uint64(upload(b, d, randoms(2, n*n))), n, n, n}
		})
	})
}
