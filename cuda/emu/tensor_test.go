package emu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
)

// The figures of "Matrix Fragments for mma.m16n8k16" and "mma.m16n8k8" in NVIDIA's PTX ISA: which thread holds an element of a
// matrix, and as which of its elements: "5.2" is a2, b2 or c2 of thread 5.
const (
	isaA16 = `
0.0 0.1 1.0 1.1 2.0 2.1 3.0 3.1 0.4 0.5 1.4 1.5 2.4 2.5 3.4 3.5
4.0 4.1 5.0 5.1 6.0 6.1 7.0 7.1 4.4 4.5 5.4 5.5 6.4 6.5 7.4 7.5
8.0 8.1 9.0 9.1 10.0 10.1 11.0 11.1 8.4 8.5 9.4 9.5 10.4 10.5 11.4 11.5
12.0 12.1 13.0 13.1 14.0 14.1 15.0 15.1 12.4 12.5 13.4 13.5 14.4 14.5 15.4 15.5
16.0 16.1 17.0 17.1 18.0 18.1 19.0 19.1 16.4 16.5 17.4 17.5 18.4 18.5 19.4 19.5
20.0 20.1 21.0 21.1 22.0 22.1 23.0 23.1 20.4 20.5 21.4 21.5 22.4 22.5 23.4 23.5
24.0 24.1 25.0 25.1 26.0 26.1 27.0 27.1 24.4 24.5 25.4 25.5 26.4 26.5 27.4 27.5
28.0 28.1 29.0 29.1 30.0 30.1 31.0 31.1 28.4 28.5 29.4 29.5 30.4 30.5 31.4 31.5
0.2 0.3 1.2 1.3 2.2 2.3 3.2 3.3 0.6 0.7 1.6 1.7 2.6 2.7 3.6 3.7
4.2 4.3 5.2 5.3 6.2 6.3 7.2 7.3 4.6 4.7 5.6 5.7 6.6 6.7 7.6 7.7
8.2 8.3 9.2 9.3 10.2 10.3 11.2 11.3 8.6 8.7 9.6 9.7 10.6 10.7 11.6 11.7
12.2 12.3 13.2 13.3 14.2 14.3 15.2 15.3 12.6 12.7 13.6 13.7 14.6 14.7 15.6 15.7
16.2 16.3 17.2 17.3 18.2 18.3 19.2 19.3 16.6 16.7 17.6 17.7 18.6 18.7 19.6 19.7
20.2 20.3 21.2 21.3 22.2 22.3 23.2 23.3 20.6 20.7 21.6 21.7 22.6 22.7 23.6 23.7
24.2 24.3 25.2 25.3 26.2 26.3 27.2 27.3 24.6 24.7 25.6 25.7 26.6 26.7 27.6 27.7
28.2 28.3 29.2 29.3 30.2 30.3 31.2 31.3 28.6 28.7 29.6 29.7 30.6 30.7 31.6 31.7`

	isaB16 = `
0.0 4.0 8.0 12.0 16.0 20.0 24.0 28.0
0.1 4.1 8.1 12.1 16.1 20.1 24.1 28.1
1.0 5.0 9.0 13.0 17.0 21.0 25.0 29.0
1.1 5.1 9.1 13.1 17.1 21.1 25.1 29.1
2.0 6.0 10.0 14.0 18.0 22.0 26.0 30.0
2.1 6.1 10.1 14.1 18.1 22.1 26.1 30.1
3.0 7.0 11.0 15.0 19.0 23.0 27.0 31.0
3.1 7.1 11.1 15.1 19.1 23.1 27.1 31.1
0.2 4.2 8.2 12.2 16.2 20.2 24.2 28.2
0.3 4.3 8.3 12.3 16.3 20.3 24.3 28.3
1.2 5.2 9.2 13.2 17.2 21.2 25.2 29.2
1.3 5.3 9.3 13.3 17.3 21.3 25.3 29.3
2.2 6.2 10.2 14.2 18.2 22.2 26.2 30.2
2.3 6.3 10.3 14.3 18.3 22.3 26.3 30.3
3.2 7.2 11.2 15.2 19.2 23.2 27.2 31.2
3.3 7.3 11.3 15.3 19.3 23.3 27.3 31.3`

	isaA8 = `
0.0 1.0 2.0 3.0 0.2 1.2 2.2 3.2
4.0 5.0 6.0 7.0 4.2 5.2 6.2 7.2
8.0 9.0 10.0 11.0 8.2 9.2 10.2 11.2
12.0 13.0 14.0 15.0 12.2 13.2 14.2 15.2
16.0 17.0 18.0 19.0 16.2 17.2 18.2 19.2
20.0 21.0 22.0 23.0 20.2 21.2 22.2 23.2
24.0 25.0 26.0 27.0 24.2 25.2 26.2 27.2
28.0 29.0 30.0 31.0 28.2 29.2 30.2 31.2
0.1 1.1 2.1 3.1 0.3 1.3 2.3 3.3
4.1 5.1 6.1 7.1 4.3 5.3 6.3 7.3
8.1 9.1 10.1 11.1 8.3 9.3 10.3 11.3
12.1 13.1 14.1 15.1 12.3 13.3 14.3 15.3
16.1 17.1 18.1 19.1 16.3 17.3 18.3 19.3
20.1 21.1 22.1 23.1 20.3 21.3 22.3 23.3
24.1 25.1 26.1 27.1 24.3 25.3 26.3 27.3
28.1 29.1 30.1 31.1 28.3 29.3 30.3 31.3`

	isaB8 = `
0.0 4.0 8.0 12.0 16.0 20.0 24.0 28.0
1.0 5.0 9.0 13.0 17.0 21.0 25.0 29.0
2.0 6.0 10.0 14.0 18.0 22.0 26.0 30.0
3.0 7.0 11.0 15.0 19.0 23.0 27.0 31.0
0.1 4.1 8.1 12.1 16.1 20.1 24.1 28.1
1.1 5.1 9.1 13.1 17.1 21.1 25.1 29.1
2.1 6.1 10.1 14.1 18.1 22.1 26.1 30.1
3.1 7.1 11.1 15.1 19.1 23.1 27.1 31.1`

	isaC = `
0.0 0.1 1.0 1.1 2.0 2.1 3.0 3.1
4.0 4.1 5.0 5.1 6.0 6.1 7.0 7.1
8.0 8.1 9.0 9.1 10.0 10.1 11.0 11.1
12.0 12.1 13.0 13.1 14.0 14.1 15.0 15.1
16.0 16.1 17.0 17.1 18.0 18.1 19.0 19.1
20.0 20.1 21.0 21.1 22.0 22.1 23.0 23.1
24.0 24.1 25.0 25.1 26.0 26.1 27.0 27.1
28.0 28.1 29.0 29.1 30.0 30.1 31.0 31.1
0.2 0.3 1.2 1.3 2.2 2.3 3.2 3.3
4.2 4.3 5.2 5.3 6.2 6.3 7.2 7.3
8.2 8.3 9.2 9.3 10.2 10.3 11.2 11.3
12.2 12.3 13.2 13.3 14.2 14.3 15.2 15.3
16.2 16.3 17.2 17.3 18.2 18.3 19.2 19.3
20.2 20.3 21.2 21.3 22.2 22.3 23.2 23.3
24.2 24.3 25.2 25.3 26.2 26.3 27.2 27.3
28.2 28.3 29.2 29.3 30.2 30.3 31.2 31.3`

	// The threads of an 8 x 8 matrix of 16 bits behind ldmatrix, each with two elements of a row.
	isaRows = `
0 0 1 1 2 2 3 3
4 4 5 5 6 6 7 7
8 8 9 9 10 10 11 11
12 12 13 13 14 14 15 15
16 16 17 17 18 18 19 19
20 20 21 21 22 22 23 23
24 24 25 25 26 26 27 27
28 28 29 29 30 30 31 31`
)

