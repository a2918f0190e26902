package cuda

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/emu"
	"voxgrad/device"
)

// counting counts what a backend asks of its driver.
type counting struct {
	driver.Driver
	launches, replays, captures, uploads, waits, fills int

	calls []driver.Call // made, also by replays
}

func (c *counting) Launch(k driver.Kernel, l driver.Launch, args ...any) error {
	c.launches++
	c.calls = append(c.calls, driver.Call{Kernel: k, Launch: l, Args: args})
	return c.Driver.Launch(k, l, args...)
}

func (c *counting) Fill32(p driver.Ptr, word uint32, n int64) error {
	c.fills++
	c.calls = append(c.calls, driver.Call{Dst: p, Word: word, N: n})
	return c.Driver.Fill32(p, word, n)
}

func (c *counting) ToDevice(p driver.Ptr, src []byte) error {
	c.uploads++
	return c.Driver.ToDevice(p, src)
}

func (c *counting) ToHost(dst []byte, p driver.Ptr) error {
	c.waits++
	return c.Driver.ToHost(dst, p)
}

func (c *counting) Sync() error {
	c.waits++
	return c.Driver.Sync()
}

func (c *counting) Capture(calls []driver.Call) (driver.Graph, error) {
	c.captures++
	g, err := c.Driver.Capture(calls)
	return countedGraph{g, c, calls}, err
}

type countedGraph struct {
	driver.Graph
	c     *counting
	calls []driver.Call
}

func (g countedGraph) Replay() error {
	g.c.replays++
	g.c.calls = append(g.c.calls, g.calls...)
	return g.Graph.Replay()
}

