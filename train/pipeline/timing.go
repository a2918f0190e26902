package pipeline

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/train"
	"voxgrad/train/infer"
	"voxgrad/volume"
)

// timeStep trains a stage for two steps of one patch on the device, with untrained
// networks in place of those that earlier steps will make, and scales what the
// second one took to the batch. The validation is spread over the steps.
func (p *Pipeline) timeStep(ctx context.Context, w *training, c train.Config) (float64, error) {
	dir, err := os.MkdirTemp("", "voxgrad-plan")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := p.standIns(dir, &c); err != nil {
		return 0, err
	}
	batch, epoch := float64(c.Run.Batch), float64(c.Run.Steps)
	patches := float64(c.Run.ValidPatches)
	c.Run.Batch, c.Run.Steps, c.Run.Epochs, c.Run.ValidPatches, c.Run.FullEvery, c.Run.SaveEvery = 1, 2, 1, 2, 0, 0
	var step, valid float64
	var last time.Time
	_, err = train.Run(ctx, train.Job{Device: p.job.Device, Config: c, Folder: dir, Events: func(e train.Event) {
		switch e := e.(type) {
		case train.StepDone:
			step = e.Seconds
		case train.Validating:
			if e.Done > 1 {
				valid = time.Since(last).Seconds()
			}
			last = time.Now()
		}
	}})
	if err != nil {
		return 0, fmt.Errorf("timing a step of %s: %w", w.stage, err)
	}
	if ctx.Err() != nil {
		return 0, ErrInterrupted
	}
	return batch*step + patches*valid/epoch, nil
}

// trainingMemory is what a stage takes from the device.
func (p *Pipeline) trainingMemory(w *training) (int64, error) {
	dir, err := os.MkdirTemp("", "voxgrad-plan")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	c := w.config(p)
	if err := p.standIns(dir, &c); err != nil {
		return 0, err
	}
	m, err := train.MemoryOf(c, p.job.OpenDry)
	return m.Taken, err
}

// standIns writes untrained networks for the weights files that a stage reads.
func (p *Pipeline) standIns(dir string, c *train.Config) error {
	own := p.job.Config
	for _, f := range []struct {
		file  *string
		kind  string
		stage Stage
	}{
		{&c.Encoder, models.Segmenter, own.Segmenter}, {&c.Start, models.Detector, own.Detector},
		{&c.Synthesis.Inpainter, models.Inpainter, own.Inpainter}, {&c.Synthesis.Generator, models.Generator, own.Generator},
	} {
		if *f.file == "" {
			continue
		}
		net, err := models.New(p.job.Device, netConfig(f.kind, f.stage), own.Seed)
		if err != nil {
			return err
		}
		*f.file = filepath.Join(dir, f.kind+".safetensors")
		err = net.Save(*f.file, nil)
		net.Free()
		if err != nil {
			return err
		}
	}
	return nil
}

func netConfig(kind string, s Stage) models.Config {
	m := models.Default(kind)
	m.Width, m.Up, m.Dropout = s.Network.Width, s.Network.Up, s.Network.Dropout
	return m
}

// timePrediction times one window of one network and multiplies: windows of the
// first test pair (those without brain in them will be left out), members, cases.
func (p *Pipeline) timePrediction(ctx context.Context, w *predicting) (float64, error) {
	d, err := p.test()
	if err != nil {
		return 0, err
	}
	opt := p.job.Config.predictOptions()
	first, err := volume.Read(d.Cases[0].Times[0])
	if err != nil {
		return 0, err
	}
	grid, err := volume.Iso(first.Grid, 1)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", first.Name(), err)
	}
	windows := len(infer.Windows(grid.Size, opt.Patch, opt.Hop))
	net, err := models.New(p.job.Device, netConfig(models.Detector, p.job.Config.Finetune), p.job.Config.Seed)
	if err != nil {
		return 0, err
	}
	defer net.Free()
	best := math.Inf(1)
	for range 2 { // the first one warms up
		if ctx.Err() != nil {
			return 0, ErrInterrupted
		}
		begin := time.Now()
		if err := predictWindow(net, opt.Patch); err != nil {
			return 0, err
		}
		best = min(best, time.Since(begin).Seconds())
	}
	passes := windows * len(w.members) * len(d.Cases)
	if opt.Mirror {
		passes *= 8
	}
	return best * float64(passes), nil
}

// predictWindow is the forward pass of one empty window.
func predictWindow(net *models.Net, patch [3]int) error {
	net.SetMode(layers.Eval)
	dev := net.Device()
	t := autograd.NewInference(dev)
	defer t.Close()
	shape := device.Shape{N: 1, D: patch[0], H: patch[1], W: patch[2], C: 1}
	zeros := make([]float32, shape.Len())
	var x []*autograd.Var
	for range net.TimePoints() {
		in := dev.Alloc(shape)
		defer dev.Free(in)
		dev.Upload(in, zeros)
		x = append(x, autograd.Input(in))
	}
	t.Value(t.Softmax(net.Forward(t, x...)))
	return dev.Sync()
}

// predictionMemory is what an ensemble takes from the device, all members loaded.
func (p *Pipeline) predictionMemory(members int) (int64, error) {
	d, err := p.job.OpenDry(0)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	var nets []*models.Net
	for range members {
		net, err := models.New(d.Backend, netConfig(models.Detector, p.job.Config.Finetune), 1)
		if err != nil {
			return 0, err
		}
		nets = append(nets, net)
	}
	d.ResetPeak()
	if err := predictWindow(nets[0], p.job.Config.Predict.Patch); err != nil {
		return 0, err
	}
	_, peak := d.Usage()
	if d.Taken != nil {
		peak = d.Taken()
	}
	for _, n := range nets {
		n.Free()
	}
	return peak, nil
}