// places reads a figure: the place of element i of a lane.
func places(t *testing.T, figure string) map[[2]int]element {
	m := map[[2]int]element{}
	for r, row := range strings.Split(strings.TrimSpace(figure), "\n") {
		for c, entry := range strings.Fields(row) {
			var lane, i int
			_, err := fmt.Sscanf(entry, "%d.%d", &lane, &i)
			require.NoError(t, err)
			m[[2]int{lane, i}] = element{r, c}
		}
	}
	return m
}

func TestFragmentsAreThoseOfTheISA(t *testing.T) {
	for name, c := range map[string]struct {
		figure string
		f      fragment
		n      int // elements of a lane
	}{
		"a16": {isaA16, fragmentA16, 8}, "b16": {isaB16, fragmentB16, 4}, "a8": {isaA8, fragmentA8, 4}, "b8": {isaB8, fragmentB8, 2}, "c": {isaC, fragmentC, 4},
	} {
		want := places(t, c.figure)
		require.Len(t, want, 32*c.n, name)
		for lane := range 32 {
			for i := range c.n {
				require.Equal(t, want[[2]int{lane, i}], c.f(lane/4, lane%4, i), "%s: lane %d, element %d", name, lane, i)
			}
		}
	}
}

// mmaKernel multiplies fragments that the host has laid out: lane l has words 4l of a, 2l of b and 4l of c.
func mmaKernel(shape, kind string) string {
	return ptxHead + `.visible .entry k(.param .u64 d, .param .u64 a, .param .u64 b, .param .u64 c) {
	.reg .b32 t, a<4>, b<2>; .reg .f32 c<4>, d<4>; .reg .b64 p, q, l8, l16;
	mov.u32 t, %tid.x; mul.wide.u32 l8, t, 8; mul.wide.u32 l16, t, 16;
	ld.param.u64 p, [a]; add.u64 p, p, l16; ld.global.v4.b32 {a0, a1, a2, a3}, [p];
	ld.param.u64 p, [b]; add.u64 p, p, l8; ld.global.v2.b32 {b0, b1}, [p];
	ld.param.u64 p, [c]; add.u64 p, p, l16; ld.global.v4.f32 {c0, c1, c2, c3}, [p];
	mma.sync.aligned.` + shape + `.row.col.f32.` + kind + `.` + kind + `.f32 {d0, d1, d2, d3}, {a0, a1, a2, a3}, {b0, b1}, {c0, c1, c2, c3};
	ld.param.u64 q, [d]; add.u64 q, q, l16; st.global.v4.f32 [q], {d0, d1, d2, d3};
	ret; }`
}

