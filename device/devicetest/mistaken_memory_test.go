package devicetest

import (
	"errors"
	"math"

	"voxgrad/device"
)

// nanOnly does not count infinities.
type nanOnly struct{ *oracle }

func (b nanOnly) NonFinite(found device.Tensor, xs []device.Tensor) {
	n := b.Data(found)[0]
	b.oracle.NonFinite(found, xs)
	for _, x := range xs {
		for _, v := range b.Data(x) {
			if v != v {
				n++
			}
		}
	}
	b.Data(found)[0] = n
}

// forgetful does not keep what was found before.
type forgetful struct{ *oracle }

func (b forgetful) NonFinite(found device.Tensor, xs []device.Tensor) {
	b.Fill(found, 0)
	b.oracle.NonFinite(found, xs)
}

// newestPlace keeps the place of the newest values.
type newestPlace struct{ *oracle }

func (b newestPlace) NonFinite(found device.Tensor, xs []device.Tensor) {
	d := b.Data(found)
	n := d[0]
	d[0] = 0
	b.oracle.NonFinite(found, xs)
	d[0] += n
}

// tardy fetches when it is asked for the values.
type tardy struct{ *oracle }

type tardyFetch struct {
	b  *oracle
	ts []device.Tensor
}

func (f tardyFetch) Ready() bool              { return true }
func (f tardyFetch) Read() ([]float32, error) { return f.b.Fetch(f.ts...).Read() }

func (b tardy) Fetch(ts ...device.Tensor) device.Fetched { return tardyFetch{b.oracle, ts} }

// together frees all tensors of AllocWith with the first.
type together struct {
	*oracle
	with map[device.Mem][]device.Tensor
}

func (b together) AllocWith(shapes []device.Shape, values [][]float32) []device.Tensor {
	ts := b.oracle.AllocWith(shapes, values)
	for _, t := range ts {
		b.with[t.Mem] = ts
	}
	return ts
}

func (b together) Free(t device.Tensor) {
	for _, other := range b.with[t.Mem] {
		for i := range b.Data(other) {
			b.Data(other)[i] = 0
		}
	}
	b.oracle.Free(t)
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
