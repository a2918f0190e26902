package ptx

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
)

// globalVar reads a variable of module scope after its address space.
func (p *parser) globalVar(space token, extern bool) {
	for _, v := range p.vars(Space(space.text[1:]), extern) {
		if old := p.globals[v.Name]; old != nil && !(old.Extern || extern) {
			p.fail(v.Line, "variable "+v.Name+" is declared a second time, first in line "+strconv.Itoa(old.Line))
		} else if old != nil && extern {
			continue
		}
		p.globals[v.Name] = v
		p.mod.Vars = append(p.mod.Vars, v)
	}
}

// vars reads "type name[n] = init, ...;" behind an address space.
func (p *parser) vars(space Space, extern bool) []*Var {
	var vs []*Var
	proto := p.varType(space)
	for {
		v := proto
		v.Extern = extern
		p.varName(&v)
		if p.accept("=") {
			if v.Space != Global && v.Space != Const {
				p.fail(v.Line, "."+string(v.Space)+" variable "+v.Name+" cannot have an initial value")
			}
			p.initial += v.Size
			if v.Size < 0 || p.initial > maxInit {
				p.fail(v.Line, "too many bytes of initial values")
			}
			v.Init = make([]byte, v.Size)
			var off int64
			p.initValue(&v, &off)
		}
		vs = append(vs, &v)
		if !p.accept(",") {
			break
		}
	}
	p.expect(";")
	return vs
}

// varType reads .align, vector and type, in any order.
func (p *parser) varType(space Space) Var {
	v := Var{Space: space, Line: p.peek().line}
	vec := 1
	for {
		t := p.peek()
		if t.kind != tWord || t.text[0] != '.' {
			break
		}
		p.at++
		switch t.text {
		case ".align":
			v.Align = int(p.integer())
			if v.Align < 1 || v.Align > 1<<16 || v.Align&(v.Align-1) != 0 {
				p.fail(t.line, "alignment "+strconv.Itoa(v.Align)+" is no power of two up to 65536")
			}
		case ".v2":
			vec = 2
		case ".v4":
			vec = 4
		case ".ptr", ".global", ".const", ".shared", ".local", ".managed": // attributes of pointer parameters
		default:
			if b := Type(t.text[1:]).Bits(); b < 8 {
				p.fail(t.line, "unknown type "+t.text)
			}
			v.Type = Type(t.text[1:])
		}
	}
	if v.Type == "" {
		p.fail(v.Line, "declaration without a type")
	}
	v.Size = int64(v.Type.Bits() / 8 * vec)
	v.Align = max(v.Align, int(v.Size))
	return v
}

// varName reads the name and the bounds of an array.
func (p *parser) varName(v *Var) {
	t := p.word("a variable's name")
	v.Name, v.Line = t.text, t.line
	for p.accept("[") {
		if p.accept("]") {
			v.Size = 0
			continue
		}
		n := p.integer()
		if n < 0 || n > 0 && v.Size > (1<<40)/n {
			p.fail(t.line, "array "+t.text+" is too large")
		}
		v.Size *= n
		p.expect("]")
	}
}

// initValue reads a value or a braced list into v.Init at off.
func (p *parser) initValue(v *Var, off *int64) {
	t := p.peek()
	if p.accept("{") {
		p.nested(t.line, func() {
			for !p.accept("}") {
				p.initValue(v, off)
				if !p.accept(",") && !p.peek().is("}") {
					p.fail(p.peek().line, "found "+p.peek().String()+" in the initial values of "+v.Name)
				}
			}
		})
		return
	}
	size := int64(v.Type.Bits() / 8)
	if *off+size > v.Size {
		p.fail(t.line, "too many initial values for "+v.Name)
	}
	var buf [8]byte
	switch {
	case t.kind == tWord:
		p.initRef(v, *off)
	default:
		neg := p.accept("-")
		t := p.next()
		bits, ok := literal(t, v.Type, neg)
		if !ok {
			p.fail(t.line, "found "+t.String()+" in the initial values of "+v.Name)
		}
		binary.LittleEndian.PutUint64(buf[:], bits)
		copy(v.Init[*off:*off+size], buf[:])
	}
	*off += size
}

// initRef reads an address as an initial value: name, name+4, generic(name)+4.
func (p *parser) initRef(v *Var, off int64) {
	t := p.word("a name")
	r := Ref{Off: off, Name: t.text}
	if t.text == "generic" && p.accept("(") {
		r.Name, r.Generic = p.word("a name").text, true
		if p.accept("+") {
			r.Add = p.integer()
		}
		p.expect(")")
	}
	if p.accept("+") {
		r.Add += p.integer()
	} else if p.accept("-") {
		r.Add -= p.integer()
	}
	if v.Type.Bits() != 64 {
		p.fail(t.line, "an address needs 64 bits, "+v.Name+" has elements of type ."+string(v.Type))
	}
	v.Refs = append(v.Refs, r)
}

// literal is the bits of a number as a value of type t.
func literal(t token, typ Type, neg bool) (uint64, bool) {
	single := typ == "f32"
	if f, isSingle, ok := parseFloat(t); ok {
		if neg {
			f = -f
		}
		switch {
		case single:
			return uint64(math.Float32bits(float32(f))), true
		case typ == "f64" || !isSingle && typ == "b64":
			return math.Float64bits(f), true
		case typ == "b32":
			return uint64(math.Float32bits(float32(f))), true
		}
		return 0, false
	}
	v, ok := parseInt(t)
	if neg {
		v = -v
	}
	if ok && single {
		return uint64(math.Float32bits(float32(v))), true
	}
	if ok && typ == "f64" {
		return math.Float64bits(float64(v)), true
	}
	return uint64(v), ok
}

// parseFloat reads 0f3F800000, 0d3FF0000000000000 and 1.5e3.
func parseFloat(t token) (f float64, single, ok bool) {
	if t.kind != tNumber || len(t.text) < 2 {
		return 0, false, false
	}
	s := t.text
	if s[0] == '0' {
		switch s[1] {
		case 'f', 'F':
			b, err := strconv.ParseUint(s[2:], 16, 32)
			return float64(math.Float32frombits(uint32(b))), true, err == nil && len(s) == 10
		case 'd', 'D':
			b, err := strconv.ParseUint(s[2:], 16, 64)
			return math.Float64frombits(b), false, err == nil && len(s) == 18
		case 'x', 'X', 'b', 'B':
			return 0, false, false
		}
	}
	if !strings.ContainsAny(s, ".eE") {
		return 0, false, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, false, err == nil
}
