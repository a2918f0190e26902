// Package autograd is reverse-mode differentiation on a device.Backend: a Var
// is a tensor with a place for its gradient, a Tape runs operations, remembers
// their reverse steps and owns the memory in between.
//
// # Operations
//
// Conv, BatchNormTrain, DiceLoss and the others are methods of Tape. Each is an Op
// that is given to Tape.Apply, forward and reverse side by side; an operation of
// another package is made in the same way (see the example of Op) and is treated
// alike: memory, gradients that are not wanted, Trace. Package gradcheck compares
// its reverse step with central differences.
//
// # Who owns what, and why there is Hold
//
// Leaves (parameters, images, targets) belong to whoever made them. Every other
// Var is a result and belongs to its tape, which gives its memory back as soon as
// nobody will read it again: neither an op still to come nor a recorded reverse
// step. So inference, which records nothing, frees as it goes, and training keeps
// exactly what the reverse pass needs and lets go of it (and of the gradient) after
// the step that needed it.
//
// Python knows from its reference counts when a tensor is read for the last time.
// A Go program has none, and its garbage collector tells too late and at no fixed
// moment. So an op uses up its arguments: a result may be passed to one op, and to
// one more for each call of Tape.Hold, as a U-Net does with its skip connections.
// A forgotten Hold is no silent error: the second op panics and names the first.
//
// # Gradients
//
// A reverse step is recorded only where some argument wants a gradient, and
// asks the device only for the gradients wanted (device.Skip, Set, Add). The
// first contribution overwrites, so nothing is ever cleared to zero; further
// ones — a skip connection, weights shared by two time points, a second
// micro-batch — are added.
package autograd
