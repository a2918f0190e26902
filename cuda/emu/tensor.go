package emu

import (
	"math"

	"voxgrad/cuda/ptx"
)

func init() {
	register("mma", decodeMMA)
	register("ldmatrix", decodeLdmatrix)
}

// element is the place of an element of a fragment in its matrix.
type element struct{ row, col int }

// fragment is how a warp holds a matrix: of lane 4g + t, element i is at the place that the function returns. From the
// figures of "Matrix Fragments for mma.m16n8k16" and "mma.m16n8k8" in NVIDIA's PTX ISA.
type fragment func(g, t, i int) element

// places are those of all lanes' n elements.
func (f fragment) places(n int) (m [32][8]element) {
	for l := range m {
		for i := range n {
			m[l][i] = f(l/4, l%4, i)
		}
	}
	return m
}

var (
	// 16 x 8 results and addends of 32 bits.
	fragmentC fragment = func(g, t, i int) element { return element{g + i/2*8, 2*t + i%2} }

	// bf16, two to a register: a 16 x 16, b 16 x 8.
	fragmentA16 fragment = func(g, t, i int) element { return element{g + i/2%2*8, 2*t + i%2 + i/4*8} }
	fragmentB16 fragment = func(g, t, i int) element { return element{2*t + i%2 + i/2*8, g} }

	// tf32: a 16 x 8, b 8 x 8.
	fragmentA8 fragment = func(g, t, i int) element { return element{g + i%2*8, t + i/2*4} }
	fragmentB8 fragment = func(g, t, i int) element { return element{t + i*4, g} }
)

// decodeMMA decodes mma.sync.aligned of shapes m16n8k16 for bf16 and m16n8k8 for tf32 with sums in f32. Products are exact and summed in
// double precision, the sum is rounded once to f32: the order and rounding of hardware are not specified, so what is compared with it must allow for that.
func decodeMMA(c *compiler, out *inst) {
	if !c.take("sync") || !c.take("aligned") || !c.take("row") || !c.take("col") || c.typ() != "f32" {
		c.unknown()
	}
	tb, ta, shape := c.typ(), c.typ(), ""
	if c.typ() != "f32" || ta != tb {
		c.unknown()
	}
	if shape = c.takeOf("m16n8k16", "m16n8k8"); !(ta == "bf16" && shape == "m16n8k16" || ta == "tf32" && shape == "m16n8k8") {
		c.unknown()
	}
	args := c.args(4)
	fa, fb, k, perReg := fragmentA8, fragmentB8, 8, 1
	if ta == "bf16" {
		fa, fb, k, perReg = fragmentA16, fragmentB16, 16, 2
	}
	for i, n := range []int{4, 4, 2, 4} {
		if args[i].Kind != ptx.KVec || len(args[i].Elems) != n {
			c.refuse("operand %d is no vector of %d registers", i, n)
		}
		t := ptx.Type("b32")
		if i == 0 || i == 3 {
			t = "f32"
		}
		for e := range args[i].Elems {
			if i == 0 {
				out.v = append(out.v, c.dst(&args[i].Elems[e], t))
			} else {
				out.v = append(out.v, c.src(&args[i].Elems[e], t))
			}
		}
	}
	pa, pb, pc := fa.places(4*perReg), fb.places(2*perReg), fragmentC.places(4)
	read := func(m []float64, pitch int, regs []int32, at *[32][8]element, w *warp) {
		for i, r := range regs {
			for l, v := range w.r32[r] {
				if perReg == 1 {
					e := at[l][i]
					m[e.row*pitch+e.col] = float64(tf32.toF32(v))
					continue
				}
				e, f := at[l][2*i], at[l][2*i+1]
				m[e.row*pitch+e.col], m[f.row*pitch+f.col] = float64(math.Float32frombits(v<<16)), float64(math.Float32frombits(v&0xffff0000))
			}
		}
	}
	out.flops = uint8(2 * 16 * 8 * k / 32) // of a lane
	c.self(out, func(w *warp, in *inst, _ int32) {
		w.wholeWarp(in)
		var ma [16 * 16]float64
		var mb, sum [16 * 8]float64
		read(ma[:], 16, in.v[4:8], &pa, w)
		read(mb[:], 8, in.v[8:10], &pb, w)
		for i, r := range in.v[10:] {
			for l, v := range w.r32[r] {
				e := pc[l][i]
				sum[e.row*8+e.col] = float64(math.Float32frombits(v))
			}
		}
		productFast(&sum, &ma, &mb, k)
		for i, r := range in.v[:4] {
			for l := range 32 {
				e := pc[l][i]
				v := float32(sum[e.row*8+e.col])
				if v != v {
					v = nan32
				}
				w.r32[r][l] = math.Float32bits(v)
			}
		}
	})
}

