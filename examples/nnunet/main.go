// Command nnunet is an nnU-Net made of operations of its own (instance normalisation and leaky ReLU in ops.go, through
// autograd.Op) and of the framework's layers (net.go). It runs the network on what PyTorch recorded (record.py) and says how
// far outputs, gradients and losses of five steps of Adam are from PyTorch's: on the CPU, or with -emu on the emulator.
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"log"
	"math"
	"strings"

	"voxgrad/autograd"
	"voxgrad/cuda"
	"voxgrad/cuda/emu"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/models/weights"
)

//go:embed testdata/pytorch.safetensors
var recorded []byte

// far is how far a device is from PyTorch.
type far struct {
	output   float64 // largest difference of a logit
	gradient float64 // largest difference of a parameter's gradient, of its norm
	loss     float64 // largest of five
}

func main() {
	emulated := flag.Bool("emu", false, "compute on the emulator")
	flag.Parse()
	dev, err := device.Backend(cpu.New()), error(nil)
	if *emulated {
		dev, err = cuda.New(emu.New())
	}
	var f far
	if err == nil {
		f, err = compare(dev)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s against PyTorch: output %.1e, gradients %.1e, loss %.1e\n", dev.Name(), f.output, f.gradient, f.loss)
}

// compare runs the recorded network on dev.
func compare(dev device.Backend) (f far, err error) {
	file, err := weights.Decode(recorded)
	if err != nil {
		return f, err
	}
	get := func(name string) weights.Tensor {
		x, ok := file.Get(name)
		if !ok {
			err = fmt.Errorf("nothing is recorded of %s", name)
		}
		return x
	}
	u := newUNet(dev, 4, 6, 8)
	defer u.Free()
	var own []weights.Tensor
	for _, x := range file.Tensors {
		if name, ok := strings.CutPrefix(x.Name, "weight/"); ok {
			x.Name = name
			own = append(own, x)
		}
	}
	start, err := weights.Make("the recorded weights", own, nil)
	if err != nil {
		return f, err
	}
	if err := models.Restore(u, start); err != nil {
		return f, err
	}
	x, target := upload(dev, get("x")), upload(dev, get("target"))
	want, _ := channelsLast(get("y"))
	losses, _ := get("losses").Float64s()
	if err != nil {
		return f, err
	}

	t := autograd.NewInference(dev)
	for i, y := range t.Value(u.Forward(t, x)) {
		f.output = math.Max(f.output, math.Abs(float64(y-want[i])))
	}
	t.Close()
	adam := layers.NewAdam(dev, u.Params(), 1e-3)
	defer adam.Free()
	for step, recorded := range losses {
		t := autograd.New(dev, uint64(step))
		loss, _ := t.DiceLoss(u.Forward(t, x), target, device.DiceOptions{Eps: 0.01, CrossEntropy: 1})
		f.loss = math.Max(f.loss, math.Abs(float64(t.Value(loss)[0])-recorded))
		u.ClearGrads()
		t.Backward(loss)
		if step == 0 {
			for _, p := range u.Params() {
				f.gradient = math.Max(f.gradient, distance(dev, p, get("grad/"+p.Name)))
			}
		}
		adam.Update()
		t.Close()
	}
	dev.Free(x.Tensor)
	dev.Free(target.Tensor)
	if err == nil {
		err = dev.Sync()
	}
	return f, err
}

// distance of a parameter's gradient from the recorded one, of its norm. A bias in front of a norm has none.
func distance(dev device.Backend, p *layers.Param, recorded weights.Tensor) float64 {
	want, err := recorded.Float32s()
	if err != nil {
		return math.Inf(1)
	}
	want = p.Layout.FromFile(want, p.Shape)
	got := make([]float32, p.Len())
	dev.Download(got, p.Grad())
	var diff, norm float64
	for i := range want {
		diff += math.Pow(float64(got[i]-want[i]), 2)
		norm += math.Pow(float64(want[i]), 2)
	}
	return math.Sqrt(diff) / math.Max(math.Sqrt(norm), 1e-3)
}

// upload brings PyTorch's [N C D H W] to the device's order.
func upload(dev device.Backend, x weights.Tensor) *autograd.Var {
	v, s := channelsLast(x)
	t := dev.Alloc(s)
	dev.Upload(t, v)
	return autograd.Input(t)
}

func channelsLast(x weights.Tensor) ([]float32, device.Shape) {
	in, err := x.Float32s()
	if err != nil || len(x.Shape) != 5 {
		return nil, device.Shape{}
	}
	s := device.Shape{N: x.Shape[0], C: x.Shape[1], D: x.Shape[2], H: x.Shape[3], W: x.Shape[4]}
	out := make([]float32, len(in))
	for i, v := range in {
		voxel, channel, sample := i%s.Voxels(), i/s.Voxels()%s.C, i/s.Voxels()/s.C
		out[(sample*s.Voxels()+voxel)*s.C+channel] = v
	}
	return out, s
}
