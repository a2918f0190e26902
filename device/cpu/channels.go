package cpu

import "voxgrad/device"

// Concat copies row by row.
func (b *Backend) Concat(y, a, c device.Tensor) {
	if b.failed() {
		return
	}
	const op = "Concat"
	yd, ad, cd := b.get(op, "y", y), b.get(op, "a", a), b.get(op, "b", c)
	want(op, a.Shape == y.WithC(a.C) && c.Shape == y.WithC(c.C) && y.C == a.C+c.C, "y %v, a %v, b %v", y.Shape, a.Shape, c.Shape)
	apart(op, y, a, c)
	rows(y.Rows(), y.C, func(lo, hi int) {
		for ; lo < hi; lo++ {
			to := yd[lo*y.C:][:y.C]
			copy(to[:a.C], ad[lo*a.C:])
			copy(to[a.C:], cd[lo*c.C:])
		}
	})
}

// Split copies or adds row by row. Where one of da and db is absent, it stands
// for the channels that the other leaves.
func (b *Backend) Split(da, db device.Into, dy device.Tensor) {
	if da.Mode == device.Skip && db.Mode == device.Skip || b.failed() {
		return
	}
	const op = "Split"
	dyd := b.get(op, "dy", dy)
	ad, bd := b.into(op, "da", da), b.into(op, "db", db)
	ca, cb := da.C, db.C
	if ad == nil {
		ca = dy.C - cb
	}
	if bd == nil {
		cb = dy.C - ca
	}
	want(op, ca > 0 && cb > 0 && ca+cb == dy.C && fits(da, dy.WithC(ca)) && fits(db, dy.WithC(cb)),
		"da %v, db %v, dy %v", da.Shape, db.Shape, dy.Shape)
	apartInto(op, da, dy, dy, db.Tensor)
	apartInto(op, db, dy, dy)
	rows(dy.Rows(), dy.C, func(lo, hi int) {
		for ; lo < hi; lo++ {
			from := dyd[lo*dy.C:][:dy.C]
			if ad != nil {
				b.copyInto(ad[lo*ca:][:ca], from[:ca], da.Mode)
			}
			if bd != nil {
				b.copyInto(bd[lo*cb:][:cb], from[ca:], db.Mode)
			}
		}
	})
}

func (b *Backend) copyInto(to, from []float32, mode device.Mode) {
	if mode == device.Set {
		copy(to, from)
	} else {
		b.add(to, from)
	}
}
