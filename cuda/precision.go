package cuda

import (
	"fmt"
	"log/slog"
	"strings"
)

// Precision is what the operands of convolutions are rounded to before they are multiplied. Sums, and everything else, are
// fp32 whatever it is; so is what is stored, but for activations under BF16.
type Precision uint8

const (
	// FP32 rounds nothing, on plain cores.
	FP32 Precision = iota

	// TF32 has 10 bits behind the point, on tensor cores, and the range of fp32.
	TF32

	// BF16 has 7 bits behind the point, on tensor cores, and the range of fp32.
	BF16

	// Auto is BF16 on a device that has it, else FP32.
	Auto
)

var precisions = []string{"fp32", "tf32", "bf16", "auto"}

func (p Precision) String() string {
	if int(p) < len(precisions) {
		return precisions[p]
	}
	return fmt.Sprintf("precision %d", p)
}

// ParsePrecision is the Precision of a name: fp32, tf32, bf16 or auto.
func ParsePrecision(name string) (Precision, error) {
	for i, n := range precisions {
		if n == name {
			return Precision(i), nil
		}
	}
	return 0, fmt.Errorf("there is no precision %q; want %s", name, strings.Join(precisions, ", "))
}

// tensorCores is the compute capability from which on the kernels use tensor cores.
const tensorCores = 80

// On is the precision that a device of a compute capability computes with: Auto decided. An error says
// that it does not have p.
func (p Precision) On(compute int) (Precision, error) {
	switch {
	case p > Auto:
		return 0, fmt.Errorf("there is no %v", p)
	case p == Auto && compute >= tensorCores:
		return BF16, nil
	case p == Auto:
		return FP32, nil
	case p != FP32 && compute < tensorCores:
		return 0, fmt.Errorf("%v needs compute capability %d.%d or newer, the device has %d.%d; use fp32, or auto, which takes what the device has",
			p, tensorCores/10, tensorCores%10, compute/10, compute%10)
	}
	return p, nil
}

// WithPrecision sets the precision of convolutions; FP32 without it. New refuses one that the device does not have.
func WithPrecision(p Precision) Option { return func(o *options) { o.precision = p } }

// Precision is that of the backend's convolutions, never Auto.
func (b *Backend) Precision() Precision { return b.opt.precision }

// inFP32 notes, once, that an operation is computed in fp32 if tensor cores were asked for.
func (o *op) inFP32(what, why string) {
	note := o.name + " " + what
	if o.b.opt.precision == FP32 || o.b.noted[note] {
		return
	}
	o.b.noted[note] = true
	slog.Debug("not on tensor cores, computed in fp32", "operation", o.name, "size", what, "reason", why)
}
