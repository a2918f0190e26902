package layers

import "voxgrad/autograd"

// Dropout sets single elements to zero in Train and does nothing otherwise.
type Dropout struct {
	path string
	p    float64
	mode *Mode
}

// NewDropout drops each element with probability p in [0, 1).
func NewDropout(s Scope, p float64) *Dropout {
	return &Dropout{path: s.path, p: p, mode: s.mode}
}

// Forward draws under the tape's RandomKey of the layer's path.
func (d *Dropout) Forward(t *autograd.Tape, x *autograd.Var) *autograd.Var {
	if d.p == 0 || *d.mode != Train {
		return x
	}
	return t.At(d.path).Dropout(x, d.p, t.RandomKey("dropout", d.path))
}
