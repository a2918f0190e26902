// Command gpubundle is the program of the bundle for hardware (make gpu-bundle) that measures what the program itself does not:
//
//	gpubundle device                   what there is, and whether its driver computes at all
//	gpubundle warm                     has the driver assemble every kernel
//	gpubundle step -model M -batch N   seconds of a training step, and the peak of device memory
//	gpubundle launches -model M        every distinct launch of a step, measured beside predicted
//	gpubundle losses -weights FILE     losses of training steps, from weights that it writes first
//	gpubundle weights -seed N -out F   weights of an untrained network
//	gpubundle tables FILE              the results of a run as Markdown
//
// Results are lines of JSON on the standard output. It is built with -tags cuda.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"

	"voxgrad/cuda"
	"voxgrad/cuda/driver"
	"voxgrad/cuda/gpu"
	"voxgrad/cuda/kernels"
	"voxgrad/cuda/launches"
	"voxgrad/cuda/predict"
	"voxgrad/device"
	"voxgrad/device/bench"
	"voxgrad/device/cpu"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/models/passes"
)

// options are the flags.
type options struct {
	model, up, weights, out, precision string
	shapes                             bench.Shapes
	seconds                            float64
	steps                              int
	seed                               uint64
	cpu                                bool
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("gpubundle: ")
	if len(os.Args) < 2 {
		log.Fatal("the first argument is device, warm, step, launches, losses, weights or tables")
	}
	o := options{shapes: bench.Published}
	f := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	f.StringVar(&o.model, "model", models.Segmenter, "segmenter or detector")
	f.StringVar(&o.up, "up", layers.Transposed, "transposed or trilinear")
	f.StringVar(&o.precision, "precision", "fp32", "fp32, tf32 or bf16")
	f.StringVar(&o.weights, "weights", "", "file to write the weights to")
	f.StringVar(&o.out, "out", "", "file to write to")
	f.IntVar(&o.shapes.Width, "width", 24, "channels of the first level")
	f.IntVar(&o.shapes.Patch, "patch", 64, "edge of the patch")
	f.IntVar(&o.shapes.Batch, "batch", 1, "patches at once")
	f.Float64Var(&o.seconds, "seconds", 1.5, "time to measure")
	f.IntVar(&o.steps, "steps", 50, "training steps")
	f.BoolVar(&o.cpu, "cpu", false, "losses of the processor: to try it")
	f.Uint64Var(&o.seed, "seed", 1, "of the weights")
	if err := f.Parse(os.Args[2:]); err != nil {
		log.Fatal(err)
	}
	run := map[string]func(o options, args []string) error{
		"device": describe, "warm": warm, "step": step, "launches": times, "losses": losses, "weights": untrained, "tables": tables,
	}[os.Args[1]]
	if run == nil {
		log.Fatalf("there is no %q", os.Args[1])
	}
	if err := run(o, f.Args()); err != nil {
		log.Fatal(err)
	}
}

func (o options) config() models.Config {
	c := models.Default(o.model)
	c.Up, c.Width = o.up, o.shapes.Width
	return c
}

// say writes a line of JSON.
func say(v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		_, err = fmt.Println(string(text))
	}
	return err
}

// open opens the first GPU behind a driver of ours.
func open(o options, wrap func(driver.Driver) driver.Driver, opts ...cuda.Option) (*cuda.Backend, error) {
	p, err := cuda.ParsePrecision(o.precision)
	if err != nil {
		return nil, err
	}
	d, err := gpu.Open(0)
	if err != nil {
		return nil, err
	}
	return cuda.New(wrap(d), append(opts, cuda.WithPrecision(p))...)
}

func same(d driver.Driver) driver.Driver { return d }

// describe tells what the GPU is, and finds out whether kernels do anything: those of a driver that was
// made for tests do not.
func describe(o options, _ []string) error {
	b, err := open(o, same)
	if err != nil {
		return err
	}
	defer b.Close()
	x, y := b.Alloc(device.Vec(4)), b.Alloc(device.Vec(4))
	b.Upload(x, []float32{1, 2, 3, 4})
	b.Fill(y, 0)
	b.Copy(device.Into{Tensor: y, Mode: device.Add}, x)
	got := make([]float32, 4)
	b.Download(got, y)
	if err := b.Sync(); err != nil {
		return err
	}
	i := b.Info()
	card := ""
	if c, err := predict.CardOf(i.Name); err == nil {
		card = c.Name
	}
	return say(map[string]any{"part": "device", "name": i.Name, "compute_capability": float64(i.ComputeCapability) / 10, "driver_cuda": i.DriverVersion,
		"multiprocessors": i.Multiprocs, "memory_bytes": i.Memory, "clock_khz": i.ClockKHz, "computes": slices.Equal(got, []float32{1, 2, 3, 4}), "card": card})
}

