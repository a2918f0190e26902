package models_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/models/weights"
)

// custom is a network of another package: a Net, layers, Forward and Spec.
type custom struct {
	*layers.Net
	down, head *layers.Conv
	norm       *layers.BatchNorm
	up         *layers.ConvT
}

var _ models.Network = (*custom)(nil)

func newCustom(dev device.Backend, seed uint64) *custom {
	n := layers.NewNet(dev)
	s := n.Scope().In("net")
	c := &custom{
		Net:  n,
		down: layers.NewConv(s.In("down"), 1, 4, layers.ConvOptions{ConvParams: device.ConvParams{K: 2, Stride: 2}, Act: device.ReLU, NoBias: true}),
		norm: layers.NewBatchNorm(s.In("norm"), 4),
		up:   layers.NewConvT(s.In("up"), 4, 4, layers.ConvOptions{ConvParams: device.ConvT2x2x2}),
		head: layers.NewConv(s.In("head"), 4, 2, layers.ConvOptions{ConvParams: device.ConvParams{K: 1}}),
	}
	n.Init(seed)
	return c
}

func (c *custom) Forward(t *autograd.Tape, x ...*autograd.Var) *autograd.Var {
	return c.head.Forward(t, c.up.Forward(t, c.norm.Forward(t, c.down.Forward(t, x[0]))))
}

func (c *custom) Spec() models.Spec {
	return models.Spec{Name: "autoencoder", Images: 1, Cin: 1, Cout: 2, Head: models.Softmax, Multiple: 2,
		Preparation: models.Preparation{Normalize: "median"}}
}

// A network of one's own is saved, loaded and trained on to the same bits, with
// wrapped names too, and does not take another network's weights.
func TestNetworkOfOnesOwn(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	s := device.Shape{N: 1, D: 6, H: 4, W: 2, C: 1}
	x, target := make([]float32, s.Len()), make([]float32, 2*s.Len())
	for i := range x {
		x[i], target[2*i+i%2] = float32(i%5), 1
	}
	step := func(n models.Network, adam *layers.Adam) {
		tape := autograd.New(dev, uint64(adam.Step))
		defer tape.Close()
		n.ClearGrads()
		loss, _ := tape.DiceLoss(n.Forward(tape, upload(dev, s, x)), upload(dev, s.WithC(2), target), device.DiceOptions{Eps: 0.01})
		tape.Backward(loss)
		adam.Update()
	}
	a := newCustom(dev, 1)
	adam := layers.NewAdam(a.Net.Device(), a.Net.Params(), 1e-2)
	step(a, adam)

	dir := t.TempDir()
	path := filepath.Join(dir, "a.safetensors")
	require.NoError(t, models.Save(a, path, map[string]string{"epoch": "3"}))
	f, err := weights.Read(path)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"model": "autoencoder", "images": "1", "cin": "1", "cout": "2", "head": "softmax",
		"normalize": "median", "epoch": "3"}, f.Meta)
	names := map[string][]int{}
	for _, x := range f.Tensors {
		names[x.Name] = x.Shape
	}
	require.Equal(t, map[string][]int{"net.down.weight": {4, 1, 2, 2, 2}, "net.norm.weight": {4}, "net.norm.bias": {4},
		"net.norm.running_mean": {4}, "net.norm.running_var": {4}, "net.up.weight": {4, 4, 2, 2, 2}, "net.up.bias": {4},
		"net.head.weight": {2, 4, 1, 1, 1}, "net.head.bias": {2}}, names)

	state, err := weights.Make("checkpoint", append(models.Tensors(a), models.AdamTensors(adam)...), nil)
	require.NoError(t, err)
	b := newCustom(dev, 2)
	resumed := layers.NewAdam(b.Net.Device(), b.Net.Params(), 1e-2)
	require.NoError(t, models.Restore(b, state))
	require.NoError(t, models.RestoreAdam(resumed, state))
	step(a, adam)
	step(b, resumed)
	require.Equal(t, models.Tensors(a), models.Tensors(b))

	for i := range f.Tensors {
		f.Tensors[i].Name = "module." + f.Tensors[i].Name
	}
	wrapped, err := weights.Make("wrapped", f.Tensors, nil)
	require.NoError(t, err)
	require.NoError(t, models.Restore(b, wrapped))
	before := models.Tensors(b)
	other, err := weights.Make("other", before[1:], nil)
	require.NoError(t, err)
	require.EqualError(t, models.Restore(b, other), "other does not fit an autoencoder: net.down.weight missing")
	_, err = models.Load(dev, path)
	require.ErrorContains(t, err, path+" holds none of this program's networks")
	require.NoError(t, b.Spec().Segments())
	require.ErrorContains(t, models.Spec{Name: "inpainter", Cout: 1, Head: models.Linear}.Segments(), "an inpainter does not segment")
}