// product adds the 16 by k matrix a times the k by 8 matrix b to sum. The terms are exact: bf16 and tf32 have few bits.
func product(sum *[16 * 8]float64, a *[16 * 16]float64, b *[16 * 8]float64, k int) {
	for i := range 16 {
		row := sum[i*8 : i*8+8]
		for q, v := range a[i*16 : i*16+k] {
			for j, u := range b[q*8 : q*8+8] {
				row[j] += v * u
			}
		}
	}
}

// wholeWarp refuses an instruction that needs all 32 lanes where some do not take part.
func (w *warp) wholeWarp(in *inst) {
	for l := range lanes(^w.m) {
		w.fault(in, DivergentMatrix, "lane %d does not take part: it exited, took another branch or does not exist", l)
	}
}

// decodeLdmatrix decodes ldmatrix.sync.aligned.m8n8.x1, x2 and x4{.trans}.shared.b16: matrices of 8 rows of 8 elements of 16
// bits. Lanes 8i to 8i+7 hold the addresses of the rows of matrix i, multiples of 16 bytes. Lane l gets elements 2(l mod 4) and the next of row
// l/4, with .trans those of column l/4.
func decodeLdmatrix(c *compiler, out *inst) {
	if !c.take("sync") || !c.take("aligned") || !c.take("m8n8") || c.typ() != "b16" {
		c.unknown()
	}
	n := map[string]int{"x1": 1, "x2": 2, "x4": 4}[c.takeOf("x1", "x2", "x4")]
	trans := c.take("trans")
	if n == 0 || !c.take("shared") && !c.take("shared::cta") {
		c.unknown()
	}
	args := c.args(2)
	out.space, out.n, out.total = spShared, 16, 16
	c.where(out, &args[1])
	if args[0].Kind != ptx.KVec || len(args[0].Elems) != n {
		c.refuse("the result is no vector of %d registers", n)
	}
	for i := range args[0].Elems {
		out.v = append(out.v, c.dst(&args[0].Elems[i], "b32"))
	}
	c.narrowest(out)
	c.self(out, func(w *warp, in *inst, _ int32) {
		w.wholeWarp(in)
		w.addresses(in)
		holders := uint32(1<<(8*n) - 1)
		w.b.stats.SharedLoads++
		w.b.stats.BankConflicts += conflicts(&w.addr, holders, 16)
		var rows [32][]byte
		for l := range lanes(holders) {
			off := w.sharedAt(in, l, 16)
			w.sharedRead(in, l, off, 16)
			rows[l] = w.b.shared[off : off+16]
		}
		for i, d := range in.v {
			m := rows[8*i : 8*i+8]
			for l := range 32 {
				r, c := l/4, 2*(l%4)
				if trans {
					w.r32[d][l] = uint32(get16(m[c][2*r:])) | uint32(get16(m[c+1][2*r:]))<<16
				} else {
					w.r32[d][l] = get32(m[r][2*c:])
				}
			}
		}
	})
}