// warm loads every kernel once, so that the driver's cache has their machine code: each module in a process of its own, as
// many at once as there are cores.
func warm(o options, args []string) error {
	d, err := gpu.Open(0)
	if err != nil {
		return err
	}
	defer d.Close()
	if len(args) == 1 {
		text, _, err := kernels.Source(args[0], d.Info().ComputeCapability)
		if err != nil {
			return err
		}
		_, err = d.Load(text)
		return err
	}
	names, err := kernels.For(d.Info().ComputeCapability)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	type loaded struct {
		name    string
		seconds float64
		err     error
	}
	results, free := make(chan loaded), make(chan bool, runtime.NumCPU())
	for _, name := range names {
		go func() {
			free <- true
			start := time.Now()
			out, err := exec.Command(self, "warm", name).CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%s: %w: %s", name, err, out)
			}
			<-free
			results <- loaded{name, time.Since(start).Seconds(), err}
		}()
	}
	var first error
	for range names {
		r := <-results
		if first == nil {
			first = r.err
		}
		if err := say(map[string]any{"part": "warm", "module": r.name, "seconds": r.seconds, "loaded": r.err == nil}); err != nil {
			return err
		}
	}
	return first
}

// step measures steps as training makes them: what came of one is looked at when the next is under way.
func step(o options, _ []string) error {
	var memory *launches.Counted
	b, err := open(o, func(d driver.Driver) driver.Driver { memory = launches.NewCounted(d); return memory })
	if err != nil {
		return err
	}
	defer b.Close()
	n, err := passes.Open(b, o.config(), o.shapes)
	if err != nil {
		return err
	}
	defer n.Close()
	for range 4 { // allocation, two that are compared, the first replay
		if _, err := n.Step().Read(); err != nil {
			return err
		}
	}
	var last device.Fetched
	run := func(steps int) (float64, error) {
		start := time.Now()
		for range steps {
			next := n.Step()
			if last != nil {
				if _, err := last.Read(); err != nil {
					return 0, err
				}
			}
			last = next
		}
		err := b.Sync()
		return time.Since(start).Seconds() / float64(steps), err
	}
	one, err := run(3)
	if err != nil {
		return err
	}
	const samples = 5
	each := max(1, min(1000, int(o.seconds/samples/max(one, 1e-6))))
	var seconds []float64
	for range samples {
		s, err := run(each)
		if err != nil {
			return err
		}
		seconds = append(seconds, s)
	}
	slices.Sort(seconds)
	r := map[string]any{"part": "steps", "who": "voxgrad " + b.Precision().String(), "model": o.model, "batch": o.shapes.Batch, "width": o.shapes.Width, "patch": o.shapes.Patch,
		"seconds": seconds[samples/2], "fastest_s": seconds[0], "slowest_s": seconds[samples-1], "steps": samples * each, "peak_bytes": memory.Peak()}
	if card, err := predict.CardOf(b.Info().Name); err == nil {
		p, err := prediction(o, card, b.Precision())
		if err != nil {
			return err
		}
		r["predicted_s"] = p.Seconds
	}
	return say(r)
}

// prediction is that of a step.
func prediction(o options, card predict.Card, p cuda.Precision) (*predict.Prediction, error) {
	dry, err := predict.NewDry(card, p)
	if err != nil {
		return nil, err
	}
	defer dry.Close()
	n, err := passes.Open(dry, o.config(), o.shapes)
	if err != nil {
		return nil, err
	}
	defer n.Close()
	dry.Names = n.Layer
	return dry.Predict(n.Pass("Step"))
}

// losses are those of steps without dropout from weights that any program can read.
func losses(o options, _ []string) error {
	var dev device.Backend = cpu.New()
	who := "voxgrad on the processor"
	if !o.cpu {
		b, err := open(o, same)
		if err != nil {
			return err
		}
		dev, who = b, "voxgrad "+b.Precision().String()
	}
	defer dev.Close()
	c := o.config()
	c.Dropout = 0
	n, err := passes.Open(dev, c, o.shapes)
	if err != nil {
		return err
	}
	defer n.Close()
	if o.weights != "" {
		if err := models.Save(n.Net, o.weights, nil); err != nil {
			return err
		}
	}
	var all []any
	for range o.steps {
		v, err := n.Step().Read()
		if err != nil {
			return err
		}
		if l := float64(v[0]); math.IsNaN(l) || math.IsInf(l, 0) {
			all = append(all, fmt.Sprint(l)) // JSON has no such number
		} else {
			all = append(all, l)
		}
	}
	return say(map[string]any{"part": "losses", "who": who, "model": o.model, "losses": all})
}

// untrained writes weights as a network begins with.
func untrained(o options, _ []string) error {
	dev := cpu.New()
	defer dev.Close()
	n, err := models.New(dev, o.config(), o.seed)
	if err != nil {
		return err
	}
	return models.Save(n, o.out, nil)
}
