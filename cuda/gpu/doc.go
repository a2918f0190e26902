// Package gpu is a driver.Driver on an NVIDIA GPU, by way of gorgonia.org/cu. It is
// compiled in with the build tag cuda on linux/amd64, which needs cgo and cuda.h but no
// CUDA library: the driver, libcuda.so.1, is loaded when a device is first asked for.
// Without the tag every function returns that as its error.
//
// Available is why no GPU can be used, nil if one can; List the GPUs there are; Open opens one of them, for cuda.New.
// Compute capability 6.1 and a driver for CUDA 11.8 are the least that the framework's kernels need.
package gpu
