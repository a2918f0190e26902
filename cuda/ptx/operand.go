package ptx

import (
	"math"
	"strconv"
	"strings"
)

// instruction reads one instruction; t is its first token, taken already if it is @.
func (p *parser) instruction(t token) {
	in := Instruction{Line: t.line, Guard: -1}
	if t.is("@") {
		in.Not = p.accept("!")
		g := p.word("a predicate")
		r, ok := p.register(g.text)
		if !ok || p.fn.Regs[r].Type != "pred" {
			p.fail(g.line, "guard "+g.text+" is no predicate register")
		}
		in.Guard = r
	}
	op := p.word("an opcode")
	parts := strings.Split(op.text, ".")
	in.Op, in.Mods = parts[0], parts[1:]
	if in.Op == "" {
		p.fail(op.line, "found "+op.String()+" where an opcode must stand")
	}
	in.Line = op.line
	index := len(p.fn.Code)
	p.operands = 0
	for more := !p.peek().is(";"); more; more = p.accept(",") {
		in.Args = append(in.Args, p.operand(index))
	}
	end := p.expect(";")
	in.Text = strings.Join(strings.Fields(p.src[t.from:end.from]), " ")
	p.fn.Code = append(p.fn.Code, in)
}

func (p *parser) register(name string) (int, bool) {
	for s := p.scope; s != nil; s = s.up {
		if r, ok := s.regs[name]; ok {
			return r, true
		}
	}
	return 0, false
}

func (p *parser) variable(name string) *Var {
	for s := p.scope; s != nil; s = s.up {
		if v := s.vars[name]; v != nil {
			return v
		}
	}
	return p.globals[name]
}

// operand reads one operand, with its second half if it is a pair a|b.
func (p *parser) operand(index int) Operand {
	o := p.primary(index)
	if p.accept("|") {
		second := p.primary(index)
		o.Second = &second
	}
	return o
}

func (p *parser) primary(index int) Operand {
	t := p.peek()
	if p.operands++; p.operands > maxOperands {
		p.fail(t.line, "more than "+strconv.Itoa(maxOperands)+" operands")
	}
	switch {
	case t.is("["):
		return p.address(index)
	case t.is("{"):
		p.at++
		return Operand{Kind: KVec, Elems: p.list("}", index)}
	case t.is("("):
		p.at++
		return Operand{Kind: KList, Elems: p.list(")", index)}
	case t.is("!"):
		p.at++
		o := p.named(index)
		if o.Kind != KReg {
			p.fail(t.line, "! stands before what is no register")
		}
		o.Not = true
		return o
	case t.kind == tWord:
		o := p.named(index)
		if o.Kind == KVar {
			o.Off = p.offset()
		}
		return o
	}
	return p.constant()
}

func (p *parser) list(end string, index int) (es []Operand) {
	if p.accept(end) {
		return nil
	}
	p.nested(p.peek().line, func() {
		for {
			es = append(es, p.operand(index))
			if p.accept(end) {
				return
			}
			p.expect(",")
		}
	})
	return es
}

// constant reads a number with signs.
func (p *parser) constant() Operand {
	neg, inv := false, false
	for {
		if p.accept("-") {
			neg = !neg
		} else if p.accept("~") {
			inv = !inv
		} else if !p.accept("+") {
			break
		}
	}
	t := p.next()
	if f, single, ok := parseFloat(t); ok && !inv {
		if neg {
			f = -f
		}
		bits := math.Float64bits(f)
		if single { // keeps the payload of a NaN, which a conversion would not
			b, _ := strconv.ParseUint(t.text[2:], 16, 32)
			if neg {
				b ^= 1 << 31
			}
			return Operand{Kind: KFloat, Single: true, Float: bits, Int: int64(b)}
		}
		return Operand{Kind: KFloat, Float: bits}
	}
	v, ok := parseInt(t)
	if !ok {
		p.fail(t.line, "found "+t.String()+" where an operand must stand")
	}
	if inv {
		v = ^v
	}
	if neg {
		v = -v
	}
	return Operand{Kind: KInt, Int: v}
}

