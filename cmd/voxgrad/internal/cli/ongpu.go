package cli

import (
	"time"

	"voxgrad/cuda"
	"voxgrad/cuda/driver"
	"voxgrad/cuda/peak"
	"voxgrad/device/bench"
)

// onGPU is the CUDA backend with what its driver can tell beside.
type onGPU struct {
	*cuda.Backend
	drv driver.Driver
}

var _ bench.Timer = onGPU{}

// newOnGPU makes a backend of an open device, which it then owns. On an error the
// device is closed.
func newOnGPU(d driver.Driver, opts ...cuda.Option) (onGPU, error) {
	b, err := cuda.New(d, opts...)
	if err != nil {
		_ = d.Close()
	}
	return onGPU{b, d}, err
}

// Time is how long the device took for the calls that f makes, by its own clock.
func (g onGPU) Time(f func()) (time.Duration, error) {
	from, err := g.drv.RecordEvent()
	if err != nil {
		return 0, err
	}
	f()
	to, err := g.drv.RecordEvent()
	if err != nil {
		return 0, err
	}
	return g.drv.Elapsed(from, to)
}

// MeasureFMA is the ceiling of arithmetic.
func (g onGPU) MeasureFMA() (float64, error) { return peak.FMA(g.drv) }
