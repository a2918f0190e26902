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

// slotTable is the table of an operation's last call on the device. It stays there: training
// passes the same tensors step after step.
type slotTable struct {
	host []byte
	at   driver.Ptr
}

// slotTable brings the operation's table to the device unless it is there.
func (o *op) slotTable(table []byte) driver.Ptr {
	b := o.b
	have := b.tables[o.name]
	if have != nil && bytes.Equal(table, have.host) {
		return have.at
	}
	b.flush() // launches that use the old one
	if have == nil || len(table) != len(have.host) {
		if have != nil {
			b.pool.put(have.at)
			delete(b.tables, o.name)
		}
		at, err := b.pool.get(int64(len(table)))
		if err != nil {
			o.noMemory("a table", err)
			return 0
		}
		have = &slotTable{at: at}
		b.tables[o.name] = have
	}
	have.host = table
	if b.err != nil {
		return 0
	}
	if err := b.drv.ToDevice(have.at, table); err != nil {
		o.lost("", driver.Launch{}, err)
	}
	return have.at
}

// Adam updates all slots in one launch, by a table of them on the device, which is
// brought there when it changes.
func (o *op) Adam(slots []device.AdamSlot, opt device.AdamOptions) {
	var table []byte
	grid := 0
	for _, s := range slots {
		for _, p := range []driver.Ptr{ptr(s.W), ptr(s.Grad), ptr(s.M), ptr(s.V)} {
			table = binary.LittleEndian.AppendUint64(table, uint64(p))
		}
		table = binary.LittleEndian.AppendUint64(table, uint64(s.W.Len()))
		table = binary.LittleEndian.AppendUint64(table, uint64(grid))
		grid += ceil(s.W.Len(), adamSpan)
	}
	if len(slots) == 0 {
		return
	}
	rate := float32(opt.LR / (1 - math.Pow(opt.Beta1, float64(opt.Step))))
	root := float32(1 / math.Sqrt(1-math.Pow(opt.Beta2, float64(opt.Step))))
	at := o.slotTable(table)
	keep := float32(1 - opt.LR*opt.WeightDecay)
	rates := o.numbers(math.Float32bits(rate), math.Float32bits(root), math.Float32bits(keep))
	o.launch("optimizer", "adam", blocks(grid, threads), at, len(slots),
		float32(opt.Beta1), float32(1-opt.Beta1), float32(opt.Beta2), float32(1-opt.Beta2), rates, float32(opt.Eps), ptr(opt.Guard), ptr(opt.Norm), float32(opt.MaxNorm))
}

// TotalNorm goes through all tensors in one launch, by a table of them on the device.
func (o *op) TotalNorm(norm device.Tensor, xs []device.Tensor) {
	if len(xs) == 0 {
		o.Fill(norm, 0)
		return
	}
	spans, grid := o.spans(xs)
	parts := o.workspace(2 * grid)
	o.launch("optimizer", "norm_squares", blocks(grid, threads), parts, spans, len(xs))
	o.launch("optimizer", "norm_total", blocks(1, threads), norm, parts, grid)
}