// Known matrices, laid out by the figures, are multiplied: integers exactly, other numbers within what their bits allow.
func TestMMAMultiplies(t *testing.T) {
	for _, c := range []struct {
		shape, kind        string
		k, bits            int
		figureA, figureB   string
		perWord, mantissas int
	}{
		{"m16n8k16", "bf16", 16, 16, isaA16, isaB16, 2, 7},
		{"m16n8k8", "tf32", 8, 32, isaA8, isaB8, 1, 10},
	} {
		d := New()
		m, err := d.Load(mmaKernel(c.shape, c.kind))
		require.NoError(t, err)
		r := rand.New(rand.NewPCG(1, 2))
		for _, integers := range []bool{true, false} {
			draw := func() float64 {
				if integers {
					return float64(r.IntN(17) - 8)
				}
				return r.NormFloat64()
			}
			// pack lays a matrix out and returns what its words hold.
			pack := func(rows, cols int, figure string, words int) ([]uint32, [][]float64) {
				w, held := make([]uint32, 32*words), make([][]float64, rows)
				for i := range held {
					held[i] = make([]float64, cols)
				}
				for at, e := range places(t, figure) {
					bits := math.Float32bits(float32(draw()))
					if integers && c.perWord == 1 {
						bits |= uint32(r.IntN(1 << 13)) // bits that tf32 does not have are not looked at
					}
					held[e.row][e.col] = float64(math.Float32frombits(bits &^ (1<<(23-c.mantissas) - 1)))
					if c.perWord == 2 {
						bits >>= 16
					}
					w[at[0]*words+at[1]/c.perWord] |= bits << (16 * (at[1] % c.perWord))
				}
				return w, held
			}
			wa, a := pack(16, c.k, c.figureA, 4)
			wb, b := pack(c.k, 8, c.figureB, 2)
			wc := make([]float32, 128)
			for i := range wc {
				wc[i] = float32(draw())
			}
			out := room(t, d, 4*128)
			require.NoError(t, d.Launch(kernelOf(t, m, "k"), grid(1, 32), out, upload(t, d, wa), upload(t, d, wb), upload(t, d, wc)))
			got := download[float32](t, d, out, 128)
			for at, e := range places(t, isaC) {
				want := float64(wc[4*at[0]+at[1]])
				for q := range c.k {
					want += a[e.row][q] * b[q][e.col]
				}
				if integers {
					require.Equal(t, float32(want), got[4*at[0]+at[1]], "%s, row %d, column %d", c.kind, e.row, e.col)
				} else {
					require.InDelta(t, want, got[4*at[0]+at[1]], 1e-6*(1+math.Abs(want)))
				}
			}
		}
		require.EqualValues(t, 2*2*16*8*c.k, d.Stats()["k"].Flops)
	}
}

