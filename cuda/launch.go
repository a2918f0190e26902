package cuda

import (
	"fmt"
	"io/fs"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/kernels"
	"voxgrad/device"
)

// Module is PTX loaded on a Backend, of which it is a part until Close.
type Module struct {
	b       *Backend
	name    string // with its variant: "conv.sm_61"
	loaded  driver.Module
	kernels map[string]driver.Kernel
}

// Load loads PTX of one's own: of the files NAME.sm_NN.ptx in files, as tools/ptx compiles them from NAME.cu, the newest
// variant that the device can run. An error says that there is none or what the driver's
// assembler refuses; the backend can be used on.
func (b *Backend) Load(files fs.FS, name string) (*Module, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return nil, b.err
	}
	text, variant, err := kernels.Select(files, name, b.info.ComputeCapability)
	if err == nil {
		var m *Module
		if m, err = b.load(name+"."+variant, text); err == nil {
			return m, nil
		}
	}
	return nil, fmt.Errorf("cuda: %s: %w", b.info.Name, err)
}

func (b *Backend) load(name, text string) (*Module, error) {
	loaded, err := b.drv.Load(text)
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", name, err)
	}
	return &Module{b, name, loaded, map[string]driver.Kernel{}}, nil
}

// module is one of the backend's own, loaded when it is first needed.
func (b *Backend) module(name string) (*Module, error) {
	if m := b.modules[name]; m != nil {
		return m, nil
	}
	text, variant, err := b.source(name, b.info.ComputeCapability)
	if err != nil {
		return nil, err
	}
	m, err := b.load(name+"."+variant, text)
	if err == nil {
		b.modules[name] = m
	}
	return m, err
}

// Launch runs a kernel of the module after all earlier work of the backend, as the methods of
// device.Backend run theirs. Errors name op, the operation it is a part of. An argument is, for a parameter that is a
// pointer:
//
//   - a device.Tensor of this backend: its first element;
//   - a device.Into: the same, or a null pointer where its mode is Skip. A kernel needs its mode as
//     an argument of its own;
//   - a driver.Ptr: driver.Ptr(0) is a null pointer, for a tensor that may be absent.
//
// For other parameters it is a number of the parameter's kind that fits in it, as for driver.Driver.Launch: an int or a
// bool for an integer, a float32 for a float, a float64 for a double.
//
// Tensors are in fp32: an activation that the backend stores in bf16 (device.Activations) is refused; Copy it from and to a
// tensor of Alloc.
//
// A kernel that the module does not have, arguments of another number or kind, tensors that are absent, freed or of
// another backend, and a geometry that the kernel or the device does not allow are a programmer's mistakes and
// panic. A failure of the device is kept: it is the error of Sync, and every later call does nothing. Which tensors
// may share memory, and which shapes are right, is for the caller to check.
//
// A workspace is a tensor of Alloc that is freed behind the last launch that uses it:
// later calls reuse its memory without waiting. Dynamic shared memory is part of l.
func (m *Module) Launch(op, kernel string, l driver.Launch, args ...any) {
	o := m.b.begin(op)
	if o == nil {
		return
	}
	defer o.end()
	for i, a := range args {
		t, _ := a.(device.Tensor)
		if d, ok := a.(device.Into); ok && d.Mode != device.Skip {
			t = d.Tensor
		}
		o.must(elementOf(t) == fp32, "kernel %s, argument %d %v is stored in bf16; Copy it from or to a tensor of Alloc", kernel, i, t.Shape)
	}
	o.launchOf(m, kernel, l, args)
}

// launch runs a kernel of one of the backend's own modules; see Module.Launch. After a failure nothing happens.
func (o *op) launch(mod, kernel string, l driver.Launch, args ...any) {
	if o.b.err != nil {
		return
	}
	m, err := o.b.module(mod)
	if err != nil {
		o.fail(kernel, l, err, adviceKernel)
		return
	}
	o.launchOf(m, kernel, l, args)
}

// launchOf is the one way to the driver's Launch.
func (o *op) launchOf(m *Module, name string, l driver.Launch, args []any) {
	k := m.kernels[name]
	if k == nil {
		var err error
		if k, err = m.loaded.Kernel(name); err != nil {
			o.must(!driver.IsArgument(err), "module %s: %v", m.name, err)
			o.fail(name, l, err, adviceKernel)
			return
		}
		m.kernels[name] = k
	}
	plain := make([]any, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case device.Tensor:
			plain[i] = o.checked(name, i, a)
		case device.Into:
			if plain[i] = driver.Ptr(0); a.Mode != device.Skip {
				plain[i] = o.checked(name, i, a.Tensor)
			}
		default:
			plain[i] = a
		}
	}
	o.call(driver.Call{Kernel: k, Launch: l, Args: plain})
}

// checked is the address of a tensor that is argument i of a kernel.
func (o *op) checked(kernel string, i int, t device.Tensor) driver.Ptr {
	o.must(!t.None(), "kernel %s, argument %d is absent", kernel, i)
	wrong := o.b.own(t)
	o.must(wrong == "", "kernel %s, argument %d %v %s", kernel, i, t.Shape, wrong)
	return ptr(t)
}

// threads is the usual number of threads of a block.
const threads = 256

// PerElement is the launch of a kernel in which each thread handles so many of n elements, in blocks of 256 threads.
func PerElement(n, each int) driver.Launch {
	return driver.Launch{Grid: driver.D1(ceil(n, threads*each)), Block: driver.D1(threads)}
}

// blocks is a one-dimensional launch.
func blocks(n, threads int) driver.Launch {
	return driver.Launch{Grid: driver.D1(n), Block: driver.D1(threads)}
}

// ceil is n/d rounded up.
func ceil(n, d int) int { return (n + d - 1) / d }
