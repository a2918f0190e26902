package cuda

import "voxgrad/device"

// composer makes the tensors of a composition in workspaces.
type composer struct{ *op }

func (c composer) Alloc(s device.Shape) device.Tensor {
	return device.Tensor{Shape: s, Mem: &buffer{owner: c.b, ptr: c.workspace(s.Len()), n: s.Len()}}
}

// Free does nothing: workspaces end with the call.
func (c composer) Free(device.Tensor) {}

func (o *op) composed() device.Composed { return device.Composed{On: composer{o}} }

// CatConvStats makes the concatenation.
func (o *op) CatConvStats(mean, invstd device.Tensor, in []device.Source, runMean, runVar device.Tensor, eps, momentum float64) {
	o.composed().CatConvStats(mean, invstd, in, runMean, runVar, eps, momentum)
}

// CatConv makes the normalised concatenation.
func (o *op) CatConv(y device.Tensor, in []device.Source, n device.Normalization, w, bias device.Tensor, act device.Act) {
	o.composed().CatConv(y, in, n, w, bias, act)
}

// CatConvGrad makes the concatenation and its normalised form again, so that nothing of them is kept
// between the forward and the reverse pass.
func (o *op) CatConvGrad(g device.CatConvGrads, dy device.Tensor, in []device.Source, n device.Normalization, w device.Tensor, fixed bool) {
	o.composed().CatConvGrad(g, dy, in, n, w, fixed)
}
