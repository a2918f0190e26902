// Package peak measures the rate of fused multiply-adds of a CUDA device with a
// kernel that does nothing else.
package peak

import (
	_ "embed"
	"fmt"
	"time"

	"voxgrad/cuda/driver"
)

//go:generate go run voxgrad/tools/ptx -dir .
//go:embed fma.sm_61.ptx
var source string

const (
	threads = 256
	each    = 2 * 16 * 16 // operations of a thread in a round
)

// FMA is the best rate of a few tries, in float32 operations a second, 2 for each
// multiply-add.
func FMA(d driver.Driver) (float64, error) {
	// Eight blocks fill the 2048 threads of the largest multiprocessors; four waves.
	return measure(d, 32*max(d.Info().Multiprocs, 1), 2048, 5)
}

func measure(d driver.Driver, blocks, rounds, tries int) (best float64, err error) {
	m, err := d.Load(source)
	if err != nil {
		return 0, fmt.Errorf("peak: %w", err)
	}
	k, err := m.Kernel("fma_peak")
	if err != nil {
		return 0, fmt.Errorf("peak: %w", err)
	}
	out, err := d.Alloc(4 * int64(blocks) * threads)
	if err != nil {
		return 0, fmt.Errorf("peak: %w", err)
	}
	defer func() {
		if e := d.Free(out); err == nil {
			err = e
		}
	}()
	l := driver.Launch{Grid: driver.D1(blocks), Block: driver.D1(threads)}
	for range tries + 1 { // the first warms up
		took, err := timed(d, func() error {
			return d.Launch(k, l, out, rounds, float32(0.5), float32(1))
		})
		if err != nil {
			return 0, fmt.Errorf("peak: %w", err)
		}
		best = max(best, float64(blocks)*threads*float64(rounds)*each/took.Seconds())
	}
	return best, nil
}

func timed(d driver.Driver, f func() error) (time.Duration, error) {
	from, err := d.RecordEvent()
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	to, err := d.RecordEvent()
	if err != nil {
		return 0, err
	}
	took, err := d.Elapsed(from, to)
	return max(took, 1), err
}
