package predict

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda"
	"voxgrad/cuda/driver"
	"voxgrad/cuda/kernels"
	"voxgrad/cuda/launches"
	"voxgrad/cuda/ptx"
	"voxgrad/device"
	"voxgrad/device/bench"
	"voxgrad/device/meta"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/models/passes"
)

// A card of round numbers: a cycle is a nanosecond, a multiprocessor holds 1024 threads.
var round = Card{Name: "Round", Compute: 80, Multiprocs: 10, GHz: 1, HBM: 100, L2: 1000, Threads: 1024, Blocks: 8, Shared: 100 << 10,
	SharedOptIn: 99 << 10, Registers: 65536, BF16: 1024, TF32: 512, PeakBF16: 2048, FP32: 64, FP64: 4}

func launchOf(kernel string, blocks, threads, shared int) launches.Launch {
	return launches.Launch{Kernel: kernel, Launch: driver.Launch{Grid: driver.D1(blocks), Block: driver.D1(threads), Shared: shared}}
}

// Times in nanoseconds, by hand.
func TestTimesOfALaunch(t *testing.T) {
	const ns, start = 1e9, launchSeconds * 1e9
	// 25 blocks of 8 warps: the busiest of ten multiprocessors has 3, which fit at once: 24 warps, 6 a scheduler fill 0.8.
	l := launchOf("copy", 25, 256, 0)
	l.Bytes = 25 * 8 * 32 * 16 * 100 // each warp turns 100 times, 16 bytes a thread
	k := &Kernel{Registers: 64, Loop: Code{Instructions: 20, Loaded: 8, Stored: 8, Passes: 1}}
	p := round.launch(k, l)
	require.Equal(t, 4, p.Resident, "1024 threads")
	require.InDelta(t, 3*8*100*20/(4*0.8), ns*p.Issue, 1e-6)
	require.InDelta(t, 3*8*100, ns*p.SMem, 1e-6)
	require.InDelta(t, 25*8*100*32*8/1000., ns*p.L2, 1e-6)
	require.InDelta(t, float64(l.Bytes)/(100*0.9), ns*p.HBM, 1e-6)
	require.Equal(t, "HBM", p.Bound)
	require.InDelta(t, ns*p.HBM+start, ns*p.Seconds, 1e-6)

	// What a large L2 keeps is not of HBM.
	l.Taps = l.Bytes / 2
	require.InDelta(t, p.HBM, round.launch(k, l).HBM, 1e-15)
	large := round
	large.L2Bytes = slabs
	require.InDelta(t, p.HBM/2, large.launch(k, l).HBM, 1e-15)

	// 64 lanes for fp32 take a warp's FFMA in half a cycle of the multiprocessor.
	p = round.launch(&Kernel{Loop: Code{Instructions: 10, FFMA: 10, Loaded: 16}}, l)
	require.InDelta(t, 3*8*100*10*32/64., ns*p.Issue, 1e-6)

	// One block of one warp: 0.3 of a quarter of a scheduler's slots. 50 instructions, of which 0.3 are executed.
	p = round.launch(&Kernel{Straight: Code{Instructions: 50, FP64: 30}}, launchOf("finish", 1, 32, 0))
	require.InDelta(t, 30*0.3*32/4, ns*p.Issue, 1e-6, "fp64 takes longer than 15 / (4 · 0.3 / 4)")
	p = round.launch(&Kernel{Straight: Code{Instructions: 50}}, launchOf("finish", 1, 32, 0))
	require.InDelta(t, 50*0.3/(4*0.3/4), ns*p.Issue, 1e-6)

	// A product: 20 blocks of 256 × 96 sums over 480 terms, two a multiprocessor.
	l = launchOf("mma_bf16_96", 20, 256, 40<<10)
	l.Flops, l.Outputs, l.Rounds, l.Copied = 2*20*256*96*480, 20*256*96, 20*8*10, 20*10*96000
	k = &Kernel{Registers: 128, Loop: Code{Instructions: 100, MMA: 50, MMAFlops: 50 * 4096, Passes: 40}, Outer: Code{Instructions: 30, Passes: 2},
		Copy: Code{Instructions: 60, LDGSTS: 2, Loaded: 32, Passes: 8}}
	p = round.launch(k, l)
	require.Equal(t, 2, p.Resident, "shared memory")
	turns := l.Flops / (50 * 4096)
	copies := 20. * 10 * 96000 / (32 * 32)
	require.InDelta(t, (turns*100+20*8*10*30+copies*60)/10/(4*0.8), ns*p.Issue, 1e-3)
	require.InDelta(t, l.Flops/10/1024, ns*p.Tensor, 1e-3)
	require.InDelta(t, (turns*40+20*8*10*2+copies*8)/10, ns*p.SMem, 1e-3)
	require.InDelta(t, 20*10*96000/1000., ns*p.L2, 1e-3)
	require.Equal(t, "tensor", p.Bound)

	// Half of the columns empty: twice the work. An eleventh block waits for a multiprocessor of its own.
	l.Flops, l.Outputs = l.Flops/2, l.Outputs/2
	require.InDelta(t, p.Tensor, round.launch(k, l).Tensor, 1e-12)
	one, two := launchOf("x", 10, 1024, 0), launchOf("x", 11, 1024, 0)
	k = &Kernel{Loop: Code{Instructions: 8, Loaded: 4}}
	one.Bytes, two.Bytes = 10*32*32*4*1000, 11*32*32*4*1000
	require.InDelta(t, 2, round.launch(k, two).Issue/round.launch(k, one).Issue, 1e-9)
}

