package autograd

import (
	"fmt"

	"voxgrad/device"
)

// tracer looks at every result and gradient and keeps the first bad one.
type tracer struct {
	found string
}

// Trace makes the tape look for the first value that is NaN or infinite, in
// results during the forward pass and in gradients during the reverse pass. It
// waits for the device after every op: run a step again under Trace when its
// loss was not finite, not every step.
func (t *Tape) Trace() {
	t.trace = &tracer{}
}

// NonFinite returns where the first value came from that was not finite:
// "output of conv at conv3: 12 of 4096 values are NaN or infinite"; "" if none
// was seen. Needs Trace before the forward pass.
func (t *Tape) NonFinite() string {
	if t.trace == nil {
		return ""
	}
	return t.trace.found
}

func (t *Tape) traceOutput(op, at string, y *Var) {
	if t.trace != nil && t.trace.found == "" {
		t.inspect("output of "+place(op, at), y.Tensor)
	}
}

// traceGradients looks at what a reverse step has contributed to.
func (t *Tape) traceGradients(s *step) {
	if t.trace == nil {
		return
	}
	for i, v := range s.in {
		if v == nil || !v.wants || !v.has || t.trace.found != "" {
			continue
		}
		what := v.Name
		if what == "" {
			what = fmt.Sprintf("argument %d", i+1)
		}
		t.inspect(fmt.Sprintf("gradient of %s in %s", what, place(s.op, s.at)), v.grad)
	}
}

func (t *Tape) inspect(what string, x device.Tensor) {
	found := t.dev.Alloc(device.Vec(2))
	defer t.dev.Free(found)
	t.dev.Fill(found, 0)
	t.dev.NonFinite(found, []device.Tensor{x})
	var n [2]float32
	t.dev.Download(n[:], found)
	if n[0] != 0 {
		t.trace.found = fmt.Sprintf("%s: %.0f of %d values are NaN or infinite", what, n[0], x.Len())
	}
}

// place is "conv at conv3", "maxpool after conv2" or "concat".
func place(op, at string) string {
	switch {
	case at == "":
		return op
	case len(at) > 6 && at[:6] == "after ":
		return op + " " + at
	default:
		return op + " at " + at
	}
}
