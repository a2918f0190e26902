// Package gpu is a driver.Driver on an NVIDIA GPU, by way of gorgonia.org/cu. It is
// compiled in with the build tag cuda on linux/amd64, which needs cgo and cuda.h but no
// CUDA library: the driver, libcuda.so.1, is loaded when a device is first asked for.
// Without the tag every function returns that as its error.
//
//	func Available() error                         // why no GPU can be used; nil if one can
//	func List() ([]driver.Info, error)             // the GPUs there are
//	func Open(index int) (driver.Driver, error)    // one of them
package gpu
