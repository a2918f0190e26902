// Package predict says how long a CUDA device would take for what the backend launches: the list of launches, times what the
// machine code of each kernel does, over the constants of a card. Nothing in it was measured: what it says is a prediction.
//
// A launch takes the longest of five times, and a fixed cost:
//
//   - issue: a warp's instructions over the slots of the schedulers that the resident warps can fill;
//   - tensor: products over the rate of mma.sync;
//   - shared: passes of shared memory, one a cycle;
//   - L2: bytes that the blocks load;
//   - HBM: tensors and workspaces, each once.
//
// The first three are those of the multiprocessor with the most blocks. A main loop's turns follow from the arithmetic of a
// product, with the empty part of its tiles, and of other kernels from their bytes.
package predict

import (
	"math"

	"voxgrad/cuda/launches"
)

// Launch is a predicted launch.
type Launch struct {
	Op    string `json:"op"`              // operation of the backend
	Layer string `json:"layer,omitempty"` // whose parameters it has, if it has any

	Kernel string  `json:"kernel"`
	Grid   [3]int  `json:"grid"`
	Block  int     `json:"block"`
	Shared int     `json:"shared_bytes"` // dynamic
	Flops  float64 `json:"flops,omitempty"`
	Bytes  int64   `json:"bytes"`

	Resident int     `json:"resident_blocks"` // of a multiprocessor
	Bound    string  `json:"bound"`           // the longest of the times
	Issue    float64 `json:"issue_s"`
	Tensor   float64 `json:"tensor_s,omitempty"`
	SMem     float64 `json:"shared_s"`
	L2       float64 `json:"l2_s"`
	HBM      float64 `json:"hbm_s"`
	Seconds  float64 `json:"predicted_s"`
}

// Launch predicts one launch.
func (c Card) Launch(l launches.Launch) (Launch, error) {
	k, err := KernelOn(c.Compute, l.Kernel)
	if err != nil {
		return Launch{}, err
	}
	return c.launch(k, l), nil
}

func (c Card) launch(k *Kernel, l launches.Launch) Launch {
	p := Launch{Kernel: l.Kernel, Grid: [3]int{l.Grid.X, l.Grid.Y, l.Grid.Z}, Block: l.Block.Count(), Shared: l.Launch.Shared, Flops: l.Flops, Bytes: l.Bytes}
	blocks := float64(l.Grid.Count())
	warps := float64((p.Block + 31) / 32) // of a block
	p.Resident = c.resident(k, int(warps)*32, l.Launch.Shared)

	// Of all warps together.
	turns := k.turns(l, blocks*warps)
	outer, copies := l.Rounds, 0.0
	if k.Copy.Loaded > 0 && l.Copied > 0 {
		copies = float64(l.Copied) / (32 * float64(k.Copy.Loaded))
	}
	// Most of what is outside loops is the alternatives of an epilogue: where there is a main loop, its instructions alone count.
	straight := blocks * warps * branchShare
	rest := straight
	if k.Loop.Instructions > 0 {
		rest = 0
	}
	of := func(rest float64, outside, loop, around, copied int) float64 {
		return rest*float64(outside) + turns*float64(loop) + outer*float64(around) + copies*float64(copied)
	}
	cycle := 1 / (c.GHz * 1e9)
	// The busiest multiprocessor's share of everything.
	share := math.Ceil(blocks/float64(c.Multiprocs)) / blocks * cycle
	s, o, a, b := k.Straight, k.Loop, k.Outer, k.Copy
	here := math.Min(float64(p.Resident), math.Ceil(blocks/float64(c.Multiprocs))) * warps / schedulers
	p.Issue = share * of(straight, s.Instructions, o.Instructions, a.Instructions, b.Instructions) / (schedulers * math.Min(issueShare, issuePerWarp*here))
	p.Issue = math.Max(p.Issue, share*of(rest, s.FFMA, o.FFMA, a.FFMA, b.FFMA)*32/c.FP32)
	p.Issue = math.Max(p.Issue, share*of(rest, s.FP64, o.FP64, a.FP64, b.FP64)*32/c.FP64)
	p.Issue = math.Max(p.Issue, share*of(rest, s.MUFU, o.MUFU, a.MUFU, b.MUFU)*32/mufuLanes)
	if o.MMA > 0 {
		rate := c.BF16
		if o.MMAFlops/o.MMA < 4096 {
			rate = c.TF32
		}
		p.Tensor = share * turns * float64(o.MMAFlops) / rate
	}
	p.SMem = share * of(rest, s.Passes, o.Passes, a.Passes, b.Passes)
	p.L2 = 32 * of(rest, s.Loaded, o.Loaded, a.Loaded, b.Loaded) / (c.L2 * 1e9)
	bytes := l.Bytes
	if c.L2Bytes >= slabs {
		bytes -= l.Taps
	}
	p.HBM = float64(bytes) / (c.HBM * 1e9 * hbmShare)
	for _, t := range []struct {
		name string
		time float64
	}{{"issue", p.Issue}, {"tensor", p.Tensor}, {"shared", p.SMem}, {"L2", p.L2}, {"HBM", p.HBM}} {
		if t.time > p.Seconds {
			p.Bound, p.Seconds = t.name, t.time
		}
	}
	p.Seconds += launchSeconds
	return p
}

// turns is how often all warps together go through the main loop.
func (k *Kernel) turns(l launches.Launch, warps float64) float64 {
	switch o := k.Loop; {
	case o.MMA > 0:
		return l.Executed() / float64(o.MMAFlops)
	case l.Flops > 0 && o.FFMA > 0:
		return l.Executed() / (64 * float64(o.FFMA))
	case o.Loaded+o.Stored > 0:
		rest := float64(l.Bytes) - warps*branchShare*32*float64(k.Straight.Loaded+k.Straight.Stored)
		return math.Max(0, rest) / (32 * float64(o.Loaded+o.Stored))
	}
	return 0
}

// resident is how many blocks of so many threads and so much dynamic shared memory a multiprocessor holds at once, at least one.
func (c Card) resident(k *Kernel, threads, dynamic int) int {
	n := min(c.Blocks, c.Threads/threads)
	if k.Registers > 0 { // warps get registers by 256
		n = min(n, c.Registers/((k.Registers*32+255)/256*256)/(threads/32))
	}
	const reserved = 1 << 10 // of a block's shared memory, by the system
	n = min(n, c.Shared/(k.Shared+dynamic+reserved))
	return max(n, 1)
}
