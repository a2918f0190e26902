// Package layers has the parts that networks are made of: parameters with names
// and initial values, and layers over them.
//
// A layer is made in a Scope, a path like "conv1"; its parameters are called by
// that path ("conv1.weight"), in the network and in a checkpoint. A parameter's
// initial numbers depend on the seed and on its name, and on nothing else: adding a
// layer changes no other layer's.
package layers
