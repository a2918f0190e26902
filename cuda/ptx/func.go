package ptx

import (
	"strconv"
	"strings"
)

// function reads a kernel or a device function after .entry or .func.
func (p *parser) function(t token, extern bool) {
	f := &Func{Entry: t.text == ".entry", Line: t.line}
	p.fn, p.fixups = f, nil
	p.scope = newScope(nil)
	if !f.Entry && p.accept("(") {
		f.Returns = p.params(")")
	}
	f.Name = p.word("the name of a function").text
	if p.accept("(") {
		f.Params = p.params(")")
	}
	for !p.peek().is("{") && !p.peek().is(";") {
		p.attribute(f)
	}
	if old := p.mod.Func(f.Name); old != nil && old.Body && p.peek().is("{") {
		p.fail(f.Line, f.Name+" is defined a second time, first in line "+strconv.Itoa(old.Line))
	}
	p.mod.Funcs = append(p.mod.Funcs, f)
	if p.accept(";") {
		return
	}
	if extern {
		p.fail(f.Line, f.Name+" is .extern and has a body")
	}
	f.Body = true
	p.expect("{")
	p.block()
	p.resolve()
}

// attribute reads what may stand between the parameters and the body.
func (p *parser) attribute(f *Func) {
	t := p.word("an attribute of a function")
	switch t.text {
	case ".maxntid":
		f.MaxNTid = p.dims()
	case ".reqntid":
		f.ReqNTid = p.dims()
	case ".minnctapersm", ".maxnreg", ".maxnctapersm":
		p.integer()
	case ".noreturn", ".unique":
	case ".pragma":
		p.skipTo(";")
	default:
		p.fail(t.line, "unknown attribute "+t.text+" of "+f.Name)
	}
}

// params reads declarations of parameters up to the closing punctuation.
func (p *parser) params(end string) []*Var {
	var vs []*Var
	if p.accept(end) {
		return nil
	}
	for {
		t := p.word("a parameter")
		switch t.text {
		case ".param":
			v := p.varType(Param)
			p.varName(&v)
			if p.scope.vars[v.Name] != nil {
				p.fail(v.Line, "parameter "+v.Name+" is declared a second time")
			}
			p.scope.vars[v.Name] = &v
			vs = append(vs, &v)
		case ".reg":
			v := p.varType("reg")
			p.varName(&v)
			v.Reg = true
			p.addReg(v.Line, v.Name, v.Type)
			vs = append(vs, &v)
		default:
			p.fail(t.line, "found "+t.String()+" where a parameter must stand")
		}
		if p.accept(end) {
			return vs
		}
		p.expect(",")
	}
}

// scope holds the names of a block; blocks nest.
type scope struct {
	up     *scope
	regs   map[string]int
	vars   map[string]*Var
	labels map[string]int
	tables map[string][]token
}

func newScope(up *scope) *scope {
	return &scope{up, map[string]int{}, map[string]*Var{}, map[string]int{}, map[string][]token{}}
}

func (p *parser) addReg(line int, name string, t Type) {
	if _, dup := p.scope.regs[name]; dup {
		p.fail(line, "register "+name+" is declared a second time")
	}
	if len(p.fn.Regs) >= maxRegs {
		p.fail(line, "more than "+strconv.Itoa(maxRegs)+" registers in "+p.fn.Name)
	}
	if p.allRegs++; p.allRegs > maxAllRegs {
		p.fail(line, "more than "+strconv.Itoa(maxAllRegs)+" registers in all")
	}
	p.scope.regs[name] = len(p.fn.Regs)
	p.fn.Regs = append(p.fn.Regs, Reg{name, t})
}

// regs reads a declaration after .reg: .b32 %r<9>, t;
func (p *parser) regs() {
	t := p.word("a type")
	typ := Type(strings.TrimPrefix(t.text, "."))
	if typ.Bits() == 0 || !strings.HasPrefix(t.text, ".") {
		p.fail(t.line, "unknown type "+t.String()+" of a register")
	}
	for {
		n := p.word("a register's name")
		if p.accept("<") {
			count := p.integer()
			p.expect(">")
			if count < 0 || count > maxRegs {
				p.fail(n.line, "more than "+strconv.Itoa(maxRegs)+" registers in "+p.fn.Name)
			}
			for i := range int(count) {
				p.addReg(n.line, n.text+strconv.Itoa(i), typ)
			}
		} else {
			p.addReg(n.line, n.text, typ)
		}
		if !p.accept(",") {
			break
		}
	}
	p.expect(";")
}

// block reads statements up to the closing brace.
func (p *parser) block() {
	for {
		t := p.next()
		switch {
		case t.is("}"):
			return
		case t.is("{"):
			p.scope = newScope(p.scope)
			p.nested(t.line, p.block)
			p.scope = p.scope.up
		case t.is(";"):
		case t.is("@"):
			p.instruction(t)
		case t.kind == tWord && p.peek().is(":"):
			p.at++
			p.label(t)
		case t.kind == tWord && t.text[0] == '.':
			p.bodyDirective(t)
		case t.kind == tWord:
			p.at--
			p.instruction(t)
		default:
			p.fail(t.line, "found "+t.String()+" where an instruction must stand")
		}
	}
}

func (p *parser) label(t token) {
	_, dup := p.scope.labels[t.text]
	if _, also := p.scope.tables[t.text]; dup || also {
		p.fail(t.line, "label "+t.text+" stands a second time")
	}
	if n := p.peek(); n.kind == tWord && n.text == ".branchtargets" {
		p.at++
		var names []token
		for {
			names = append(names, p.word("a label"))
			if !p.accept(",") {
				break
			}
		}
		p.expect(";")
		p.scope.tables[t.text] = names
		return
	}
	p.scope.labels[t.text] = len(p.fn.Code)
}

func (p *parser) bodyDirective(t token) {
	switch t.text {
	case ".reg":
		p.regs()
	case ".local", ".shared", ".param", ".const", ".global":
		for _, v := range p.vars(Space(t.text[1:]), false) {
			if p.scope.vars[v.Name] != nil {
				p.fail(v.Line, "variable "+v.Name+" is declared a second time")
			}
			p.scope.vars[v.Name] = v
			p.fn.Vars = append(p.fn.Vars, v)
		}
	case ".loc", ".file":
		p.skipLine(t)
	case ".pragma", ".callprototype", ".calltargets":
		p.skipTo(";")
	default:
		p.fail(t.line, "unknown directive "+strconv.Quote(t.text))
	}
}
