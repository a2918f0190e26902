// Package autograd is reverse-mode differentiation on a device.Backend: a Var
// is a tensor with a place for its gradient, a Tape runs operations, remembers
// their reverse steps and owns the memory in between. One file holds one op: the
// forward call with its reverse right under it.
//
// # Who owns what
//
// Leaves (parameters, images, targets) belong to whoever made them. Every other
// Var is a result and belongs to its tape. An op uses up its arguments: a result
// may be passed to one op, and to one more for each call of Tape.Hold. The tape
// gives a result's memory back as soon as nobody will read it again: neither an op
// still to come nor a recorded reverse step. So inference, which records
// nothing, frees as it goes, and training keeps exactly what the reverse pass
// needs and lets go of it (and of the gradient) after the step that needed it.
//
// # Gradients
//
// A reverse step is recorded only where some argument wants a gradient, and
// asks the device only for the gradients wanted (device.Skip, Set, Add). The
// first contribution overwrites, so nothing is ever cleared to zero; further
// ones — a skip connection, weights shared by two time points, a second
// micro-batch — are added.
package autograd
