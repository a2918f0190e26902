package devicetest

import (
	"errors"
	"fmt"
	"math"
	"slices"
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
			ts = append(ts, nonFiniteTrial(fmt.Sprintf("%v/%s", s, kind.name), i == 0, constant(0), []device.Shape{s}, kind.x))
		}
	}
	return ts
}

// nonFiniteTrial looks into tensors of the shapes. The oracle's sum is of whole numbers.
func nonFiniteTrial(name string, full bool, before values, shapes []device.Shape, xs ...values) *trial {
	tr := &trial{
		method: "NonFinite", name: name, full: full,
		args: []arg{{name: "found", shape: device.Vec(2), role: state, make: before}},
		call: func(b device.Backend, t tensors) {
			list := make([]device.Tensor, len(shapes))
			for i := range list {
				list[i] = t.at[fmt.Sprint("x", i)]
			}
			b.NonFinite(t.at["found"], list)
		},
	}
	for i, s := range shapes {
		tr.args = append(tr.args, arg{name: fmt.Sprint("x", i), shape: s, make: xs[i], free: true})
	}
	return tr
}

// nonFiniteTrials look into several tensors at once, with what was found before and with nothing found.
func nonFiniteTrials() []*trial {
	shapes := []device.Shape{device.Weights(3, 3, 5), device.Vec(1), device.Vec(4097), shape(1, 5, 6, 7, 17), device.Vec(8)}
	clean, bad, last := normal(0, 1), special(3, 1, -2), special(-1)
	one := constant(math.NaN())
	found := func(n, at float32) values {
		return func(draw) []float32 { return []float32{n, at} }
	}
	var ts []*trial
	for _, c := range []struct {
		name string
		xs   []values
	}{
		{"none", []values{clean, clean, clean, clean, clean}}, {"first", []values{bad, clean, bad, clean, clean}},
		{"one", []values{clean, one, clean, clean, clean}}, {"large", []values{clean, clean, last, bad, clean}},
		{"end", []values{clean, clean, clean, clean, last}},
	} {
		ts = append(ts, nonFiniteTrial("several/"+c.name, false, found(0, 0), shapes, c.xs...),
			nonFiniteTrial("several/"+c.name+" after", false, found(7, 3), shapes, c.xs...))
	}
	return append(ts, nonFiniteTrial("nothing to look into", false, found(2, 1), nil))
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
		{Name: "AllocWith", Methods: []string{"AllocWith"}, check: plain(checkAllocWith)},
		{Name: "Fetch", Methods: []string{"Fetch"}, check: plain(checkFetch)},
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

func checkAllocWith(b device.Backend) error {
	start, _ := b.Usage()
	shapes := []device.Shape{shape(1, 2, 3, 4, 5), device.Scalar(), device.Vec(17), device.Matrix(9, 65), device.Vec(1)}
	var values, kept [][]float32
	for i, s := range shapes {
		v := make([]float32, s.Len())
		for k := range v {
			v[k] = float32(1000*i + k)
		}
		values, kept = append(values, v), append(kept, slices.Clone(v))
	}
	ts := b.AllocWith(shapes, values)
	if len(ts) != len(shapes) {
		return fmt.Errorf("%d tensors of %d shapes", len(ts), len(shapes))
	}
	size := int64(0)
	for i, v := range values {
		clear(v)
		size += ts[i].Mem.Bytes()
	}
	if now, _ := b.Usage(); now-start != size {
		return fmt.Errorf("Usage is %d bytes more, the tensors have %d", now-start, size)
	}
	b.Fill(ts[1], -1) // a tensor like any other, which may be changed and freed by itself
	kept[1][0] = -1
	for _, i := range []int{2, 0, 4, 1, 3} {
		if ts[i].Shape != shapes[i] {
			return fmt.Errorf("tensor %d has shape %v instead of %v", i, ts[i].Shape, shapes[i])
		}
		if err := sameBits(kept[i], download(b, ts[i])); err != nil {
			return fmt.Errorf("tensor %d: %w", i, err)
		}
		b.Free(ts[i])
		again := b.Alloc(shapes[i]) // what is freed is not the others'
		b.Fill(again, -2)
		defer b.Free(again)
	}
	if got := b.AllocWith(nil, nil); len(got) != 0 {
		return fmt.Errorf("%d tensors of nothing", len(got))
	}
	return panics("freeing twice", func() { b.Free(ts[0]) })
}

func checkFetch(b device.Backend) error {
	x, y := b.Alloc(device.Vec(5)), b.Alloc(shape(1, 2, 3, 4, 70))
	defer b.Free(y)
	b.Fill(x, 3)
	b.Fill(y, 4)
	first, second, none := b.Fetch(x, y, x), b.Fetch(y), b.Fetch()
	b.Fill(y, 5) // after the copy
	b.Free(x)
	reused := b.Alloc(device.Vec(5))
	defer b.Free(reused)
	b.Fill(reused, 6)
	want := func(f device.Fetched, vs ...float32) error {
		got, err := f.Read()
		if err == nil {
			err = sameBits(vs, got)
		}
		if err == nil && !f.Ready() {
			err = errors.New("not Ready although it was read")
		}
		return err
	}
	four := slices.Repeat([]float32{4}, y.Len())
	threes := []float32{3, 3, 3, 3, 3}
	return errors.Join(
		want(second, four...), // in any order
		want(first, slices.Concat(threes, four, threes)...),
		want(none),
		want(b.Fetch(y), slices.Repeat([]float32{5}, y.Len())...),
		want(second, four...), // a second time
	)
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
