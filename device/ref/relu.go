package ref

import "voxgrad/device"

// ReLUGrad implements device.Activation.
func (b loops[F]) ReLUGrad(dx device.Into, dy, y device.Tensor) {
	dyd, yd := b.data(dy), b.data(y)
	s := make([]float64, len(dyd))
	for i := range s {
		if yd[i] > 0 {
			s[i] = float64(dyd[i])
		}
	}
	b.put(dx, s)
}
