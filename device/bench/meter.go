package bench

import (
	"context"
	"slices"
	"time"

	"voxgrad/device"
)

// meter takes samples on one device.
type meter struct {
	dev     device.Backend
	o       Options
	counter Counter
	timer   Timer
	flush   device.Tensor
	fill    float32
}

// open measures the ceilings.
func (m *meter) open(r *Report) error {
	if n := int(m.o.Flush / 4); n > 0 {
		m.flush = m.dev.Alloc(device.Vec(n))
	}
	if n := int(m.o.CopyBytes / 4); n > 0 {
		a, b := m.dev.Alloc(device.Vec(n)), m.dev.Alloc(device.Vec(n))
		m.dev.Fill(a, 1)
		m.dev.Fill(b, 2)
		best := time.Duration(0)
		for range 7 {
			took, err := m.time(func() { m.dev.Copy(device.Into{Tensor: b, Mode: device.Set}, a) })
			if err != nil {
				return err
			}
			if best == 0 || took < best {
				best = took
			}
		}
		m.dev.Free(a)
		m.dev.Free(b)
		r.Copy = rate(8*int64(n), best.Seconds())
	}
	if m.o.FMA != nil {
		flops, err := m.o.FMA()
		if err != nil {
			return err
		}
		r.FMA = flops / 1e9
	}
	return m.dev.Sync()
}

func (m *meter) close() { m.dev.Free(m.flush) }

// time is one execution with nothing else under way.
func (m *meter) time(f func()) (time.Duration, error) {
	if err := m.dev.Sync(); err != nil {
		return 0, err
	}
	if m.timer != nil {
		took, err := m.timer.Time(f)
		if err != nil {
			return 0, err
		}
		return max(took, 1), m.dev.Sync()
	}
	start := time.Now()
	f()
	err := m.dev.Sync()
	return max(time.Since(start), 1), err
}

func (m *meter) measure(ctx context.Context, c Case) (Result, error) {
	w, err := work(c)
	if err != nil {
		return Result{}, err
	}
	res := Result{Name: c.Name, Flops: w.Flops, Bytes: w.Bytes}
	run, closeCase, err := c.Open(m.dev)
	if err != nil {
		return res, err
	}
	defer closeCase()
	if err := m.dev.Sync(); err != nil {
		return res, err
	}
	if m.counter != nil {
		run() // what happens once in a case's life does not count
		m.counter.ResetCounts()
		run()
		err := m.dev.Sync()
		res.Counts = m.counter.Counts()
		return res, err
	}
	for range m.o.Warmup {
		run()
	}
	begin := time.Now()
	for i := 0; i < max(m.o.Least, 1) || i < m.o.Most && time.Since(begin) < m.o.Budget; i++ {
		if ctx.Err() != nil {
			return res, ctx.Err()
		}
		if !m.flush.None() {
			m.fill++ // so that no device can leave it out
			m.dev.Fill(m.flush, m.fill)
		}
		took, err := m.time(run)
		if err != nil {
			return res, err
		}
		res.Seconds = append(res.Seconds, took.Seconds())
	}
	sorted := slices.Sorted(slices.Values(res.Seconds))
	res.Q1, res.Median, res.Q3 = quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75)
	return res, nil
}

// quantile interpolates linearly between the order statistics (Hyndman and Fan's
// type 7, as NumPy and R by default).
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
