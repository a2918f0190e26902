package layers

import "voxgrad/device"

// Adam is the optimizer of Kingma and Ba, "Adam: a method for stochastic
// optimization" (ICLR 2015), with the moments of the parameters it trains.
type Adam struct {
	LR, Beta1, Beta2, Eps float64
	WeightDecay           float64 // of all parameters, decoupled from the gradient (AdamW); 0: none
	MaxNorm               float64 // of all gradients together, scaled down to it where it is larger (clip_grad_norm_); 0: as they are
	Step                  int     // updates made
	Moments               []Moments

	dev  device.Backend
	norm device.Tensor // of the gradients, where there is MaxNorm
}

// Moments are the running averages of a parameter's gradient and of its square.
type Moments struct {
	*Param
	M, V device.Tensor
}

// NewAdam is the optimizer of the parameters that are trainable now, with the
// usual β1 = 0.9, β2 = 0.999, ε = 1e-8 and moments of zero. Frozen parameters get no
// moments: no memory, and no drift.
func NewAdam(dev device.Backend, params []*Param, lr float64) *Adam {
	a := &Adam{LR: lr, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, dev: dev}
	for _, p := range params {
		if !p.Trainable() {
			continue
		}
		m := Moments{Param: p, M: dev.Alloc(p.Shape), V: dev.Alloc(p.Shape)}
		dev.Fill(m.M, 0)
		dev.Fill(m.V, 0)
		a.Moments = append(a.Moments, m)
	}
	return a
}

// Gradients are those of the parameters that one reached, in the order of Moments, and
// whose they are.
func (a *Adam) Gradients() (grads []device.Tensor, of []*Param) {
	for _, m := range a.Moments {
		if g := m.Grad(); !g.None() {
			grads, of = append(grads, g), append(of, m.Param)
		}
	}
	return grads, of
}

// Update changes every parameter by its gradient. A parameter that no gradient
// reached is left alone.
func (a *Adam) Update() { a.UpdateUnless(device.Tensor{}) }

// UpdateUnless is Update, which changes nothing if guard holds that something was found: the
// result of NonFinite on the gradients, which the host need not wait for.
func (a *Adam) UpdateUnless(guard device.Tensor) {
	a.Step++
	opt := device.AdamOptions{Step: a.Step, LR: a.LR, Beta1: a.Beta1, Beta2: a.Beta2, Eps: a.Eps, WeightDecay: a.WeightDecay, Guard: guard}
	if a.MaxNorm > 0 {
		if a.norm.None() {
			a.norm = a.dev.Alloc(device.Scalar())
		}
		grads, _ := a.Gradients()
		a.dev.TotalNorm(a.norm, grads)
		opt.Norm, opt.MaxNorm = a.norm, a.MaxNorm
	}
	slots := make([]device.AdamSlot, 0, len(a.Moments))
	for _, m := range a.Moments {
		if g := m.Grad(); !g.None() {
			slots = append(slots, device.AdamSlot{W: m.Tensor, Grad: g, M: m.M, V: m.V})
		}
	}
	a.dev.Adam(slots, opt)
}

// Free frees the moments.
func (a *Adam) Free() {
	for _, m := range a.Moments {
		a.dev.Free(m.M)
		a.dev.Free(m.V)
	}
	a.dev.Free(a.norm)
	a.Moments, a.norm = nil, device.Tensor{}
}

// Device is where the moments live.
func (a *Adam) Device() device.Backend { return a.dev }
