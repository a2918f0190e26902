// Command steptime times one training step (forward, backward, Adam) on the CPU,
// with the same network, sizes and output as pytorch_step.py beside it.
// compare.sh runs the two in turn.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"syscall"
	"time"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/internal/par"
	"voxgrad/internal/rng"
	"voxgrad/models"
)

func main() {
	log.SetFlags(0)
	threads := flag.Int("threads", 2, "cores")
	steps := flag.Int("steps", 7, "timed steps, after one that is not")
	patch := flag.Int("patch", 64, "edge of the patch")
	batch := flag.Int("batch", 1, "patches per step")
	c := models.Default(models.Segmenter)
	flag.IntVar(&c.Width, "width", c.Width, "channels of the first level")
	flag.StringVar(&c.Up, "up", c.Up, "transposed or trilinear")
	flag.StringVar(&c.Kind, "model", c.Kind, "segmenter or detector")
	flag.Parse()
	par.SetThreads(*threads)

	dev := cpu.New()
	net, err := models.New(dev, c, 1)
	if err != nil {
		log.Fatal(err)
	}
	shape := device.Shape{N: *batch, D: *patch, H: *patch, W: *patch, C: 1}
	var images []device.Tensor
	for n := range net.TimePoints() {
		images = append(images, upload(dev, shape, noise(shape.Len(), n)))
	}
	target := upload(dev, shape.WithC(2), sparse(shape.Len()))

	adam := net.Adam(1e-4)
	var seconds, losses []float64
	for n := range *steps + 1 {
		start := time.Now()
		losses = append(losses, float64(step(dev, net, images, target, uint64(n))))
		adam.Update()
		if err := dev.Sync(); err != nil {
			log.Fatal(err)
		}
		if n > 0 {
			seconds = append(seconds, time.Since(start).Seconds())
		}
	}
	slices.Sort(seconds)
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		log.Fatal(err)
	}
	must(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"framework": "voxgrad", "device": dev.Name(), "model": c.Kind, "width": c.Width, "patch": *patch, "batch": *batch, "up": c.Up,
		"threads": *threads, "steps": *steps, "seconds_min": round(seconds[0]), "seconds_median": round(seconds[len(seconds)/2]),
		"peak_bytes": use.Maxrss * 1024, "first_loss": losses[0], "last_loss": losses[len(losses)-1],
	}))
}

// step is one forward and reverse pass; it returns the loss.
func step(dev device.Backend, net *models.Net, images []device.Tensor, target device.Tensor, key uint64) float32 {
	tape := autograd.New(dev, key)
	defer tape.Close()
	net.ClearGrads()
	var x []*autograd.Var
	for _, im := range images {
		x = append(x, autograd.Input(im))
	}
	loss, _ := tape.DiceLoss(net.Forward(tape, x...), autograd.Input(target), device.DiceOptions{Eps: 0.01})
	tape.Backward(loss)
	return tape.Value(loss)[0]
}

func upload(dev device.Backend, s device.Shape, v []float32) device.Tensor {
	t := dev.Alloc(s)
	dev.Upload(t, v)
	return t
}

// noise is standard normal.
func noise(n, stream int) []float32 {
	r := rng.New(1, "noise", stream)
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.Normal())
	}
	return v
}

// sparse is a target with two lesion voxels in a hundred, background first.
func sparse(voxels int) []float32 {
	r := rng.New(1, "target")
	v := make([]float32, 2*voxels)
	for i := range voxels {
		if r.Bool(0.02) {
			v[2*i+1] = 1
		} else {
			v[2*i] = 1
		}
	}
	return v
}

func round(s float64) float64 { return float64(int(s*1000+0.5)) / 1000 }

func must(err error) {
	if err != nil {
		log.Fatal(fmt.Errorf("steptime: %w", err))
	}
}
