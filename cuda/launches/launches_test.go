package launches

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/memplan"
)

const header = ".version 7.8\n.target sm_61\n.address_size 64\n.visible .entry scale(.param .u64 p, .param .u32 n) { ret; }\n"

func kernelOf(t *testing.T, d driver.Driver) driver.Kernel {
	m, err := d.Load(header)
	require.NoError(t, err)
	k, err := m.Kernel("scale")
	require.NoError(t, err)
	return k
}

func TestRecorder(t *testing.T) {
	r := NewRecorder(driver.Info{Name: "none", ComputeCapability: 61})
	k := kernelOf(t, r)
	a, err := r.Alloc(1000)
	require.NoError(t, err)
	b, err := r.Alloc(24)
	require.NoError(t, err)
	r.Tensor(a)
	l := driver.Launch{Grid: driver.D1(3), Block: driver.D1(64)}
	require.NoError(t, r.Launch(k, l, a, 7))
	require.NoError(t, r.Launch(k, l, b, 7))
	require.True(t, driver.IsArgument(r.Launch(k, l, a)), "a refused launch is not noted")
	require.Len(t, r.Launches, 2)
	for i, want := range []Launch{{Bytes: 1000}, {Bytes: 24, Workspaces: 24}} {
		got := r.Launches[i]
		require.Equal(t, []any{"scale", l, want.Bytes, want.Workspaces}, []any{got.Kernel, got.Launch, got.Bytes, got.Workspaces})
	}
	require.NoError(t, r.Free(a))
	require.NoError(t, r.Launch(k, l, a, 7))
	require.Zero(t, r.Launches[2].Bytes)
}

