package layers

import "voxgrad/device"

// Adam is the optimizer of Kingma and Ba, "Adam: a method for stochastic
// optimization" (ICLR 2015), with the moments of the parameters it trains.
type Adam struct {
	LR, Beta1, Beta2, Eps float64
	WeightDecay           float64 // of all parameters, decoupled from the gradient (AdamW); 0: none
	Step                  int     // updates made
	Moments               []Moments

	dev device.Backend
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
	slots := make([]device.AdamSlot, 0, len(a.Moments))
	for _, m := range a.Moments {
		if g := m.Grad(); !g.None() {
			slots = append(slots, device.AdamSlot{W: m.Tensor, Grad: g, M: m.M, V: m.V})
		}
	}
	a.dev.Adam(slots, device.AdamOptions{Step: a.Step, LR: a.LR, Beta1: a.Beta1, Beta2: a.Beta2, Eps: a.Eps, WeightDecay: a.WeightDecay, Guard: guard})
}

// Free frees the moments.
func (a *Adam) Free() {
	for _, m := range a.Moments {
		a.dev.Free(m.M)
		a.dev.Free(m.V)
	}
	a.Moments = nil
}

// Device is where the moments live.
func (a *Adam) Device() device.Backend { return a.dev }
