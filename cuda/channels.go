package cuda

import "voxgrad/device"

// Concat copies both tensors in one launch.
func (b *Backend) Concat(y, a, bb device.Tensor) {
	o := b.begin("Concat")
	if o == nil {
		return
	}
	defer o.end()
	yp, ap, bp := o.ptr("y", y), o.ptr("a", a), o.ptr("b", bb)
	o.want(a.Shape == y.WithC(a.C) && bb.Shape == y.WithC(bb.C) && y.C == a.C+bb.C, "y %v, a %v, b %v", y.Shape, a.Shape, bb.Shape)
	o.apart(y, a, bb)
	l := streamed(y.Shape, widthOf(a.C, bb.C))
	o.launch("channels", entry("concat", l.width), l.launch(), yp, ap, bp, a.C, bb.C, y.Rows(), l.per, l.tx, l.ty)
}

// Split copies both parts in one launch. Where one of da and db is skipped, it
// stands for the channels that the other leaves.
func (b *Backend) Split(da, db device.Into, dy device.Tensor) {
	if da.Mode == device.Skip && db.Mode == device.Skip {
		return
	}
	o := b.begin("Split")
	if o == nil {
		return
	}
	defer o.end()
	ap, bp, dyp := o.into("da", da), o.into("db", db), o.ptr("dy", dy)
	ca, cb := da.C, db.C
	if da.Mode == device.Skip {
		ca = dy.C - cb
	}
	if db.Mode == device.Skip {
		cb = dy.C - ca
	}
	o.want(ca > 0 && cb > 0 && ca+cb == dy.C && fits(da, dy.WithC(ca)) && fits(db, dy.WithC(cb)),
		"da %v, db %v, dy %v", da.Shape, db.Shape, dy.Shape)
	o.apartInto(da, dy, dy, db.Tensor)
	o.apartInto(db, dy, dy)
	l := streamed(dy.Shape, widthOf(ca, cb))
	o.launch("channels", entry("split", l.width), l.launch(),
		ap, da.Mode == device.Add, bp, db.Mode == device.Add, dyp, ca, cb, dy.Rows(), l.per, l.tx, l.ty)
}
