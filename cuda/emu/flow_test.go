package emu

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
)

func grid(blocks, threads int) driver.Launch {
	return driver.Launch{Grid: driver.D1(blocks), Block: driver.D1(threads)}
}

func TestNestedBranchesAndEarlyReturn(t *testing.T) {
	d, m := load(t, "flow")
	const n = 200
	y := upload(t, d, make([]int32, 256))
	require.NoError(t, d.Launch(kernelOf(t, m, "nested"), grid(2, 128), uint64(y), n))
	for i, got := range download[int32](t, d, y, 256) {
		want := int32(i)
		switch {
		case i >= n || i&7 == 5:
			want = 0
		case i&3 == 3:
			want = int32(3*i + 7)
		case i&1 == 1:
			want = int32(i + 107)
		case i&8 != 0:
			want = int32(-i)
		}
		require.Equal(t, want, got, i)
	}
	require.Positive(t, d.Stats()["nested"].DivergentBranches)
}

func TestLoopsOfDifferentLength(t *testing.T) {
	d, m := load(t, "flow")
	const n = 300
	start := make([]uint32, n)
	for i := range start {
		start[i] = uint32(i + 1)
	}
	y := room(t, d, 4*n)
	require.NoError(t, d.Launch(kernelOf(t, m, "collatz"), grid(3, 128), uint64(y), uint64(upload(t, d, start)), n))
	for i, got := range download[int32](t, d, y, n) {
		var s int32
		for v := i + 1; v != 1; s++ {
			if v%2 == 0 {
				v /= 2
			} else {
				v = 3*v + 1
			}
		}
		require.Equal(t, s, got, i+1)
	}
}

func TestSwitch(t *testing.T) {
	d, m := load(t, "flow")
	op := make([]int32, 64)
	for i := range op {
		op[i] = int32(i*5%10) - 1
	}
	y := room(t, d, 256)
	require.NoError(t, d.Launch(kernelOf(t, m, "choose"), grid(1, 64), uint64(y), uint64(upload(t, d, op))))
	for i, got := range download[int32](t, d, y, 64) {
		v := int32(i)
		switch op[i] {
		case 0:
			v += 10
		case 1:
			v = 2*v - 3
		case 2:
			v -= 3
		case 3:
			for k := range int32(i) {
				v ^= k * 77
			}
		case 5:
			v = ^v
		case 6:
			v <<= 5
		case 7:
			v *= v
		default:
			v = -1
		}
		require.Equal(t, v, got, "thread %d, case %d", i, op[i])
	}
}

func TestCallsOfFunctions(t *testing.T) {
	d, m := load(t, "flow")
	a, b := make([]int32, 50), make([]int32, 50)
	for i := range a {
		a[i], b[i] = int32(i*i+6), int32(7*i+12)
	}
	gcd := func(a, b int32) int32 {
		for b != 0 {
			a, b = b, a%b
		}
		return a
	}
	y := room(t, d, 400)
	require.NoError(t, d.Launch(kernelOf(t, m, "calls"), grid(1, 50), uint64(y), uint64(upload(t, d, a)), uint64(upload(t, d, b))))
	for i, got := range download[float64](t, d, y, 50) {
		v := float64(gcd(a[i], b[i]))
		if i%3 != 0 {
			s, x := 0.0, v*0.125
			for k := range i % 7 {
				s = s*x + float64(gcd(int32(k+12), 18))
			}
			v += s
		}
		require.Equal(t, v, got, i)
	}
}

func TestLocalArrays(t *testing.T) {
	d, m := load(t, "flow")
	const threads, n = 40, 30
	r := rand.New(rand.NewPCG(3, 3))
	x := make([]uint8, threads*n)
	want := make([]int32, threads*16)
	for i := range x {
		x[i] = uint8(r.Uint32())
		want[i/n*16+int(x[i]&15)]++
	}
	y := room(t, d, threads*16*4)
	require.NoError(t, d.Launch(kernelOf(t, m, "histogram"), grid(1, threads), uint64(y), uint64(upload(t, d, x)), n))
	require.Equal(t, want, download[int32](t, d, y, threads*16))
	require.Positive(t, d.Stats()["histogram"].LocalStores)
}

func TestLoopWithTwoExits(t *testing.T) {
	d, m := load(t, "flow")
	const w = 48
	y := room(t, d, 4*w*w)
	require.NoError(t, d.Launch(kernelOf(t, m, "escape"), grid(w, w), uint64(y), w))
	hits := map[int32]int{}
	for _, v := range download[int32](t, d, y, w*w) {
		hits[v]++
	}
	require.Greater(t, len(hits), 15)
	require.InDelta(t, 0.17*w*w, hits[50], 0.05*w*w, "the set's share of the square") // its area is 1.507 of 9
}

func TestScanWithBarriersInALoop(t *testing.T) {
	d, m := load(t, "flow", ShuffleBlocks(5))
	const blocks = 9
	r := rand.New(rand.NewPCG(4, 4))
	x := make([]int32, blocks*128)
	for i := range x {
		x[i] = int32(r.Uint32())
	}
	y := room(t, d, blocks*128*4)
	require.NoError(t, d.Launch(kernelOf(t, m, "scan"), grid(blocks, 128), uint64(y), uint64(upload(t, d, x))))
	var s int32
	for i, got := range download[int32](t, d, y, blocks*128) {
		if i%128 == 0 {
			s = 0
		}
		s += x[i]
		require.Equal(t, s, got, i)
	}
	// The barrier before the loop and one in each of 7 rounds, by 4 warps of 9 blocks.
	require.EqualValues(t, blocks*4*8, d.Stats()["scan"].Barriers)
}

func TestGuardedWritesAndTablesOfTargets(t *testing.T) {
	d, m := load(t, "guarded")
	x := make([]int32, 64)
	for i := range x {
		x[i] = int32(i%5*3 + 1) // positive: the others trap
	}
	y := room(t, d, 256)
	require.NoError(t, d.Launch(kernelOf(t, m, "guarded"), grid(1, 64), uint64(y), uint64(upload(t, d, x))))
	for i, got := range download[int32](t, d, y, 64) {
		require.Equal(t, []int32{7, 7 + 7, 3 + 3 + 3, 7 + 3 + 3 + 3}[i&3], got)
	}
	x[40] = -5
	err := d.Launch(kernelOf(t, m, "guarded"), grid(1, 64), uint64(y), uint64(upload(t, d, x)))
	require.Equal(t, Trapped, faultOf(t, err).Kind)
	require.Equal(t, 40, faultOf(t, err).Thread.X)
}
