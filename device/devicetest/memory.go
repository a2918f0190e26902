package devicetest

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"voxgrad/device"
)

func copyTrials() []*trial {
	var ts []*trial
	for i, s := range []device.Shape{shape(2, 5, 6, 7, 3), device.Scalar(), shape(1, 5, 5, 9, 17), device.Weights(3, 8, 24)} {
		ts = append(ts, &trial{
			method: "Copy", name: s.String(), full: i == 0,
			args: []arg{
				{name: "dst", shape: device.Vec(s.Len()), role: grad},
				{name: "src", shape: s, make: normal(0, 1)},
			},
			call: func(b device.Backend, t tensors) { b.Copy(t.into("dst"), t.at["src"]) },
		})
		for _, v := range []float32{0, -1.5, float32(math.Inf(1))} {
			ts = append(ts, &trial{
				method: "Fill", name: fmt.Sprintf("%v/%g", s, v), full: i == 0,
				args: []arg{{name: "t", shape: s, role: output, free: true}},
				call: func(b device.Backend, t tensors) { b.Fill(t.at["t"], v) },
			})
		}
		for _, kind := range []struct {
			name string
			x    values
		}{
			{"none", uniform(-3e38, 3e38)}, {"last", special(-1)}, {"first", special(0)},
			{"some", special(0, 3, 4, -2)}, {"all", constant(math.NaN())},
		} {
			ts = append(ts, &trial{
				method: "NonFinite", name: fmt.Sprintf("%v/%s", s, kind.name), full: i == 0,
				args: []arg{
					{name: "count", shape: device.Scalar(), role: output},
					{name: "x", shape: s, make: kind.x, free: true},
				},
				call: func(b device.Backend, t tensors) { b.NonFinite(t.at["count"], t.at["x"]) },
			})
		}
	}
	return ts
}

// special is finite but for the given elements (from the end if negative), which are
// NaN, +Inf and -Inf in turn.
func special(at ...int) values {
	return func(d draw) []float32 {
		x := normal(0, 1)(d)
		for i, e := range at {
			if e < 0 {
				e += len(x)
			}
			if e < len(x) {
				x[max(e, 0)] = [...]float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}[i%3]
			}
		}
		return x
	}
}

func memoryCases() []Case {
	return []Case{
		{Name: "Name", Methods: []string{"Name"}, check: plain(checkName)},
		{Name: "Upload and Download", Methods: []string{"Upload", "Download"}, check: plain(checkTransfer)},
		{Name: "Upload and Download/wrong length", Methods: []string{"Upload", "Download"}, check: plain(checkTransferLength)},
		{Name: "Alloc and Free", Methods: []string{"Alloc", "Free"}, check: plain(checkAlloc)},
		{Name: "Free/twice", Methods: []string{"Free"}, check: plain(checkFreeTwice)},
		{Name: "Usage", Methods: []string{"Usage", "ResetPeak"}, check: plain(checkUsage)},
		{Name: "Sync", Methods: []string{"Sync"}, check: plain(checkSync)},
		{Name: "several goroutines", Methods: []string{"Sync"}, check: plain(checkGoroutines)},
		{Name: "Close", Methods: []string{"Close"}, check: plain(checkClose), Closes: true},
	}
}

func plain(f func(b device.Backend) error) func(device.Backend, Options) (Report, error) {
	return func(b device.Backend, _ Options) (Report, error) { return Report{}, f(b) }
}

func checkName(b device.Backend) error {
	first := b.Name()
	if first == "" {
		return errors.New("the name is empty")
	}
	if again := b.Name(); again != first {
		return fmt.Errorf("the name was %q and is %q", first, again)
	}
	return nil
}

func checkTransfer(b device.Backend) error {
	mem := arena{b: b}
	defer mem.free()
	for _, n := range []int{1, 3, 8, 17, 1000, 4097} {
		src := make([]float32, n)
		for i := range src {
			src[i] = float32(i) - 1.25
		}
		copy(src, []float32{math.MaxFloat32, float32(math.Inf(-1)), float32(math.NaN()), math.SmallestNonzeroFloat32, float32(math.Copysign(0, -1))})
		t := mem.alloc("t", device.Vec(n))
		kept := append([]float32(nil), src...)
		b.Upload(t, src)
		clear(src) // the backend has taken its copy, or Upload has not returned
		if err := sameBits(kept, download(b, t)); err != nil {
			return fmt.Errorf("%d values: %w", n, err)
		}
	}
	return mem.check()
}

func panics(what string, f func()) (err error) {
	defer func() {
		if recover() == nil {
			err = errors.New(what + " does not panic")
		}
	}()
	f()
	return nil
}

