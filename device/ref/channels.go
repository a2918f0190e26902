package ref

import "voxgrad/device"

// Concat implements device.Channels.
func (b loops[F]) Concat(y, a, bb device.Tensor) {
	yd, ad, bd := b.data(y), b.data(a), b.data(bb)
	for r := range y.Rows() {
		to := row(yd, r, y.C)
		copy(to[:a.C], row(ad, r, a.C))
		copy(to[a.C:], row(bd, r, bb.C))
	}
}

// Split implements device.Channels.
func (b loops[F]) Split(da, db device.Into, dy device.Tensor) {
	dyd := b.data(dy)
	ca, cb := device.SplitChannels(da, db, dy.Shape)
	part := func(from, c int) []float64 {
		s := make([]float64, 0, dy.Rows()*c)
		for r := range dy.Rows() {
			for _, v := range row(dyd, r, dy.C)[from : from+c] {
				s = append(s, float64(v))
			}
		}
		return s
	}
	b.put(da, part(0, ca))
	b.put(db, part(ca, cb))
}
