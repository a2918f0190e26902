package pipeline

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/internal/text"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/train"
	"voxgrad/train/dataset"
	"voxgrad/train/infer"
	"voxgrad/volume"
)

// Planned is a step of a plan.
type Planned struct {
	Step *Step
	Done bool
	Why  string // it runs; for a step that is done empty

	Seconds float64 // expected, at most; NaN where unknown, 0 where done
	From    string  // where the time comes from
	Memory  int64   // bytes taken from the device, 0 where the step needs next to none
}

// Plan reports which steps would be skipped, why the others run, how long that takes
// at most (training may stop early) and what memory it takes. Times come from
// stamps of equal work on the same device; with time set, what has none is timed by
// running one real step on the device.
func (p *Pipeline) Plan(ctx context.Context, time bool) ([]Planned, error) {
	return p.plan(ctx, p.steps, time)
}

// PlanOnly is the plan of what Only would do. Steps that must be done before are
// looked at, and not listed.
func (p *Pipeline) PlanOnly(ctx context.Context, stage string, fold int, time bool) ([]Planned, error) {
	steps, err := choose(p.steps, stage, fold)
	if err != nil {
		return nil, err
	}
	return p.plan(ctx, steps, time)
}

func (p *Pipeline) plan(ctx context.Context, steps []*Step, time bool) ([]Planned, error) {
	if err := p.own(); err != nil {
		return nil, err
	}
	if err := p.ready(steps); err != nil {
		return nil, err
	}
	var out []Planned
	open := map[*Step]bool{} // steps that will run
	e := &estimator{p: p, time: time, rates: map[string]rate{}, memory: map[string]int64{}}
	before := ancestors(p.steps, steps)
	for _, s := range p.steps {
		listed := slices.Contains(steps, s)
		if !listed && !slices.Contains(before, s) {
			continue
		}
		if ctx.Err() != nil {
			return nil, errPlanStopped
		}
		why, err := p.why(s, open)
		if err != nil {
			return nil, err
		}
		open[s] = why != ""
		if !listed {
			continue
		}
		pl := Planned{Step: s, Why: why, Done: why == ""}
		if !pl.Done {
			if pl.Seconds, pl.From, err = e.seconds(ctx, s); err != nil {
				return nil, err
			}
		}
		if pl.Memory, err = e.bytes(s); err != nil {
			return nil, err
		}
		out = append(out, pl)
	}
	p.hashes.save()
	return out, nil
}

// why reports why a step will run, "" if it is done, where those that open names run
// before it.
func (p *Pipeline) why(s *Step, open map[*Step]bool) (string, error) {
	var after []string
	for _, n := range s.Needs {
		if open[n] {
			after = append(after, n.Name)
		}
	}
	if len(after) == 0 {
		return p.look(s)
	}
	why := "after " + summary(after)
	if _, ok := readJSON[Stamp](p.stampFile(s)); ok {
		why += ", if what it makes changes"
	}
	return why, nil
}

func summary(names []string) string {
	if len(names) > 2 {
		return fmt.Sprintf("%s … %s", names[0], names[len(names)-1])
	}
	return strings.Join(names, " and ")
}

// estimator knows what work costs.
type estimator struct {
	p      *Pipeline
	time   bool
	rates  map[string]rate
	memory map[string]int64
}

// rate is the cost of a training step, with its share of the validation.
type rate struct {
	seconds float64
	from    string
}

// seconds is a step's expected time.
func (e *estimator) seconds(ctx context.Context, s *Step) (float64, string, error) {
	switch w := s.work.(type) {
	case *training:
		c := w.config(e.p)
		r, err := e.rate(ctx, w, c)
		return r.seconds * float64(c.Run.Epochs*c.Run.Steps), r.from, err
	case *predicting:
		if st, ok := e.stamp(s); ok {
			return st.Seconds, "an earlier run of it", nil
		}
		if e.time {
			d, err := e.p.test()
			if err != nil {
				return 0, "", err
			}
			x, err := e.p.timePrediction(ctx, d.Cases[0], len(w.members)*len(d.Cases))
			return x, "a window timed now", err
		}
	case *leavingOut:
		if st, ok := e.stamp(s); ok {
			return st.Seconds, "an earlier run of it", nil
		}
		if e.time {
			cases, err := w.cases(e.p)
			if err != nil || len(cases) == 0 {
				return 0, "", err
			}
			x, err := e.p.timePrediction(ctx, cases[0].Case, len(cases))
			return x, "a window timed now", err
		}
	default:
		if st, ok := e.stamp(s); ok {
			return st.Seconds, "an earlier run of it", nil
		}
	}
	return math.NaN(), "", nil
}

// stamp is what an earlier run of a step on this device left.
func (e *estimator) stamp(s *Step) (Stamp, bool) {
	st, ok := readJSON[Stamp](e.p.stampFile(s))
	return st, ok && st.Device == e.p.job.Device.Name()
}

