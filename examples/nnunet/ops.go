package main

import (
	"voxgrad/autograd"
	"voxgrad/device"
)

// instanceNorm normalises each channel of each sample by its own mean and deviation: x̂·gamma + beta, gamma and beta of
// shape Vec(C). It is the device's batch normalisation of one sample after another.
func instanceNorm(t *autograd.Tape, x, gamma, beta *autograd.Var, eps float64) *autograd.Var {
	dev, one := t.Device(), x.Shape
	one.N = 1
	op := autograd.Op{
		Name: "instancenorm", In: []*autograd.Var{x, gamma, beta}, Out: []device.Shape{x.Shape}, SaveIn: []int{0, 1},
		Forward: func(out, in []device.Tensor) {
			xn := dev.Alloc(one)
			defer dev.Free(xn)
			for n := range x.N {
				mean, invstd := out[1+2*n], out[2+2*n]
				dev.TakeSample(xn, in[0], n)
				dev.BatchNormStats(mean, invstd, xn, device.Tensor{}, device.Tensor{}, eps, 0)
				dev.BatchNormApply(xn, xn, in[1], in[2], mean, invstd)
				dev.PutSample(out[0], n, xn)
			}
		},
		Reverse: func(s autograd.Saved, dy []device.Tensor, dx []device.Into) {
			xn, dn := dev.Alloc(one), dev.Alloc(one)
			defer dev.Free(xn)
			defer dev.Free(dn)
			for n := range x.N {
				dev.TakeSample(xn, s.In[0], n)
				dev.TakeSample(dn, dy[0], n)
				to := device.Into{}
				if dx[0].Mode != device.Skip {
					to = device.Into{Tensor: dn, Mode: device.Set}
				}
				dev.BatchNormGrad(to, dx[1], dx[2], dn, xn, s.In[1], s.Out[1+2*n], s.Out[2+2*n], false)
				dev.PutSample(dy[0], n, dn) // an op may overwrite the gradient it is given
				for i := 1; i <= 2; i++ {
					if dx[i].Mode == device.Set {
						dx[i].Mode = device.Add // the further samples' share
					}
				}
			}
			if dx[0].Mode != device.Skip {
				dev.Copy(dx[0], dy[0])
			}
		},
	}
	for n := range x.N { // of each sample the mean and one over the deviation, for the reverse step
		op.Side = append(op.Side, device.Vec(x.C), device.Vec(x.C))
		op.SaveOut = append(op.SaveOut, 1+2*n, 2+2*n)
	}
	out := t.Apply(op)
	for _, side := range out[1:] {
		t.Release(side)
	}
	return out[0]
}

// leakyReLU is x where x > 0 and slope·x elsewhere. It keeps its result alone, which has the sign of x, and works in place.
func leakyReLU(t *autograd.Tape, x *autograd.Var, slope float64) *autograd.Var {
	dev := t.Device()
	// pass writes v where sign > 0 and slope·v elsewhere.
	pass := func(to, v, sign device.Tensor) {
		positive := dev.Alloc(v.Shape)
		defer dev.Free(positive)
		dev.ReLUGrad(device.Into{Tensor: positive, Mode: device.Set}, v, sign)
		dev.Blend(to, positive, v, 1-slope, slope)
	}
	return t.Apply(autograd.Op{
		Name: "leakyrelu", In: []*autograd.Var{x}, Out: []device.Shape{x.Shape}, SaveOut: []int{0},
		Forward: func(out, in []device.Tensor) { pass(out[0], in[0], in[0]) },
		Reverse: func(s autograd.Saved, dy []device.Tensor, dx []device.Into) {
			pass(dy[0], dy[0], s.Out[0])
			if dx[0].Mem != dy[0].Mem {
				dev.Copy(dx[0], dy[0])
			}
		},
		InPlace: true, GradInPlace: true,
	})[0]
}
