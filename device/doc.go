// Package device defines what a compute device must be able to do for the
// networks of this module, and nothing more.
//
// Backend is what networks and their training need, Imaging what augmentation and
// synthesis do to images. Package device/cpu is the default backend, cuda the GPU's,
// device/ref the oracle in plain loops, device/meta one that counts and computes
// nothing; device/devicetest tests any of them.
//
// A Backend is a set of fused operations on dense tensors in NDHWC order
// (channels fastest). There are no views, strides or broadcasting, and no
// scalar types but float32: what a backend stores or multiplies internally
// (float64 in the oracle, tf32 or bf16 on tensor cores) is chosen when it is
// opened.
//
// # Conventions
//
// Outputs come first. The comment of a method is its definition: a loop that
// package device/ref executes literally and every other backend must match.
//
// A place for a gradient is an Into: a tensor with a Mode that tells whether
// the gradient is wanted at all (Skip), replaces what is there (Set), or is one
// more contribution to it (Add). Outputs that are plain tensors are
// overwritten, whatever they held.
//
// A wrong shape is a programmer's mistake and panics with the op's name and
// the shapes. A failing device is not: it makes every later call do nothing and
// comes out of Sync.
//
// Inputs are never changed. Outputs must not overlap inputs unless the
// method's comment allows it.
//
// Every backend is deterministic: the same calls return the same bits, whatever
// the number of cores or the order in which blocks happen to run.
//
// # Making a backend
//
// What a call must satisfy is written once, in Ops. A backend embeds Ops, checks each
// call in one place, and has its kernels on a type of its own:
//
//	type Backend struct {
//		device.Ops
//		kernels kernels // has the methods of NetworkOps, and of ImagingOps if it can
//	}
//
//	b.Ops = func(c *device.Call) {
//		if !c.Idle() && b.err == nil {
//			c.Check("mine", b.own) // panics
//			c.RunAndMask(&b.kernels)
//		}
//	}
//
// What remains is Allocator.
package device