// sameCost are the settings that decide what a training step costs.
var sameCost = []string{"task", "augment", "network.", "sampler.patch", "synthesis.", "freeze_encoder",
	"run.batch", "run.steps", "run.valid_patches", "run.full_every"}

// cost identifies the price of a training step.
func (w *training) cost(config map[string]string) string {
	costs := map[string]string{"stage": w.stage}
	for k, v := range config {
		for _, prefix := range sameCost {
			if strings.HasPrefix(k, prefix) {
				costs[k] = v
			}
		}
	}
	return dataset.HashValues(costs)
}

// rate is what a training step costs: from the stamp of a stage with the same
// settings, or timed.
func (e *estimator) rate(ctx context.Context, w *training, c train.Config) (rate, error) {
	cost := w.cost(w.settings(e.p))
	if r, ok := e.rates[cost]; ok {
		return r, nil
	}
	r := rate{math.NaN(), ""}
	for _, s := range e.p.steps {
		other, ok := s.work.(*training)
		if !ok || other.stage != w.stage {
			continue
		}
		if st, ok := e.stamp(s); ok && st.Session > 0 && other.cost(st.Config) == cost {
			r = rate{st.Seconds / float64(st.Session), "the steps of " + s.Name}
		}
	}
	if math.IsNaN(r.seconds) && e.time {
		var err error
		if r.seconds, err = e.p.timeStep(ctx, w, c); err != nil {
			return r, err
		}
		r.from = "a step timed now"
	}
	e.rates[cost] = r
	return r, nil
}

// fits refuses steps that need more memory than the device can give, before the first one.
func (p *Pipeline) fits(steps []*Step) error {
	if p.job.Limit <= 0 {
		return nil
	}
	e := &estimator{p: p, memory: map[string]int64{}}
	for _, s := range steps {
		if w, ok := s.work.(*training); ok {
			if err := train.CheckMemory(w.config(p), p.job.Limit, p.job.HostLimit); err != nil {
				return fmt.Errorf("step %s: %w", s.Name, err)
			}
		}
		need, err := e.bytes(s)
		if err != nil {
			return err
		}
		if need > p.job.Limit {
			return fmt.Errorf("step %s: not enough memory: it needs %s, there are %s: use smaller patches or windows, a smaller width or a smaller batch",
				s.Name, text.Bytes(need), text.Bytes(p.job.Limit))
		}
	}
	return nil
}

// bytes is what a step takes from the device.
func (e *estimator) bytes(s *Step) (int64, error) {
	if e.p.job.OpenDry == nil {
		return 0, nil
	}
	var key string
	var measure func() (int64, error)
	switch w := s.work.(type) {
	case *training:
		key = w.cost(w.settings(e.p))
		measure = func() (int64, error) { return e.p.trainingMemory(w) }
	case *predicting:
		key, measure = predict, func() (int64, error) { return e.p.predictionMemory(len(w.members)) }
	case *leavingOut:
		key, measure = outOfFold, func() (int64, error) { return e.p.predictionMemory(1) }
	default:
		return 0, nil
	}
	if m, ok := e.memory[key]; ok {
		return m, nil
	}
	m, err := measure()
	if err != nil {
		return 0, fmt.Errorf("memory of step %s: %w", s.Name, err)
	}
	e.memory[key] = m
	return m, nil
}

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
		return 0, errPlanStopped
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
		err = models.Save(net, *f.file, nil)
		net.Free()
		if err != nil {
			return err
		}
	}
	return nil
}

func netConfig(kind string, s Stage) models.Config {
	m := models.Default(kind)
	m.Width, m.Up, m.Dropout, m.Norm = s.Network.Width, s.Network.Up, s.Network.Dropout, s.Network.Norm
	return m
}

// timePrediction times one window of one network and multiplies: windows of one
// pair (those without brain in them will be left out), times as many predictions.
func (p *Pipeline) timePrediction(ctx context.Context, c dataset.Case, predictions int) (float64, error) {
	opt := p.job.Config.predictOptions()
	first, err := volume.Read(c.Times[0])
	if err != nil {
		return 0, err
	}
	grid, err := volume.Iso(first.Grid, 1)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", first.Name(), err)
	}
	windows := len(infer.Windows(grid.Size, opt.Patch, opt.Stride))
	net, err := models.New(p.job.Device, netConfig(models.Detector, p.job.Config.Finetune), p.job.Config.Seed)
	if err != nil {
		return 0, err
	}
	defer net.Free()
	best := math.Inf(1)
	for range 2 { // the first one warms up
		if ctx.Err() != nil {
			return 0, errPlanStopped
		}
		begin := time.Now()
		if err := predictWindow(net, opt.Patch); err != nil {
			return 0, err
		}
		best = min(best, time.Since(begin).Seconds())
	}
	passes := windows * predictions
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
		net, err := models.New(d.ImagingBackend, netConfig(models.Detector, p.job.Config.Finetune), 1)
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
