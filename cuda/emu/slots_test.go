package emu

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/ptx"
)

// eachKernel calls f for every kernel of testdata and of the backend.
func eachKernel(t *testing.T, f func(name string, fl *flat)) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.ptx")
	require.NoError(t, err)
	more, err := filepath.Glob("../kernels/*.ptx")
	require.NoError(t, err)
	n := 0
	for _, file := range append(files, more...) {
		if filepath.Base(file) == "unknown.ptx" {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		m, err := ptx.Parse(string(text))
		require.NoError(t, err, file)
		for _, e := range m.Entries() {
			var problems []Problem
			fl := flatten(m, e, &problems)
			require.Empty(t, problems)
			f(filepath.Base(file)+"/"+e.Name, fl)
			n++
		}
	}
	require.Greater(t, n, 30)
}

// Two registers that hold values somebody still reads never share a slot. Liveness
// is computed again here, instruction by instruction.
func TestRegistersThatLiveTogetherHaveDifferentSlots(t *testing.T) {
	eachKernel(t, func(name string, fl *flat) {
		if len(fl.code) > 1000 {
			return // long loops of the same kind, slow here
		}
		s := assignSlots(fl, makeGraph(fl.code))
		words := (len(fl.regs) + 63) / 64
		after := make([]bitset, len(fl.code)) // what is read after each instruction
		before := make([]bitset, len(fl.code)+1)
		for i := range before {
			before[i] = make(bitset, words)
		}
		for i := range after {
			after[i] = make(bitset, words)
		}
		for changed := true; changed; {
			changed = false
			for i := len(fl.code) - 1; i >= 0; i-- {
				in := &fl.code[i]
				next := targets(in)
				if !isEnd(in) && !(isBranch(in) && in.Guard < 0) || in.Guard >= 0 {
					next = append(next[:len(next):len(next)], i+1)
				}
				for _, n := range next {
					for w := range words {
						after[i][w] |= before[n][w]
					}
				}
				live := append(bitset(nil), after[i]...)
				var reads []int
				visitRegs(in, func(r int) { reads = append(reads, r) }, func(r int) {
					if in.Guard < 0 {
						live.clear(r)
					}
				})
				for _, r := range reads {
					live.set(r)
				}
				for w := range words {
					if live[w] != before[i][w] {
						before[i][w], changed = live[w], true
					}
				}
			}
		}
		owner := map[[2]int32]int{}
		for i := range fl.code {
			clear(owner)
			claim := func(r int) {
				key := [2]int32{int32(classOf(fl.regs[r].Type)), s.of[r]}
				if o, taken := owner[key]; taken && o != r {
					t.Fatalf("%s, line %d, %q: %s and %s share a slot", name, fl.code[i].Line, fl.code[i].Text, fl.regs[o].Name, fl.regs[r].Name)
				}
				owner[key] = r
				require.Positive(t, s.of[r], "slot 0 is scratch")
			}
			after[i].each(claim)
			visitRegs(&fl.code[i], func(int) {}, claim)
		}
	})
}

// Immediate post-dominators by their definition: on every path from a block to the
// exit, and nearest.
func TestLanesMeetAtTheImmediatePostDominator(t *testing.T) {
	eachKernel(t, func(name string, fl *flat) {
		g := makeGraph(fl.code)
		n := len(g.succ)
		if n > 150 {
			return
		}
		ipd := g.postDominators()
		// reaches tells whether the exit can be reached from a without passing b.
		reaches := func(a, b int) bool {
			seen := make([]bool, n)
			var walk func(x int) bool
			walk = func(x int) bool {
				if x == b || seen[x] {
					return false
				}
				seen[x] = true
				if x == n-1 {
					return true
				}
				for _, s := range g.succ[x] {
					if walk(s) {
						return true
					}
				}
				return false
			}
			return walk(a)
		}
		for b := range n - 1 {
			if !reaches(b, -1) {
				continue // an endless loop
			}
			require.False(t, reaches(b, ipd[b]), "%s: block %d reaches the exit around %d", name, b, ipd[b])
			for c := range n {
				if c != b && c != ipd[b] && !reaches(b, c) {
					require.False(t, reaches(ipd[b], c), "%s: %d post-dominates %d and is nearer than %d", name, c, b, ipd[b])
				}
			}
		}
	})
}
