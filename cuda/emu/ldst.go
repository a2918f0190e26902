package emu

import (
	"math/bits"

	"voxgrad/cuda/ptx"
)

func init() {
	register("ld ldu", decodeLoad)
	register("st", decodeStore)
	register("prefetch prefetchu", func(c *compiler, out *inst) {
		c.takeOf("global", "local")
		c.takeOf("L1", "L2", "L2::evict_last", "L2::evict_normal")
		c.args(1)
		c.self(out, func(*warp, *inst, int32) {})
	})
}

var spaceNames = map[string]space{
	"global": spGlobal, "shared": spShared, "shared::cta": spShared, "local": spLocal, "const": spConst, "param": spParam,
	"param::entry": spParam, "param::func": spParam,
}

// access reads the modifiers of a memory instruction up to its type.
func (c *compiler) access(out *inst) ptx.Type {
	t := c.typ()
	for _, m := range []string{"weak", "volatile", "relaxed", "acquire", "release", "cta", "gpu", "sys", "nc", "ca", "cg", "cs", "lu", "cv", "wb", "wt",
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
			out.v = append(out.v, -1)
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

func decodeLoad(c *compiler, out *inst) {
	t := c.access(out)
	args := c.args(2)
	c.where(out, &args[1])
	if out.space == spParam && out.flags&fHasAddr == 0 {
		c.loadParam(out, t)
		return
	}
	c.elems(out, &args[0], t, false)
	c.narrowest(out)
	c.self(out, opLoad)
	if out.space == spGlobal && out.n == 4 && !out.wide {
		out.fn = loadGlobal32
	}
	if out.space == spShared && out.n == 4 && !out.wide {
		out.fn = loadShared32
	}
}

// loadParam makes a kernel's parameter a register that holds it from the launch on.
func (c *compiler) loadParam(out *inst, t ptx.Type) {
	list := []ptx.Operand{c.in.Args[0]}
	if list[0].Kind == ptx.KVec {
		list = list[0].Elems
	}
	if len(list) != 1 {
		c.refuse("a vector from a parameter")
	}
	if out.imm < 0 || int(out.imm)+int(out.n) > 8*len(c.k.params) || out.imm%8+int64(out.n) > 8 {
		c.refuse("bytes outside the parameters")
	}
	e := &list[0]
	if e.Kind != ptx.KReg || c.fl.regs[e.Reg].Type.Bits() < t.Bits() {
		c.refuse("a result that does not fit")
	}
	rt := c.fl.regs[e.Reg].Type
	key := paramSlot{class: classOf(rt), off: int(out.imm), n: int(out.n), signed: signed(t)}
	slot, ok := c.prm[key]
	if !ok {
		slot = c.newSlot(key.class)
		c.prm[key] = slot
		full := key
		full.slot = slot
		c.k.args = append(c.k.args, full)
	}
	out.a, out.d = slot, c.sl.of[e.Reg]
	switch {
	case key.class == class64:
		c.set(out, mov[uint64])
	case rt.Bits() == 16:
		c.set(out, each32(func(a, _, _ uint32) uint32 { return a & 0xffff }))
	default:
		c.set(out, mov[uint32])
	}
}

func decodeStore(c *compiler, out *inst) {
	out.flags |= fStore
	t := c.access(out)
	args := c.args(2)
	c.where(out, &args[0])
	if out.space == spParam || out.space == spConst {
		c.refuse("a store to .%s", map[space]string{spParam: "param", spConst: "const"}[out.space])
	}
	c.elems(out, &args[1], t, true)
	c.narrowest(out)
	c.self(out, opStore)
	if out.space == spGlobal && out.n == 4 && !out.wide {
		out.fn = storeGlobal32
	}
	if out.space == spShared && out.n == 4 && !out.wide {
		out.fn = storeShared32
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

// opLoad is a load of any width from any space.
func opLoad(w *warp, in *inst, _ int32) {
	if in.space == spParam {
		w.loadParams(in)
		return
	}
	w.addresses(in)
	global, shared, local := w.spaceOf(in)
	w.count(in, global, shared, local)
	for m := w.m; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		w.take(in, l, w.view(in, l, global, shared))
	}
}

// take puts a lane's bytes into its registers.
func (w *warp) take(in *inst, l int, b []byte) {
	n := int(in.n)
	for e, s := range in.v {
		if s < 0 {
			continue
		}
		v := extend(b[e*n:], n, in.flags&fSigned != 0)
		if in.wide {
			w.r64[s][l] = v
		} else if in.sub == 16 {
			w.r32[s][l] = uint32(v) & 0xffff
		} else {
			w.r32[s][l] = uint32(v)
		}
	}
}

// loadParams reads a parameter at an address in a register.
func (w *warp) loadParams(in *inst) {
	w.addresses(in)
	args := w.b.l.args
	for m := w.m; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		a := w.addr[l]
		if a >= uint64(len(args)) || a+uint64(in.total) > uint64(len(args)) {
			w.faultLane(in, l, OutOfRange, "byte %d of %d bytes of parameters", a, len(args))
		}
		w.take(in, l, args[a:])
	}
}

// opStore is a store of any width to any space.
func opStore(w *warp, in *inst, _ int32) {
	w.addresses(in)
	global, shared, local := w.spaceOf(in)
	w.count(in, global, shared, local)
	n := int(in.n)
	for m := w.m; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		if shared>>l&1 != 0 { // the race check needs what is to be written
			w.sharedStore(in, l)
			continue
		}
		b := w.view(in, l, global, shared)
		for e, s := range in.v {
			store(b[e*n:], n, w.element(in, s, l))
		}
	}
}

func (w *warp) element(in *inst, s int32, l int) uint64 {
	if in.wide {
		return w.r64[s][l&31]
	}
	return uint64(w.r32[s][l&31])
}