const listing = `	.text.mma_bf16_24:
.text.mma_bf16_24:
        /*0000*/                   MOV R1, c[0x0][0x28] ;
.L_x_2:
        /*0010*/                   IADD3 R1, R1, 0x1, RZ ;
.L_x_0:
        /*0020*/                   LDGSTS.E.BYPASS.128 [R3], [R4.64], P1 ;
        /*0030*/              @!P0 BRA ` + "`(.L_x_0)" + ` ;
.L_x_1:
        /*0040*/                   LDSM.16.M88.4 R8, [R3] ;
        /*0050*/                   HMMA.16816.F32.BF16 R44, R32, R60, R44 ;
        /*0060*/              @!P0 HMMA.1688.F32.TF32 R44, R32, R60, R44 ;
        /*0070*/               @P2 BRA ` + "`(.L_x_1)" + ` ;
        /*0080*/                   BAR.SYNC 0x0 ;
        /*0090*/              @!P3 BRA ` + "`(.L_x_2)" + ` ;
        /*00a0*/                   STG.E.64 [R2.64], R3 ;
        /*00b0*/                   EXIT ;
.L_x_3:
        /*00c0*/                   BRA ` + "`(.L_x_3)" + `;
.text.scale:
.L_x_4:
        /*0000*/                   LDG.E.128.CONSTANT R4, [R2.64] ;
        /*0010*/                   LDS.128 R4, [R2] ;
        /*0020*/                   STS.U16 [R2], R4 ;
        /*0030*/                   DADD R4, R4, R4 ;
        /*0040*/                   MUFU.RCP R4, R4 ;
        /*0050*/                   FFMA R4, R4, R5, R6 ;
        /*0060*/               @P2 BRA ` + "`(.L_x_4)" + ` ;
        /*0070*/                   EXIT ;
`

func TestCountsOfAListing(t *testing.T) {
	all, err := FromSASS(80, listing)
	require.NoError(t, err)
	require.Equal(t, []Kernel{
		{Arch: 80, Name: "mma_bf16_24",
			Straight: Code{Instructions: 4, STG: 1, Stored: 8},
			Loop:     Code{Instructions: 4, MMA: 2, MMAFlops: 4096 + 2048, LDS: 1, Passes: 4},
			Outer:    Code{Instructions: 3},
			Copy:     Code{Instructions: 2, LDGSTS: 1, Loaded: 16, Passes: 4}},
		{Arch: 80, Name: "scale", Straight: Code{Instructions: 1},
			Loop: Code{Instructions: 7, LDG: 1, Loaded: 16, LDS: 1, STS: 1, FP64: 1, MUFU: 1, FFMA: 1, Passes: 3}},
	}, all)
	_, err = FromSASS(80, "nothing")
	require.ErrorContains(t, err, "nvdisasm")

	all[0].Registers, all[0].Shared = 40, 1024
	sources := map[string]string{"a.sm_80.ptx": Hash([]byte("x"))}
	read, err := ParseTable(string(Format("ptxas V1", sources, all)))
	require.NoError(t, err)
	require.Equal(t, "ptxas V1", read.Compiler)
	_, err = ParseTable(strings.Replace(string(Format("ptxas V1", sources, all)), "80 scale", "86 scale", 1))
	require.ErrorContains(t, err, "edited or merged")
	require.Equal(t, sources, read.Sources)
	require.Equal(t, &all[0], read.Kernel(80, "mma_bf16_24"))
	require.Equal(t, &all[1], read.Kernel(80, "scale"))
	for text, says := range map[string]string{
		"compiler x\n80 k 1": "line 3", "80 k 1 2 loop 1 2 3 4 5 6 7 8 9 10 11 12 13 14": "names no compiler",
		"compiler x\n80 k 1 2 hole 1 2 3 4 5 6 7 8 9 10 11 12 13 14": `no part "hole"`,
	} {
		_, err := ParseTable(string(sumLine(text)) + text)
		require.ErrorContains(t, err, says)
	}
}

