package cuda

import "voxgrad/device"

// Concat copies both tensors in one launch.
func (o *op) Concat(y, a, bb device.Tensor) {
	l := streamed(y.Shape, widthOf(a.C, bb.C))
	o.stored(elementOf(y), "channels", entry("concat", l.width), l.launch(), y, a, bb, a.C, bb.C, y.Rows(), l.per, l.tx, l.ty)
}

// Split copies both parts in one launch.
func (o *op) Split(da, db device.Into, dy device.Tensor) {
	ca, cb := device.SplitChannels(da, db, dy.Shape)
	l := streamed(dy.Shape, widthOf(ca, cb))
	o.stored(elementOf(dy), "channels", entry("split", l.width), l.launch(),
		da, da.Mode == device.Add, db, db.Mode == device.Add, dy, ca, cb, dy.Rows(), l.per, l.tx, l.ty)
}
