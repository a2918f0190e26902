package emu

import (
	"slices"

	"voxgrad/cuda/ptx"
)

// flat is a kernel as one list of instructions with the functions it calls put in
// place, each with registers and variables of its own.
type flat struct {
	f     *ptx.Func
	code  []ptx.Instruction
	owner []string // per instruction, the function it comes from
	regs  []ptx.Reg
	frame map[*ptx.Var]int64 // .local variables and .param variables of bodies
	local int64              // bytes of the frame
}

// Limits on what calls and registers may grow to.
const (
	maxInline = 1 << 18 // instructions after all calls are put in place
	maxCalls  = 1 << 14
	maxDepth  = 32      // calls inside calls
	maxRegs   = 1 << 20 // registers of all functions put in place
	maxLive   = 1 << 25 // words of the sets of live registers, one set for each basic block
	maxSlots  = 1 << 16 // registers and constants that a thread needs at once
)

type flattener struct {
	*flat
	mod      *ptx.Module
	problems *[]Problem
	stack    []*ptx.Func
	calls    int
}

// flatten puts all calls in place.
func flatten(mod *ptx.Module, f *ptx.Func, problems *[]Problem) *flat {
	fl := &flattener{flat: &flat{f: f, frame: map[*ptx.Var]int64{}}, mod: mod, problems: problems}
	fl.emit(f, map[*ptx.Var]*ptx.Var{})
	// The end, where ret of the kernel's body falls through to.
	fl.add(ptx.Instruction{Op: "exit", Guard: -1, Line: lastLine(f), Text: "end of the kernel"}, f.Name)
	return fl.flat
}

func lastLine(f *ptx.Func) int {
	if len(f.Code) == 0 {
		return f.Line
	}
	return f.Code[len(f.Code)-1].Line
}

func (fl *flattener) add(in ptx.Instruction, owner string) int {
	fl.code = append(fl.code, in)
	fl.owner = append(fl.owner, owner)
	return len(fl.code) - 1
}

func (fl *flattener) problem(f *ptx.Func, in *ptx.Instruction, why string) {
	*fl.problems = append(*fl.problems, Problem{Unsupported, f.Name, in.Line, in.Text, why})
}

// place assigns bytes of the frame to a variable.
func (fl *flattener) place(v *ptx.Var) {
	align := int64(max(v.Align, 1))
	fl.local = (fl.local + align - 1) &^ (align - 1)
	fl.frame[v] = fl.local
	fl.local += v.Size
}

// emit appends the body of f; vars maps its parameters to the caller's variables.
func (fl *flattener) emit(f *ptx.Func, vars map[*ptx.Var]*ptx.Var) {
	fl.stack = append(fl.stack, f)
	defer func() { fl.stack = fl.stack[:len(fl.stack)-1] }()
	base := len(fl.regs)
	fl.regs = append(fl.regs, f.Regs...)
	for _, v := range f.Vars {
		if v.Space == ptx.Local || v.Space == ptx.Param {
			own := *v
			vars[v] = &own
			fl.place(&own)
		}
	}
	pos := make([]int, len(f.Code)+1)
	var branches, returns []int
	for i := range f.Code {
		pos[i] = len(fl.code)
		in := f.Code[i]
		in.Args = rebase(in.Args, base, vars)
		if in.Guard >= 0 {
			in.Guard += base
		}
		switch {
		case in.Op == "call":
			fl.call(f, &in)
		case in.Op == "ret" && !f.Entry:
			in.Op, in.Mods = "bra", nil
			in.Args = []ptx.Operand{{Kind: ptx.KLabel}}
			returns = append(returns, fl.add(in, f.Name))
		default:
			n := fl.add(in, f.Name)
			if in.Op == "bra" || in.Op == "brx" {
				branches = append(branches, n)
			}
		}
	}
	pos[len(f.Code)] = len(fl.code)
	for _, n := range branches {
		for k := range fl.code[n].Args {
			a := &fl.code[n].Args[k]
			if a.Kind == ptx.KLabel {
				a.Target = pos[a.Target]
			}
			for t := range a.Targets {
				a.Targets[t] = pos[a.Targets[t]]
			}
		}
	}
	for _, n := range returns {
		fl.code[n].Args[0].Target = len(fl.code)
	}
}

// rebase copies operands with registers shifted and variables replaced.
func rebase(args []ptx.Operand, base int, vars map[*ptx.Var]*ptx.Var) []ptx.Operand {
	out := slices.Clone(args)
	for i := range out {
		o := &out[i]
		switch o.Kind {
		case ptx.KReg:
			o.Reg += base
		case ptx.KVar:
			if v := vars[o.Var]; v != nil {
				o.Var = v
			}
		case ptx.KTable:
			o.Targets = slices.Clone(o.Targets)
		}
		o.Elems = rebase(o.Elems, base, vars)
		if o.Second != nil {
			s := rebase([]ptx.Operand{*o.Second}, base, vars)[0]
			o.Second = &s
		}
	}
	return out
}

// call puts the called function in place: call (ret), name, (args).
func (fl *flattener) call(caller *ptx.Func, in *ptx.Instruction) {
	var lists [][]ptx.Operand
	name := ""
	for i := range in.Args {
		switch a := &in.Args[i]; a.Kind {
		case ptx.KList:
			lists = append(lists, a.Elems)
		case ptx.KName:
			if name == "" {
				name = a.Name
			}
		}
	}
	callee := fl.mod.Func(name)
	switch {
	case name == "" || callee == nil:
		fl.problem(caller, in, "call through a pointer")
		return
	case name == "__assertfail":
		trap := *in
		trap.Op, trap.Mods, trap.Args = "trap", []string{"assert"}, nil
		fl.add(trap, caller.Name)
		return
	case !callee.Body:
		fl.problem(caller, in, "call of "+name+", which has no body here")
		return
	case slices.Contains(fl.stack, callee):
		fl.problem(caller, in, "recursive call of "+name)
		return
	case len(fl.stack) > maxDepth || len(fl.code) > maxInline || fl.calls >= maxCalls || len(fl.regs) > maxRegs:
		fl.problem(caller, in, "too many calls inside calls")
		return
	}
	fl.calls++
	var formal []*ptx.Var
	var actual []ptx.Operand
	if len(callee.Returns) > 0 && len(lists) > 0 {
		formal, actual = append(formal, callee.Returns...), append(actual, lists[0]...)
		lists = lists[1:]
	}
	formal = append(formal, callee.Params...)
	if len(lists) > 0 {
		actual = append(actual, lists[0]...)
	}
	if len(formal) != len(actual) {
		fl.problem(caller, in, "call of "+name+" with a wrong number of arguments")
		return
	}
	vars := map[*ptx.Var]*ptx.Var{}
	for i, v := range formal {
		if v.Reg || actual[i].Kind != ptx.KVar || actual[i].Var.Space != ptx.Param {
			fl.problem(caller, in, "call with arguments in registers")
			return
		}
		vars[v] = actual[i].Var
	}
	if in.Guard >= 0 {
		skip := fl.add(ptx.Instruction{Line: in.Line, Text: in.Text, Guard: in.Guard, Not: !in.Not, Op: "bra",
			Args: []ptx.Operand{{Kind: ptx.KLabel}}}, caller.Name)
		fl.emit(callee, vars)
		fl.code[skip].Args[0].Target = len(fl.code)
		return
	}
	fl.emit(callee, vars)
}

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

// postDominators finds for every block the nearest block that every path from it to
// the exit passes: where lanes that diverged at its end meet again. The
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
