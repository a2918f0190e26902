// Package devicetest holds one table of cases that any device.Backend must pass, and
// one that has device.Imaging those on images as well.
//
// A case calls one operation with random inputs and compares what comes back
// with package ref in float64. It also looks at what must not happen: every
// output holds NaN beforehand, inputs and skipped gradients must keep their
// bits, nothing may be written outside a tensor, a second run must give the
// same bits, and a wrong shape must panic with the operation's name. Gradients
// go through Skip, Set and Add, optional arguments are given and left out, and
// an output takes an input's place where the operation allows it.
//
// Gradients holds the other oracle: central differences in float64, with a random
// upstream gradient, for each reverse operation. They run on the float64 ref.
//
// A test of a backend is
//
//	func TestBackend(t *testing.T) {
//		devicetest.Run(t, func(t testing.TB) device.Backend { return mine.New() }, devicetest.Options{})
//	}
//
// A program that wants a table instead goes through Cases and Gradients itself.
//
// # Adding an operation
//
// Write its trials in the file of its family and, if it has a reverse, its
// gradient, and name both in families (case.go). The tests of this package fail
// while a method of device.ImagingBackend has no case, and while a deliberate fault in
// it passes unnoticed.
package devicetest
