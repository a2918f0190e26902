// Package ptx reads PTX, the assembly text NVIDIA's compilers emit: entries with
// their parameters, registers, variables of every address space and instructions
// with line numbers, names resolved. It knows the grammar and not what an
// instruction does.
//
// The grammar is that of NVIDIA's "Parallel Thread Execution ISA".
package ptx

import (
	"fmt"
	"strconv"
	"strings"
)

// Module is one file of PTX.
type Module struct {
	Version     string // "7.8"
	Target      string // "sm_61"
	AddressSize int    // bits
	Vars        []*Var
	Funcs       []*Func
}

// Entry finds the kernel of that name with a body; nil if there is none.
func (m *Module) Entry(name string) *Func {
	for _, f := range m.Funcs {
		if f.Entry && f.Name == name && f.Body {
			return f
		}
	}
	return nil
}

// Func finds the function or kernel of that name, one with a body first; nil if
// there is none.
func (m *Module) Func(name string) *Func {
	var found *Func
	for _, f := range m.Funcs {
		if f.Name == name && (found == nil || f.Body) {
			found = f
		}
	}
	return found
}

// Entries are the kernels with a body, in the order of the file.
func (m *Module) Entries() []*Func {
	var es []*Func
	for _, f := range m.Funcs {
		if f.Entry && f.Body {
			es = append(es, f)
		}
	}
	return es
}

// Func is a kernel (.entry) or a device function (.func).
type Func struct {
	Name    string
	Entry   bool
	Body    bool // false for a declaration
	Line    int
	Returns []*Var
	Params  []*Var
	Regs    []Reg
	Vars    []*Var // declared in the body: .local, .shared, .param, .const
	Code    []Instruction

	ReqNTid [3]int // .reqntid; zeros if absent
	MaxNTid [3]int // .maxntid; zeros if absent
}

// Reg is one register.
type Reg struct {
	Name string
	Type Type
}

// Type is a fundamental type without its dot: u32, b64, f16x2, pred.
type Type string

// Bits is the width, 0 for an unknown type and 1 for a predicate.
func (t Type) Bits() int {
	switch t {
	case "pred":
		return 1
	case "e4m3", "e5m2":
		return 8
	case "bf16":
		return 16
	case "f16x2", "bf16x2", "tf32", "u16x2", "s16x2":
		return 32
	case "b8", "u8", "s8", "b16", "u16", "s16", "f16", "b32", "u32", "s32", "f32", "b64", "u64", "s64", "f64", "b128":
		n, _ := strconv.Atoi(string(t[1:]))
		return n
	}
	return 0
}

// Space is an address space without its dot; empty means generic.
type Space string

// The address spaces.
const (
	Generic Space = ""
	Global  Space = "global"
	Shared  Space = "shared"
	Local   Space = "local"
	Const   Space = "const"
	Param   Space = "param"
)

// Var is a variable or a parameter in memory.
type Var struct {
	Name   string
	Line   int
	Space  Space
	Type   Type
	Align  int    // bytes, at least the size of an element
	Size   int64  // bytes; 0 for an array without a bound
	Extern bool   // declared, defined elsewhere; with .shared: the dynamic part
	Init   []byte // nil, or Size bytes
	Refs   []Ref  // addresses inside Init
	Reg    bool   // a .reg parameter of a .func
}

// Ref is an initial value that is an address.
type Ref struct {
	Off     int64 // of the 8 bytes inside Init
	Name    string
	Add     int64
	Generic bool
}

// Kind is what an operand is.
type Kind uint8

// The kinds of operands.
const (
	KReg     Kind = iota // a register: Reg
	KInt                 // an integer: Int
	KFloat               // a float: Float, the bits of a float64; Single if written 0f
	KSpecial             // a special register: Name (%tid.x)
	KVar                 // the address of a variable: Var, Off
	KAddr                // [base+Off]: Elems[0] is the base
	KVec                 // {a, b}: Elems
	KList                // (a, b) of a call: Elems
	KLabel               // a label: Target
	KTable               // a .branchtargets table: Targets
	KName                // another name: a function
	KSink                // _, a result nobody wants
)

// Operand is one operand, its names resolved.
type Operand struct {
	Kind    Kind
	Not     bool // !p
	Single  bool
	Reg     int // index in Func.Regs
	Int     int64
	Float   uint64
	Off     int64
	Name    string
	Var     *Var
	Elems   []Operand
	Second  *Operand // b of a|b
	Target  int      // index in Func.Code
	Targets []int
}

// Instruction is one instruction.
type Instruction struct {
	Line  int
	Text  string // as written, white space made one blank
	Guard int    // register of the predicate, -1 without
	Not   bool   // @!p
	Op    string // "ld"
	Mods  []string
	Args  []Operand
}

// Opcode is the instruction's name with its modifiers: "ld.global.f32".
func (i *Instruction) Opcode() string {
	if len(i.Mods) == 0 {
		return i.Op
	}
	return i.Op + "." + strings.Join(i.Mods, ".")
}

// Error is a mistake in the text.
type Error struct {
	Line int
	Msg  string
}

func (e *Error) Error() string { return fmt.Sprintf("ptx: line %d: %s", e.Line, e.Msg) }
