package cuda

import (
	"bytes"
	"encoding/binary"
	"math"

	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// adamSpan is the number of elements that a block of kernel adam updates.
const adamSpan = 2048

// slotTable is the table of the last update on the device. It stays there: training
// updates the same slots step after step.
type slotTable struct {
	host []byte
	at   driver.Ptr
}

// slotTable brings the table to the device unless it is there.
func (o *op) slotTable(table []byte) driver.Ptr {
	b, have := o.b, &o.b.slots
	if bytes.Equal(table, have.host) {
		return have.at
	}
	if len(table) != len(have.host) {
		if have.host != nil {
			b.pool.put(have.at)
		}
		*have = slotTable{}
		at, err := b.pool.get(int64(len(table)))
		if err != nil {
			o.noMemory("a table", err)
			return 0
		}
		have.at = at
	}
	have.host = table
	if err := b.drv.ToDevice(have.at, table); err != nil {
		o.lost("", driver.Launch{}, err)
	}
	return have.at
}

// Adam updates all slots in one launch, by a table of them on the device, which is
// brought there when it changes. No tensor
// may be changed through two slots.
func (b *Backend) Adam(slots []device.AdamSlot, opt device.AdamOptions) {
	o := b.begin("Adam")
	if o == nil {
		return
	}
	defer o.end()
	o.want(opt.Step >= 1, "step %d, the first one is 1", opt.Step)
	var table []byte
	grid := 0
	changed := map[device.Mem]int{}
	for i, s := range slots {
		for _, p := range []driver.Ptr{o.ptr("W", s.W), o.ptr("Grad", s.Grad), o.ptr("M", s.M), o.ptr("V", s.V)} {
			table = binary.LittleEndian.AppendUint64(table, uint64(p))
		}
		o.want(s.Grad.Shape == s.W.Shape && s.M.Shape == s.W.Shape && s.V.Shape == s.W.Shape,
			"W %v, Grad %v, M %v, V %v", s.W.Shape, s.Grad.Shape, s.M.Shape, s.V.Shape)
		for _, t := range []device.Tensor{s.W, s.M, s.V} {
			before, twice := changed[t.Mem]
			o.want(!twice, "a tensor %v of slot %d is in slot %d already", t.Shape, i, before)
			changed[t.Mem] = i
		}
		table = binary.LittleEndian.AppendUint64(table, uint64(s.W.Len()))
		table = binary.LittleEndian.AppendUint64(table, uint64(grid))
		grid += ceil(s.W.Len(), adamSpan)
	}
	for i, s := range slots {
		before, twice := changed[s.Grad.Mem]
		o.want(!twice, "the gradient %v of slot %d is changed by slot %d", s.Grad.Shape, i, before)
	}
	if len(slots) == 0 {
		return
	}
	o.launch("optimizer", "adam", blocks(grid, threads), o.slotTable(table), len(slots),
		float32(opt.Beta1), float32(1-opt.Beta1), float32(opt.Beta2), float32(1-opt.Beta2),
		float32(opt.LR/(1-math.Pow(opt.Beta1, float64(opt.Step)))), float32(1/math.Sqrt(1-math.Pow(opt.Beta2, float64(opt.Step)))), float32(opt.Eps))
}