func TestLdmatrix(t *testing.T) {
	owners := strings.Fields(isaRows) // of element 8r + c
	for _, n := range []int{1, 2, 4} {
		for _, trans := range []string{"", ".trans"} {
			regs := []string{"r0", "r1", "r2", "r3"}[:n]
			d := New()
			// Word i of shared memory holds the halves 2i and 2i + 1; row r of a matrix is at byte 16·(37·r mod 32), so that rows are in no order.
			m, err := d.Load(ptxHead + `.visible .entry k(.param .u64 y) {
	.reg .b32 t, i, v, w, r<4>; .reg .b64 p, o; .reg .pred q; .shared .align 16 .b8 s[512];
	mov.u32 t, %tid.x; mov.u32 i, s; add.u32 i, i, t;
l:	shl.b32 v, i, 1; mad.lo.u32 w, v, 65536, v; add.u32 w, w, 65536; shl.b32 v, i, 2; st.shared.b32 [v], w;
	add.u32 i, i, 32; setp.lt.u32 q, i, 128; @q bra l;
	bar.sync 0; mul.lo.u32 v, t, 37; and.b32 v, v, 31; shl.b32 v, v, 4;
	mov.b32 r0, 0; mov.b32 r1, 0; mov.b32 r2, 0; mov.b32 r3, 0;
	ldmatrix.sync.aligned.m8n8.x` + fmt.Sprint(n) + trans + `.shared.b16 {` + strings.Join(regs, ", ") + `}, [v];
	ld.param.u64 p, [y]; mul.wide.u32 o, t, 16; add.u64 p, p, o; st.global.v4.b32 [p], {r0, r1, r2, r3};
	ret; }`)
			require.NoError(t, err)
			y := room(t, d, 16*32)
			require.NoError(t, d.Launch(kernelOf(t, m, "k"), grid(1, 32), y))
			got, want := download[uint16](t, d, y, 256), make([]uint16, 256)
			for i := range n {
				second := map[string]int{}
				for e, owner := range owners {
					row, col := e/8, e%8
					if trans != "" {
						row, col = col, row
					}
					var lane int
					_, _ = fmt.Sscan(owner, &lane)
					want[8*lane+2*i+second[owner]] = uint16(8*(37*(8*i+row)%32) + col)
					second[owner]++
				}
			}
			require.Equal(t, want, got, "x%d%s", n, trans)
			require.EqualValues(t, 1, d.Stats()["k"].SharedLoads)
			require.Zero(t, d.Stats()["k"].BankConflicts)
		}
	}
}

func bf16s(v []float32) []uint16 {
	out := make([]uint16, len(v))
	for i := range v {
		out[i] = uint16(math.Float32bits(v[i]) >> 16)
	}
	return out
}