func onCounting(t *testing.T, opts ...Option) (*counting, *Backend) {
	c := &counting{Driver: emu.New()}
	b, err := New(c, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return c, b
}

// A toy of a step: every kind of call, tensors that come and go, numbers that change.
type toy struct {
	b              *Backend
	w, m, v, found device.Tensor
	step           int
}

func newToy(b *Backend) *toy {
	s := &toy{b: b}
	for i, x := range []*device.Tensor{&s.w, &s.m, &s.v, &s.found} {
		n := 100
		if i == 3 {
			n = 2
		}
		*x = b.Alloc(device.Vec(n))
		b.Fill(*x, float32(1-min(i, 1)))
	}
	return s
}

func (s *toy) run(x []float32) {
	s.step++
	in := s.b.Alloc(s.w.Shape)
	s.b.Upload(in, x)
	s.b.Graph(func() {
		a, g := s.b.Alloc(s.w.Shape), s.b.Alloc(s.w.Shape)
		s.b.Dropout(a, in, 0.5, uint64(s.step)<<40|3)
		s.b.Fill(g, 0.25)
		s.b.Copy(device.Into{Tensor: g, Mode: device.Add}, a)
		s.b.Free(a)
		again := s.b.Alloc(s.w.Shape) // in a's place
		s.b.Blend(again, g, in, 1, 0.5)
		s.b.NonFinite(s.found, []device.Tensor{again, g})
		s.b.Adam([]device.AdamSlot{{W: s.w, Grad: again, M: s.m, V: s.v}},
			device.AdamOptions{Step: s.step, LR: 0.1 / float64(s.step), Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, Guard: s.found})
		s.b.Free(again)
		s.b.Free(g)
	})
	s.b.Free(in)
}

func (s *toy) weights() []float32 {
	out := make([]float32, s.w.Len())
	s.b.Download(out, s.w)
	return out
}

func values(step int) []float32 {
	x := make([]float32, 100)
	for i := range x {
		x[i] = float32((i*7+step*13)%19) - 9
	}
	return x
}

// Steps from a graph give the bits of steps without: the numbers that change are not in it.
func TestGraphIsTheSame(t *testing.T) {
	c, b := onCounting(t)
	_, plainly := onCounting(t, WithoutGraphs())
	_, exactly := onCounting(t, WithoutPool())
	s, p, e := newToy(b), newToy(plainly), newToy(exactly)
	for step := range 7 {
		for _, toy := range []*toy{s, p, e} {
			toy.run(values(step))
		}
		require.Equal(t, p.weights(), s.weights(), "step %d", step)
		require.Equal(t, p.weights(), e.weights(), "step %d", step)
	}
	require.Equal(t, 1, c.captures)
	require.Equal(t, 5, c.replays, "the first step brings tables, the second is new")
	before := *c
	s.run(values(8))
	require.Equal(t, before.replays+1, c.replays)
	require.Equal(t, before.launches, c.launches)
	require.Equal(t, before.waits, c.waits)
	require.Equal(t, before.uploads+2, c.uploads, "the input, and all numbers together")
}

// Of equal steps each launch is equal, whatever was freed in between in whichever order.
func TestStepsLaunchTheSame(t *testing.T) {
	c, b := onCounting(t)
	s := newToy(b)
	var made [][]driver.Call
	for step := range 6 {
		c.calls = nil
		s.run(values(step))
		made = append(made, c.calls)
		sizes := []int{100, 100, 90, 300, 100}
		var ts []device.Tensor
		for _, n := range sizes {
			ts = append(ts, b.Alloc(device.Vec(n)))
		}
		for i := range ts {
			b.Free(ts[(i*(1+step%4)+step)%len(ts)])
		}
	}
	for step := 2; step < len(made); step++ {
		require.Equal(t, said(made[1]), said(made[step]), "step %d", step)
	}
}

// said are calls in words: whole ones hold all of their modules.
func said(calls []driver.Call) (lines []string) {
	for _, c := range calls {
		lines = append(lines, fmt.Sprintln(kernelName(c), c.Launch, c.Args, c.Dst, c.Word, c.N))
	}
	return lines
}

// Whatever needs results at once, or changes what is launched, is as without Graph.
func TestGraphIsInterrupted(t *testing.T) {
	c, b := onCounting(t)
	x, y := b.Alloc(device.Vec(5)), b.Alloc(device.Vec(5))
	b.Fill(x, 1)
	got := make([]float32, 5)
	for name, middle := range map[string]func(){
		"Download": func() { b.Download(got, y) },
		"Upload":   func() { b.Upload(y, []float32{2, 2, 2, 2, 2}); b.Download(got, y) },
		"Sync":     func() { require.NoError(t, b.Sync()); b.Download(got, y) },
		"Fetch": func() {
			v, err := b.Fetch(y).Read()
			require.NoError(t, err)
			copy(got, v)
		},
		"AllocWith": func() {
			ts := b.AllocWith([]device.Shape{x.Shape, x.Shape}, [][]float32{make([]float32, 5), make([]float32, 5)})
			b.Download(got, y)
			b.Free(ts[0])
			b.Free(ts[1])
		},
		"nested": func() { b.Graph(func() { b.Download(got, y) }) },
	} {
		for range 3 {
			b.Graph(func() {
				b.Blend(y, x, x, 1, 1)
				middle()
				require.Equal(t, []float32{2, 2, 2, 2, 2}, got, name)
				clear(got)
				b.Blend(y, x, x, 2, 3)
			})
			b.Download(got, y)
			require.Equal(t, []float32{5, 5, 5, 5, 5}, got, name)
		}
	}
	require.Zero(t, c.replays)
	for i := range 6 { // two kinds of steps in turn: neither is captured
		b.Graph(func() { b.Blend(y, x, x, float64(i%2), 1) })
		b.Download(got, y)
		require.EqualValues(t, i%2+1, got[0])
	}
	require.Zero(t, c.replays)
	b.Graph(func() {})
	b.Graph(func() {})
	require.Panics(t, func() { b.Graph(func() { b.Blend(y, x, device.Tensor{}, 1, 1) }) })
	b.Graph(func() { b.Blend(y, x, x, 7, 1) })
	b.Download(got, y)
	require.EqualValues(t, 8, got[0], "a panic ends the recording")
}

// More numbers than the table holds, in a Graph and without.
func TestManyNumbers(t *testing.T) {
	_, b := onCounting(t)
	_, plainly := onCounting(t, WithoutGraphs())
	var results [][]float32
	for _, b := range []*Backend{b, plainly} {
		x, y := b.Alloc(device.Vec(8)), b.Alloc(device.Vec(8))
		for range 3 {
			b.Fill(x, 1)
			b.Fill(y, 0)
			b.Graph(func() {
				for key := range tableBytes/8 + 20 {
					b.Dropout(x, x, 0.01, uint64(key))
					b.Copy(device.Into{Tensor: y, Mode: device.Add}, x)
				}
			})
			out := make([]float32, 8)
			b.Download(out, y)
			results = append(results, out)
		}
	}
	for _, r := range results[1:] {
		require.Equal(t, results[0], r)
	}
}

// Memory that goes back to the device takes the launches that use it along.
func TestGraphUnderPressure(t *testing.T) {
	c := &counting{Driver: emu.New(emu.Memory(60 << 10))}
	b, err := New(c)
	require.NoError(t, err)
	x := b.Alloc(device.Vec(1000))
	b.Fill(x, 1)
	for range 4 {
		b.Graph(func() {
			y := b.Alloc(device.Vec(5000))
			b.Fill(y, 2)
			b.Copy(device.Into{Tensor: x, Mode: device.Set}, x2(b, y))
			b.Free(y)
			z := b.Alloc(device.Vec(10000)) // only fits if y's memory goes
			b.Fill(z, 3)
			b.Free(z)
		})
		got := make([]float32, 1000)
		b.Download(got, x)
		require.EqualValues(t, 2, got[999])
	}
	require.NoError(t, b.Close())
}

// x2 is the first 1000 values of y.
func x2(b *Backend, y device.Tensor) device.Tensor {
	x := b.Alloc(device.Vec(1000))
	batch := y
	batch.Shape = device.Shape{N: 5, D: 1, H: 1, W: 1000, C: 1}
	one := x
	one.Shape = device.Shape{N: 1, D: 1, H: 1, W: 1000, C: 1}
	b.TakeSample(one, batch, 2)
	return x
}

// The error of a graph names the operation and the kernel that failed.
func TestGraphFails(t *testing.T) {
	_, b := onEmulator(t, nil)
	x, y := b.Alloc(device.Vec(5)), b.Alloc(device.Vec(5))
	run := func() {
		b.Graph(func() { b.Fill(y, 1); b.Blend(y, x, y, 1, 1); b.Copy(device.Into{Tensor: x, Mode: device.Set}, y) })
	}
	b.Fill(x, 1)
	run()
	run()
	require.NoError(t, b.Sync())
	require.NoError(t, b.drv.(poisoner).Poison(ptr(x), 20)) // nobody wrote it, as far as the emulator knows
	run()
	err := b.Sync()
	require.ErrorContains(t, err, "Blend, kernel blend")
	var e *Error
	require.True(t, errors.As(err, &e))
	b.Graph(func() { b.Fill(x, 1) })
	require.Equal(t, err, b.Sync(), "the failure stays")
	_ = b.Close()
}
