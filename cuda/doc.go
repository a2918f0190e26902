// Package cuda implements device.Backend with hand-written kernels, over any
// driver.Driver: a GPU (package cuda/gpu) or the emulator (package cuda/emu).
// Kernels are CUDA C++ in cuda/kernels, compiled to PTX that is embedded; the
// driver's assembler makes machine code of it when an operation is first used.
//
// # Precision and determinism
//
// Tensors are fp32, in and out always. So are the products and sums of convolutions, of their gradients and of everything done element by
// element, by fused multiply-adds in a fixed order. With another Precision the operands of convolutions are rounded to it and
// multiplied on tensor cores; their sums are fp32 still, and everything else is as it was, but that BF16 stores activations and their
// gradients (AllocActivation) in bf16, rounded once where they are stored. Sums over a whole tensor are double: the statistics and gradients of
// a normalisation, the losses, the moments of a region; a few threads' partial sums of four or so terms below
// them are fp32. Positions and phases of images are double too. No floating-point atomics; a sum over many blocks is made of one partial result
// for each block in a workspace and a second kernel that adds these in order.
// How the work is cut depends on shapes alone, so the same calls return the same
// bits, on any card for which the same variant of the kernels is chosen.
//
// # Memory
//
// Tensors come from a pool; each starts at a multiple of 256 bytes. Work is done in the order
// of the calls, so memory that is freed is used again by later calls without
// waiting. Workspaces of an operation come from the same pool for the length of the call.
//
// # How an operation is written
//
// ReLUGrad in relu.go with relu.cu is a complete example:
//
//	func (o *op) ReLUGrad(dx device.Into, dy, y device.Tensor) {
//		o.stored(elementOf(y), "relu", "relu_grad", PerElement(y.Len(), 4), dx, dy, y, y.Len(), dx.Mode == device.Add)
//	}
//
// The call has been through Backend.run: the backend is locked, no earlier call failed, something is wanted of this
// one, and its arguments are as package device has them. An op adds what the kernel alone asks for, a size it
// counts in 32 bits, with op.must. Workspaces go back when the call ends.
//
// All launches go through op.launchOf, of which Module.Launch is the public side: it checks every tensor, the
// driver holds each argument and the geometry against the entry, and the first failure is kept.
//
// # Kernels of one's own
//
// Another package embeds its PTX, loads it with Backend.Load and runs it with Module.Launch on the backend's
// tensors, in order with the backend's own operations. Package examples/customop is an op made so, with its reverse step.
package cuda