// productOf runs kernel product_bf16 of a PTX on integers: 64 x k times k x n.
func productOf(t *testing.T, text string, k, n int, opts ...Option) error {
	d := New(opts...)
	m, err := d.Load(text)
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(3, 4))
	integers := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.IntN(17) - 8)
		}
		return v
	}
	a, b := integers(64*k), integers(k*n)
	y := room(t, d, int64(4*64*n))
	err = d.Launch(kernelOf(t, m, "product_bf16"), grid(n/8, 128), y, upload(t, d, bf16s(a)), upload(t, d, bf16s(b)), k, n)
	if err != nil {
		return err
	}
	got := download[float32](t, d, y, 64*n)
	for i := range 64 {
		for j := range n {
			var want float32
			for q := range k {
				want += a[i*k+q] * b[q*n+j]
			}
			if got[i*n+j] != want {
				return fmt.Errorf("y[%d,%d] is %g, not %g", i, j, got[i*n+j], want)
			}
		}
	}
	return nil
}

func tensorPTX(t *testing.T) string {
	text, err := os.ReadFile("testdata/tensor.ptx")
	require.NoError(t, err)
	return string(text)
}

// Two stages of copies, reads of matrices and products by four warps, with a tail of k that is filled with zeros.
func TestProductsInStages(t *testing.T) {
	for _, k := range []int{8, 16, 24, 64, 104} {
		require.NoError(t, productOf(t, tensorPTX(t), k, 24, BlockRaces(), ShuffleBlocks(uint64(k))), "k %d", k)
	}
	d, m := load(t, "tensor", BlockRaces())
	const k = 40
	a, b := randoms(5, 16*k), randoms(6, 8*k)
	y := room(t, d, 4*16*8)
	require.NoError(t, d.Launch(kernelOf(t, m, "product_tf32"), grid(1, 32), y, upload(t, d, a), upload(t, d, b), k))
	cut := func(v float32) float64 { return float64(math.Float32frombits(math.Float32bits(v) &^ (1<<13 - 1))) }
	for i, got := range download[float32](t, d, y, 16*8) {
		var want float64
		for q := range k {
			want += cut(a[i/8*k+q]) * cut(b[i%8*k+q])
		}
		require.InDelta(t, want, got, 1e-5)
	}
}

// What hardware would let pass, planted into the kernel.
func TestPlantedInProducts(t *testing.T) {
	sound := tensorPTX(t)
	for name, c := range map[string]struct {
		old, new string
		times    int // the last one of so many is changed; 0: all are
		kind     Kind
		detail   string
	}{
		"a stage that is not waited for":    {"cp.async.wait_group 1;", "", 0, AsyncCopy, "which has not waited for it"},
		"a wait for too few groups":         {"cp.async.wait_group 1;", "cp.async.wait_group 2;", 0, AsyncCopy, "is being copied to by thread"},
		"no barrier behind the wait":        {"bar.sync \t0;", "", 1, SharedRace, "no barrier between"},
		"no barrier before the next stage":  {"bar.sync \t0;", "", 2, SharedRace, "no barrier between"},
		"a copy without a group":            {"cp.async.commit_group;", "", 2, AsyncCopy, "is being copied to"},
		"a row at a multiple of 8 bytes":    {"ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r73,%r74,%r75,%r76}, [%r77];", "add.u32 %r77, %r77, 8; ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r73,%r74,%r75,%r76}, [%r77];", 0, Misaligned, "16 bytes"},
		"a row behind the end":              {"[%r80];", "[%r80+65536];", 0, OutOfRange, "of shared memory"},
		"more of the source than is copied": {"16, %r58;", "16, 17;", 0, OutOfRange, "17 bytes of the source for a copy of 16"},
		"a source at a multiple of 8 bytes": {"[%rd37], 16", "[%rd37+8], 16", 0, Misaligned, "copy of 16 bytes from address"},
		"a source behind the end":           {"[%rd39], 16", "[%rd39+8192], 16", 0, OutOfRange, "after the end"},
	} {
		text := sound
		switch at := 0; c.times {
		case 0:
			text = strings.ReplaceAll(text, c.old, c.new)
		default:
			for range c.times {
				at = strings.Index(text[at+1:], c.old) + at + 1
			}
			text = text[:at] + c.new + text[at+len(c.old):]
		}
		require.NotEqual(t, sound, text, name)
		err := productOf(t, text, 64, 8)
		f := faultOf(t, err)
		require.Equal(t, c.kind, f.Kind, "%s: %v", name, err)
		require.Contains(t, f.Detail, c.detail, name)
	}
}

