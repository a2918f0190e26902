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
	for l := range lanes(w.m) {
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
	if out.space == spGlobal && out.n == 4 && !out.wide && !c.m.d.opt.blockRaces {
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
	if out.imm < 0 || int(out.imm)+int(out.n) > 8*len(c.k.entry.Params) || out.imm%8+int64(out.n) > 8 {
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
		c.set(out, each(func(a, _, _ uint32) uint32 { return a & 0xffff }))
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
	if out.space == spGlobal && out.n == 4 && !out.wide && !c.m.d.opt.blockRaces {
		out.fn = storeGlobal32
	}
	if out.space == spShared && out.n == 4 && !out.wide {
		out.fn = storeShared32
	}
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
	for l := range lanes(w.m) {
		w.take(in, l, w.view(in, l, global, shared))
	}
}

// take puts a lane's bytes into its registers.
func (w *warp) take(in *inst, l int, b []byte) {
	n := int(in.n)
	for e, s := range in.v {
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
	for l := range lanes(w.m) {
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
	for l := range lanes(w.m) {
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

// count counts an access: lanes by where they go.
func (w *warp) count(in *inst, global, shared, local uint32) {
	s := &w.b.stats
	isStore := in.flags&fStore != 0
	if global != 0 {
		sectors, lines := touched(&w.addr, global)
		bytes := uint64(in.total) * uint64(bits.OnesCount32(global))
		switch {
		case in.space == spConst:
		case isStore:
			s.GlobalStores++
			s.GlobalStoreBytes += bytes
			s.GlobalStoreSectors += sectors
			s.GlobalStoreLines += lines
		default:
			s.GlobalLoads++
			s.GlobalLoadBytes += bytes
			s.GlobalLoadSectors += sectors
			s.GlobalLoadLines += lines
		}
	}
	if shared != 0 {
		s.BankConflicts += conflicts(&w.addr, shared, int(in.total))
		if isStore {
			s.SharedStores++
		} else {
			s.SharedLoads++
		}
	}
	if local != 0 {
		if isStore {
			s.LocalStores++
		} else {
			s.LocalLoads++
		}
	}
}

// touched counts the 32-byte sectors and 128-byte lines that lanes touch. Accesses are
// aligned, so none crosses a sector.
func touched(addr *reg64, m uint32) (sectors, lines uint64) {
	var sector [32]uint64
	n := 0
	last := ^uint64(0)
next:
	for ; m != 0; m &= m - 1 {
		s := addr[bits.TrailingZeros32(m)&31] >> 5
		if s == last {
			continue
		}
		last = s
		for k := n - 1; k >= 0; k-- {
			if sector[k] == s {
				continue next
			}
		}
		sector[n&31] = s
		n++
	}
nextLine:
	for k := range n {
		for j := k - 1; j >= 0; j-- {
			if sector[j]>>2 == sector[k]>>2 {
				continue nextLine
			}
		}
		lines++
	}
	return uint64(n), lines
}

// locate finds the bytes of an access to global memory and refuses what is wrong
// with it. n is a power of two.
func (w *warp) locate(in *inst, lane int, n uint64, write bool) (*allocation, uint64) {
	addr := w.addr[lane&31]
	d := w.b.k.mod.d
	verb := "read"
	if write {
		verb = "write"
	}
	a := d.at(addr)
	switch {
	case addr < slotStart:
		w.faultLane(in, lane, NullPointer, "%s of %d bytes at address %#x", verb, n, addr)
	case a == nil:
		w.faultLane(in, lane, OutOfRange, "%s of %d bytes: %s", verb, n, d.describe(addr))
	case a.freed:
		w.faultLane(in, lane, UseAfterFree, "%s of %d bytes: %s", verb, n, d.describe(addr))
	case addr < a.base || addr-a.base >= a.size || a.size-(addr-a.base) < n:
		w.faultLane(in, lane, OutOfRange, "%s of %d bytes: %s", verb, n, d.describe(addr))
	case addr&(n-1) != 0:
		w.faultLane(in, lane, Misaligned, "%s of %d bytes at address %#x, %s", verb, n, addr, d.describe(addr))
	case write && a.ro:
		w.faultLane(in, lane, ReadOnly, "%s", d.describe(addr))
	}
	return a, addr - a.base
}

// view returns the bytes of an access to global, constant or local memory, or of a
// load from shared memory, with all checks done.
func (w *warp) view(in *inst, lane int, global, shared uint32) []byte {
	n := uint64(in.total)
	write := in.flags&fStore != 0
	switch {
	case global>>lane&1 != 0:
		a, off := w.locate(in, lane, n, write)
		w.own(in, lane, a, off, n)
		if write {
			fill(a.shadow[off:off+n], 1)
		} else {
			w.written1(in, lane, a.shadow[off:off+n], "global")
		}
		return a.data[off : off+n]
	case shared>>lane&1 != 0:
		off := w.sharedAt(in, lane, n)
		w.sharedRead(in, lane, off, n)
		return w.b.shared[off : off+n]
	}
	return w.localView(in, lane, n, write)
}

// written1 refuses a read of bytes nobody wrote.
func (w *warp) written1(in *inst, lane int, shadow []byte, where string) {
	for i, s := range shadow {
		if s == 0 {
			what := w.b.k.mod.d.describe(w.addr[lane&31] + uint64(i))
			if where == "local" {
				what = "local memory"
			}
			w.faultLane(in, lane, Uninitialised, "read of %d bytes: nobody wrote %s", len(shadow), what)
		}
	}
}

func (w *warp) localView(in *inst, lane int, n uint64, write bool) []byte {
	size := uint64(w.b.k.local)
	addr := w.addr[lane&31]
	if addr >= size || size-addr < n {
		verb := "read"
		if write {
			verb = "write"
		}
		w.faultLane(in, lane, OutOfRange, "%s of %d bytes at %d in %d bytes of local memory", verb, n, int64(addr), size)
	}
	if addr&(n-1) != 0 {
		w.faultLane(in, lane, Misaligned, "access of %d bytes at %d in local memory", n, addr)
	}
	off := size*uint64(lane) + addr
	if write {
		fill(w.written[off:off+n], 1)
	} else {
		w.written1(in, lane, w.written[off:off+n], "local")
	}
	return w.local[off : off+n]
}

const allWritten = 0x01010101

// loadGlobal32 is ld.global of one or more words of 32 bits.
func loadGlobal32(w *warp, in *inst, _ int32) {
	w.addresses(in)
	w.count(in, w.m, 0, 0)
	n := uint64(in.total)
	a := w.b.cache[in.cache]
	for m := w.m; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		addr := w.addr[l]
		off := addr - a.base
		if off >= a.size || a.size-off < n || addr&(n-1) != 0 {
			a, off = w.locate(in, l, n, false)
			w.b.cache[in.cache] = a
		}
		data, shadow := a.data[off:off+n], a.shadow[off:off+n]
		for e, s := range in.v {
			if get32(shadow[4*e:]) != allWritten {
				w.written1(in, l, shadow, "global")
			}
			w.r32[s][l] = get32(data[4*e:])
		}
	}
}

// storeGlobal32 is st.global of one or more words of 32 bits.
func storeGlobal32(w *warp, in *inst, _ int32) {
	w.addresses(in)
	w.count(in, w.m, 0, 0)
	n := uint64(in.total)
	a := w.b.cache[in.cache]
	for m := w.m; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		addr := w.addr[l]
		off := addr - a.base
		if off >= a.size || a.size-off < n || addr&(n-1) != 0 {
			a, off = w.locate(in, l, n, true)
			w.b.cache[in.cache] = a
		}
		data, shadow := a.data[off:off+n], a.shadow[off:off+n]
		for e, s := range in.v {
			put32(shadow[4*e:], allWritten)
			put32(data[4*e:], w.r32[s][l])
		}
	}
}
