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
	for m := w.m; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
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
