package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"voxgrad/device"
	"voxgrad/internal/lockfile"
	"voxgrad/internal/outfile"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/synth"
	"voxgrad/train/dataset"
	"voxgrad/train/sample"
	"voxgrad/train/tensorboard"
)

// Job is a training run to do.
type Job struct {
	Device device.ImagingBackend
	Config Config
	Folder string // the run folder; fold_K is made in it

	// Resume goes on from the folder's checkpoint_last if there is one. Without
	// Resume a folder that has one is refused.
	Resume bool

	// Network, if set, builds a network of one's own, which is trained in place of the
	// configuration's; its first weights are those that it comes with. It takes the
	// images of the task and answers as the task's published network does, see
	// models.Spec. The tables [network] and what concerns an encoder have no meaning then.
	Network func(dev device.Backend, c Config) (models.Network, error)

	// Limit is the memory in bytes that the device can give, where it is known. What the
	// run needs of it is then planned with OpenDry, and too much refused, before anything
	// is read or written.
	Limit   int64
	OpenDry OpenDry

	// HostLimit is the memory in bytes that this machine can give, where it is known:
	// patches that are loaded ahead of their use may not need more.
	HostLimit int64

	// Version and Commit of the program are kept in the weights files.
	Version, Commit string

	// HashFile returns the SHA-256 of a file in hexadecimal; nil reads each file.
	HashFile func(path string) (string, error)

	// Hooks change training samples after all else about them was drawn.
	Hooks []sample.Hook

	// Events, if set, is called from Run's goroutine.
	Events func(Event)
}

// trainer is a run under way.
type trainer struct {
	cfg    Config
	dev    device.ImagingBackend
	dir    string
	lock   *lockfile.Lock
	on     func(Event)
	draw   drawing
	task   computing
	net    models.Network
	build  buildFunc
	adam   *layers.Adam
	mean   *layers.Averages // nil without adam.average
	set    *dataset.Set
	split  dataset.Split
	loader *dataset.Loader
	maps   *anatomies // in place of set and loader
	train  sample.Source
	valid  sample.Source
	board  *tensorboard.Writer
	state  state
	timing timing
	modes  modes
	found  device.Tensor // what NonFinite found in losses and gradients so far, [2]
	ended  time.Time     // when the last step's result was there

	pending *pending // the step begun last, if its result was not there at once
	warned  bool     // about the cache

	shapes      *synth.Library // lesions of the training cases, whose shapes others get
	filling     synth.Networks // frozen
	preparation models.Preparation
}

// FoldFolder is where a fold's files are in a run folder.
func FoldFolder(run string, fold int) string { return filepath.Join(run, fmt.Sprintf("fold_%d", fold)) }

// Run trains until the validation loss stops improving, all epochs are done, or ctx ends;
// then it saves and returns Interrupted without an error. An error leaves the last good
// checkpoint_last in place. A run that ends before its first step leaves nothing in the
// folder. The summary is never nil once training has begun.
//
// One process at a time may train in a folder: it holds a lock from the first look to the
// last write.
func Run(ctx context.Context, job Job) (*Summary, error) {
	t, err := newTrainer(job.Config, job.Device, job.Events)
	if err != nil {
		return nil, err
	}
	t.build = job.Network
	if err := checkMemory(job); err != nil {
		return nil, err
	}
	t.dir = FoldFolder(job.Folder, job.Config.Data.Fold)
	if t.lock, err = lockfile.Folder(t.dir); err != nil {
		return nil, err
	}
	defer t.lock.Unlock()
	t.timing.begin = time.Now()
	if err := t.open(ctx, job); err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return t.summary(Interrupted, nil), t.end(t.clear())
		}
		return nil, t.end(errors.Join(err, t.clear()))
	}
	reason, err := t.loop(ctx)
	s := t.summary(reason, err)
	failed := t.dev.Sync() != nil
	if t.state.Step == 0 {
		err = t.end(errors.Join(err, t.clear()))
	} else {
		err = t.end(errors.Join(err, s.write(t.dir)))
	}
	if err != nil && failed {
		err = fmt.Errorf("%w; %s", err, t.goOn())
	}
	return s, err
}

// goOn reports what is left of a run whose device failed.
func (t *trainer) goOn() string {
	if t.state.Step == 0 {
		return "nothing had been saved yet: start again"
	}
	return t.path(LastFile) + " is as it was last saved: --resume goes on from there"
}

func (t *trainer) path(file string) string { return filepath.Join(t.dir, file) }

