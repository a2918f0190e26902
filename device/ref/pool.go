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

func pooled(x device.Shape) device.Shape {
	return device.Shape{N: x.N, D: x.D / 2, H: x.H / 2, W: x.W / 2, C: x.C}
}

// MaxPool implements device.Pool. The maximum of values with a NaN among them is NaN.
func (b *Backend[F]) MaxPool(y, x device.Tensor) {
	const op = "MaxPool"
	yd, xd := b.get(op, "y", y), b.get(op, "x", x)
	want(op, y.Shape == pooled(x.Shape), "y %v, x %v", y.Shape, x.Shape)
	apart(op, y, x)
	eight(x.Shape, y.Shape, func(out int, in [8]int) {
		m := xd[in[0]]
		for _, i := range in {
			m = max(m, xd[i])
		}
		yd[out] = m
	})
}

// MaxPoolGrad implements device.Pool.
func (b *Backend[F]) MaxPoolGrad(dx device.Into, dy, x, y device.Tensor) {
	const op = "MaxPoolGrad"
	if dx.Mode == device.Skip {
		return
	}
	dyd, xd, yd := b.get(op, "dy", dy), b.get(op, "x", x), b.get(op, "y", y)
	want(op, y.Shape == pooled(x.Shape) && dy.Shape == y.Shape && dx.Shape == x.Shape,
		"dx %v, dy %v, x %v, y %v", dx.Shape, dy.Shape, x.Shape, y.Shape)
	apart(op, dx.Tensor, dy, x, y)
	s := make([]float64, len(xd))
	eight(x.Shape, y.Shape, func(out int, in [8]int) {
		for _, i := range in {
			if xd[i] == yd[out] {
				s[i] = float64(dyd[out])
				break
			}
		}
	})
	b.put(op, "dx", dx, s)
}
