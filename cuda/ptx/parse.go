package ptx

import (
	"strconv"
	"strings"
)

// Limits on what a text may declare, so that a short file cannot ask for much
// memory or time. Compiled kernels are far below them.
const (
	maxText     = 64 << 20 // bytes of the text
	maxDepth    = 64       // blocks, lists and initial values inside each other
	maxRegs     = 1 << 18  // registers of one function
	maxAllRegs  = 1 << 20  // of the module
	maxOperands = 1 << 12  // of one instruction
	maxTargets  = 1 << 20  // of all branches by a table
	maxInit     = 64 << 20 // bytes of initial values
)

// Parse reads a module. The error is an *Error: the first mistake with its line.
func Parse(src string) (m *Module, err error) {
	if len(src) > maxText {
		return nil, &Error{1, "a text of " + strconv.Itoa(len(src)) + " bytes, more than " + strconv.Itoa(maxText) + ": this is no kernel"}
	}
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{src: src, toks: toks, mod: &Module{AddressSize: 32}, globals: map[string]*Var{}}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			m, err = nil, e
		}
	}()
	p.module()
	return p.mod, nil
}

type parser struct {
	src      string
	toks     []token
	at       int
	mod      *Module
	globals  map[string]*Var
	initial  int64 // bytes of initial values so far
	allRegs  int
	targets  int
	operands int // of the instruction that is being read
	depth    int // of what is being read

	fn     *Func
	scope  *scope
	fixups []fixup
}

func (p *parser) fail(line int, msg string) {
	panic(&Error{line, msg})
}

// nested reads something inside brackets that may hold brackets in turn.
func (p *parser) nested(line int, read func()) {
	if p.depth++; p.depth > maxDepth {
		p.fail(line, "brackets are nested more than "+strconv.Itoa(maxDepth)+" deep")
	}
	read()
	p.depth--
}

func (p *parser) peek() token { return p.toks[p.at] }

func (p *parser) next() token {
	t := p.toks[p.at]
	if t.kind != tEOF {
		p.at++
	}
	return t
}

func (t token) is(punct string) bool { return t.kind == tPunct && t.text == punct }

func (t token) String() string {
	if t.kind == tEOF {
		return "the end of the text"
	}
	return strconv.Quote(t.text)
}

// accept takes the punctuation if it comes next.
func (p *parser) accept(punct string) bool {
	if p.peek().is(punct) {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(punct string) token {
	t := p.next()
	if !t.is(punct) {
		p.fail(t.line, "found "+t.String()+" where "+strconv.Quote(punct)+" must stand")
	}
	return t
}

func (p *parser) word(what string) token {
	t := p.next()
	if t.kind != tWord {
		p.fail(t.line, "found "+t.String()+" where "+what+" must stand")
	}
	return t
}

// module reads everything.
func (p *parser) module() {
	for {
		t := p.next()
		if t.kind == tEOF {
			break
		}
		if t.kind != tWord {
			p.fail(t.line, "found "+t.String()+" where a directive must stand")
		}
		switch t.text {
		case ".version":
			p.mod.Version = p.next().text
		case ".target":
			p.mod.Target = p.word("a target").text
			for p.accept(",") {
				p.word("a target")
			}
		case ".address_size":
			p.mod.AddressSize = int(p.integer())
			if p.mod.AddressSize != 64 {
				p.fail(t.line, ".address_size "+strconv.Itoa(p.mod.AddressSize)+": only 64-bit code is read")
			}
		case ".file", ".loc":
			p.skipLine(t)
		case ".section":
			p.skipSection()
		case ".pragma", ".alias":
			p.skipTo(";")
		case ".visible", ".extern", ".weak", ".common":
			p.linkage(t)
		case ".entry", ".func":
			p.function(t, false)
		case ".global", ".const", ".shared":
			p.globalVar(t, false)
		default:
			p.fail(t.line, "unknown directive "+strconv.Quote(t.text))
		}
	}
	if p.mod.Version == "" {
		p.fail(1, "no .version: this is not PTX")
	}
}

func (p *parser) linkage(t token) {
	n := p.word("a declaration")
	switch n.text {
	case ".entry", ".func":
		p.function(n, t.text == ".extern")
	case ".global", ".const", ".shared":
		p.globalVar(n, t.text == ".extern")
	default:
		p.fail(n.line, "found "+n.String()+" behind "+t.text)
	}
}

// skipLine drops the rest of a directive that ends with its line.
func (p *parser) skipLine(t token) {
	for n := p.peek(); n.kind != tEOF && n.line == t.line; n = p.peek() {
		p.at++
	}
}

func (p *parser) skipTo(punct string) {
	for {
		t := p.next()
		if t.is(punct) {
			return
		}
		if t.kind == tEOF {
			p.fail(t.line, "the text ends where "+strconv.Quote(punct)+" must stand")
		}
	}
}

func (p *parser) skipSection() {
	p.word("a section's name")
	p.expect("{")
	p.skipTo("}")
}

// integer reads a constant with an optional sign.
func (p *parser) integer() int64 {
	neg := p.accept("-")
	t := p.next()
	v, ok := parseInt(t)
	if !ok {
		p.fail(t.line, "found "+t.String()+" where an integer must stand")
	}
	if neg {
		return -v
	}
	return v
}

// parseInt reads an unsigned 64-bit literal as its bits.
func parseInt(t token) (int64, bool) {
	if t.kind != tNumber {
		return 0, false
	}
	s := strings.TrimSuffix(t.text, "U")
	if len(s) > 1 && s[0] == '0' && isDigit(s[1]) {
		s = "0o" + s[1:]
	}
	v, err := strconv.ParseUint(s, 0, 64)
	return int64(v), err == nil
}

// dims reads up to three sizes: .reqntid 128, 2.
func (p *parser) dims() [3]int {
	d := [3]int{1, 1, 1}
	for i := range 3 {
		t := p.peek()
		v := p.integer()
		if v < 1 || v > 1<<20 {
			p.fail(t.line, "block size "+strconv.FormatInt(v, 10)+" is out of range")
		}
		d[i] = int(v)
		if !p.accept(",") {
			break
		}
	}
	return d
}