// newTrainer is a trainer without data, network and folder.
func newTrainer(c Config, dev device.ImagingBackend, on func(Event)) (*trainer, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	t := &trainer{cfg: c.Resolved(), dev: dev, on: on, shapes: synth.NewLibrary(c.Synthesis.Options)}
	if t.on == nil {
		t.on = func(Event) {}
	}
	t.draw = newDrawing(t.cfg, t.shapes)
	return t, nil
}

// open prepares a run in its locked folder: data, network, fresh or from checkpoint_last,
// optimiser, state, files.
func (t *trainer) open(ctx context.Context, job Job) error {
	last := t.path(LastFile)
	_, err := os.Stat(last)
	resume := err == nil
	if resume && !job.Resume {
		return fmt.Errorf("%s already holds a run: resume it or choose another folder", t.dir)
	}
	if err := outfile.Sweep(t.dir); err != nil {
		return err
	}
	if err := t.openSource(ctx, job.Hooks); err != nil {
		return err
	}
	if err := t.prepare(ctx, job); err != nil {
		return err
	}
	if err := t.openNet(resume); err != nil {
		return err
	}
	if err := t.newState(); err != nil {
		return err
	}
	if err := t.openTask(); err != nil {
		return err
	}
	if resume {
		if err := t.restore(last); err != nil {
			return err
		}
	}
	if err := t.openFiles(); err != nil {
		return err
	}
	trainable, _ := t.net.Count()
	t.on(Started{Folder: t.dir, Config: t.cfg, Device: t.dev.Name(), Train: t.state.Train, Valid: t.state.Valid,
		Layout: t.layout(), Parameters: trainable, Resumed: resume, Step: t.state.Step, Epoch: t.state.Epoch,
		History: t.state.History})
	if t.shapes.Cases() == 1 {
		t.on(Warning{"only one training case has lesions whose shapes can be used: they are used in its own patches too"})
	}
	return nil
}

func (t *trainer) newState() error {
	text, err := t.cfg.TOML()
	if err != nil {
		return err
	}
	t.state = state{Config: string(text), Data: t.preparation.Data, BestLoss: Number(math.NaN()), History: []Record{}}
	t.state.Train, t.state.Valid = t.ids(t.split.Train), t.ids(t.split.Valid)
	return nil
}

// configFile is the resolved configuration's name.
const configFile = "config.toml"

func (t *trainer) openFiles() (err error) {
	if err := outfile.WriteBytes(t.path(configFile), []byte(t.state.Config)); err != nil {
		return err
	}
	if t.board, err = tensorboard.Create(t.dir); err != nil {
		return err
	}
	if t.state.Step > 0 {
		return t.board.Restart(t.state.Step + 1)
	}
	return nil
}

// clear removes what a run that made no step has written: there is nothing to go on from,
// and nothing must be in the way of the run that is started instead.
func (t *trainer) clear() error {
	if t.board == nil || t.state.Step > 0 {
		return nil
	}
	err := errors.Join(t.board.Close(), os.Remove(t.board.Path()), os.Remove(t.path(configFile)))
	t.board = nil
	return err
}

// end closes the run and joins what fails in that to how the run ended, but not the
// error of a device that failed before and says so again.
func (t *trainer) end(err error) error {
	if closing := t.close(); closing != nil && !errors.Is(err, closing) {
		return errors.Join(err, closing)
	}
	return err
}

func (t *trainer) close() error {
	var err error
	if t.board != nil {
		err = t.board.Close()
	}
	t.dev.Free(t.found)
	if t.adam != nil {
		t.adam.Free()
	}
	if t.mean != nil {
		t.mean.Free()
	}
	if t.net != nil {
		t.net.Free()
	}
	for _, n := range []*models.Net{t.filling.Inpainter, t.filling.Generator} {
		if n != nil {
			n.Free()
		}
	}
	if failed := t.dev.Sync(); err == nil {
		return failed
	}
	return err
}

func (t *trainer) loop(ctx context.Context) (Reason, error) {
	next := sample.Prefetch(t.train, t.state.Sample, t.cfg.Run.Batch, t.cfg.Run.Ahead)
	defer next.Close()
	for {
		if reason, done := t.done(); done {
			return reason, t.saveWeights(FinalFile)
		}
		begin := time.Now()
		for t.state.InEpoch < t.cfg.Run.Steps {
			if ctx.Err() != nil {
				return t.interrupted()
			}
			if reason, err := t.advance(ctx, next); err != nil {
				if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
					return t.interrupted()
				}
				return reason, err
			}
		}
		err := t.endEpoch(ctx, begin)
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return Interrupted, t.save()
		}
		if err != nil {
			return Failed, err
		}
	}
}