// Of arguments that matter: a convolution of 2×4×4×4 voxels, 10 channels to 30, in tiles of 128 × 48.
func TestArithmetic(t *testing.T) {
	args := []any{driver.Ptr(0), driver.Ptr(0), driver.Ptr(0), driver.Ptr(0), 2, 4, 4, 4, 10, 4, 4, 4, 30, 3, 1, 1, false, 0, 0}
	l := Launch{Kernel: "conv_mid", Launch: driver.Launch{Grid: driver.Dim{X: 1, Y: 1, Z: 2}, Block: driver.D1(128)}}
	l.arithmetic(args)
	require.EqualValues(t, 2*128*30*10*27, l.Flops)
	require.InDelta(t, l.Flops*48/30, l.Executed(), 1e-6, "18 of 48 columns are empty, the two shares are of the sum")
	args[13], args[14], args[16] = 2, 2, true // scattered: an eighth for each class
	l.arithmetic(args)
	require.EqualValues(t, 2*128*30*10*8/8, l.Flops)

	// On tensor cores: 32 bytes of 16 bf16, boxes of 4×8×8 with a halo of 6×10×10.
	args = []any{driver.Ptr(0), driver.Ptr(0), driver.Ptr(0), driver.Ptr(0), 1, 8, 8, 8, 32, 8, 8, 8, 24, 3, 1, 1, false, 3, 3}
	l = Launch{Kernel: "mma_bf16_24", Launch: driver.Launch{Grid: driver.Dim{X: 2, Y: 1, Z: 1}, Block: driver.D1(128)}}
	l.arithmetic(args)
	require.EqualValues(t, 2*512*24*16*27, l.Flops)
	require.EqualValues(t, l.Flops, l.Executed())
	require.EqualValues(t, 2*4, l.Rounds, "one for each of four warps of two blocks")
	require.EqualValues(t, 2*600*32, l.Copied)
	l.Kernel = "mma_tf32_24"
	l.arithmetic(args)
	require.EqualValues(t, 2*512*24*8*27, l.Flops)

	// A gradient of weights: 48 and 24 channels, tiles of 2×4×16 voxels and their surroundings of 2×6×18.
	args = []any{driver.Ptr(0), driver.Ptr(0), driver.Ptr(0), 16, 16, 16, 96, 48, 1, 16, 16, 16, 48, 24, 3, 1, 1, 4, 2, 2, 32, 8, 3, 1, 1}
	l = Launch{Kernel: "mma_grad_bf16_24", Launch: driver.Launch{Grid: driver.Dim{X: 1, Y: 1, Z: 12}, Block: driver.D1(288)}}
	l.arithmetic(args)
	require.EqualValues(t, 2*4096*27*48*24, l.Flops)
	require.EqualValues(t, l.Flops, l.Executed())
	require.EqualValues(t, 9*3*32, l.Rounds)
	require.EqualValues(t, 3*32*(2*6*18+2*4*16)*96, l.Copied)
	// Of a window of 4 at stride 2, eight positions a block: 3×5×17 of the voxels around, in each of eight parts.
	copy(args[14:], []any{4, 2, 1, 4, 2, 2, 32, 8, 2, 2, 2})
	l.Launch = driver.Launch{Grid: driver.Dim{X: 1, Y: 1, Z: 32}, Block: driver.D1(256)}
	l.arithmetic(args)
	require.EqualValues(t, 2*4096*64*48*24, l.Flops)
	require.EqualValues(t, l.Flops, l.Executed())
	require.EqualValues(t, 8*8*32, l.Rounds)
	require.EqualValues(t, 8*32*(3*5*17+2*4*16)*96, l.Copied)
	// Of 5 at stride 3 as many as of 6.
	copy(args[14:], []any{5, 3, 1, 4, 2, 2, 32, 8, 2, 2, 3})
	l.Launch = driver.Launch{Grid: driver.Dim{X: 1, Y: 1, Z: 4 * 27}, Block: driver.D1(256)}
	l.arithmetic(args)
	require.InDelta(t, l.Flops*216/125, l.Executed(), 1)

	// Between few channels and many: two samples of 9×8×8 voxels, two tiles each, by 24 channels, three pieces of bf16.
	p := driver.Ptr(0)
	args = []any{p, p, p, p, p, 2, 24, true, false, 9, 8, 8, false, false}
	l = Launch{Kernel: "wide_to_few_4_bf16", Launch: driver.Launch{Grid: driver.Dim{X: 4, Y: 1, Z: 1}, Block: driver.D1(128)}}
	l.arithmetic(args)
	require.EqualValues(t, 2*2*576*24*2*27, l.Flops)
	require.EqualValues(t, 2*4*512*24*4*27, l.Executed(), "two of four channels")
	require.EqualValues(t, 4*4*2, l.Rounds, "two chunks of channels, four warps")
	require.EqualValues(t, 4*2*2000*16, l.Copied)
	// Tiles of 4×8×8 voxels, three a sample; in fp32 two, and two blocks of three pieces.
	l = Launch{Kernel: "few_to_wide_2_bf16", Launch: driver.Launch{Grid: driver.Dim{X: 6, Y: 1, Z: 1}, Block: driver.D1(192)}}
	l.arithmetic(args)
	require.EqualValues(t, 2*2*576*24*2*27, l.Flops)
	require.EqualValues(t, 2*6*256*24*2*27, l.Executed())
	l = Launch{Kernel: "few_to_wide_2", Launch: driver.Launch{Grid: driver.Dim{X: 4, Y: 2, Z: 1}, Block: driver.D1(192)}}
	l.arithmetic(args)
	require.EqualValues(t, 2*2*576*24*2*27, l.Flops)
	require.EqualValues(t, 2*4*512*24*2*27, l.Executed())
	// Three of four channels, ten lines of threads and 16 threads without work.
	args = []any{p, p, p, p, 3, 24, true, false, 9, 8, 8, 24, 4, 2}
	l = Launch{Kernel: "few_grad_4", Launch: driver.Launch{Grid: driver.Dim{X: 2, Y: 1, Z: 1}, Block: driver.D1(256)}}
	l.arithmetic(args)
	require.EqualValues(t, 2*2*576*24*3*27, l.Flops)
	require.InDelta(t, 2*4*512*25.6*4*27, l.Executed(), 1)
	require.True(t, l.Product())

	// On tensor cores: of a sample one tile of eight planes and one of one, which read nine and two; products of 16 by 8 by 16.
	const product = 2 * 16 * 8 * 16
	args = []any{p, p, 48, p, p, p, 2, 24, true, false, 9, 8, 8, false, false, 8}
	l = Launch{Kernel: "wide_to_few_mma", Launch: driver.Launch{Grid: driver.Dim{X: 4, Y: 1, Z: 1}, Block: driver.D1(192)}}
	l.arithmetic(args)
	require.EqualValues(t, 2*2*576*24*2*27, l.Flops)
	require.EqualValues(t, 2*11*6*28*product, l.Executed(), "six warps, two steps of 54 columns for two times 16 voxels")
	args = []any{p, p, p, p, 2, 120, true, false, 9, 8, 8, false}
	l = Launch{Kernel: "few_to_wide_mma", Launch: driver.Launch{Grid: driver.Dim{X: 4, Y: 2, Z: 1}, Block: driver.D1(256)}}
	l.arithmetic(args)
	require.EqualValues(t, 2*2*576*120*2*27, l.Flops)
	require.EqualValues(t, 2*5*8*4*32*product, l.Executed(), "five pairs of planes, eight warps, four times 32 channels")
	args = []any{p, p, 48, p, 2, 24, true, false, 9, 8, 8, 4, 2}
	l = Launch{Kernel: "few_grad_mma", Launch: driver.Launch{Grid: driver.Dim{X: 2, Y: 1, Z: 1}, Block: driver.D1(256)}}
	l.arithmetic(args)
	require.EqualValues(t, 2*2*576*24*2*27, l.Flops)
	require.EqualValues(t, 2*9*8*16*product, l.Executed())

	// Weights with weights: 24 and 48 channels, 96 outputs; a block has 48 by 48 of a position.
	args = []any{p, p, p, p, p, false, 0, 64, 31, 24, 96, 48, 48, 96, 24 * 48, 72 * 96}
	l = Launch{Kernel: "products_nn", Launch: driver.Launch{Grid: driver.Dim{X: 1, Y: 2, Z: 64}, Block: driver.D1(96)}}
	l.arithmetic(args)
	require.EqualValues(t, 2*8*27*24*48*96, l.Flops)
	require.EqualValues(t, 2*8*27*48*48*96, l.Executed())
	require.True(t, l.Multiplies() && !l.Product())
	require.EqualValues(t, 27*72*96*4*48/72, l.extent(2, args, 27*72*96*4))
	// One product a position; on tensor cores stages of 32.
	args[6] = 4
	l = Launch{Kernel: "products_tf32_nn", Launch: driver.Launch{Grid: driver.Dim{X: 1, Y: 2, Z: 8}, Block: driver.D1(128)}}
	l.arithmetic(args)
	require.EqualValues(t, 2*8*24*48*96, l.Flops)
	require.EqualValues(t, 2*8*48*96*64, l.Executed())

	// Parts of some planes: of what is behind y they touch those.
	l = Launch{Kernel: "conv_parts"}
	require.EqualValues(t, 400, l.extent(0, []any{p, p, 2, 100}, 1000))

	l = Launch{Kernel: "grad_finish"}
	l.arithmetic(nil)
	require.Zero(t, l.Flops)
}

