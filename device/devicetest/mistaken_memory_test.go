package devicetest

import (
	"errors"
	"math"

	"voxgrad/device"
)

// nanOnly does not count infinities.
type nanOnly struct{ *oracle }

func (b nanOnly) NonFinite(count, x device.Tensor) {
	b.oracle.NonFinite(count, x)
	n := 0
	for _, v := range b.Data(x) {
		if v != v {
			n++
		}
	}
	b.Data(count)[0] = float32(n)
}

// leaky keeps counting what was freed.
type leaky struct{ *oracle }

func (b leaky) Usage() (now, peak int64) {
	_, peak = b.oracle.Usage()
	return peak, peak
}

// forgiving lets a tensor be freed any number of times.
type forgiving struct{ *oracle }

func (b forgiving) Free(t device.Tensor) {
	defer func() { _ = recover() }()
	b.oracle.Free(t)
}

// sharing gives two tensors of the same shape the same memory.
type sharing struct {
	*oracle
	given map[device.Shape]device.Tensor
}

func (b sharing) Alloc(s device.Shape) device.Tensor {
	if _, ok := b.given[s]; !ok {
		b.given[s] = b.oracle.Alloc(s)
	}
	return b.given[s]
}

type nameless struct{ *oracle }

func (nameless) Name() string { return "" }

type lastingPeak struct{ *oracle }

func (lastingPeak) ResetPeak() {}

type failing struct{ *oracle }

func (failing) Sync() error { return errors.New("failed") }

func (failing) Close() error { return errors.New("failed") }

// anyLength copies as much as there is.
type anyLength struct{ *oracle }

func (b anyLength) Upload(t device.Tensor, src []float32) { copy(b.Data(t), src) }

func (b anyLength) Download(dst []float32, t device.Tensor) { copy(dst, b.Data(t)) }

// flushing takes the smallest numbers for 0.
type flushing struct{ *oracle }

func (b flushing) Upload(t device.Tensor, src []float32) {
	b.oracle.Upload(t, src)
	for i, v := range b.Data(t) {
		if math.Abs(float64(v)) < 0x1p-126 {
			b.Data(t)[i] = 0
		}
	}
}
