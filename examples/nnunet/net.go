package main

import (
	"fmt"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/layers"
	"voxgrad/models"
)

// unet is a small nnU-Net (PlainConvUNet): stages of two convolutions, each with instance normalisation and leaky ReLU;
// convolutions with stride 2 on the way down, transposed ones on the way up. Its parameters have nnU-Net's names.
type unet struct {
	*layers.Net
	widths   []int
	down, up []stage
	convT    []*layers.ConvT
	head     *layers.Conv
}

func newUNet(dev device.Backend, widths ...int) *unet {
	u := &unet{Net: layers.NewNet(dev), widths: widths}
	encoder, decoder := u.Scope().In("encoder"), u.Scope().In("decoder")
	cin := 1
	for i, w := range widths {
		stride := 2
		if i == 0 {
			stride = 1
		}
		u.down = append(u.down, newStage(encoder.In(fmt.Sprintf("stages.%d.0", i)), cin, w, stride))
		cin = w
	}
	for i := range len(widths) - 1 {
		w := widths[len(widths)-2-i]
		u.convT = append(u.convT, layers.NewConvT(decoder.In(fmt.Sprint("transpconvs.", i)), cin, w,
			layers.ConvOptions{ConvParams: device.ConvT2x2x2}))
		u.up = append(u.up, newStage(decoder.In(fmt.Sprint("stages.", i)), 2*w, w, 1))
		cin = w
	}
	u.head = layers.NewConv(decoder.In("seg_layers.0"), cin, 2, layers.ConvOptions{ConvParams: device.ConvParams{K: 1}})
	u.Init(1)
	return u
}

// Forward: one image [N D H W 1], extents multiples of 2^(stages−1) → logits [N D H W 2].
func (u *unet) Forward(t *autograd.Tape, images ...*autograd.Var) *autograd.Var {
	x, skips := images[0], []*autograd.Var{}
	for i, s := range u.down {
		x = s.forward(t, x)
		if i < len(u.up) {
			skips = append(skips, t.Hold(x)) // used by the next stage and by a Concat: see package autograd
		}
	}
	for i, s := range u.up {
		x = s.forward(t, t.Concat(u.convT[i].Forward(t, x), skips[len(skips)-1-i]))
	}
	return u.head.Forward(t, x)
}

// Spec makes a models.Network of it: it can be saved, loaded, trained and applied as the built-in ones.
func (u *unet) Spec() models.Spec {
	return models.Spec{Name: "nnunet", Images: 1, Cin: 1, Cout: 2, Head: models.Softmax, Multiple: 1 << (len(u.widths) - 1)}
}

type stage [2]block

func newStage(s layers.Scope, cin, cout, stride int) stage {
	return stage{newBlock(s.In("convs.0"), cin, cout, stride), newBlock(s.In("convs.1"), cout, cout, 1)}
}

func (s stage) forward(t *autograd.Tape, x *autograd.Var) *autograd.Var {
	return s[1].forward(t, s[0].forward(t, x))
}

// block is leakyReLU(instanceNorm(conv(x))).
type block struct {
	conv        *layers.Conv
	norm        layers.Scope
	gamma, beta *autograd.Var
}

func newBlock(s layers.Scope, cin, cout, stride int) block {
	norm, v := s.In("norm"), device.Vec(cout)
	return block{
		conv:  layers.NewConv(s.In("conv"), cin, cout, layers.ConvOptions{ConvParams: device.ConvParams{K: 3, Stride: stride, Pad: 1}}),
		norm:  norm,
		gamma: norm.Param("weight", v, layers.Vector, layers.Constant(1)),
		beta:  norm.Param("bias", v, layers.Vector, layers.Constant(0)),
	}
}

func (b block) forward(t *autograd.Tape, x *autograd.Var) *autograd.Var {
	x = b.conv.Forward(t, x)
	return leakyReLU(t, instanceNorm(t.At(b.norm.Path()), x, b.gamma, b.beta, 1e-5), 0.01)
}
