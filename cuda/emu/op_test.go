package emu

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
)

// opCase is one instruction: asm computes d of type dst from x, y, z of type src;
// want computes the same of the operands' bits.
type opCase struct {
	asm      string
	dst, src string
	want     func(x, y, z uint64) uint64
}

// regType is the register type that holds a value of the type.
func regType(t string) string {
	if t == "pred" {
		return "pred"
	}
	return "b" + fmt.Sprint(max(width(t), 16))
}

func width(t string) int {
	n := 0
	_, err := fmt.Sscanf(strings.TrimLeft(t, "busfe"), "%d", &n)
	if err != nil {
		panic(t)
	}
	return n
}

// operation writes a kernel that executes asm in every thread.
func operation(name string, c opCase) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".visible .entry %s(.param .u64 po, .param .u64 px, .param .u64 py, .param .u64 pz) {\n", name)
	fmt.Fprintf(&b, "  .reg .%s d; .reg .%s x, y, z; .reg .b64 ro, rx, ry, rz, off, wide; .reg .u32 tid; .reg .pred p, q;\n", regType(c.dst), regType(c.src))
	b.WriteString("  .reg .b32 t0, t1; .reg .b16 h0, h1; .reg .b64 w0, w1;\n")
	b.WriteString("  mov.u32 tid, %tid.x; mul.wide.u32 off, tid, 8;\n")
	for _, v := range "oxyz" {
		fmt.Fprintf(&b, "  ld.param.u64 r%c, [p%c]; add.s64 r%c, r%c, off;\n", v, v, v, v)
	}
	for _, v := range "xyz" {
		fmt.Fprintf(&b, "  ld.global.%s %c, [r%c];\n", regType(c.src), v, v)
	}
	if c.dst != "pred" {
		fmt.Fprintf(&b, "  mov.%s d, 0;\n", regType(c.dst))
	}
	fmt.Fprintf(&b, "  %s\n", c.asm)
	if c.dst == "pred" {
		b.WriteString("  selp.u64 wide, 1, 0, d; st.global.u64 [ro], wide;\n")
	} else {
		fmt.Fprintf(&b, "  mov.u64 wide, 0; st.global.u64 [ro], wide; st.global.%s [ro], d;\n", regType(c.dst))
	}
	b.WriteString("  ret;\n}\n")
	return b.String()
}

const ptxHead = ".version 7.8\n.target sm_80\n.address_size 64\n"

// pick gives operands of the width: edges and random bits.
func pick(r *rand.Rand, t string) uint64 {
	n := width(t)
	switch k := r.IntN(4); {
	case n == 64 && k == 0:
		e := edges64[r.IntN(len(edges64))]
		return e
	case n == 64 && k == 1:
		return uint64(int64(int32(words(r, 1)[0])))
	case n == 64:
		return r.Uint64()
	case n == 16 && k == 0:
		return uint64(edges16[r.IntN(len(edges16))])
	}
	return uint64(words(r, 1)[0]) & (1<<n - 1)
}

var edges64 = []uint64{
	0, 1, 2, 63, 64, 65, 1<<31 - 1, 1 << 31, 1 << 32, 1<<63 - 1, 1 << 63, 1<<63 + 1, ^uint64(0), 1 << 53, 1<<53 + 1,
	0x3ff0000000000000, 0x3ff0000000000001, 0xbff0000000000000, 0x7fefffffffffffff, 0x7ff0000000000000, 0xfff0000000000000,
	0x7ff8000000000000, 0x0010000000000000, 0x000fffffffffffff, 0x8000000000000001, 0x3fe0000000000000, 0x43e0000000000000,
	0x36a0000000000000, 0x3690000000000000, 0x380fffffe0000000, 0x47efffffe0000000, 0x47effffff0000000,
}

var edges16 = []uint16{0, 1, 15, 16, 17, 0x3ff, 0x400, 0x3c00, 0x3c01, 0x7bff, 0x7c00, 0x7e00, 0x7fff, 0x8000, 0x8001, 0xbc00, 0xfbff, 0xfc00, 0xffff, 0x3f80, 0x7f80, 0xff80}

// testOps runs each case on operands for 3 x 256 threads, once with all lanes and once in
// a branch that only some take, and compares bits.
func testOps(t *testing.T, cases []opCase) {
	t.Helper()
	var text strings.Builder
	text.WriteString(ptxHead)
	for i, c := range cases {
		text.WriteString(operation(fmt.Sprintf("k%d", i), c))
	}
	d := New(Threads(1))
	m, err := d.Load(text.String())
	require.NoError(t, err)
	for i, c := range cases {
		h := fnv.New64()
		_, _ = h.Write([]byte(c.asm))
		r := rand.New(rand.NewPCG(7, h.Sum64())) // the same operands whatever the order of the cases
		for range 3 {
			const n = 250 // the last warp is not full
			var in [3][]uint64
			for k := range in {
				in[k] = make([]uint64, n)
				for j := range in[k] {
					in[k][j] = pick(r, c.src)
				}
			}
			for j := 0; j < n; j += 7 { // equal operands
				in[1][j] = in[0][j]
			}
			out := room(t, d, 8*n)
			args := []any{out}
			for _, v := range in {
				args = append(args, upload(t, d, v))
			}
			require.NoError(t, d.Launch(kernelOf(t, m, fmt.Sprintf("k%d", i)), driver.Launch{Grid: driver.D1(1), Block: driver.D1(n)}, args...))
			for j, got := range download[uint64](t, d, out, n) {
				want := c.want(in[0][j], in[1][j], in[2][j])
				if c.dst != "pred" && width(c.dst) < 64 {
					want &= 1<<width(c.dst) - 1
				}
				require.Equal(t, hex(want), hex(got), "%s of %#x, %#x, %#x", c.asm, in[0][j], in[1][j], in[2][j])
			}
			for _, p := range args {
				require.NoError(t, d.Free(p.(driver.Ptr)))
			}
		}
	}
}

func hex(v uint64) string { return fmt.Sprintf("%#x", v) }

// runApprox runs an instruction over f32 and asks whether each result will do.
func runApprox(t *testing.T, asm string, ok func(x uint64, got float64) bool) {
	t.Helper()
	d := New(Threads(1))
	m, err := d.Load(ptxHead + operation("k", opCase{asm, "b32", "b32", nil}))
	require.NoError(t, err)
	const n = 1024
	r := rand.New(rand.NewPCG(9, 9))
	in := make([]uint64, n)
	for i := range in {
		in[i] = pick(r, "b32")
	}
	out, x := room(t, d, 8*n), upload(t, d, in)
	require.NoError(t, d.Launch(kernelOf(t, m, "k"), driver.Launch{Grid: driver.D1(1), Block: driver.D1(n)},
		uint64(out), uint64(x), uint64(x), uint64(x)))
	for i, v := range download[uint64](t, d, out, n) {
		got := float64(math.Float32frombits(uint32(v)))
		require.True(t, ok(in[i], got), "%s of %#x (%g) is %g", asm, in[i], math.Float32frombits(uint32(in[i])), got)
	}
}
