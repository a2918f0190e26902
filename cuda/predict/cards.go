package predict

import (
	"fmt"
	"strings"

	"voxgrad/cuda"
	"voxgrad/cuda/driver"
)

// Card is the constants of a GPU. "Sheet" is NVIDIA's data sheet or the tuning guide of the architecture, "estimate" is
// neither documented nor measured by us.
type Card struct {
	Name    string
	Match   string // in the name that the driver has for it
	Compute int    // compute capability times ten; sheet

	Multiprocs int     // sheet
	GHz        float64 // boost clock; sheet
	HBM        float64 // 10⁹ bytes a second; sheet
	L2         float64 // 10⁹ bytes a second; estimate
	L2Bytes    int     // sheet

	// Of a multiprocessor: sheet.
	Threads, Blocks, Shared, SharedOptIn, Registers int

	// Operations of a multiprocessor in a cycle by mma.sync with sums in fp32. Sheet, times the share of it that mma.sync
	// reaches: all of it on Ampere and Ada, 0.63 on Hopper, where wgmma alone has the full rate (estimate).
	BF16, TF32 float64
	PeakBF16   float64 // the same by the fastest instruction there is: the sheet's rate at the boost clock. TF32 is half of it

	FP32, FP64 float64 // lanes of a multiprocessor; sheet
}

// What is the same on all cards.
const (
	schedulers = 4
	mufuLanes  = 16 // sheet

	slabs = 40 << 20 // bytes of L2 from which on slabs of tap products stay in it

	launchSeconds = 4e-6 // of a kernel in a graph: start, first loads, last block; estimate
	hbmShare      = 0.9  // of the sheet's bandwidth that a copy reaches; estimate
	issueShare    = 0.8  // of the issue slots that enough warps fill; estimate
	issuePerWarp  = 0.3  // of a scheduler's slots that one warp fills; estimate
	branchShare   = 0.3  // of the code outside loops that a warp executes; estimate
)

var cards = []Card{
	{Name: "H200", Match: "H200", Compute: 90, Multiprocs: 132, GHz: 1.98, HBM: 4800, L2: 5500, L2Bytes: 50 << 20,
		Threads: 2048, Blocks: 32, Shared: 228 << 10, SharedOptIn: 227 << 10, Registers: 65536, BF16: 0.63 * 3786, TF32: 0.63 * 1893, PeakBF16: 3786, FP32: 128, FP64: 64},
	{Name: "H100", Match: "H100", Compute: 90, Multiprocs: 132, GHz: 1.98, HBM: 3350, L2: 5500, L2Bytes: 50 << 20,
		Threads: 2048, Blocks: 32, Shared: 228 << 10, SharedOptIn: 227 << 10, Registers: 65536, BF16: 0.63 * 3786, TF32: 0.63 * 1893, PeakBF16: 3786, FP32: 128, FP64: 64},
	{Name: "A100", Match: "A100", Compute: 80, Multiprocs: 108, GHz: 1.41, HBM: 2039, L2: 4000, L2Bytes: 40 << 20, // of 80 GB, SXM
		Threads: 2048, Blocks: 32, Shared: 164 << 10, SharedOptIn: 163 << 10, Registers: 65536, BF16: 2048, TF32: 1024, PeakBF16: 2048, FP32: 64, FP64: 32},
	{Name: "RTX4090", Match: "RTX 4090", Compute: 89, Multiprocs: 128, GHz: 2.52, HBM: 1008, L2: 4500, L2Bytes: 72 << 20,
		Threads: 1536, Blocks: 24, Shared: 100 << 10, SharedOptIn: 99 << 10, Registers: 65536, BF16: 512, TF32: 256, PeakBF16: 512, FP32: 128, FP64: 2},
	{Name: "RTX3090", Match: "RTX 3090", Compute: 86, Multiprocs: 82, GHz: 1.695, HBM: 936, L2: 2000, L2Bytes: 6 << 20,
		Threads: 1536, Blocks: 16, Shared: 100 << 10, SharedOptIn: 99 << 10, Registers: 65536, BF16: 512, TF32: 256, PeakBF16: 512, FP32: 128, FP64: 2},
}

// Names are the cards there are constants of.
func Names() (all []string) {
	for _, c := range cards {
		all = append(all, c.Name)
	}
	return all
}

// CardOf finds a card by its name, in any case and with or without spaces, or by the name that the driver has for it. The
// error lists those there are.
func CardOf(name string) (Card, error) {
	plain := func(s string) string {
		return strings.ToUpper(strings.NewReplacer(" ", "", "-", "", "_", "").Replace(s))
	}
	for _, c := range cards {
		if plain(name) == plain(c.Name) || plain(name) == plain("NVIDIA GeForce "+c.Match) || strings.HasPrefix(plain(name), plain("NVIDIA "+c.Match)) {
			return c, nil
		}
	}
	return Card{}, fmt.Errorf("there are no constants of a card %q; there are those of %s", name, strings.Join(Names(), ", "))
}

// Info is the card as a driver describes it.
func (c Card) Info() driver.Info {
	return driver.Info{Name: c.Name, ComputeCapability: c.Compute, Multiprocs: c.Multiprocs, SharedPerMP: c.Shared, SharedPerCTA: 48 << 10,
		SharedOptIn: c.SharedOptIn, L2: c.L2Bytes, ClockKHz: int(c.GHz * 1e6)}
}

// Peak is the rate of arithmetic by the sheet in a precision, in operations a second.
func (c Card) Peak(p cuda.Precision) float64 {
	each := 2 * c.FP32
	switch p {
	case cuda.BF16:
		each = c.PeakBF16
	case cuda.TF32:
		each = c.PeakBF16 / 2
	}
	return each * float64(c.Multiprocs) * c.GHz * 1e9
}

// Floor is the least time that arithmetic and traffic take by the sheet.
func (c Card) Floor(p cuda.Precision, flops, bytes int64) float64 {
	return max(float64(flops)/c.Peak(p), float64(bytes)/(c.HBM*1e9))
}
