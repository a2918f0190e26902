package device

import (
	"fmt"
	"slices"
)

// Memory is tensors: where they come from, and what goes in and out.
type Memory interface {
	Allocator
	Transfer
}

// Allocator is the device and its memory.
type Allocator interface {
	// Name is what a user would call the device: "cpu (avx2, 2 threads)".
	Name() string

	// Alloc returns a tensor. What it holds is undefined.
	// When the device has not enough memory the failure sticks (see Sync), and
	// the tensor returned may only be passed back to this backend.
	Alloc(s Shape) Tensor

	// Free returns the memory; it may be reused at once by later calls.
	// Freeing the zero Tensor does nothing; freeing twice panics.
	Free(t Tensor)

	// Usage reports what this backend has allocated and not freed, and the most it
	// ever held since ResetPeak, in bytes.
	Usage() (now, peak int64)
	ResetPeak()

	// AllocWith returns tensors that hold values, values[i] in row-major order of
	// shapes[i], which are brought to the device together. The caller may change values
	// at once.
	AllocWith(shapes []Shape, values [][]float32) []Tensor

	// Fetch begins to copy tensors to the host, as all earlier calls leave them, and does
	// not wait: they may be changed and freed at once.
	Fetch(ts ...Tensor) Fetched

	// Sync waits for all earlier calls and returns the first failure, if any.
	Sync() error

	// Close frees everything. The backend must not be used afterwards.
	Close() error
}

// Grapher is a backend that makes the same calls again for less: a program that repeats
// itself, such as training, passes each repetition to it if there is one.
type Grapher interface {
	// Graph runs f once. Its calls have the effect that they have without Graph; calls of
	// other goroutines meanwhile are part of it.
	Graph(f func())
}

// Graph runs f by the backend's Graph if it is a Grapher, or else as it is.
func Graph(b Allocator, f func()) {
	if g, ok := b.(Grapher); ok {
		g.Graph(f)
	} else {
		f()
	}
}

// Activations is a backend that may keep activations, and gradients of activations, in fewer bits than other tensors. Which
// tensors these are is for the caller to say, in what they are stored for the backend: in and out go float32 numbers all the same.
type Activations interface {
	// AllocActivation is Alloc of an activation or of its gradient.
	AllocActivation(s Shape) Tensor
}

// AllocActivation is the backend's AllocActivation if it has Activations, or else Alloc.
func AllocActivation(b Allocator, s Shape) Tensor {
	if a, ok := b.(Activations); ok {
		return a.AllocActivation(s)
	}
	return b.Alloc(s)
}

// Fetched is a copy on its way to the host.
type Fetched interface {
	// Ready reports whether Read returns without waiting.
	Ready() bool

	// Read waits for the copy alone, not for calls after Fetch, and returns the values of
	// all tensors one after another, or the device's first failure.
	Read() ([]float32, error)
}

// AllocEach is AllocWith tensor by tensor, for devices to which a transfer costs no more than its bytes.
func AllocEach(b Memory, shapes []Shape, values [][]float32) []Tensor {
	ts := make([]Tensor, len(shapes))
	for i, s := range shapes {
		ts[i] = b.Alloc(s)
		b.Upload(ts[i], values[i])
	}
	return ts
}

// FetchNow is Fetch for devices that do not run behind the host.
func FetchNow(b Memory, ts []Tensor) Fetched {
	n := 0
	for _, t := range ts {
		n += t.Len()
	}
	f := fetched{values: make([]float32, n)}
	at := 0
	for _, t := range ts {
		b.Download(f.values[at:at+t.Len()], t)
		at += t.Len()
	}
	f.err = b.Sync()
	return f
}

type fetched struct {
	values []float32
	err    error
}

func (f fetched) Ready() bool              { return true }
func (f fetched) Read() ([]float32, error) { return f.values, f.err }

// Transfer moves, sets, adds and inspects whole tensors.
type Transfer interface {
	// Upload copies len(src) = t.Len() values to the device.
	Upload(t Tensor, src []float32)

	// Download copies t.Len() = len(dst) values to the host, after all earlier
	// calls that write t have finished.
	Download(dst []float32, t Tensor)

	// Fill sets every element to v.
	Fill(t Tensor, v float32)

	// Copy: dst[i] = src[i] (Set) or dst[i] += src[i] (Add). Same number of elements.
	Copy(dst Into, src Tensor)

	// Blend: y[i] = a·x[i] + b·z[i]. y may be x or z.
	Blend(y, x, z Tensor, a, b float64)

	// NonFinite looks for values that are NaN or infinite. found, a Vec(2), keeps how
	// many there were so far, and where the first ones were:
	//
	//	n = number of elements of all xs that are not finite
	//	if found[0] == 0 and n > 0: found[1] = least i where xs[i] has one
	//	found[0] += n
	//
	// Counts above 2²⁴ may be rounded. Fill found with zeros before.
	NonFinite(found Tensor, xs []Tensor)
}

func (do Ops) Upload(t Tensor, src []float32) {
	do(&Call{Op: "Upload", Args: []Arg{out("t", &t)},
		Run:  func(b NetworkOps) { b.Upload(t, src) },
		rule: func(c *Call) { c.need(len(src) == t.Len(), "%d values given", len(src)) },
	})
}

func (do Ops) Download(dst []float32, t Tensor) {
	do(&Call{Op: "Download", Args: []Arg{in("t", &t)},
		Run:  func(b NetworkOps) { b.Download(dst, t) },
		rule: func(c *Call) { c.need(len(dst) == t.Len(), "%d values wanted", len(dst)) },
	})
}

// Fill goes with any shape.
func (do Ops) Fill(t Tensor, v float32) {
	do(&Call{Op: "Fill", Args: []Arg{out("t", &t)}, Run: func(b NetworkOps) { b.Fill(t, v) }})
}

func (do Ops) Copy(dst Into, src Tensor) {
	do(&Call{Op: "Copy", Args: []Arg{grad("dst", &dst), in("src", &src)},
		Run:  func(b NetworkOps) { b.Copy(dst, src) },
		rule: func(c *Call) { c.need(dst.Len() == src.Len(), "as many elements in both") },
	})
}

func (do Ops) Blend(y, x, z Tensor, a, b float64) {
	do(&Call{Op: "Blend", Args: []Arg{out("y", &y, &x, &z), in("x", &x), in("z", &z)},
		Run:  func(be NetworkOps) { be.Blend(y, x, z, a, b) },
		rule: func(c *Call) { c.shaped(x.Shape, "x's shape", "y", "z") },
	})
}

func (do Ops) NonFinite(found Tensor, xs []Tensor) {
	xs = slices.Clone(xs)
	args := []Arg{state("found", &found)}
	for i := range xs {
		args = append(args, in(fmt.Sprint("x", i), &xs[i]))
	}
	do(&Call{Op: "NonFinite", Args: args,
		Run:  func(b NetworkOps) { b.NonFinite(found, xs) },
		rule: func(c *Call) { c.shaped(Vec(2), "a count and a place", "found") },
	})
}
