package emu

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
)

// FuzzRun: whatever the instructions, loading and running ends with a result or
// an error of the emulator's own and never with a panic of Go.
func FuzzRun(f *testing.F) {
	for _, s := range []string{
		"add.s32 r0, r1, 7; ld.global.v2.b32 {r2, r3}, [d0+8]; st.shared.b32 [r1], r2; bar.sync 0;",
		"shfl.sync.down.b32 r0|p0, r1, 3, 31, -1; vote.sync.ballot.b32 r2, !p0, -1; mad.wide.s32 d1, r0, r2, d0;",
		"l: setp.lt.u32 p0|p1, r1, 9; @p0 bra l; atom.global.cas.b32 r3, [d0], 0, r1; bar.red.popc.u32 r3, 0, 64, p1;",
		"cvt.rzi.u8.f32 h0, r0; cvt.rn.f16x2.f32 r0, r1, r2; fma.rm.f64 d1, d0, d1, d2; mov.b64 {r0, r1}, d0; bfe.s64 d1, d0, r1, 9;",
		"brev.b64 d1, d0; prmt.b32.rc8 r0, r1, r2, r3; lop3.b32 r0, r1, r2, r3, 0xe8; ex2.approx.ftz.f32 r0, r1; div.s16 h0, h1, h0;",
		"cvta.shared.u64 d1, d0; ld.b8 h0, [d1]; cvta.local.u64 d2, d1; st.v4.u32 [loc], {r0, r1, r2, r3}; isspacep.local p0, d2; red.shared.max.s32 [r0], 4;",
		"cp.async.ca.shared.global [r2], [d0], 8, r1; cp.async.commit_group; cp.async.wait_group 0; cp.async.wait_all; ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {r0, r1, r2, r3}, [r2];",
		"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {f0, f1, f0, f1}, {r0, r1, r2, r3}, {r0, r1}, {f0, f1, f0, f1}; mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {f0, f1, f0, f1}, {r0, r1, r2, r3}, {r0, r1}, {f0, f1, f0, f1};",
		"mov.b64 d1, fuzz_param_0; ld.param.u32 r0, [d1+4]; addc.cc.u64 d1, d0, d2; madc.hi.cc.s32 r0, r1, r2, r3; match.any.sync.b64 r0, d0, -1; trap;",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if len(body) > 2000 || strings.Contains(body, "}.") {
			return
		}
		text := ptxHead + ".visible .entry fuzz(.param .u64 fuzz_param_0, .param .u32 fuzz_param_1) {\n" +
			".reg .b16 h0, h1; .reg .f32 f0, f1; .reg .b32 r0, r1, r2, r3; .reg .b64 d0, d1, d2; .reg .pred p0, p1;\n" +
			".local .align 16 .b8 loc[32]; .shared .align 16 .b8 sh[64]; mov.u32 r1, %tid.x; mov.u32 r2, sh; ld.param.u64 d0, [fuzz_param_0];\n" +
			body + "\nret; }\n"
		d := New(Threads(1), Budget(2000), Memory(1<<20))
		m, err := d.Load(text)
		if err != nil {
			return
		}
		k, err := m.Kernel("fuzz")
		require.NoError(t, err)
		p := upload(t, d, make([]uint32, 64))
		err = d.Launch(k, driver.Launch{Grid: driver.D1(2), Block: driver.D1(40), Shared: 64}, uint64(p), 7)
		var fault *Fault
		require.True(t, err == nil || errors.As(err, &fault) || d.Sync() == nil, "%v", err)
	})
}
