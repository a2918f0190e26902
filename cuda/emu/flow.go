package emu

import (
	"slices"

	"voxgrad/cuda/ptx"
)

// flowGraph is the graph of basic blocks of a kernel. The last node is the exit.
type flowGraph struct {
	first []int   // first instruction of each block
	last  []int   // one behind the last
	succ  [][]int // following blocks
	of    []int   // block of each instruction
}

func isBranch(in *ptx.Instruction) bool { return in.Op == "bra" || in.Op == "brx" }

func isEnd(in *ptx.Instruction) bool {
	return in.Op == "ret" || in.Op == "exit" || in.Op == "trap"
}

// targets are the instructions a branch may go to.
func targets(in *ptx.Instruction) []int {
	for _, a := range in.Args {
		switch a.Kind {
		case ptx.KLabel:
			return []int{a.Target}
		case ptx.KTable:
			return a.Targets
		}
	}
	return nil
}

func makeGraph(code []ptx.Instruction) *flowGraph {
	n := len(code)
	leader := make([]bool, n+1)
	leader[0] = true
	for i := range code {
		in := &code[i]
		if isBranch(in) || isEnd(in) {
			leader[i+1] = true
			for _, t := range targets(in) {
				leader[t] = true
			}
		}
	}
	g := &flowGraph{of: make([]int, n)}
	for i := range n {
		if leader[i] {
			g.first = append(g.first, i)
		}
		g.of[i] = len(g.first) - 1
	}
	blocks := len(g.first)
	g.first = append(g.first, n) // the exit
	g.last = append(slices.Clone(g.first[1:]), n)
	g.succ = make([][]int, blocks+1)
	for b := range blocks {
		in := &code[g.last[b]-1]
		var next []int
		if isBranch(in) {
			for _, t := range targets(in) {
				next = append(next, g.block(t))
			}
		}
		if isEnd(in) {
			next = append(next, blocks)
		}
		if in.Guard >= 0 || !isBranch(in) && !isEnd(in) {
			next = append(next, g.block(g.last[b]))
		}
		g.succ[b] = next
	}
	return g
}

// block is the basic block of an instruction, the exit for one behind the last.
func (g *flowGraph) block(i int) int {
	if i >= len(g.of) {
		return len(g.first) - 1
	}
	return g.of[i]
}

// postDominators gives for every block the nearest block that every path from it to
// the exit passes: where lanes that went apart at its end meet again. The
// algorithm is that of Cooper, Harvey and Kennedy ("A Simple, Fast Dominance
// Algorithm") on the reversed graph.
func (g *flowGraph) postDominators() []int {
	n := len(g.succ)
	exit := n - 1
	pred := make([][]int, n)
	for b, ss := range g.succ {
		for _, s := range ss {
			pred[s] = append(pred[s], b)
		}
	}
	order := make([]int, 0, n) // postorder of the reversed graph
	number := make([]int, n)
	for i := range number {
		number[i] = -1
	}
	visit := func(root int) {
		type frame struct{ b, next int }
		if number[root] != -1 {
			return
		}
		number[root] = -2
		st := []frame{{root, 0}}
		for len(st) > 0 {
			f := &st[len(st)-1]
			if f.next < len(pred[f.b]) {
				p := pred[f.b][f.next]
				f.next++
				if number[p] == -1 {
					number[p] = -2
					st = append(st, frame{p, 0})
				}
				continue
			}
			number[f.b] = len(order)
			order = append(order, f.b)
			st = st[:len(st)-1]
		}
	}
	visit(exit)
	idom := make([]int, n)
	for i := range idom {
		idom[i] = -1
	}
	idom[exit] = exit
	meet := func(a, b int) int {
		for a != b {
			for number[a] < number[b] {
				a = idom[a]
			}
			for number[b] < number[a] {
				b = idom[b]
			}
		}
		return a
	}
	for changed := true; changed; {
		changed = false
		for _, b := range slices.Backward(order) {
			if b == exit {
				continue
			}
			d := -1
			for _, s := range g.succ[b] {
				if idom[s] < 0 {
					continue
				}
				if d < 0 {
					d = s
				} else {
					d = meet(d, s)
				}
			}
			if d >= 0 && idom[b] != d {
				idom[b], changed = d, true
			}
		}
	}
	for b := range idom { // blocks that never reach the exit: endless loops
		if idom[b] < 0 {
			idom[b] = exit
		}
	}
	return idom
}
