package cli

import (
	"voxgrad/cuda"
	"voxgrad/cuda/emu"
	"voxgrad/device/bench"
)

// emulated is the CUDA backend on the emulator, which counts.
type emulated struct {
	*cuda.Backend
	dev *emu.Device
}

var _ bench.Counter = emulated{}

// OpenEmulator opens the CUDA backend on the emulator of a card that has a precision.
func OpenEmulator(p cuda.Precision, opts ...cuda.Option) (emulated, error) {
	d := newEmulator(p)
	b, err := cuda.New(d, append(opts, cuda.WithPrecision(p))...)
	return emulated{b, d}, err
}

func newEmulator(p cuda.Precision) *emu.Device {
	if p == cuda.FP32 {
		return emu.New()
	}
	return emu.New(emu.ComputeCapability(80))
}

// Counts are the emulator's, by kernel.
func (e emulated) Counts() map[string]bench.Counts {
	out := map[string]bench.Counts{}
	for kernel, s := range e.dev.Stats() {
		out[kernel] = bench.Counts{
			"launches": s.Launches, "blocks": s.Blocks, "instructions": s.WarpInstructions, "flops": s.Flops,
			"load_sectors": s.GlobalLoadSectors, "store_sectors": s.GlobalStoreSectors,
			"shared": s.SharedLoads + s.SharedStores, "conflicts": s.BankConflicts,
			"local": s.LocalLoads + s.LocalStores, "barriers": s.Barriers,
		}
	}
	return out
}

// ResetCounts forgets them.
func (e emulated) ResetCounts() { e.dev.ResetStats() }
