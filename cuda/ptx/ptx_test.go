package ptx

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const sample = `
.version 7.8 // a comment
.target sm_61, debug
.address_size 64
/* another
   one */
.file 1 "x.cu"
.const .align 4 .f32 table[3] = {0f3F800000, 2.5, -1};
.global .u64 where[2] = {generic(table)+4, table};
.extern .shared .align 16 .b8 dyn[];
.visible .entry scale(
	.param .u64 .ptr .global .align 16 scale_param_0,
	.param .f32 scale_param_1,
	.param .align 8 .b8 scale_param_2[24]
)
.maxntid 256, 2, 1
.minnctapersm 2
{
	.local .align 16 .b8 depot[32];
	.shared .align 4 .b8 tile[1024], more[4];
	.reg .pred %p<3>;
	.reg .f32 %f<4>;
	.reg .b32 %r<4>;
	.reg .b64 %rd<4>;
	.loc 1 5 0
	ld.param.u64 	%rd1, [scale_param_0];
	ld.param.u64 %rd3, [scale_param_2+16];
$L__top:
	@!%p1 bra.uni $L__end;
	.pragma "nounroll";
	ld.global.nc.L1::no_allocate.L2::128B.v2.f32 {%f1, _}, [%rd1+-8];
	shfl.sync.bfly.b32 %r1|%p2, %r2, 16, 0x1f, -1;
	setp.lt.and.s32 %p1|%p2, %r1, 010, !%p2;
	mov.b32 %f2, 0fBF800000;
	mov.u32 %r2, dyn+8;
	mov.u32 %r3, %tid.x;
	{ // a block with names of its own
		.reg .b64 %rd1;
		.param .b32 out;
		mov.u64 %rd1, ~0;
	again:
		@%p1 bra again;
	}
	{
	again:
		bra again;
	}
	t: .branchtargets $L__top, $L__end;
	brx.idx %r1, t;
$L__end:
	ret;
}
`

func TestParse(t *testing.T) {
	m, err := Parse(sample)
	require.NoError(t, err)
	require.Equal(t, "7.8", m.Version)
	require.Equal(t, "sm_61", m.Target)
	require.Len(t, m.Vars, 3)
	table := m.Vars[0]
	require.Equal(t, int64(12), table.Size)
	require.Equal(t, []byte{0, 0, 0x80, 0x3f, 0, 0, 0x20, 0x40, 0, 0, 0x80, 0xbf}, table.Init)
	require.Equal(t, []Ref{{0, "table", 4, true}, {8, "table", 0, false}}, m.Vars[1].Refs)
	require.Equal(t, &Var{Name: "dyn", Line: 10, Space: Shared, Type: "b8", Align: 16, Extern: true}, m.Vars[2])

	f := m.Entry("scale")
	require.NotNil(t, f)
	require.Equal(t, []*Func{f}, m.Entries())
	require.Equal(t, 11, f.Line)
	require.Equal(t, [3]int{256, 2, 1}, f.MaxNTid)
	var sizes []int64
	for _, p := range f.Params {
		sizes = append(sizes, p.Size)
	}
	require.Equal(t, []int64{8, 4, 24}, sizes)
	require.Equal(t, 16, f.Params[0].Align)
	require.Len(t, f.Vars, 4)
	require.Equal(t, int64(1024), f.Vars[1].Size)
	require.Len(t, f.Regs, 3+4+4+4+1)

	find := func(op string) *Instruction {
		for i := range f.Code {
			if f.Code[i].Opcode() == op {
				return &f.Code[i]
			}
		}
		t.Fatalf("no %s", op)
		return nil
	}
	reg := func(o Operand) string { require.Equal(t, KReg, o.Kind); return f.Regs[o.Reg].Name }

	ld := find("ld.global.nc.L1::no_allocate.L2::128B.v2.f32")
	require.Equal(t, "ld.global.nc.L1::no_allocate.L2::128B.v2.f32 {%f1, _}, [%rd1+-8]", ld.Text)
	require.Contains(t, strings.Split(sample, "\n")[ld.Line-1], "no_allocate")
	require.Equal(t, "%f1", reg(ld.Args[0].Elems[0]))
	require.Equal(t, KSink, ld.Args[0].Elems[1].Kind)
	require.Equal(t, "%rd1", reg(ld.Args[1].Elems[0]))
	require.Equal(t, int64(-8), ld.Args[1].Off)

	param := find("ld.param.u64")
	require.Same(t, f.Params[0], param.Args[1].Elems[0].Var)
	require.Equal(t, int64(16), f.Code[1].Args[1].Off)

	bra := find("bra.uni")
	require.True(t, bra.Not)
	require.Equal(t, "%p1", f.Regs[bra.Guard].Name)
	require.Equal(t, "ret", f.Code[bra.Args[0].Target].Op)

	shfl := find("shfl.sync.bfly.b32")
	require.Equal(t, "%p2", reg(*shfl.Args[0].Second))
	require.Equal(t, []int64{16, 31, -1}, []int64{shfl.Args[2].Int, shfl.Args[3].Int, shfl.Args[4].Int})
	setp := find("setp.lt.and.s32")
	require.Equal(t, int64(8), setp.Args[2].Int, "a leading 0 is octal")
	require.True(t, setp.Args[3].Not)
	require.Equal(t, -1.0, math.Float64frombits(find("mov.b32").Args[1].Float))
	dyn := find("mov.u32").Args[1]
	require.Same(t, m.Vars[2], dyn.Var)
	require.Equal(t, int64(8), dyn.Off)

	inner := find("mov.u64")
	require.NotEqual(t, ld.Args[1].Elems[0].Reg, inner.Args[0].Reg, "the inner %rd1 is another register")
	require.Equal(t, int64(-1), inner.Args[1].Int)
	var loops []int
	for i := range f.Code {
		if f.Code[i].Op == "bra" && f.Code[i].Args[0].Target == i {
			loops = append(loops, i)
		}
	}
	require.Len(t, loops, 2, "each block's label is its own")
	brx := find("brx.idx")
	require.Equal(t, []int{2, len(f.Code) - 1}, brx.Args[1].Targets)
}

