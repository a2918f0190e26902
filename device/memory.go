package device

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

	// Sync waits for all earlier calls and returns the first failure, if any.
	Sync() error

	// Close frees everything. The backend must not be used afterwards.
	Close() error
}

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

	// NonFinite counts: count[0] = number of i where x[i] is NaN or infinite.
	// count has shape Scalar. Counts above 2²⁴ may be rounded.
	NonFinite(count Tensor, x Tensor)
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

func (do Ops) NonFinite(count, x Tensor) {
	do(&Call{Op: "NonFinite", Args: []Arg{out("count", &count), in("x", &x)},
		Run:  func(b NetworkOps) { b.NonFinite(count, x) },
		rule: func(c *Call) { c.shaped(Scalar(), "a number", "count") },
	})
}
