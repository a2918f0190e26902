package cuda

import (
	"encoding/binary"
	"errors"
	"slices"

	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// WithoutGraphs makes Graph run its calls one by one.
func WithoutGraphs() Option { return func(o *options) { o.noGraphs = true } }

// graphs are the launches of the Graph now running, and those of the last one.
type graphs struct {
	recording bool
	calls     []kept     // of the Graph now running, not made yet
	numbers   []byte     // of the calls, in the order of their places
	table     driver.Ptr // where numbers are on the device

	last  []kept       // the calls of the last Graph that was recorded whole
	graph driver.Graph // of last; nil if they were made once only
}

// kept is a call with its operation.
type kept struct {
	op string
	driver.Call
}

// tableBytes is the room for the numbers of a Graph.
const tableBytes = 4096

var _ device.Grapher = (*Backend)(nil)

// Graph keeps the launches of f until f returns. If they are those of the last Graph,
// with the same geometry and arguments, a CUDA graph makes them in one call. A call of f
// that needs its results at once, such as Download, or memory that can only come from what
// is waiting, ends that: what was kept is launched, and the rest is as without Graph.
func (b *Backend) Graph(f func()) {
	b.mu.Lock()
	g := &b.graphs
	if b.err != nil || g.recording || b.opt.noGraphs || b.opt.exact || b.opt.stepwise {
		b.mu.Unlock()
		f()
		return
	}
	g.recording, b.pool.busy = true, true
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if g.recording {
			b.endGraph()
		}
	}()
	f()
}

// endGraph makes the calls of a Graph that nothing has interrupted.
func (b *Backend) endGraph() {
	g := &b.graphs
	same := slices.EqualFunc(g.calls, g.last, sameCall)
	if !same || len(g.calls) == 0 {
		calls := g.calls
		b.flush()
		if g.graph != nil {
			b.sync() // it may still run
			b.freeGraph()
		}
		g.last = calls
		return
	}
	n := len(g.calls)
	b.stopRecording()
	if b.err == nil && g.graph == nil {
		calls := make([]driver.Call, n)
		for i, c := range g.last {
			calls[i] = c.Call
		}
		var err error
		if g.graph, err = b.drv.Capture(calls); err != nil {
			b.failed(kept{op: "Graph"}, err)
		}
	}
	if b.err != nil {
		return
	}
	newest := g.last[n-1]
	if err := g.graph.Replay(); err != nil {
		if at := new(driver.CallError); errors.As(err, &at) {
			newest = g.last[at.Index]
		}
		b.failed(newest, err)
		return
	}
	b.last = launched{newest.op, kernelName(newest.Call), newest.Launch}
	b.since += n
}

func sameCall(a, b kept) bool {
	return a.Kernel == b.Kernel && a.Launch == b.Launch && a.Dst == b.Dst && a.Word == b.Word && a.N == b.N && slices.Equal(a.Args, b.Args)
}

// stopRecording brings the numbers of the calls to the device.
func (b *Backend) stopRecording() {
	g := &b.graphs
	if len(g.numbers) > 0 && b.err == nil {
		if err := b.drv.ToDevice(g.table, g.numbers); err != nil {
			b.failed(kept{op: "Graph"}, err)
		}
	}
	g.recording, b.pool.busy = false, false
	g.calls, g.numbers = nil, g.numbers[:0]
}

// flush makes the calls kept so far one by one and keeps no more of this Graph.
func (b *Backend) flush() {
	g := &b.graphs
	if !g.recording {
		return
	}
	calls := g.calls
	b.stopRecording()
	for _, c := range calls {
		if b.err != nil {
			return
		}
		b.make(c)
	}
}

// make makes a call now.
func (b *Backend) make(c kept) {
	var err error
	if c.Kernel == nil {
		err = b.drv.Fill32(c.Dst, c.Word, c.N)
	} else {
		err = b.drv.Launch(c.Kernel, c.Launch, c.Args...)
	}
	if err != nil {
		b.failed(c, err)
		return
	}
	if c.Kernel == nil {
		return
	}
	b.last = launched{c.op, c.Kernel.Name(), c.Launch}
	b.since++
	if b.opt.stepwise {
		b.since = 1
		b.sync()
	}
}

// failed keeps the failure of a call. Wrong arguments are a programmer's mistake.
func (b *Backend) failed(c kept, err error) {
	o := &op{b: b, name: c.op}
	o.must(!driver.IsArgument(err), "%v", err)
	o.lost(kernelName(c.Call), c.Launch, err)
}

func kernelName(c driver.Call) string {
	if c.Kernel == nil {
		return ""
	}
	return c.Kernel.Name()
}

// call makes a call, or keeps it while a Graph is recorded.
func (o *op) call(c driver.Call) {
	b := o.b
	if !b.graphs.recording {
		b.make(kept{o.name, c})
		return
	}
	if c.Kernel != nil { // a mistake shows here, not when the Graph ends
		err := c.Kernel.Check(c.Launch, c.Args...)
		o.must(!driver.IsArgument(err), "%v", err)
	}
	b.graphs.calls = append(b.graphs.calls, kept{o.name, c})
}

// numbers is where on the device a kernel finds words that change from one step to the
// next, so that its launch does not. They are there until the end of the call or, in a Graph,
// of the Graph.
func (o *op) numbers(words ...uint32) driver.Ptr {
	b, g := o.b, &o.b.graphs
	if b.err != nil {
		return 0
	}
	if g.table == 0 {
		p, err := b.pool.get(tableBytes)
		if err != nil {
			o.noMemory("numbers of kernels", err)
			return 0
		}
		g.table = p
	}
	size := ceil(len(words), 2) * 8
	if len(g.numbers)+size > tableBytes {
		b.flush()
	}
	if g.recording {
		at := g.table + driver.Ptr(len(g.numbers))
		for _, w := range words {
			g.numbers = binary.LittleEndian.AppendUint32(g.numbers, w)
		}
		g.numbers = append(g.numbers, make([]byte, -len(g.numbers)&7)...)
		return at
	}
	// In the order of the stream, so that launches under way are not disturbed.
	for i, w := range words {
		if err := b.drv.Fill32(g.table+driver.Ptr(4*i), w, 1); err != nil {
			o.lost("", driver.Launch{}, err)
			return 0
		}
	}
	return g.table
}

// freeGraph forgets the graph; no replay of it is under way.
func (b *Backend) freeGraph() {
	if g := &b.graphs; g.graph != nil {
		if err := g.graph.Free(); err != nil && b.err == nil {
			b.err = b.late(err)
		}
		g.graph = nil
	}
}
