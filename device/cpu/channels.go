package cpu

import "voxgrad/device"

// Concat copies row by row.
func (b *engine) Concat(y, a, c device.Tensor) {
	yd, ad, cd := data(y), data(a), data(c)
	rows(y.Rows(), y.C, func(lo, hi int) {
		for ; lo < hi; lo++ {
			to := yd[lo*y.C:][:y.C]
			copy(to[:a.C], ad[lo*a.C:])
			copy(to[a.C:], cd[lo*c.C:])
		}
	})
}

// Split copies or adds row by row.
func (b *engine) Split(da, db device.Into, dy device.Tensor) {
	dyd := data(dy)
	ad, bd := into(da), into(db)
	ca, cb := device.SplitChannels(da, db, dy.Shape)
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

func (b *engine) copyInto(to, from []float32, mode device.Mode) {
	if mode == device.Set {
		copy(to, from)
	} else {
		b.add(to, from)
	}
}