func TestMistakesNameTheLine(t *testing.T) {
	head := ".version 7.8\n.target sm_61\n.address_size 64\n"
	body := head + ".visible .entry k(.param .u64 a) {\n.reg .b32 %r<2>; .reg .pred %p;\n"
	for text, want := range map[string]string{
		"":                                            "line 1: no .version",
		"hello":                                       `line 1: unknown directive "hello"`,
		head + "\"abc":                                "line 4: string without its end",
		head + "/* abc":                               "line 4: comment",
		head + ".address_size 32":                     "only 64-bit",
		head + "\x01":                                 "line 4: byte 0x01",
		body + "add.s32 %r1, %r2, 1;\n}":              "line 6: register %r2 is not declared",
		body + "bra nowhere;\n}":                      "line 6: name nowhere is not declared",
		body + "@%r1 ret;\n}":                         "guard %r1 is no predicate",
		body + "mov.u32 %r1, [a;\n}":                  `line 6: found ";" where "]" must stand`,
		body + "mov.u32 %r1, ;\n}":                    "operand must stand",
		body + "a: a: ret; }":                         "label a stands a second time",
		body + ".reg .b32 %r1;":                       "register %r1 is declared a second time",
		body + ".reg .b32 %x<1000000>;":               "more than 262144 registers",
		body + ".reg .q99 %x;":                        "unknown type",
		body + "ret;":                                 "found the end of the text",
		head + ".global .f32 x[2] = {1,2,3};":         "too many initial values for x",
		head + ".shared .b32 x = 1;":                  "cannot have an initial value",
		head + ".global .b8 x[9999999999] = {1};":     "too many bytes of initial values",
		head + ".global .b32 x; .global .b32 x;":      "line 4: variable x is declared a second time",
		body + "ret; }\n.visible .entry k() { ret; }": "line 7: k is defined a second time",
	} {
		_, err := Parse(text)
		require.ErrorContains(t, err, want, "%s", text)
		var e *Error
		require.ErrorAs(t, err, &e)
	}
}