// interrupted ends the step under way and saves.
func (t *trainer) interrupted() (Reason, error) {
	if reason, err := t.drain(); err != nil {
		return reason, err
	}
	return Interrupted, t.save()
}

// done reports whether training has come to its own end.
func (t *trainer) done() (Reason, bool) {
	s := &t.state
	if s.InEpoch > 0 {
		return "", false
	}
	if s.Epoch-s.BestAt >= t.cfg.Run.Patience {
		return EarlyStop, true
	}
	return AllEpochs, s.Epoch >= t.cfg.Run.Epochs
}

// advance begins one step and ends those whose results are there: where the device runs
// behind, that is the step before, so that it always has work. A step whose weights are saved
// or scored is waited for.
func (t *trainer) advance(ctx context.Context, next *sample.Prefetcher) (Reason, error) {
	if t.state.InEpoch+t.ahead() == t.cfg.Run.Steps {
		return t.drain()
	}
	begin := time.Now()
	b, err := next.Next(ctx)
	if err != nil {
		return Failed, err
	}
	waited := time.Since(begin)
	p := t.begin(b)
	p.begun, p.waited = begin, waited
	before := t.pending
	t.pending = p
	if before != nil {
		if reason, err := t.finish(before); err != nil {
			return reason, err
		}
	}
	if p.way.Ready() || t.saves(p.number) || t.scoresModes(t.state.InEpoch+1) {
		return t.drain()
	}
	return "", nil
}

// drain ends the step under way, if there is one.
func (t *trainer) drain() (Reason, error) {
	p := t.pending
	if p == nil {
		return "", nil
	}
	t.pending = nil
	return t.finish(p)
}

// saves reports whether the state is saved right after a step that does not end an epoch. The first
// step shows whether the run works at all, its save whether the folder takes a checkpoint.
func (t *trainer) saves(step int) bool {
	n := t.cfg.Run.SaveEvery
	return step == 1 || n > 0 && step%n == 0
}

// finish waits for what came of a step and accounts for it.
func (t *trainer) finish(p *pending) (Reason, error) {
	r, err := t.result(p)
	if err != nil {
		var bad *NotFiniteError
		if errors.As(err, &bad) {
			return NotFinite, err
		}
		return Failed, fmt.Errorf("step %d: %w", p.number, err)
	}
	begin := p.begun
	if t.ended.After(begin) { // it was begun while the step before was under way
		begin = t.ended
	}
	t.ended = time.Now()
	s := &t.state
	s.Step++
	s.InEpoch++
	s.Sample += t.cfg.Run.Batch
	s.Sums.add(r)
	t.timing.add(t.ended.Sub(begin), p.waited)
	t.on(StepDone{Epoch: s.Epoch + 1, Epochs: t.cfg.Run.Epochs, Steps: t.cfg.Run.Steps, InEpoch: s.InEpoch, Step: s.Step,
		Loss: r.Loss, Lesion: float64(r.lesion()), Seconds: t.ended.Sub(begin).Seconds()})
	scalars := []tensorboard.Scalar{{Tag: "step/train_loss", Value: r.Loss}}
	if !restores(t.cfg.Task) {
		scalars = append(scalars, tensorboard.Scalar{Tag: "step/mean_lesion_probability", Value: float64(r.lesion())})
	}
	if err := t.board.Scalars(s.Step, scalars...); err != nil {
		return Failed, err
	}
	t.warnCache()
	if !restores(t.cfg.Task) {
		if err := t.watchCollapse(float64(r.lesion())); err != nil {
			if _, failed := t.drain(); failed != nil {
				return Collapsed, errors.Join(err, failed)
			}
			return Collapsed, errors.Join(err, t.save())
		}
		if err := t.watchModes(p.batch, r); err != nil {
			return Failed, err
		}
	}
	if t.saves(s.Step) && (s.Step == 1 || s.InEpoch < t.cfg.Run.Steps) {
		return Failed, t.save()
	}
	return "", nil
}

