// Command unet3d defines and trains a small 3D U-Net and checks its gradients: on the CPU or, with -emu, the emulator.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"

	"voxgrad/autograd"
	"voxgrad/autograd/gradcheck"
	"voxgrad/cuda"
	"voxgrad/cuda/emu"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/layers"
)

type unet struct {
	*layers.Net               // parameters, buffers, mode
	down, bottom, merge, head *layers.Conv
	up                        *layers.ConvT
}

func newUNet(dev device.Backend, width int) *unet {
	u := &unet{Net: layers.NewNet(dev)}
	s, relu := u.Scope(), layers.ConvOptions{ConvParams: device.Conv3x3x3, Act: device.ReLU}
	u.down, u.bottom = layers.NewConv(s.In("down"), 1, width, relu), layers.NewConv(s.In("bottom"), width, 2*width, relu)
	u.up = layers.NewConvT(s.In("up"), 2*width, width, layers.ConvOptions{ConvParams: device.ConvT2x2x2})
	u.merge = layers.NewConv(s.In("merge"), 2*width, width, relu)
	u.head = layers.NewConv(s.In("head"), width, 2, layers.ConvOptions{ConvParams: device.ConvParams{K: 1}})
	u.Init(1) // the seed of the initial weights
	return u
}

func (u *unet) forward(t *autograd.Tape, x *autograd.Var) *autograd.Var {
	skip := u.down.Forward(t, x) // used twice: without Hold the first use would give its memory back
	return u.head.Forward(t, u.merge.Forward(t, t.Concat(u.up.Forward(t, u.bottom.Forward(t, t.MaxPool(t.Hold(skip)))), skip)))
}

// volume fills x with noise that is brighter from a random plane on, and target with the two classes.
func volume(dev device.Backend, x, target device.Tensor, r *rand.Rand) {
	image, classes, first := make([]float32, x.Len()), make([]float32, target.Len()), 1+r.IntN(x.D-1)
	for i := range image {
		class := min(i/(x.H*x.W)/first, 1)
		image[i], classes[2*i+class] = float32(r.NormFloat64()+float64(class)), 1
	}
	dev.Upload(x, image)
	dev.Upload(target, classes)
}

func run(dev device.Backend, steps int, each func(step int, loss float32)) error {
	u, r, s := newUNet(dev, 4), rand.New(rand.NewPCG(1, 2)), device.Shape{N: 1, D: 8, H: 8, W: 8, C: 1}
	x, target, adam := autograd.Parameter("x", dev.Alloc(s)), dev.Alloc(s.WithC(2)), layers.NewAdam(dev, u.Params(), 1e-2)
	for step := range steps {
		volume(dev, x.Tensor, target, r)
		t := autograd.New(dev, uint64(step))
		loss, _ := t.DiceLoss(u.forward(t, autograd.Input(x.Tensor)), autograd.Input(target), device.DiceOptions{Eps: 1})
		each(step, t.Value(loss)[0])
		u.ClearGrads()
		t.Backward(loss)
		adam.Update()
		t.Close()
	}
	f, in := func(t *autograd.Tape) *autograd.Var { return u.forward(t, x) }, []*autograd.Var{x, u.Params()[0].Var}
	return gradcheck.Check(dev, f, in, gradcheck.Options{Elements: 3}) // of each, and directions through all
}

func main() {
	emulated, steps := flag.Bool("emu", false, "compute on the emulator"), flag.Int("steps", 60, "updates")
	flag.Parse()
	dev, err := device.Backend(cpu.New()), error(nil)
	if *emulated {
		dev, err = cuda.New(emu.New())
	}
	if err == nil {
		err = run(dev, *steps, func(step int, loss float32) { fmt.Printf("%s, step %d: loss %.3f\n", dev.Name(), step+1, loss) })
	}
	fmt.Println("training, and gradients against central differences:", err)
}
