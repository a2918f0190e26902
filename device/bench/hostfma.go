package bench

import (
	"time"

	"voxgrad/internal/par"
)

// HostFMA is the rate at which all threads of par together do fused
// multiply-adds in float32, in operations a second: with vectors of 16 numbers
// (AVX-512) or 8 (AVX2), or those of the next narrower kind that the processor has, or with 1 in plain
// Go, which multiplies and adds a number at a time. The fastest of several tries.
func HostFMA(lanes int) (float64, error) {
	loop, each := plainLoop, plainFlops
	switch {
	case lanes >= 16 && haveFMA512:
		loop, each = fmaLoop512, 2*fmaFlops
	case lanes >= 8 && haveFMA:
		loop, each = fmaLoop, fmaFlops
	}
	const turns = 1 << 20
	threads := par.Threads()
	best := time.Duration(0)
	for range 10 {
		start := time.Now()
		par.For(threads, func(int) { loop(turns) })
		if took := time.Since(start); best == 0 || took < best {
			best = took
		}
	}
	return float64(turns*each*threads) / best.Seconds(), nil
}

// plainFlops is the operations of one turn of plainLoop.
const plainFlops = 16

// plainLoop keeps eight sums so that no operation waits for the one before.
//
//go:noinline
func plainLoop(turns int) {
	var a, b, c, d, e, f, g, h float32 = 1, 2, 3, 4, 5, 6, 7, 8
	x, y := float32(0.5), float32(turns&1)
	for range turns {
		a, b, c, d = a*x+y, b*x+y, c*x+y, d*x+y
		e, f, g, h = e*x+y, f*x+y, g*x+y, h*x+y
	}
	sink(a + b + c + d + e + f + g + h)
}

// sink keeps the compiler from leaving the loop out.
//
//go:noinline
func sink(float32) {}