func checkTransferLength(b device.Backend) error {
	mem := arena{b: b}
	defer mem.free()
	t := mem.alloc("t", shape(1, 2, 3, 4, 5))
	return errors.Join(
		panics("Upload of too few values", func() { b.Upload(t, make([]float32, 119)) }),
		panics("Upload of too many values", func() { b.Upload(t, make([]float32, 121)) }),
		panics("Download of too few values", func() { b.Download(make([]float32, 119), t) }),
		panics("Download of too many values", func() { b.Download(make([]float32, 121), t) }),
		mem.check(),
	)
}

// checkAlloc looks for tensors that share memory, also when it is used again.
func checkAlloc(b device.Backend) error {
	s := shape(1, 3, 5, 7, 3)
	live := make([]device.Tensor, 9)
	fill := func(i int) {
		live[i] = b.Alloc(s)
		b.Fill(live[i], float32(i))
	}
	defer func() {
		for _, t := range live {
			b.Free(t)
		}
	}()
	for i := range live {
		fill(i)
	}
	for i := 0; i < len(live); i += 2 {
		b.Free(live[i])
		live[i] = device.Tensor{}
	}
	for i := 0; i < len(live); i += 2 {
		fill(i)
	}
	for i, t := range live {
		if t.None() || t.Shape != s || t.Mem.Bytes() < int64(s.Len()) {
			return fmt.Errorf("Alloc(%v) gave %v", s, t)
		}
		for _, v := range download(b, t) {
			if v != float32(i) {
				return fmt.Errorf("tensor %d holds a value of tensor %g", i, v)
			}
		}
	}
	b.Free(device.Tensor{})
	return nil
}

func checkFreeTwice(b device.Backend) error {
	t := b.Alloc(device.Vec(17))
	b.Free(t)
	return panics("freeing twice", func() { b.Free(t) })
}

func checkUsage(b device.Backend) error {
	start, _ := b.Usage()
	b.ResetPeak()
	x, y := b.Alloc(shape(1, 5, 6, 7, 24)), b.Alloc(device.Vec(3))
	size := x.Mem.Bytes() + y.Mem.Bytes()
	now, peak := b.Usage()
	if now-start != size || peak-start != size {
		return fmt.Errorf("with %d bytes more: now %+d, peak %+d", size, now-start, peak-start)
	}
	b.Free(x)
	now, peak = b.Usage()
	if now-start != y.Mem.Bytes() || peak-start != size {
		return fmt.Errorf("after Free: now %+d instead of %d, peak %+d instead of %d", now-start, y.Mem.Bytes(), peak-start, size)
	}
	b.ResetPeak()
	if _, peak = b.Usage(); peak != now {
		return fmt.Errorf("after ResetPeak: peak %d, now %d", peak, now)
	}
	b.Free(y)
	if now, _ = b.Usage(); now != start {
		return fmt.Errorf("all freed: %d bytes more than before", now-start)
	}
	return nil
}

func checkSync(b device.Backend) error {
	t := b.Alloc(device.Vec(8))
	defer b.Free(t)
	b.Fill(t, 1)
	if err := b.Sync(); err != nil {
		return fmt.Errorf("nothing failed: %w", err)
	}
	return nil
}

// checkGoroutines runs the same calls alone and side by side on tensors of their own.
func checkGoroutines(b device.Backend) error {
	trials := append(convTrials()[:3], batchNormTrials()[:3]...)
	run := func(tr *trial) (map[string][]float32, error) {
		vals, _ := tr.draw()
		return tr.onBackend(b, tr.variations()[0], vals)
	}
	alone := make([]map[string][]float32, len(trials))
	for i, tr := range trials {
		var err error
		if alone[i], err = run(tr); err != nil {
			return err
		}
	}
	errs := make([]error, len(trials))
	var wg sync.WaitGroup
	for i, tr := range trials {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					errs[i] = fmt.Errorf("%s: panic: %v", tr.method, p)
				}
			}()
			for range 3 {
				got, err := run(tr)
				errs[i] = errors.Join(errs[i], err)
				for name, x := range got {
					errs[i] = errors.Join(errs[i], sameBits(alone[i][name], x))
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func checkClose(b device.Backend) error {
	t := b.Alloc(device.Vec(100))
	b.Fill(t, 1)
	return b.Close()
}

func blendTrials() []*trial {
	var ts []*trial
	for i, s := range imageShapes() {
		for _, c := range [][2]float64{{2, -1}, {0.3, 0.9}, {0, 1}, {1, 0}} {
			ts = append(ts, &trial{
				method: "Blend", name: fmt.Sprintf("%v/%g,%g", s, c[0], c[1]), full: i == 0 && c[0] == 2, flops: 3 * float64(s.Len()),
				alias: [][2]string{{"y", "x"}, {"y", "z"}},
				args: []arg{
					{name: "y", shape: s, role: output, terms: 3, scale: 1},
					{name: "x", shape: s, make: normal(0, 1)},
					{name: "z", shape: s, make: normal(0, 1)},
				},
				call: func(b device.Backend, t tensors) {
					b.Blend(t.at["y"], t.at["x"], t.at["z"], c[0], c[1])
				},
			})
		}
	}
	return ts
}