// endEpoch validates, records and saves. Until it has, the state is that of an
// epoch whose steps are all done, from which a resumed run comes here again.
func (t *trainer) endEpoch(ctx context.Context, begin time.Time) error {
	v, err := t.validate(ctx)
	if err != nil {
		return err
	}
	s := &t.state
	r := Record{Epoch: s.Epoch + 1, Step: s.Step, TrainLoss: s.Sums.meanLoss(), TrainDice: s.Sums.dice(), Lesion: s.Sums.lesion(),
		ValidLoss: v.meanLoss(), ValidDice: v.dice(), FullDice: Number(math.NaN()), FullF1: Number(math.NaN()),
		FilledPSNR: v.filledPSNR(), FilledMAE: v.filledMAE(), PatchPSNR: v.patchPSNR(), PatchMAE: v.patchMAE()}
	if n := t.cfg.Run.FullEvery; n > 0 && r.Epoch%n == 0 {
		if r.FullDice, r.FullF1, err = t.full(ctx); err != nil {
			return err
		}
	}
	r.Best = math.IsNaN(float64(s.BestLoss)) || r.ValidLoss < s.BestLoss
	s.Epoch, s.InEpoch, s.Sums = r.Epoch, 0, sums{}
	s.History = append(s.History, r)
	if r.Best {
		s.BestLoss, s.BestAt = r.ValidLoss, r.Epoch
		if err := t.saveWeights(BestFile); err != nil {
			return err
		}
	}
	if err := writeMetrics(t.dir, t.cfg.Task, s.History); err != nil {
		return err
	}
	if err := t.board.Scalars(s.Step, r.scalars(t.cfg.Task)...); err != nil {
		return err
	}
	// After all else: a run that dies before does this epoch's end again.
	if err := t.save(); err != nil {
		return err
	}
	t.on(EpochDone{Record: r, Epochs: t.cfg.Run.Epochs, Seconds: time.Since(begin).Seconds(), History: slices.Clone(s.History)})
	return nil
}

// Soft Dice alone is known to end in "no lesion anywhere".
const (
	collapseProbability = 1e-4
	collapseSteps       = 200
)

// watchCollapse counts steps with next to no lesion probability. It warns once in
// a row of them, and with on_collapse = "stop" returns an error.
func (t *trainer) watchCollapse(lesion float64) error {
	if lesion >= collapseProbability {
		t.state.LowSteps = 0
		return nil
	}
	t.state.LowSteps++
	if t.state.LowSteps < collapseSteps {
		return nil
	}
	text := fmt.Sprintf("step %d: the network predicts no lesion: its mean lesion probability was under %g for %d steps in a row. "+
		"Soft Dice can get stuck there. Try a higher sampler.lesion_prob, loss.cross_entropy = 0.1, loss.lesion_only, or another seed",
		t.state.Step, collapseProbability, t.state.LowSteps)
	if t.cfg.Run.OnCollapse == "stop" {
		return errors.New(text)
	}
	if t.state.LowSteps == collapseSteps {
		t.on(Warning{text})
	}
	return nil
}

// warnCache reports once that cases are loaded again and again.
func (t *trainer) warnCache() {
	if t.loader == nil || t.warned {
		return
	}
	if n := t.loader.Evicted(); n > len(t.set.Cases) {
		t.warned = true
		t.on(Warning{fmt.Sprintf("the loaded cases do not fit into data.cache_mb = %d and are read again and again (%d times so far); raise it",
			t.cfg.Data.CacheMB, n)})
	}
}

// timing is this session's clock; nothing that is computed depends on it.
type timing struct {
	begin         time.Time
	steps         []float64 // seconds
	waited, total float64
}

func (c *timing) add(step, waited time.Duration) {
	c.steps = append(c.steps, step.Seconds())
	c.total += step.Seconds()
	c.waited += waited.Seconds()
}

func (c *timing) median() float64 {
	if len(c.steps) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(c.steps))
	return s[len(s)/2]
}

func (t *trainer) summary(reason Reason, err error) *Summary {
	s, c := &t.state, &t.timing
	out := &Summary{Task: t.cfg.Task, Folder: t.dir, Device: t.dev.Name(), Reason: reason,
		Fold: t.cfg.Data.Fold, Folds: t.cfg.Data.Folds, Train: s.Train, Valid: s.Valid,
		Epochs: s.Epoch, Steps: s.Step,
		Seconds: time.Since(c.begin).Seconds(), SessionSteps: len(c.steps), StepSeconds: Number(c.median()),
		PatchesASecond:  Number(float64(len(c.steps)*t.cfg.Run.Batch) / c.total),
		WaitingFraction: Number(c.waited / c.total)}
	if t.net != nil {
		out.Parameters, _ = t.net.Count()
	}
	if err != nil {
		out.Error = err.Error()
	}
	if n := len(s.History); n > 0 {
		out.Last = &s.History[n-1]
	}
	if s.BestAt > 0 {
		out.Best = &s.History[s.BestAt-1]
	}
	return out
}
