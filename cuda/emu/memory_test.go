package emu

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
)

func TestVectorLoadsAndStores(t *testing.T) {
	d, m := load(t, "memory")
	x4, x2 := randoms(1, 4*32), randoms(2, 2*32)
	xd := make([]float64, 64)
	for i := range xd {
		xd[i] = math.Sqrt(float64(i))
	}
	y4, y2, yd := room(t, d, 512), room(t, d, 256), room(t, d, 512)
	require.NoError(t, d.Launch(kernelOf(t, m, "vectors"), grid(1, 32), uint64(y4), uint64(y2), uint64(yd),
		uint64(upload(t, d, x4)), uint64(upload(t, d, x2)), uint64(upload(t, d, xd))))
	g4, g2, gd := download[float32](t, d, y4, 128), download[float32](t, d, y2, 64), download[float64](t, d, yd, 64)
	for i := range 32 {
		for k := range 4 {
			require.Equal(t, x4[4*i+3-k], g4[4*i+k])
		}
		require.Equal(t, []float32{x2[2*i+1], x2[2*i] + x4[4*i]}, g2[2*i:2*i+2])
		require.Equal(t, []float64{xd[2*i+1], xd[2*i]}, gd[2*i:2*i+2])
	}
}

func TestBytesAndShorts(t *testing.T) {
	d, m := load(t, "memory")
	x, w := make([]int8, 256), make([]uint16, 256)
	for i := range x {
		x[i], w[i] = int8(i), uint16(i*257)
	}
	y, z := room(t, d, 256), room(t, d, 512)
	require.NoError(t, d.Launch(kernelOf(t, m, "bytes"), grid(4, 64), uint64(y), uint64(z), uint64(upload(t, d, x)), uint64(upload(t, d, w))))
	gy, gz := download[uint8](t, d, y, 256), download[int16](t, d, z, 256)
	for i := range x {
		require.Equal(t, uint8(x[i]>>1), gy[i])
		require.Equal(t, int16(int(w[i])-int(x[i])), gz[i])
	}
}

func TestIndexArithmeticOf64Bits(t *testing.T) {
	d, m := load(t, "memory")
	x := randoms(5, 1009)
	y := room(t, d, 256)
	const stride = 1<<40 + 12345
	require.NoError(t, d.Launch(kernelOf(t, m, "far"), grid(1, 64), uint64(y), uint64(upload(t, d, x)), stride, 1009))
	for i, got := range download[float32](t, d, y, 64) {
		require.Equal(t, x[i*stride%1009], got)
	}
}

func TestModuleVariables(t *testing.T) {
	d, m := load(t, "memory")
	y, z := room(t, d, 128), room(t, d, 8)
	require.NoError(t, d.Launch(kernelOf(t, m, "constants"), grid(1, 32), uint64(y), uint64(z), 3))
	for i, got := range download[float32](t, d, y, 32) {
		require.Equal(t, float32(int(1)<<((i+3)&7)-2), got)
	}
	require.Equal(t, []int32{5, 77}, download[int32](t, d, z, 2))
}

