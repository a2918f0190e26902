package ref

import "voxgrad/device"

// Concat implements device.Shuffle.
func (b *Backend[F]) Concat(y, a, bb device.Tensor) {
	const op = "Concat"
	yd, ad, bd := b.get(op, "y", y), b.get(op, "a", a), b.get(op, "b", bb)
	want(op, a.Shape == y.WithC(a.C) && bb.Shape == y.WithC(bb.C) && y.C == a.C+bb.C, "y %v, a %v, b %v", y.Shape, a.Shape, bb.Shape)
	apart(op, y, a, bb)
	for r := range y.Rows() {
		to := row(yd, r, y.C)
		copy(to[:a.C], row(ad, r, a.C))
		copy(to[a.C:], row(bd, r, bb.C))
	}
}

// Split implements device.Shuffle. Where one of da and db is absent, it stands
// for the channels that the other leaves.
func (b *Backend[F]) Split(da, db device.Into, dy device.Tensor) {
	const op = "Split"
	if da.Mode == device.Skip && db.Mode == device.Skip {
		return
	}
	dyd := b.get(op, "dy", dy)
	ca, cb := da.C, db.C
	if da.Mode == device.Skip {
		ca = dy.C - cb
	}
	if db.Mode == device.Skip {
		cb = dy.C - ca
	}
	want(op, ca > 0 && cb > 0 && ca+cb == dy.C && fits(da, dy.WithC(ca)) && fits(db, dy.WithC(cb)),
		"da %v, db %v, dy %v", da.Shape, db.Shape, dy.Shape)
	apart(op, da.Tensor, dy, db.Tensor)
	apart(op, db.Tensor, dy)
	part := func(from, c int) []float64 {
		s := make([]float64, 0, dy.Rows()*c)
		for r := range dy.Rows() {
			for _, v := range row(dyd, r, dy.C)[from : from+c] {
				s = append(s, float64(v))
			}
		}
		return s
	}
	b.put(op, "da", da, part(0, ca))
	b.put(op, "db", db, part(ca, cb))
}
