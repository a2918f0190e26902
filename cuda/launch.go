package cuda

import (
	"fmt"
	"math"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/ptx"
)

// module is loaded PTX with its entries.
type module struct {
	loaded  driver.Module
	parsed  *ptx.Module
	variant string
	kernels map[string]*kernel
}

// kernel is an entry with the types of its parameters.
type kernel struct {
	name   string
	handle driver.Kernel
	params []ptx.Type
}

// module gives loaded PTX, loading it when it is first needed.
func (b *Backend) module(name string) (*module, error) {
	if m := b.modules[name]; m != nil {
		return m, nil
	}
	text, variant, err := b.source(name, b.info.ComputeCapability)
	if err != nil {
		return nil, err
	}
	m := &module{variant: variant, kernels: map[string]*kernel{}}
	if m.parsed, err = ptx.Parse(text); err != nil {
		return nil, fmt.Errorf("module %s.%s: %w", name, variant, err)
	}
	if m.loaded, err = b.drv.Load(text); err != nil {
		return nil, fmt.Errorf("module %s.%s: %w", name, variant, err)
	}
	b.modules[name] = m
	return m, nil
}

// kernel finds an entry.
func (b *Backend) kernel(mod, name string) (*kernel, string, error) {
	m, err := b.module(mod)
	if err != nil {
		return nil, "", err
	}
	if k := m.kernels[name]; k != nil {
		return k, m.variant, nil
	}
	entry := m.parsed.Entry(name)
	if entry == nil {
		return nil, "", fmt.Errorf("module %s.%s has no kernel %s", mod, m.variant, name)
	}
	k := &kernel{name: name}
	for _, p := range entry.Params {
		k.params = append(k.params, p.Type)
	}
	if k.handle, err = m.loaded.Kernel(name); err != nil {
		return nil, "", err
	}
	m.kernels[name] = k
	return k, m.variant, nil
}

// launch runs a kernel. An argument is a driver.Ptr, int, int32, uint32, int64,
// uint64, float32, float64 or bool (1 or 0), and must be of the parameter's kind
// and fit in it: anything else is a programmer's mistake and panics. After a
// failure nothing happens.
func (o *op) launch(mod, name string, l driver.Launch, args ...any) {
	if o.b.err != nil {
		return
	}
	k, variant, err := o.b.kernel(mod, name)
	if err != nil {
		o.fail(name, l, err, adviceKernel)
		return
	}
	g, t := l.Grid, l.Block
	o.want(g.X > 0 && g.Y > 0 && g.Z > 0 && g.X <= math.MaxInt32 && g.Y <= 65535 && g.Z <= 65535 &&
		t.X > 0 && t.Y > 0 && t.Z > 0 && t.Count() <= 1024 && t.Z <= 64, "kernel %s cannot be launched with %v", name, l)
	o.want(len(args) == len(k.params), "kernel %s has %d parameters, %d arguments given", name, len(k.params), len(args))
	slots := make([]uint64, len(args))
	for i, a := range args {
		s, ok := slot(a, k.params[i])
		o.want(ok, "kernel %s, parameter %d is a .%s, the argument is %T %v", name, i, k.params[i], a, a)
		slots[i] = s
	}
	o.b.last = launched{o.name, k, l, variant}
	o.b.since++
	if err := o.b.drv.Launch(k.handle, l, slots...); err != nil {
		o.fail(name, l, err, adviceLost)
		return
	}
	if o.b.opt.stepwise {
		o.b.since = 1
		o.b.sync()
	}
}

// slot packs an argument for a parameter of type t.
func slot(a any, t ptx.Type) (uint64, bool) {
	whole := func(v int64) (uint64, bool) {
		switch t {
		case "u64", "s64", "b64":
			return uint64(v), true
		case "u32", "s32", "b32":
			return uint64(uint32(v)), v >= math.MinInt32 && v <= math.MaxInt32
		}
		return 0, false
	}
	switch v := a.(type) {
	case driver.Ptr:
		return uint64(v), t == "u64" || t == "b64"
	case int:
		return whole(int64(v))
	case int32:
		return whole(int64(v))
	case int64:
		return whole(v)
	case uint32:
		return uint64(v), t == "u32" || t == "s32" || t == "b32" || t == "u64" || t == "s64" || t == "b64"
	case uint64:
		return v, t.Bits() == 64 && t != "f64"
	case bool:
		if v {
			return whole(1)
		}
		return whole(0)
	case float32:
		return uint64(math.Float32bits(v)), t == "f32"
	case float64:
		return math.Float64bits(v), t == "f64"
	}
	return 0, false
}

// threads is the usual number of threads of a block.
const threads = 256

// perElement is the launch of a kernel in which each thread of 256 handles each
// consecutive elements of n.
func (o *op) perElement(n, each int) driver.Launch {
	return driver.Launch{Grid: driver.D1(ceil(n, threads*each)), Block: driver.D1(threads)}
}

// blocks is a one-dimensional launch.
func blocks(n, threads int) driver.Launch {
	return driver.Launch{Grid: driver.D1(n), Block: driver.D1(threads)}
}

// ceil is n/d rounded up.
func ceil(n, d int) int { return (n + d - 1) / d }
