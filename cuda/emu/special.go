package emu

// lanesOf gives a special register's value in each lane.
type lanesOf struct {
	perBlock bool // changes from block to block
	value    func(w *warp, lane int) uint64
}

// specials are the special registers. %smid is 0 and %warpid the warp's place in
// the block, which hardware does not promise.
var specials = map[string]lanesOf{
	"%tid.x":    {false, func(w *warp, l int) uint64 { return uint64(w.thread(l).X) }},
	"%tid.y":    {false, func(w *warp, l int) uint64 { return uint64(w.thread(l).Y) }},
	"%tid.z":    {false, func(w *warp, l int) uint64 { return uint64(w.thread(l).Z) }},
	"%ntid.x":   {false, func(w *warp, _ int) uint64 { return uint64(w.b.l.launch.Block.X) }},
	"%ntid.y":   {false, func(w *warp, _ int) uint64 { return uint64(w.b.l.launch.Block.Y) }},
	"%ntid.z":   {false, func(w *warp, _ int) uint64 { return uint64(w.b.l.launch.Block.Z) }},
	"%ctaid.x":  {true, func(w *warp, _ int) uint64 { return uint64(w.b.at.X) }},
	"%ctaid.y":  {true, func(w *warp, _ int) uint64 { return uint64(w.b.at.Y) }},
	"%ctaid.z":  {true, func(w *warp, _ int) uint64 { return uint64(w.b.at.Z) }},
	"%nctaid.x": {false, func(w *warp, _ int) uint64 { return uint64(w.b.l.launch.Grid.X) }},
	"%nctaid.y": {false, func(w *warp, _ int) uint64 { return uint64(w.b.l.launch.Grid.Y) }},
	"%nctaid.z": {false, func(w *warp, _ int) uint64 { return uint64(w.b.l.launch.Grid.Z) }},
	"%laneid":   {false, func(_ *warp, l int) uint64 { return uint64(l) }},
	"%warpid":   {false, func(w *warp, _ int) uint64 { return uint64(w.id) }},
	"%nwarpid":  {false, func(w *warp, _ int) uint64 { return uint64(len(w.b.warps)) }},
	"%smid":     {false, func(*warp, int) uint64 { return 0 }},
	"%nsmid":    {false, func(*warp, int) uint64 { return 1 }},
	"%gridid":   {false, func(*warp, int) uint64 { return 0 }},

	"%lanemask_eq": {false, func(_ *warp, l int) uint64 { return 1 << l }},
	"%lanemask_lt": {false, func(_ *warp, l int) uint64 { return 1<<l - 1 }},
	"%lanemask_le": {false, func(_ *warp, l int) uint64 { return 2<<l - 1 }},
	"%lanemask_gt": {false, func(_ *warp, l int) uint64 { return uint64(allLanes &^ (2<<l - 1)) }},
	"%lanemask_ge": {false, func(_ *warp, l int) uint64 { return uint64(allLanes &^ (1<<l - 1)) }},

	"%dynamic_smem_size": {false, func(w *warp, _ int) uint64 { return uint64(w.b.l.launch.Shared) }},
	"%total_smem_size":   {false, func(w *warp, _ int) uint64 { return uint64(len(w.b.shared)) }},
}

// fillSpecials fills the slots of special registers: those of the block, or those
// that stay.
func (w *warp) fillSpecials(perBlock bool) {
	for _, s := range w.b.k.specials {
		v := specials[s.name]
		if v.perBlock != perBlock {
			continue
		}
		for l := range 32 {
			if s.class == class64 {
				w.r64[s.slot][l] = v.value(w, l)
			} else {
				w.r32[s.slot][l] = uint32(v.value(w, l))
			}
		}
	}
}