// A short text cannot ask for much memory or time, nor overflow the stack.
func TestHugeTextsAreRefused(t *testing.T) {
	const head, many = ".version 7.8\n.address_size 64\n", 100_000
	in := func(body string) string { return head + ".entry k() {\n" + body }
	for name, c := range map[string]struct{ text, want string }{
		"blocks":            {in(strings.Repeat("{", 1_000_000)), "brackets are nested more than 64 deep"},
		"vectors":           {in("mov.b64 " + strings.Repeat("{", many)), "brackets are nested more than 64 deep"},
		"arguments":         {in("call " + strings.Repeat("(", many)), "brackets are nested more than 64 deep"},
		"vectors and lists": {in("call " + strings.Repeat("({", many)), "brackets are nested more than 64 deep"},
		"initial values":    {head + ".global .b8 x[4] = " + strings.Repeat("{", many), "brackets are nested more than 64 deep"},
		"signs":             {in("mov.b32 a, " + strings.Repeat("-", many)), "where an operand must stand"},
		"addresses":         {in("ld.b32 a, " + strings.Repeat("[", many)), "where an operand must stand"},
		"pairs":             {in("mov.b32 " + strings.Repeat("a|a,", many)), "more than 4096 operands"},
		"operands":          {in("call (" + strings.Repeat("a,", many)), "more than 4096 operands"},
		"registers":         {in(".reg .b32 a<262145>;"), "more than 262144 registers in k"},
		"registers in all":  {head + funcs(6), "more than 1048576 registers in all"},
		"arrays":            {head + ".global .b8 x[1099511627776][16777216];", "array x is too large"},
		"an array":          {head + ".global .b8 x[1099511627777];", "array x is too large"},
		"values":            {head + ".global .b8 x[67108865] = {1};", "too many bytes of initial values"},
		"targets": {in(".reg .b32 r; l: t: .branchtargets " + strings.Repeat("l,", 99_999) + "l;" + strings.Repeat("brx.idx r, t;", 20) + "}"),
			"more than 1048576 targets of branches by a table"},
		"bytes": {strings.Repeat(" ", 64<<20+1), "this is no kernel"},
	} {
		_, err := Parse(c.text)
		require.ErrorContains(t, err, c.want, name)
		require.Less(t, len(err.Error()), 200, name)
	}
	_, err := Parse(in(strings.Repeat("{", 60) + strings.Repeat("}", 60) + "}"))
	require.NoError(t, err)
}

func funcs(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ".func f%d() { .reg .b32 a<200000>; }\n", i)
	}
	return b.String()
}

// seeds are PTX files of the project.
func seeds(f testing.TB) []string {
	var out []string
	files, err := filepath.Glob("../emu/testdata/*.ptx")
	require.NoError(f, err)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(f, err)
		out = append(out, string(text))
	}
	return out
}

func TestParsesWhatTheCompilerEmits(t *testing.T) {
	texts := seeds(t)
	require.NotEmpty(t, texts)
	for _, text := range texts {
		m, err := Parse(text)
		require.NoError(t, err)
		lines := strings.Split(text, "\n")
		for _, f := range m.Funcs {
			for i := range f.Code {
				in := &f.Code[i]
				require.Contains(t, lines[in.Line-1], in.Opcode(), "the line of an instruction holds its opcode")
			}
		}
	}
}

// FuzzParse: any text gives a module or an *Error, in which all indices are valid.
func FuzzParse(f *testing.F) {
	f.Add(sample)
	for _, s := range seeds(f) {
		if len(s) < 4000 { // mutations of long texts say little and take long
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Parse(text)
		if err != nil {
			var e *Error
			require.ErrorAs(t, err, &e)
			return
		}
		for _, fn := range m.Funcs {
			for i := range fn.Code {
				in := &fn.Code[i]
				require.Less(t, in.Guard, len(fn.Regs))
				for k := range in.Args {
					checkOperand(t, fn, &in.Args[k])
				}
			}
		}
	})
}

func checkOperand(t *testing.T, f *Func, o *Operand) {
	switch o.Kind {
	case KReg:
		require.Less(t, o.Reg, len(f.Regs))
	case KVar:
		require.NotNil(t, o.Var)
	case KLabel:
		require.LessOrEqual(t, o.Target, len(f.Code))
	case KTable:
		for _, n := range o.Targets {
			require.LessOrEqual(t, n, len(f.Code))
		}
	}
	for i := range o.Elems {
		checkOperand(t, f, &o.Elems[i])
	}
	if o.Second != nil {
		checkOperand(t, f, o.Second)
	}
}

func BenchmarkParse(b *testing.B) {
	texts := seeds(b)
	n := 0
	for _, s := range texts {
		n += len(s)
	}
	b.SetBytes(int64(n))
	for b.Loop() {
		for _, s := range texts {
			if _, err := Parse(s); err != nil {
				b.Fatal(err)
			}
		}
	}
}