// The table has every kernel for every card's architecture, and no other. `make predict-table` makes it.
func TestTableHasTheKernels(t *testing.T) {
	want := map[machine]bool{}
	for _, arch := range Architectures() {
		for _, name := range kernels.Names() {
			text, variant, err := kernels.Source(name, arch)
			require.NoError(t, err)
			file := name + "." + variant + ".ptx"
			require.Equal(t, Hash([]byte(text)), table().Sources[file], "the table is of another %s: run make predict-table", file)
			m, err := ptx.Parse(text)
			require.NoError(t, err)
			for _, e := range m.Entries() {
				want[machine{arch, e.Name}] = true
				k, err := KernelOn(arch, e.Name)
				require.NoError(t, err)
				require.Positive(t, k.Registers, e.Name)
				require.Positive(t, k.Straight.Instructions, e.Name)
				if (launches.Launch{Kernel: e.Name}).Product() {
					require.Positive(t, k.Loop.FFMA+k.Loop.MMA, "%s: a product whose main loop was not found", e.Name)
				}
			}
		}
	}
	for k := range table().kernels {
		require.True(t, want[k], "%v is in the table and no kernel", k)
	}
	require.True(t, strings.HasPrefix(Compiler(), "ptxas V"), Compiler())
}

func TestCardOf(t *testing.T) {
	for name, want := range map[string]string{"h200": "H200", "NVIDIA H200": "H200", "NVIDIA H100 80GB HBM3": "H100", "RTX 4090": "RTX4090", "NVIDIA A100-SXM4-80GB": "A100",
		"NVIDIA GeForce RTX 3090": "RTX3090", "rtx-3090": "RTX3090"} {
		c, err := CardOf(name)
		require.NoError(t, err)
		require.Equal(t, want, c.Name)
	}
	for _, name := range []string{"", "H", "NVIDIA GeForce RTX 3090 Ti", "TPU"} {
		_, err := CardOf(name)
		require.ErrorContains(t, err, fmt.Sprintf("%q; there are those of H200, H100, A100, RTX4090, RTX3090", name))
	}
	// Data sheets: 67 TFLOP/s in fp32, 989 in bf16, 495 in tf32; 19.5, 312 and 156; 82.6 and 165; 35.6 and 71.
	for name, want := range map[string][3]float64{"H200": {67, 495, 989}, "A100": {19.5, 156, 312}, "RTX4090": {82.6, 82.6, 165}, "RTX3090": {35.6, 35.6, 71}} {
		c, err := CardOf(name)
		require.NoError(t, err)
		for i, p := range []cuda.Precision{cuda.FP32, cuda.TF32, cuda.BF16} {
			require.InEpsilon(t, want[i], c.Peak(p)/1e12, 0.005, "%s, %v", name, p)
		}
	}
}

