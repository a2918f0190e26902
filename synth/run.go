package synth

import (
	"fmt"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/layers"
	"voxgrad/models"
)

// Networks paint.
type Networks struct {
	Inpainter *models.Net // healthy tissue
	Generator *models.Net // lesions
}

// Check says which network is missing or of another kind.
func (n Networks) Check() error {
	for _, w := range []struct {
		net  *models.Net
		kind string
		cin  int
	}{{n.Inpainter, models.Inpainter, 1}, {n.Generator, models.Generator, 2}} {
		switch {
		case w.net == nil:
			return fmt.Errorf("synthesis needs the weights of a trained %s", w.kind)
		case w.net.Kind != w.kind || w.net.Cin != w.cin || w.net.Cout != 1:
			return fmt.Errorf("the %s is a %s with %d input and %d output channels; want %d and 1", w.kind, w.net.Kind, w.net.Cin, w.net.Cout, w.cin)
		}
	}
	return nil
}

// Run paints the plan into two copies of the image, [1 D H W 1] each, augmented
// already: lesions that are removed first, then those that are generated. A
// network sees the image with noise in the voxels it is to paint, and of its
// answer these voxels are taken; all others keep their bits. The noise has mean
// and standard deviation of the brain without any of the plan's lesions and
// painted voxels, at each time point its own. Nothing is brought back to the host.
//
// The networks are put into layers.Eval.
func (pl *Plan) Run(dev device.ImagingBackend, nets Networks, images [2]device.Tensor) {
	shape := device.Shape{N: 1, D: pl.Size[0], H: pl.Size[1], W: pl.Size[2], C: 1}
	var base device.Tensor
	for t, x := range images {
		if x.Shape != shape {
			panic(fmt.Sprintf("synth: a plan for %v cannot be painted into %v", shape, x.Shape))
		}
		for _, job := range []struct {
			net  *models.Net
			mask []bool
			key  uint64
		}{{nets.Inpainter, pl.remove[t], pl.RemoveKey}, {nets.Generator, pl.put[t], pl.GenerateKey}} {
			if job.mask == nil {
				continue
			}
			if base.None() {
				base = UploadMask(dev, shape, pl.base)
			}
			region := UploadMask(dev, shape, job.mask)
			Paint(dev, job.net, x, base, region, region, job.key)
			dev.Free(region)
		}
	}
	dev.Free(base)
}

// Paint replaces x where take is set by what the network answers to x with noise
// in region (see Corrupt). A network with two input channels is given the region
// as the second one. All tensors are [1 D H W 1]; take lies within region, and may
// be it.
func Paint(dev device.ImagingBackend, net *models.Net, x, base, region, take device.Tensor, key uint64) {
	net.SetMode(layers.Eval)
	noisy := dev.Alloc(x.Shape)
	Corrupt(dev, noisy, x, base, region, key)
	in := noisy
	if net.Cin == 2 {
		in = dev.Alloc(x.Shape.WithC(2))
		dev.Concat(in, noisy, region)
		dev.Free(noisy)
	}
	tape := autograd.NewInference(dev)
	answer := net.Forward(tape, autograd.Input(in))
	dev.Select(x, take, answer.Tensor, x)
	tape.Close()
	dev.Free(in)
}

// Corrupt: y is x with Gaussian noise in the region, of the mean and standard
// deviation that x has in base. All are [1 D H W 1]; y may be x. Training the
// networks and using them go through this one function.
func Corrupt(dev device.Imaging, y, x, base, region device.Tensor, key uint64) {
	stats := dev.Alloc(device.Vec(2))
	dev.RegionStats(stats, x, base)
	dev.RegionNoise(y, x, region, stats, key)
	dev.Free(stats)
}

// UploadMask puts a mask on the device as zeros and ones.
func UploadMask(dev device.Memory, shape device.Shape, mask []bool) device.Tensor {
	v := make([]float32, len(mask))
	for i, m := range mask {
		if m {
			v[i] = 1
		}
	}
	t := dev.Alloc(shape)
	dev.Upload(t, v)
	return t
}