// Matrix instructions need the whole warp; copies and what they go to are left alone until they have been waited for.
func TestPlantedAroundTensors(t *testing.T) {
	const mma = "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {f0, f1, f2, f3}, {r0, r0, r0, r0}, {r0, r0}, {f0, f1, f2, f3};"
	const start = "cp.async.ca.shared.global [a], [d], 4;"
	for body, c := range map[string]struct {
		kind   Kind
		detail string
		block  int
	}{
		mma: {"", "", 32},
		"ldmatrix.sync.aligned.m8n8.x1.shared.b16 {r0}, [0];":                       {Uninitialised, "nobody wrote byte 0", 32},
		"st.shared.b32 [a], t; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {r0}, [0];": {SharedRace, "written by thread (1,0,0)", 32},
		"@p " + mma:                {DivergentMatrix, "lane 7 does not take part", 32},
		"@p bra l; " + mma + " l:": {DivergentMatrix, "lane 0 does not take part", 32},
		"@p exit; " + mma:          {DivergentMatrix, "lane 0 does not take part", 32},
		mma + "\t":                 {DivergentMatrix, "lane 20 does not take part", 20},
		"@p ldmatrix.sync.aligned.m8n8.x1.shared.b16 {r0}, [0];":                                                         {DivergentMatrix, "lane 7 does not take part", 32},
		start + "cp.async.wait_all; ld.shared.b32 r0, [a];":                                                              {"", "", 32},
		start + "ld.shared.b32 r0, [a];":                                                                                 {AsyncCopy, "byte 0 of shared memory is being copied to by thread (0,0,0), which has not waited for it", 32},
		start + "cp.async.commit_group; ld.shared.b32 r0, [a];":                                                          {AsyncCopy, "is being copied to", 32},
		start + "cp.async.commit_group; cp.async.wait_group 1; ld.shared.b32 r0, [a];":                                   {AsyncCopy, "is being copied to", 32},
		start + "cp.async.wait_group 0; ld.shared.b32 r0, [a];":                                                          {AsyncCopy, "is being copied to", 32},
		start + "st.shared.b32 [a], t;":                                                                                  {AsyncCopy, "is being copied to", 32},
		start + "red.shared.add.u32 [a], 1;":                                                                             {AsyncCopy, "is being copied to", 32},
		start + start:                                                                                                    {AsyncCopy, "is being copied to", 32},
		start + "cp.async.wait_all; ld.shared.b32 r0, [b];":                                                              {SharedRace, "with no barrier between", 32},
		start + "cp.async.wait_all; bar.warp.sync -1; ld.shared.b32 r0, [b];":                                            {"", "", 32},
		start + "@p cp.async.wait_all; bar.warp.sync -1; ld.shared.b32 r0, [b];":                                         {AsyncCopy, "by thread (7,0,0)", 32},
		"st.shared.b32 [a], t; bar.sync 0; ld.shared.b32 r0, [b];" + start:                                               {SharedRace, "was read by thread", 32},
		"cp.async.ca.shared.global [a], [d], 4, 0; cp.async.wait_all; ld.shared.b32 r0, [a]; @!p st.global.b32 [d], r0;": {"", "", 32},
		start + "cp.async.commit_group; @p cp.async.wait_group 0; bar.warp.sync -1; ld.shared.b32 r0, [b];":              {AsyncCopy, "by thread (7,0,0)", 32},
		start + "bar.sync 0; cp.async.wait_all; ld.shared.b32 r0, [b];":                                                  {SharedRace, "with no barrier between", 32},
		"@!p ret; add.u32 a, a, a; cvt.u64.u32 o, t; mad.lo.u64 d, o, 4, d; cp.async.ca.shared.global [a], [d], 8, 4; cp.async.wait_all;" +
			"ld.shared.b32 r0, [a+4]; setp.ne.u32 p, r0, 0; @p trap;": {"", "", 32}, // what the source does not fill is 0
		"mov.b64 d, 0; cp.async.ca.shared.global [a], [d], 4, 0;":   {"", "", 32},
		"mov.b64 d, 0; cp.async.ca.shared.global [a], [d], 4, 1;":   {NullPointer, "", 32},
		"cp.async.ca.shared.global [a+2], [d], 4;":                  {Misaligned, "in shared memory", 32},
		"add.u64 d, d, 128; cp.async.ca.shared.global [a], [d], 4;": {Uninitialised, "nobody wrote", 32},
	} {
		for _, opts := range [][]Option{nil, {SkipRaces()}} {
			if opts != nil && (c.kind == SharedRace || c.kind == "") {
				continue
			}
			d := New(opts...)
			m, err := d.Load(ptxHead + `.visible .entry k(.param .u64 y) { .reg .b32 t, a, b, r0; .reg .f32 f<4>; .reg .b64 d, o; .reg .pred p;
	.shared .align 16 .b8 s[128]; mov.u32 r0, s;
	mov.u32 t, %tid.x; setp.lt.u32 p, t, 7; shl.b32 a, t, 2; xor.b32 b, a, 4; ld.param.u64 d, [y]; mul.wide.u32 o, t, 4; add.u64 d, d, o;
	` + body + ` ret; }`)
			require.NoError(t, err, body)
			y := room(t, d, 256)
			require.NoError(t, d.Fill32(y, 1, 32))
			err = d.Launch(kernelOf(t, m, "k"), driver.Launch{Grid: driver.D1(1), Block: driver.D1(c.block)}, y)
			if c.kind == "" {
				require.NoError(t, err, body)
				continue
			}
			f := faultOf(t, err)
			require.Equal(t, c.kind, f.Kind, "%s: %v", body, err)
			require.Contains(t, f.Detail, c.detail, body)
		}
	}
}

