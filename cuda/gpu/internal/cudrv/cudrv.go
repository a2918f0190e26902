//go:build cuda && linux && amd64

// Package cudrv makes a program with gorgonia.org/cu start and run where there is no
// CUDA driver. Linked as usual, such a program needs libcuda.so.1 to be loaded at all,
// and package cu ends the process when cuInit fails. Here each driver function
// that cu calls is defined as a jump through a slot, so that the linker has no use for libcuda; cuInit
// does nothing; Open loads the library and fills the slots. Until then every
// function returns CUDA_ERROR_NOT_INITIALIZED.
//
// Import it before cu: its linker flags must come first.
package cudrv

/*
#cgo linux LDFLAGS: -Wl,--as-needed -L${SRCDIR}/stub -ldl
#include "cudrv.h"
#include <stdlib.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"
)

// Library is what Open looks for, where the dynamic linker looks.
const Library = "libcuda.so.1"

// Code is a CUresult. The zero Code is success.
type Code int

// Error is the driver's name and description of the code.
func (c Code) Error() string {
	name, text := C.cudrv_error_name(C.int(c)), C.cudrv_error_string(C.int(c))
	if name == nil || text == nil {
		return fmt.Sprintf("CUDA error %d", int(c))
	}
	return fmt.Sprintf("%s (%s, CUDA error %d)", C.GoString(text), C.GoString(name), int(c))
}

func result(c C.int) error {
	if c == 0 {
		return nil
	}
	return Code(c)
}

// ErrNoLibrary is in the error of Open if the driver's library cannot be loaded.
var ErrNoLibrary = errors.New("no CUDA driver: cannot load " + Library)

// Open loads the driver and initialises it, once; later calls return what the first
// did. A failure of the driver's cuInit is a Code.
var Open = sync.OnceValue(func() error {
	library := C.CString(Library)
	defer C.free(unsafe.Pointer(library))
	var why [512]C.char
	switch c := C.cudrv_open(library, &why[0], C.size_t(len(why))); {
	case c < 0:
		return fmt.Errorf("%w (%s)", ErrNoLibrary, C.GoString(&why[0]))
	default:
		return result(c)
	}
})

// AllocHost returns pinned memory in the current context; cu.MemFreeHost frees it.
func AllocHost(bytes int) ([]byte, error) {
	var p unsafe.Pointer
	if err := result(C.cudrv_mem_alloc_host(&p, C.size_t(bytes))); err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), bytes), nil
}

// MaxDynamicShared is the attribute of a function for SetAttribute: bytes of dynamic
// shared memory a block may use. More than the usual 48 KiB must be opted into.
const MaxDynamicShared = 8

// SetAttribute sets an attribute of a CUfunction.
func SetAttribute(function unsafe.Pointer, attribute, value int) error {
	return result(C.cudrv_func_set_attribute(function, C.int(attribute), C.int(value)))
}

// ThreadLocal is the mode of BeginCapture in which calls of other threads that a capture
// cannot have are no affair of its.
const ThreadLocal = 1

// Handle is a CUstream or a CUgraphExec. It need not be an address: the runtime must not take it for one.
type Handle uintptr

// BeginCapture makes a stream keep what is queued in it.
func BeginCapture(stream Handle, mode int) error {
	return result(C.cudrv_begin_capture(C.uintptr_t(stream), C.int(mode)))
}

// EndCapture returns a graph of what was kept, ready to be launched.
func EndCapture(stream Handle) (exec Handle, err error) {
	var e C.uintptr_t
	err = result(C.cudrv_end_capture(C.uintptr_t(stream), &e))
	return Handle(e), err
}

// LaunchGraph queues a graph in a stream.
func LaunchGraph(exec, stream Handle) error {
	return result(C.cudrv_graph_launch(C.uintptr_t(exec), C.uintptr_t(stream)))
}

// DestroyExec frees a graph.
func DestroyExec(exec Handle) error { return result(C.cudrv_exec_destroy(C.uintptr_t(exec))) }

// Buffer is zeroed memory of C, which the driver may write to while the garbage
// collector knows nothing of it.
func Buffer(bytes int) (b []byte, free func()) {
	p := C.calloc(1, C.size_t(bytes))
	return unsafe.Slice((*byte)(p), bytes), func() { C.free(p) }
}