// offset reads +4, -4, +-4 or nothing.
func (p *parser) offset() int64 {
	neg := false
	switch {
	case p.accept("+"):
	case p.peek().is("-"):
	default:
		return 0
	}
	for {
		if p.accept("-") {
			neg = !neg
			continue
		}
		break
	}
	v := p.integer()
	if neg {
		return -v
	}
	return v
}

func (p *parser) address(index int) Operand {
	p.expect("[")
	o := Operand{Kind: KAddr}
	if t := p.peek(); t.kind == tWord {
		b := p.named(index)
		if b.Kind != KReg && b.Kind != KVar {
			p.fail(t.line, t.text+" is neither a register nor a variable")
		}
		o.Elems = []Operand{b}
		o.Off = p.offset()
	} else {
		o.Elems = []Operand{p.constant()}
	}
	p.expect("]")
	return o
}

// fixup is a name in an instruction that may be a label further down.
type fixup struct {
	index int
	line  int
	name  string
	scope *scope
}

// named reads a word as an operand.
func (p *parser) named(index int) Operand {
	t := p.word("an operand")
	if r, ok := p.register(t.text); ok {
		return Operand{Kind: KReg, Reg: r, Name: t.text}
	}
	if t.text == "_" {
		return Operand{Kind: KSink}
	}
	if v := p.variable(t.text); v != nil {
		return Operand{Kind: KVar, Var: v, Name: t.text}
	}
	if t.text[0] == '%' {
		if !special(t.text) {
			p.fail(t.line, "register "+t.text+" is not declared")
		}
		return Operand{Kind: KSpecial, Name: t.text}
	}
	if t.text == "WARP_SZ" {
		return Operand{Kind: KInt, Int: 32}
	}
	p.fixups = append(p.fixups, fixup{index, t.line, t.text, p.scope})
	return Operand{Kind: KName, Name: t.text}
}

// special reports whether the name may be a special register.
func special(name string) bool {
	base, _, _ := strings.Cut(name[1:], ".")
	switch base {
	case "tid", "ntid", "ctaid", "nctaid", "laneid", "warpid", "nwarpid", "smid", "nsmid", "gridid",
		"lanemask_eq", "lanemask_le", "lanemask_lt", "lanemask_ge", "lanemask_gt",
		"clock", "clock_hi", "clock64", "globaltimer", "globaltimer_lo", "globaltimer_hi",
		"dynamic_smem_size", "total_smem_size", "aggr_smem_size", "is_explicit_cluster",
		"clusterid", "nclusterid", "cluster_ctaid", "cluster_nctaid", "cluster_ctarank", "cluster_nctarank":
		return true
	}
	return strings.HasPrefix(base, "envreg") || strings.HasPrefix(base, "pm")
}

// resolve turns names into labels, functions or an error once the body is read.
func (p *parser) resolve() {
	for _, f := range p.fixups {
		in := &p.fn.Code[f.index]
		for i := range in.Args {
			p.resolveIn(&in.Args[i], f)
		}
	}
}

func (p *parser) resolveIn(o *Operand, f fixup) {
	for i := range o.Elems {
		p.resolveIn(&o.Elems[i], f)
	}
	if o.Second != nil {
		p.resolveIn(o.Second, f)
	}
	if o.Kind != KName || o.Name != f.name {
		return
	}
	if target, ok := lookupLabel(f.scope, f.name); ok {
		o.Kind, o.Target = KLabel, target
		return
	}
	for s := f.scope; s != nil; s = s.up {
		if names, ok := s.tables[f.name]; ok {
			o.Kind = KTable
			if p.targets += len(names); p.targets > maxTargets {
				p.fail(f.line, "more than "+strconv.Itoa(maxTargets)+" targets of branches by a table")
			}
			for _, n := range names {
				target, ok := lookupLabel(s, n.text)
				if !ok {
					p.fail(n.line, "label "+n.text+" is not defined")
				}
				o.Targets = append(o.Targets, target)
			}
			return
		}
	}
	if p.mod.Func(f.name) == nil {
		p.fail(f.line, "name "+f.name+" is not declared")
	}
}

func lookupLabel(s *scope, name string) (int, bool) {
	for ; s != nil; s = s.up {
		if t, ok := s.labels[name]; ok {
			return t, true
		}
	}
	return 0, false
}
