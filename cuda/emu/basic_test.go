package emu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
)

func TestAxpyWithTail(t *testing.T) {
	d, m := load(t, "basic")
	for _, n := range []int{1, 31, 32, 33, 1000} {
		x, y := randoms(1, n), randoms(2, n)
		px, py := upload(t, d, x), upload(t, d, y)
		l := driver.Launch{Grid: driver.D1((n + 127) / 128), Block: driver.D1(128)}
		require.NoError(t, d.Launch(kernelOf(t, m, "axpy"), l, uint64(py), uint64(px), float32(2.5), n))
		got := download[float32](t, d, py, n)
		for i := range got {
			require.Equal(t, fma32(2.5, x[i], y[i]), got[i])
		}
	}
}

func TestBlockSumHasBitsOfItsOrder(t *testing.T) {
	d, m := load(t, "basic")
	const n, grid = 5001, 7
	x := randoms(3, n)
	px, part := upload(t, d, x), room(t, d, 4*grid)
	l := driver.Launch{Grid: driver.D1(grid), Block: driver.D1(256)}
	require.NoError(t, d.Launch(kernelOf(t, m, "blocksum"), l, uint64(part), uint64(px), n))
	got := download[float32](t, d, part, grid)
	for b := range grid {
		var s [256]float32
		for i := b * 256; i < n; i += grid * 256 {
			for k := range s {
				if i+k < n {
					s[k] += x[i+k]
				}
			}
		}
		var warps [8]float32
		for w := range warps {
			v := s[32*w : 32*w+32]
			for o := 16; o > 0; o >>= 1 {
				old := append([]float32(nil), v...)
				for k := range v {
					v[k] = old[k] + old[k^o]
				}
			}
			warps[w] = v[0]
		}
		for o := 4; o > 0; o >>= 1 {
			for k := range o {
				warps[k] += warps[k+o]
			}
		}
		require.Equal(t, warps[0], got[b], "block %d", b)
	}
}

func TestTiledMatmul(t *testing.T) {
	d, m := load(t, "basic")
	for _, s := range [][3]int{{1, 1, 1}, {16, 16, 16}, {17, 33, 19}, {40, 5, 50}} {
		mm, n, k := s[0], s[1], s[2]
		a, b := randoms(4, mm*k), randoms(5, k*n)
		pa, pb, pc := upload(t, d, a), upload(t, d, b), room(t, d, int64(4*mm*n))
		l := driver.Launch{Grid: driver.Dim{X: (n + 15) / 16, Y: (mm + 15) / 16, Z: 1}, Block: driver.Dim{X: 16, Y: 16, Z: 1}}
		require.NoError(t, d.Launch(kernelOf(t, m, "matmul"), l, uint64(pc), uint64(pa), uint64(pb), mm, n, k))
		got := download[float32](t, d, pc, mm*n)
		for i := range mm {
			for j := range n {
				var acc float32
				for q := range (k + 15) / 16 * 16 {
					if q < k {
						acc = fma32(a[i*k+q], b[q*n+j], acc)
					}
				}
				require.Equal(t, acc, got[i*n+j])
			}
		}
	}
}

func TestDynamicSharedMemory(t *testing.T) {
	d, m := load(t, "basic")
	x := make([]int32, 300)
	for i := range x {
		x[i] = int32(i)
	}
	px, py := upload(t, d, x), room(t, d, 1200)
	l := driver.Launch{Grid: driver.D1(3), Block: driver.D1(100), Shared: 400}
	require.NoError(t, d.Launch(kernelOf(t, m, "reverse"), l, uint64(py), uint64(px)))
	for i, v := range download[int32](t, d, py, 300) {
		require.Equal(t, int32(i/100*100+99-i%100), v)
	}
}
