package cuda

import (
	"math"
	"slices"
	"strings"

	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// AllocActivation takes memory for two bytes an element if the precision is BF16. What has fewer channels than tensor
// cores are used for, images and what losses are made of, is stored in fp32 whatever it is.
func (b *Backend) AllocActivation(s device.Shape) device.Tensor {
	return b.alloc(s, 0, b.storedIn(s))
}

func (b *Backend) storedIn(s device.Shape) element {
	if b.opt.precision == BF16 && s.C >= mmaLeast {
		return bf16
	}
	return fp32
}

// element is what a tensor is stored in.
type element uint8

const (
	fp32 element = iota
	bf16
)

// bytes is the size of n elements, whole words.
func (e element) bytes(n int) int64 {
	if e == bf16 {
		return int64(ceil(n, 2)) * 4
	}
	return 4 * int64(n)
}

// size is the bytes of one.
func (e element) size() int {
	if e == bf16 {
		return 2
	}
	return 4
}

// of is the module, or the kernel, for what is stored so.
func (e element) of(name string) string {
	if e == bf16 {
		return name + "_bf16"
	}
	return name
}

// elementOf is fp32 for a tensor that is absent.
func elementOf(t device.Tensor) element {
	if m, ok := t.Mem.(*buffer); ok {
		return m.element
	}
	return fp32
}

// storable are the arguments that an operation has kernels for in bf16: those of alike if all of them are there in bf16,
// those of free each by itself.
type storable struct{ alike, free []string }

func names(s string) []string { return strings.Fields(s) }

// native are the operations that have such kernels. Of the others, and of mixtures, what is bf16 is widened to fp32 before the
// operation and rounded behind it, so that no operation need know of it.
var native = map[string]storable{
	"Upload": {free: names("t")}, "Download": {free: names("t")}, "Fill": {free: names("t")}, "Copy": {free: names("dst src")},
	"ReLUGrad": {alike: names("dx dy y")},
	"MaxPool":  {alike: names("y x")}, "MaxPoolGrad": {alike: names("dx dy x y dx.mask")},
	"Upsample": {alike: names("y x")}, "UpsampleGrad": {alike: names("dx dy")},
	"Conv": {free: names("y x")}, "ConvGradX": {free: names("dx dy dx.mask")}, "ConvGradW": {free: names("x dy")},
	"ConvT": {free: names("y x")}, "ConvTGradX": {free: names("dx dy")}, "ConvTGradW": {free: names("x dy")},
	"PutSample": {free: names("batch x")}, "TakeSample": {free: names("x batch")},
	"Concat": {alike: names("y a b")}, "Split": {alike: names("da db dy")},
	"Dropout": {alike: names("y x")}, "DropoutGrad": {alike: names("dx dy")},
	"CatConv": {free: names("y x")}, "CatConvStats": {free: names("x")}, "CatConvGrad": {free: names("dx dx.mask x dy")},
	"BatchNormStats": {alike: names("x")}, "BatchNormApply": {alike: names("y x")}, "BatchNormGrad": {alike: names("dx dy x")},
}

// do runs a call whose arguments were checked.
func (o *op) do(c *device.Call) {
	rule := native[c.Op]
	masked := slices.ContainsFunc(c.Args, func(a device.Arg) bool { return a.Into != nil && !a.Skipped() && !a.Into.Mask.None() })
	switch {
	case o.b.opt.precision == FP32:
		c.Run(o)
		return
	case masked && !slices.Contains(rule.alike, "dx.mask") && !slices.Contains(rule.free, "dx.mask"):
		c.RunAndMask(device.Ops(o.do))
		return
	}
	mixed := false
	for _, a := range c.Args {
		mixed = mixed || slices.Contains(rule.alike, a.Name) && present(a) && elementOf(*a.Tensor) == fp32
	}
	var rounded []func()
	for _, a := range c.Args {
		if !present(a) || elementOf(*a.Tensor) == fp32 || slices.Contains(rule.free, ofAnySource(a.Name)) || !mixed && slices.Contains(rule.alike, a.Name) {
			continue
		}
		stored := *a.Tensor
		wide := o.temporary(stored.Shape, fp32)
		if a.Role == device.Input || a.Role == device.State || a.Into != nil && a.Into.Mode == device.Add {
			o.convert(wide, stored)
		}
		if a.Role != device.Input {
			rounded = append(rounded, func() { o.convert(stored, wide) })
		}
		*a.Tensor = wide
	}
	c.Run(o)
	for _, f := range rounded {
		f()
	}
}

// ofAnySource is an argument's name without the number of a source of CatConv.
func ofAnySource(name string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, name)
}

func present(a device.Arg) bool { return !a.Skipped() && !a.Tensor.None() }

// temporary is a tensor in a workspace.
func (o *op) temporary(s device.Shape, e element) device.Tensor {
	return o.at(o.workspace(int(e.bytes(s.Len())/4)), s, e)
}

// at is the tensor at an address.
func (o *op) at(p driver.Ptr, s device.Shape, e element) device.Tensor {
	return device.Tensor{Shape: s, Mem: &buffer{owner: o.b, ptr: p, n: s.Len(), element: e}}
}

// widened is a tensor in fp32: itself, or in a workspace.
func (o *op) widened(x driver.Ptr, s device.Shape, e element) driver.Ptr {
	if e == fp32 {
		return x
	}
	wide := o.temporary(s, fp32)
	o.convert(wide, o.at(x, s, e))
	return ptr(wide)
}

// convert is dst = src, of which one is bf16.
func (o *op) convert(dst, src device.Tensor) {
	name := "round_bf16"
	if elementOf(src) == bf16 {
		name = "widen_bf16"
	}
	o.launch("bf16", name, PerElement(src.Len(), 4), dst, src, src.Len())
}

// bitsBF16 rounds to the nearest, ties to even, as the kernels do; NaN stays.
func bitsBF16(v float32) uint16 {
	u := math.Float32bits(v)
	if v != v {
		return uint16(u>>16) | 0x40
	}
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}

// stored launches a kernel, or the same one for tensors in bf16.
func (o *op) stored(e element, module, kernel string, l driver.Launch, args ...any) {
	if e == bf16 {
		module, kernel = "bf16", e.of(kernel)
	}
	o.launch(module, kernel, l, args...)
}