func TestIntegerAtomics(t *testing.T) {
	const blocks, threads = 5, 96
	x := make([]int32, blocks*threads)
	for i := range x {
		x[i] = int32(i*7919%1000) - 300
	}
	for _, opts := range [][]Option{nil, {ShuffleBlocks(1), Threads(4)}, {ShuffleBlocks(2), Threads(1)}} {
		d, m := load(t, "memory", opts...)
		start := []uint32{0, 1000, 0, 0, ^uint32(0), 0, 0, 3, 0, 0, 0, 0}
		y, y64, ret := upload(t, d, start), upload(t, d, make([]uint64, 2)), room(t, d, 4*blocks*threads)
		require.NoError(t, d.Launch(kernelOf(t, m, "integer_atomics"), grid(blocks, threads), uint64(y), uint64(y64), uint64(ret), uint64(upload(t, d, x))))
		want := append([]uint32(nil), start...)
		var w64 [2]uint64
		for b := range blocks {
			smax, smin := uint32(0), ^uint32(0)
			for _, v := range x[b*threads : (b+1)*threads] {
				u := uint32(v)
				want[0] += u
				want[1] = uint32(min(int32(want[1]), v))
				want[2] = uint32(max(int32(want[2]), v))
				want[3] |= 1 << (u & 31)
				want[4] &^= 1 << (u & 31)
				want[5] ^= u
				if want[6]++; want[6] > 10 {
					want[6] = 0
				}
				if want[7] == 0 || want[7] > 6 {
					want[7] = 6
				} else {
					want[7]--
				}
				w64[0] += uint64(int64(v)) * uint64(int64(v))
				w64[1] = max(w64[1], uint64(int64(v)))
				smax, smin = max(smax, u), min(smin, u)
			}
			want[8] += threads
			want[9] += smax
			want[10] += smin
			want[11] += threads
		}
		require.Equal(t, want, download[uint32](t, d, y, 12))
		require.Equal(t, w64[:], download[uint64](t, d, y64, 2))
		seen := map[int32]int{}
		for _, v := range download[int32](t, d, ret, blocks*threads) {
			seen[v]++
		}
		for v := range int32(11) { // atomicInc hands out 0 to 10 in turn
			require.InDelta(t, blocks*threads/11, seen[v], 1)
		}
	}
}

func TestVotes(t *testing.T) {
	d, m := load(t, "memory")
	x := make([]int32, 96)
	var positive int32
	ballots := make([]uint32, 3)
	for i := range x {
		if x[i] = int32(i*37%101) - 40 - int32(i/32)*20; x[i] > 0 {
			positive++
			ballots[i/32] |= 1 << (i % 32)
		}
	}
	y := upload(t, d, make([]uint32, 4*96))
	require.NoError(t, d.Launch(kernelOf(t, m, "votes"), grid(1, 96), uint64(y), uint64(upload(t, d, x))))
	got := download[uint32](t, d, y, 4*96)
	for i := range x {
		w := x[i/32*32 : i/32*32+32]
		bits := uint32(1 | 1<<2) // all of them are above -100
		var odd uint32
		for k, v := range w {
			if v > 50 {
				bits |= 2
			}
			if v&1 != 0 {
				odd |= 1 << k
			}
		}
		for _, v := range x {
			if v > 90 {
				bits |= 8
			}
		}
		if x[i]&1 == 0 {
			odd = 0
		}
		require.Equal(t, []uint32{ballots[i/32], bits, uint32(positive), odd}, got[4*i:4*i+4], i)
	}
}

func TestShuffles(t *testing.T) {
	d, m := load(t, "memory")
	x := make([]int32, 64)
	for i := range x {
		x[i] = int32(1000 + i)
	}
	y := upload(t, d, make([]int32, 512))
	require.NoError(t, d.Launch(kernelOf(t, m, "shuffles"), grid(1, 64), uint64(y), uint64(upload(t, d, x))))
	got := download[int32](t, d, y, 512)
	for i := range 64 {
		w, l := i&^31, i&31
		require.Equal(t, x[w+l*7&31], got[i])
		up, down := i, i
		if l&7 >= 3 {
			up = i - 3
		}
		if l&15 < 11 {
			down = i + 5
		}
		require.Equal(t, x[up], got[128+i])
		require.Equal(t, x[down], got[256+i])
		require.Equal(t, x[w+l^6], got[384+i])
	}
}