// A step of the published segmenter in each precision: what is listed is what is done, on every card.
func TestStepOfTheSegmenter(t *testing.T) {
	c, s := models.Default(models.Segmenter), bench.Published
	counted := meta.New(0)
	n, err := passes.Open(counted, c, s)
	require.NoError(t, err)
	step := n.Pass("Step")
	step()
	counted.ResetWork()
	step()
	last := map[string]float64{}
	for _, precision := range []cuda.Precision{cuda.FP32, cuda.TF32, cuda.BF16} {
		d, err := NewDry(cards[0], precision)
		require.NoError(t, err)
		n, err := passes.Open(d, c, s)
		require.NoError(t, err)
		d.Names = n.Layer
		p, err := d.Predict(n.Pass("Step"))
		require.NoError(t, err)
		require.Equal(t, counted.Total().Flops, p.Flops)
		require.Greater(t, p.Seconds, p.Floor)
		require.Equal(t, precision.String(), p.Precision)
		executed, sum := 0.0, 0.0
		for i, l := range d.rec.Launches {
			k, err := KernelOn(90, l.Kernel)
			require.NoError(t, err)
			if k.Loop.MMA > 0 || k.Loop.FFMA >= 64 && l.Product() {
				require.Positive(t, l.Flops, "%s: a product whose arithmetic is not known", l.Kernel)
				require.GreaterOrEqual(t, l.Executed(), l.Flops)
			}
			if k.Loop.MMA > 0 && l.Product() {
				require.Positive(t, l.Rounds, l.Kernel)
				require.Positive(t, l.Copied, l.Kernel)
			}
			require.Positive(t, p.Launches[i].Bytes, l.Kernel)
			executed += l.Executed()
			sum += p.Launches[i].Seconds
		}
		require.InDelta(t, p.Seconds, sum, 1e-9)
		// A third of what the definition asks for is not done: composite weights; tiles leave some empty.
		require.InDelta(t, 1.5, float64(p.Flops)/executed, 0.25)
		for _, groups := range [][]Group{p.Layers, p.Kernels} {
			seconds, count := 0.0, 0
			for _, g := range groups {
				seconds, count = seconds+g.Seconds, count+g.Launches
			}
			require.InDelta(t, p.Seconds, seconds, 1e-9)
			require.Equal(t, len(p.Launches), count)
		}
		for _, want := range []string{"conv1", "conv10", "conv_out", "MaxPool", "Adam"} {
			require.True(t, slices.ContainsFunc(p.Layers, func(g Group) bool { return g.Name == want }), want)
		}
		for _, card := range cards {
			on, err := d.On(card)
			require.NoError(t, err)
			all := on.Seconds
			// tf32 has no higher rate than fp32 where the card is of Ampere or Ada.
			if was := last[card.Name]; was > 0 && (precision == cuda.BF16 || card.Compute == 90) {
				require.Less(t, all, was, "%s: %v against the precision before", card.Name, precision)
			}
			last[card.Name] = all
		}
		n.Close()
		require.NoError(t, d.Close())
	}
	require.Less(t, last["H200"], last["H100"])
	require.Less(t, last["H100"], last["RTX4090"])
	require.Less(t, last["RTX4090"], last["RTX3090"])
}

// On every architecture the main loops of the products of the widest layer have at most three instructions for each MMA, forward and in both gradients.
func TestInstructionsOfTensorCores(t *testing.T) {
	for _, up := range []string{layers.Transposed, layers.Trilinear} {
		for _, precision := range []cuda.Precision{cuda.TF32, cuda.BF16} {
			d, err := NewDry(cards[0], precision)
			require.NoError(t, err)
			c := models.Default(models.Segmenter)
			c.Up = up
			n, err := passes.Open(d, c, bench.Published)
			require.NoError(t, err)
			d.Names = n.Layer
			p, err := d.Predict(n.Pass("Step"))
			require.NoError(t, err)
			ops := map[string]int{}
			for _, l := range p.Launches {
				if l.Layer != "conv10" || l.Tensor == 0 || !strings.HasPrefix(l.Kernel, "mma_") { // weights with weights are no such product
					continue
				}
				ops[l.Op]++
				for _, arch := range []int{80, 86, 89, 90} {
					k, err := KernelOn(arch, l.Kernel)
					require.NoError(t, err)
					require.LessOrEqual(t, k.PerProduct(), 3.0, "%s for sm_%d", l.Kernel, arch)
				}
			}
			require.GreaterOrEqual(t, ops["CatConv"], 1, "%s, %v", up, precision)
			require.GreaterOrEqual(t, ops["CatConvGrad"], 2, "gradients of the sources and of the weights")
			n.Close()
			require.NoError(t, d.Close())
		}
	}
}

// A kernel that the table lacks is an error that says what to do.
func TestUnknownKernel(t *testing.T) {
	_, err := cards[0].Launch(launchOf("a_new_one", 1, 32, 0))
	require.ErrorContains(t, err, "no kernel a_new_one for sm_90")
	require.ErrorContains(t, err, "make predict-table")
}

func TestDryIsHollow(t *testing.T) {
	d, err := NewDry(cards[0], cuda.FP32)
	require.NoError(t, err)
	defer d.Close()
	var b device.ImagingBackend = d
	_, hollow := b.(bench.Hollow)
	require.True(t, hollow)
}