func TestTensorFormsRefusedWhenLoaded(t *testing.T) {
	for text, want := range map[string]string{
		"mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {f, f, f, f}, {r, r, r, r}, {r, r}, {f, f, f, f};":  "does not know mma",
		"mma.sync.aligned.m16n8k16.row.col.f32.tf32.tf32.f32 {f, f, f, f}, {r, r, r, r}, {r, r}, {f, f, f, f};": "does not know mma",
		"mma.sync.aligned.m16n8k16.row.row.f32.bf16.bf16.f32 {f, f, f, f}, {r, r, r, r}, {r, r}, {f, f, f, f};": "does not know mma",
		"mma.sync.aligned.m16n8k16.row.col.f32.bf16.f16.f32 {f, f, f, f}, {r, r, r, r}, {r, r}, {f, f, f, f};":  "does not know mma",
		"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {f, f, f, f}, {r, r, r, r}, {r}, {f, f, f, f};":    "operand 2 is no vector of 2 registers",
		"ldmatrix.sync.aligned.m8n8.x4.shared.b16 {r, r}, [r];":                                                 "no vector of 4 registers",
		"ldmatrix.sync.aligned.m16n16.x1.trans.shared.b8 {r}, [r];":                                             "does not know ldmatrix",
		"cp.async.cg.shared.global [r], [d], 8;":                                                                "16 alone for .cg",
		"cp.async.ca.shared.global [r], [d], 12;":                                                               "none of 4, 8 and 16",
		"cp.async.ca.shared.global [r], [d], 4, p;":                                                             "does not fit",
		"cp.async.bulk.commit_group;":                                                                           "does not know cp.async",
		"cp.async.wait_group r;":                                                                                "no constant",
		"cp.reduce.async.bulk.global.shared::cta.bulk_group.add.u32 [d], [r], 16;":                              "does not know cp",
	} {
		_, err := New().Load(ptxHead + ".visible .entry k() { .reg .b32 r; .reg .f32 f; .reg .b64 d; .reg .pred p; " + text + " ret; }")
		require.ErrorContains(t, err, want, text)
	}
}
