package ref

import "voxgrad/device"

// eight visits, for every pooled element, itself and the eight elements of x it
// is the maximum of, k fastest.
func eight(x, y device.Shape, visit func(out int, in [8]int)) {
	out := 0
	for n := range y.N {
		for d := range y.D {
			for h := range y.H {
				for w := range y.W {
					for c := range y.C {
						var in [8]int
						for t := range in {
							i, j, k := t>>2, t>>1&1, t&1
							in[t] = (((n*x.D+2*d+i)*x.H+2*h+j)*x.W+2*w+k)*x.C + c
						}
						visit(out, in)
						out++
					}
				}
			}
		}
	}
}

// MaxPool implements device.Pool. The maximum of values with a NaN among them is NaN.
func (b loops[F]) MaxPool(y, x device.Tensor) {
	yd, xd := b.data(y), b.data(x)
	eight(x.Shape, y.Shape, func(out int, in [8]int) {
		m := xd[in[0]]
		for _, i := range in {
			m = max(m, xd[i])
		}
		yd[out] = m
	})
}

// MaxPoolGrad implements device.Pool.
func (b loops[F]) MaxPoolGrad(dx device.Into, dy, x, y device.Tensor) {
	dyd, xd, yd := b.data(dy), b.data(x), b.data(y)
	s := make([]float64, len(xd))
	eight(x.Shape, y.Shape, func(out int, in [8]int) {
		for _, i := range in {
			if xd[i] == yd[out] {
				s[i] = float64(dyd[out])
				break
			}
		}
	})
	b.put(dx, s)
}
