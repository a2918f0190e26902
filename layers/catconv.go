package layers

import (
	"voxgrad/autograd"
	"voxgrad/device"
)

// CatConv is conv(norm(cat(up(x₁), x₂, …))) in one: a 3³ convolution behind a
// normalisation behind a concatenation. Nothing in between exists (device.CatConv), and the
// parameters are those of the layers that it is made of.
type CatConv struct {
	up   *Up // of the first source; nil if it is taken as it is
	norm Norm
	conv *Conv
}

// NewCatConv joins layers that were made before. up may be nil.
func NewCatConv(up *Up, norm Norm, conv *Conv) *CatConv {
	if conv.p != device.Conv3x3x3 {
		panic("layers: a CatConv needs a 3³ convolution that keeps the grid: " + conv.s.path)
	}
	return &CatConv{up, norm, conv}
}

// Forward takes the sources in the order of their channels, the one to be upsampled first:
// [N D H W C₁] (or [N D/2 H/2 W/2 C₁]), [N D H W C₂], … → [N D H W Cout].
func (c *CatConv) Forward(t *autograd.Tape, x ...*autograd.Var) *autograd.Var {
	in := make([]autograd.Source, len(x))
	for i, v := range x {
		in[i].X = v
	}
	if c.up != nil {
		in[0].Up = device.Trilinear
		if up := c.up.convT; up != nil {
			in[0].Up, in[0].W, in[0].B = device.Transposed, up.w, up.b
		}
	}
	return c.norm.convolved(t, c.conv.s.path, in, c.conv.w, c.conv.b, c.conv.act)
}
