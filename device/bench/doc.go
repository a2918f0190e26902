// Package bench measures the ops of a backend at the shapes of the networks, and
// whatever else a Case describes, against what the device can do at most: its
// rate of fused multiply-adds and of copying, measured in the same run.
//
// Each sample is one execution after the caches have been flushed. Rates of
// convolutions are direct-equivalent: the operations of the definition, whatever
// the algorithm does, so that a fast algorithm may pass the ceiling. Bytes are the
// least that the op must move (package device/meta counts both).
//
// A device that only pretends to be one (Counter) reports counts instead of times.
package bench
