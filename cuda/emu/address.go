package emu

import (
	"math/bits"

	"voxgrad/cuda/ptx"
)

var spaceNames = map[string]space{
	"global": spGlobal, "shared": spShared, "shared::cta": spShared, "local": spLocal, "const": spConst, "param": spParam,
	"param::entry": spParam, "param::func": spParam,
}

// access reads the modifiers of a memory instruction up to its type.
func (c *compiler) access(out *inst) ptx.Type {
	t := c.typ()
	if c.takeOf("volatile", "relaxed", "acquire", "release") != "" {
		out.flags |= fVolatile
	}
	for _, m := range []string{"weak", "cta", "gpu", "sys", "nc", "ca", "cg", "cs", "lu", "cv", "wb", "wt",
		"L1::evict_normal", "L1::evict_unchanged", "L1::evict_first", "L1::evict_last", "L1::no_allocate",
		"L2::64B", "L2::128B", "L2::256B"} {
		c.take(m)
	}
	for name, s := range spaceNames {
		if c.take(name) {
			out.space = s
		}
	}
	vec := 1
	switch c.takeOf("v2", "v4") {
	case "v2":
		vec = 2
	case "v4":
		vec = 4
	}
	if t.Bits() < 8 || t.Bits() > 64 || t.Bits()*vec > 128 {
		c.unknown()
	}
	out.n = uint8(t.Bits() / 8)
	out.total = out.n * uint8(vec)
	if signed(t) {
		out.flags |= fSigned
	}
	out.cache = int32(c.k.caches)
	c.k.caches++
	return t
}

// where sets the address: a register with an offset, a variable or a number.
func (c *compiler) where(out *inst, o *ptx.Operand) {
	if o.Kind != ptx.KAddr {
		c.refuse("an operand that is no address")
	}
	out.imm = o.Off
	switch b := &o.Elems[0]; b.Kind {
	case ptx.KReg:
		out.flags |= fHasAddr
		switch c.fl.regs[b.Reg].Type.Bits() {
		case 64:
			out.flags |= fAddr64
			out.a = c.reg(b, class64)
		case 32:
			out.a = c.reg(b, class32)
		default:
			c.refuse("register %s as an address", b.Name)
		}
	case ptx.KVar:
		out.imm += c.address(b)
		if b.Var.Space == ptx.Param && out.space == spParam {
			if _, body := c.fl.frame[b.Var]; body {
				out.space = spLocal // a .param variable of a body
			}
		}
	case ptx.KInt:
		out.imm += b.Int
	default:
		c.refuse("an address of this kind")
	}
}

// elems are the registers of a load or store.
func (c *compiler) elems(out *inst, o *ptx.Operand, t ptx.Type, isStore bool) {
	list := []ptx.Operand{*o}
	if o.Kind == ptx.KVec {
		list = o.Elems
	}
	if len(list)*int(out.n) != int(out.total) {
		c.refuse("%d registers where %d must stand", len(list), out.total/out.n)
	}
	for i := range list {
		e := &list[i]
		if e.Kind == ptx.KSink && !isStore {
			out.v = append(out.v, 0) // scratch
			continue
		}
		if e.Kind != ptx.KReg {
			if !isStore {
				c.refuse("a result that is no register")
			}
			out.v = append(out.v, c.src(e, t))
			out.wide = classOf(t) == class64
			continue
		}
		r := c.fl.regs[e.Reg]
		wide := classOf(r.Type) == class64
		if r.Type.Bits() < t.Bits() || i > 0 && wide != out.wide {
			c.refuse("register %s of type .%s does not fit", r.Name, r.Type)
		}
		out.wide = wide
		out.v = append(out.v, c.sl.of[e.Reg])
		if r.Type.Bits() == 16 {
			out.sub = 16 // signs are not to reach the upper half
		}
	}
}

// narrowest notes the smallest piece of shared memory the kernel touches, which
// is how finely races are looked for.
func (c *compiler) narrowest(out *inst) {
	if out.space == spShared || out.space == spGeneric {
		c.k.granule = min(c.k.granule, uint(bits.TrailingZeros8(out.n)))
	}
}

// addresses fills w.addr.
func (w *warp) addresses(in *inst) {
	switch {
	case in.flags&fAddr64 != 0:
		a, off := &w.r64[in.a], uint64(in.imm)
		for i := range w.addr {
			w.addr[i] = a[i] + off
		}
	case in.flags&fHasAddr != 0:
		a, off := &w.r32[in.a], uint32(in.imm)
		for i := range w.addr {
			w.addr[i] = uint64(a[i] + off)
		}
	default:
		broadcast64(&w.addr, uint64(in.imm))
	}
}

// spaceOf splits the lanes of a generic access by the window they hit.
func (w *warp) spaceOf(in *inst) (global, shared, local uint32) {
	switch in.space {
	case spGlobal, spConst:
		return w.m, 0, 0
	case spShared:
		return 0, w.m, 0
	case spLocal:
		return 0, 0, w.m
	}
	for m := w.m; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		switch a := w.addr[l]; {
		case a>>62 == sharedWindow>>62:
			shared |= 1 << l
			w.addr[l] = a & windowMask
		case a>>61 == localWindow>>61:
			local |= 1 << l
			w.addr[l] = a & windowMask
		default:
			global |= 1 << l
		}
	}
	return global, shared, local
}