func TestTimedAndCounted(t *testing.T) {
	plan := memplan.New(driver.Info{Name: "none", ComputeCapability: 61})
	c := NewCounted(plan)
	d := &Timed{Driver: c, Repeats: 5}
	k := kernelOf(t, d)
	p, err := d.Alloc(100)
	require.NoError(t, err)
	q, err := d.Alloc(50)
	require.NoError(t, err)
	l := driver.Launch{Grid: driver.D1(3), Block: driver.D1(64)}
	require.NoError(t, d.Launch(k, l, p, 7))
	require.EqualValues(t, 1, plan.Launches(), "nothing is timed before Start")
	d.Start()
	for _, n := range []int{7, 7, 8} { // other pointers, and then another number
		require.NoError(t, d.Launch(k, l, q, n))
	}
	all := d.Stop()
	require.EqualValues(t, 1+3+2*5, plan.Launches())
	require.Len(t, all, 3)
	require.Same(t, all[0], all[1])
	require.NotSame(t, all[0], all[2])
	require.Equal(t, []int{2, 1}, []int{all[0].Count, all[2].Count})
	s, err := d.Seconds(all[0])
	require.NoError(t, err)
	require.Zero(t, s, "nothing takes time there")
	require.NoError(t, d.Free(p))
	_, err = d.Alloc(20)
	require.NoError(t, err)
	require.EqualValues(t, 150, c.Peak())
}