func TestNamedBarriersAndSyncwarp(t *testing.T) {
	d, m := load(t, "memory")
	y := room(t, d, 512)
	require.NoError(t, d.Launch(kernelOf(t, m, "named"), grid(1, 128), uint64(y)))
	for i, got := range download[int32](t, d, y, 128) {
		want := int32(0)
		if i >= 64 {
			want = int32(63-(i-64))*3 + 1
		}
		require.Equal(t, want, got)
	}
	y = room(t, d, 3*64*4)
	require.NoError(t, d.Launch(kernelOf(t, m, "syncwarp"), grid(1, 64), uint64(y)))
	for i, got := range download[int32](t, d, y, 3*64) {
		th := i % 64
		require.Equal(t, int32(th&^31+(th+1)%32+i/64), got)
	}
}

func TestGenericPointers(t *testing.T) {
	d, m := load(t, "memory")
	x := randoms(8, 64)
	y := room(t, d, 256)
	require.NoError(t, d.Launch(kernelOf(t, m, "generic"), grid(1, 64), uint64(y), uint64(upload(t, d, x))))
	for i, got := range download[float32](t, d, y, 64) {
		p := func(k int) float32 {
			if i&1 != 0 {
				return x[k] * 2
			}
			return x[k]
		}
		q := p(i & 3)
		if i&2 != 0 {
			q = float32(i)
		}
		require.Equal(t, p(63-i)+q, got, i)
	}
}

func TestLastBlockSeesAllOthers(t *testing.T) {
	for seed := range uint64(6) {
		d, m := load(t, "memory", ShuffleBlocks(seed), Threads(1+int(seed)))
		x := make([]int32, 5000)
		var want int32
		for i := range x {
			x[i] = int32(i * i)
			want += x[i]
		}
		total, part := room(t, d, 4), room(t, d, 4*17)
		require.NoError(t, d.Launch(kernelOf(t, m, "last_block"), grid(17, 64), uint64(total), uint64(part), uint64(upload(t, d, x)), 5000))
		require.Equal(t, want, download[int32](t, d, total, 1)[0])
	}
}

func TestHostMistakes(t *testing.T) {
	d := New(Memory(1000))
	p := room(t, d, 100)
	_, err := d.Alloc(901)
	require.ErrorContains(t, err, "out of memory: 901 bytes asked for, 900 of 1000 are free")
	_, err = d.Alloc(0)
	require.ErrorContains(t, err, "0 bytes")
	_, err = d.Alloc(math.MaxInt64)
	require.ErrorContains(t, err, "out of memory: 9223372036854775807 bytes asked for, 900 of 1000 are free")
	require.ErrorContains(t, d.Free(p+4), "byte 4 of allocation 1")
	require.ErrorContains(t, d.ToDevice(p+99, []byte{1, 2}), "byte 99 of allocation 1")
	require.ErrorContains(t, d.ToHost(make([]byte, 4), p), "nobody wrote byte 0")
	require.ErrorContains(t, d.ToHost(make([]byte, 4), 0), "null pointer")
	require.ErrorContains(t, d.Fill32(p, 1, 26), "Fill32")
	require.ErrorContains(t, d.Fill32(p+2, 1, 1), "multiple of 4")
	require.NoError(t, d.Fill32(p, 0x01020304, 25))
	b := make([]byte, 100)
	require.NoError(t, d.ToHost(b, p))
	require.Equal(t, []byte{4, 3, 2, 1}, b[96:])
	require.NoError(t, d.Poison(p+8, 4))
	require.ErrorContains(t, d.ToHost(b, p), "nobody wrote byte 8")
	require.Equal(t, int64(900), d.Info().FreeMemory)
	require.NoError(t, d.Free(p))
	require.ErrorContains(t, d.Free(p), "was freed")
	require.ErrorContains(t, d.ToDevice(p, b), "was freed")
	q := room(t, d, 8)
	require.Equal(t, []Leak{{q, 8, 2}}, d.Leaks())
	var leaks *LeakError
	require.True(t, errors.As(d.Close(), &leaks))
	require.Equal(t, []Leak{{q, 8, 2}}, leaks.Leaks)
	require.Error(t, d.Sync())
	_, err = d.Load(ptxHead)
	require.Error(t, err)
	var _ driver.Driver = d
}
