package emu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
)

// Counts of a copy of 16-byte pieces, by hand.
func TestCountsOfACopy(t *testing.T) {
	d, m := load(t, "speed")
	const n = 1000
	y, x := room(t, d, 16*n), upload(t, d, randoms(1, 4*n))
	require.NoError(t, d.Launch(kernelOf(t, m, "copy"), grid(3, 128), uint64(y), uint64(x), n))
	s := d.Stats()["copy"]
	require.EqualValues(t, 1, s.Launches)
	require.EqualValues(t, 3, s.Blocks)
	// 31 full warps and one of 8 threads: 32 instructions of 16 bytes each.
	require.EqualValues(t, 32, s.GlobalLoads)
	require.EqualValues(t, 16*n, s.GlobalLoadBytes)
	require.EqualValues(t, 16*n/32, s.GlobalLoadSectors)
	require.EqualValues(t, 16*n/128, s.GlobalLoadLines)
	require.EqualValues(t, 32, s.GlobalStores)
	require.EqualValues(t, 16*n/32, s.GlobalStoreSectors)
	require.Zero(t, s.BankConflicts+s.SharedLoads+s.Barriers+s.LocalLoads)
	profile := d.Profile("copy")
	var warps, lanes uint64
	for _, l := range profile {
		warps += l.Warps
		lanes += l.Lanes
	}
	require.Equal(t, s.WarpInstructions, warps)
	require.Equal(t, s.LaneInstructions, lanes)
	d.ResetStats()
	require.Empty(t, d.Stats())
}

func TestSectorsOfStrides(t *testing.T) {
	for _, c := range []struct {
		bytes, stride  uint64
		sectors, lines uint64
	}{
		{4, 4, 4, 1}, {4, 0, 1, 1}, {4, 32, 32, 8}, {4, 128, 32, 32}, {16, 16, 16, 4}, {8, 8, 8, 2}, {4, 1 << 20, 32, 32}, {4, 12, 12, 3},
	} {
		var addr reg64
		for i := range addr {
			addr[i] = 1<<33 + uint64(i*5%32)*c.stride // in any order
		}
		sectors, lines := touched(&addr, allLanes)
		require.Equal(t, [2]uint64{c.sectors, c.lines}, [2]uint64{sectors, lines}, "%+v", c)
	}
}

// Bank conflicts against a count by definition.
func TestBankConflicts(t *testing.T) {
	for _, n := range []int{1, 2, 4, 8, 16} {
		for stride := range 70 {
			for _, m := range []uint32{allLanes, 0xffff, 0x55555555, 1} {
				var addr reg64
				for i := range addr {
					addr[i] = uint64(i * stride * n)
				}
				lanes := map[int]int{8: 16, 16: 8}[n]
				if lanes == 0 {
					lanes = 32
				}
				var want uint64
				for lo := 0; lo < 32; lo += lanes {
					words := [32]map[uint64]bool{}
					worst := 0
					for l := lo; l < lo+lanes; l++ {
						for w := addr[l] / 4; m>>l&1 != 0 && w <= (addr[l]+uint64(n)-1)/4; w++ {
							if words[w%32] == nil {
								words[w%32] = map[uint64]bool{}
							}
							words[w%32][w] = true
							worst = max(worst, len(words[w%32]))
						}
					}
					want += uint64(max(worst, 1) - 1)
				}
				require.Equal(t, want, conflicts(&addr, m, n), "%d bytes, stride %d, lanes %#x", n, stride, m)
			}
		}
	}
}

// Neither results nor counts depend on the order of the blocks or the goroutines.
func TestSameBitsAndCountsInAnyOrder(t *testing.T) {
	const n = 50
	var want []float32
	var counts map[string]Stats
	for i, opts := range [][]Option{{Threads(1)}, {Threads(7)}, {ShuffleBlocks(1), Threads(1)}, {ShuffleBlocks(2), Threads(5)}} {
		d, m := load(t, "basic", opts...)
		c, a, b := room(t, d, 4*n*n), upload(t, d, randoms(1, n*n)), upload(t, d, randoms(2, n*n))
		l := driver.Launch{Grid: driver.Dim{X: 4, Y: 4, Z: 1}, Block: driver.Dim{X: 16, Y: 16, Z: 1}}
		require.NoError(t, d.Launch(kernelOf(t, m, "matmul"), l, uint64(c), uint64(a), uint64(b), n, n, n))
		got := download[float32](t, d, c, n*n)
		if i == 0 {
			want, counts = got, d.Stats()
		}
		require.Equal(t, want, got)
		require.Equal(t, counts, d.Stats())
	}
	s := counts["matmul"]
	// 4 tiles of 16 rounds for 16 x 256 threads, an FMA each; sa has conflicts between
	// the two rows of a warp only where its rows lie 32 words apart: none.
	require.EqualValues(t, 2*4*16*16*256, s.Flops)
	require.EqualValues(t, 16*8*8, s.Barriers)
}

// A fault is that of the first block in the order, however many goroutines find one.
func TestTheFirstFaultIsReported(t *testing.T) {
	var want string
	for i := range 5 {
		d, m := load(t, "flow", Threads(1+i))
		y := uint64(room(t, d, 4*128*2)) // blocks from 2 on write behind it
		err := d.Launch(kernelOf(t, m, "nested"), grid(20, 128), y, 1<<20)
		f := faultOf(t, err)
		require.Equal(t, driver.D1(2).X, f.Block.X)
		if i == 0 {
			want = err.Error()
		}
		require.Equal(t, want, err.Error())
	}
}

func TestStatsAdd(t *testing.T) {
	var a Stats
	for i, p := range a.list() {
		*p = uint64(i)
	}
	b := a
	b.Add(&a)
	for i, p := range b.list() {
		require.EqualValues(t, 2*i, *p)
	}
	require.Contains(t, b.String(), "bank conflicts")
}
