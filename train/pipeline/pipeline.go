package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"voxgrad/device"
	"voxgrad/internal/lockfile"
	"voxgrad/internal/outfile"
	"voxgrad/train"
	"voxgrad/train/dataset"
)

// Job is a pipeline to run.
type Job struct {
	Config    Config
	Out       string                // the folder for everything
	Device    device.ImagingBackend // not needed to list the steps
	OpenDry   train.OpenDry         // for Plan: counts memory
	Limit     int64                 // bytes that the device can give, where that is known: more is refused
	HostLimit int64                 // bytes that the machine can give, likewise
	Version   string                // of the program, for the records
	Commit    string                // of its source

	// Overwrite clears the results of other settings, data or weights. Without it they
	// are refused.
	Overwrite bool

	// Lock is the folder's where the caller holds it already.
	Lock *lockfile.Lock

	// Events, if set, is called from the goroutine of Run.
	Events func(Event)
}

// ErrInterrupted is the end of a run that the context stopped: everything is
// saved, and running again goes on.
var ErrInterrupted = errors.New("interrupted; everything is saved, and the same command goes on from here")

// errPlanStopped is an ErrInterrupted before the first step.
var errPlanStopped = planStopped{}

type planStopped struct{}

func (planStopped) Error() string        { return "interrupted before the first step; nothing was written" }
func (planStopped) Is(target error) bool { return target == ErrInterrupted }

var errNoFolder = errors.New("the folder for the results has no name")

// ConfigFile is the resolved configuration's name in the folder.
const ConfigFile = "pipeline.toml"

// Pipeline is a plan and its folder.
type Pipeline struct {
	job    Job
	steps  []*Step
	hashes *hashes
	sets   map[string]*dataset.Set
	on     func(Event)
}

// Open checks the configuration and lists the steps of its method, the report last.
func Open(job Job) (*Pipeline, error) { return open(job, []Method{job.Config.Method}, true) }

func open(job Job, methods []Method, report bool) (*Pipeline, error) {
	if job.Out == "" {
		return nil, errNoFolder
	}
	if err := job.Config.Check(); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	p := &Pipeline{job: job, steps: build(job.Config, methods, report), sets: map[string]*dataset.Set{}, on: job.Events}
	if p.on == nil {
		p.on = func(Event) {}
	}
	p.hashes = openHashes(p.path(stepsFolder, "hashes.json"))
	return p, nil
}

// Steps lists the plan, each step after those it needs.
func (p *Pipeline) Steps() []*Step { return p.steps }

func (p *Pipeline) path(parts ...string) string {
	return filepath.Join(append([]string{p.job.Out}, parts...)...)
}

// Run does every step that is not done.
func (p *Pipeline) Run(ctx context.Context) error { return p.run(ctx, p.steps) }

// Only does the steps of one stage, those of one member if fold is not negative.
// What they need must be done; the error says what is not.
func (p *Pipeline) Only(ctx context.Context, stage string, fold int) error {
	steps, err := choose(p.steps, stage, fold)
	if err != nil {
		return err
	}
	for _, s := range ancestors(p.steps, steps) {
		why, err := p.look(s)
		if err != nil {
			return err
		}
		if why != "" {
			return fmt.Errorf("%s needs step %s, which is not done (%s): run it first", needing(steps, s), s.Name, why)
		}
	}
	return p.run(ctx, steps)
}

func (p *Pipeline) run(ctx context.Context, steps []*Step) error {
	if p.through(steps) { // a finished run can be looked at where nothing can be written
		for i, s := range steps {
			p.on(Skipped{Step: s, Number: i + 1, Total: len(steps)})
		}
		return nil
	}
	unlock, err := p.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := p.own(); err != nil {
		return err
	}
	if err := p.ready(steps); err != nil {
		return err
	}
	if err := p.mayClear(steps); err != nil {
		return err
	}
	if err := p.fits(steps); err != nil {
		return err
	}
	tidy, err := outfile.Folder(p.path(stepsFolder))
	if err != nil {
		return err
	}
	defer tidy()
	for i, s := range steps {
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		if err := p.do(ctx, s, i+1, len(steps)); err != nil {
			if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
				err = ErrInterrupted
			}
			p.hashes.save()
			return err
		}
	}
	p.hashes.save()
	return p.writeConfig()
}

// through reports whether all is done and the folder says so already.
func (p *Pipeline) through(steps []*Step) bool {
	text, err := p.job.Config.TOML()
	if err != nil {
		return false
	}
	if old, err := os.ReadFile(p.path(ConfigFile)); err != nil || !bytes.Equal(old, text) {
		return false
	}
	for _, s := range steps {
		if why, err := p.look(s); err != nil || why != "" {
			return false
		}
	}
	return true
}

// lock keeps others out of the folder from the first look to the last write, but for those
// that do steps of the same configuration: members of an ensemble run side by side. Who
// is there alone sweeps what killed processes have left.
func (p *Pipeline) lock() (unlock func(), err error) {
	sweep := func() error {
		folders := map[string]bool{p.job.Out: true, p.path(stepsFolder): true}
		for _, s := range p.steps {
			for _, place := range s.work.places() {
				folders[p.path(place)] = true
			}
		}
		for _, dir := range slices.Sorted(maps.Keys(folders)) {
			if info, err := os.Stat(dir); err == nil && info.IsDir() {
				if err := outfile.Sweep(dir); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if p.job.Lock != nil {
		return func() {}, sweep()
	}
	l, err := lockfile.Shared(p.job.Out, dataset.HashValues(flat(p.job.Config)), sweep)
	return l.Unlock, err
}

// mayClear refuses results of other settings before the first step begins. What depends on
// a step that will run is looked at again when its turn comes.
func (p *Pipeline) mayClear(steps []*Step) error {
	if p.job.Overwrite {
		return nil
	}
	will := map[*Step]bool{}
	for _, s := range steps {
		if slices.ContainsFunc(s.Needs, func(n *Step) bool { return will[n] }) {
			will[s] = true
			st, ok := readJSON[Stamp](p.stampFile(s))
			if w, trains := s.work.(*training); ok && trains {
				if why := changed(nil, st.Config, &inputs{config: w.settings(p)}); why != "" {
					return p.notCleared(s, why)
				}
			}
			continue
		}
		in, err := s.work.inputs(p)
		if err != nil {
			return fmt.Errorf("step %s: %w", s.Name, err)
		}
		why, err := p.refuse(s, in)
		if err != nil {
			return err
		}
		will[s] = why != ""
	}
	return nil
}

// refuse reports why a step has to run, and is an error if that would clear what is not its own.
func (p *Pipeline) refuse(s *Step, in *inputs) (why string, err error) {
	why, clears, err := p.current(s, in)
	if err == nil && clears && !p.job.Overwrite {
		err = p.notCleared(s, why)
	}
	return why, err
}

func (p *Pipeline) notCleared(s *Step, why string) error {
	return fmt.Errorf("%s holds results of step %s with other inputs (%s): choose another folder, or clear them with --overwrite", p.job.Out, s.Name, why)
}

// own refuses a folder in which something else is where steps clear and write.
// The folder of stamps is made before all else, so what is seen without it here was
// there before any pipeline; in this order also if another process begins just now.
func (p *Pipeline) own() error {
	places := []string{ConfigFile}
	for _, s := range p.steps {
		places = append(places, s.work.places()...)
	}
	for _, place := range places {
		if _, err := os.Lstat(p.path(place)); err != nil {
			continue
		}
		if _, err := os.Stat(p.path(stepsFolder)); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s is there already, and no pipeline has made it: choose another folder for the results", p.path(place))
		}
	}
	return nil
}

// writeConfig is called once a step is this process's, or all are done: not while
// another process is at work with its configuration.
func (p *Pipeline) writeConfig() error {
	text, err := p.job.Config.TOML()
	if err != nil {
		return err
	}
	return outfile.WriteBytes(p.path(ConfigFile), text)
}

// look reports why a step has to run, or "". The steps it needs are done.
func (p *Pipeline) look(s *Step) (why string, err error) {
	in, err := s.work.inputs(p)
	if err != nil {
		return "", fmt.Errorf("step %s: %w", s.Name, err)
	}
	why, _, err = p.current(s, in)
	return why, err
}

// do does a step unless it is done.
func (p *Pipeline) do(ctx context.Context, s *Step, number, total int) error {
	why, err := p.look(s)
	if err != nil {
		return err
	}
	if why == "" {
		p.on(Skipped{Step: s, Number: number, Total: total})
		return nil
	}
	lock, err := lockfile.File(p.lockFile(s), "step "+s.Name)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	// Between the look and the lock another process may have done it.
	in, err := s.work.inputs(p)
	if err != nil {
		return fmt.Errorf("step %s: %w", s.Name, err)
	}
	if why, err = p.refuse(s, in); err != nil {
		return err
	}
	if why == "" {
		p.on(Skipped{Step: s, Number: number, Total: total})
		return nil
	}
	p.on(Started{Step: s, Why: why, Number: number, Total: total})
	if err := p.writeConfig(); err != nil {
		return err
	}
	begin := time.Now()
	if err := p.begin(s, in); err != nil {
		return err
	}
	done, err := s.work.run(ctx, p, s)
	if err != nil {
		return err
	}
	took := time.Since(begin)
	if err := p.finish(s, in, done, took); err != nil {
		return err
	}
	p.on(Finished{Step: s, Seconds: took.Seconds()})
	return nil
}

// begin clears what a run with other inputs left, and marks the step as begun. The
// mark goes first and comes last: files without a mark are never gone on from.
func (p *Pipeline) begin(s *Step, in *inputs) error {
	_, statErr := os.Stat(p.stampFile(s)) // with a stamp the step was through once: its files are not a beginning
	if b, ok := readJSON[begun](p.begunFile(s)); ok && errors.Is(statErr, os.ErrNotExist) && changed(b.Inputs, b.Config, in) == "" {
		return nil
	}
	gone := []string{p.begunFile(s), p.stampFile(s)}
	for _, place := range s.work.places() {
		gone = append(gone, p.path(place))
	}
	for _, path := range gone {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("step %s: cannot clear an earlier result: %w", s.Name, err)
		}
	}
	return writeJSON(p.begunFile(s), begun{Inputs: in.hashes, Config: in.config})
}

// finish writes the stamp and takes the mark away.
func (p *Pipeline) finish(s *Step, in *inputs, done *session, took time.Duration) error {
	files, err := s.work.outputs(p)
	if err != nil {
		return err
	}
	stamp := Stamp{Step: s.Name, Inputs: in.hashes, Config: in.config, Outputs: map[string]string{}, Version: p.job.Version,
		Device: p.job.Device.Name(), Finished: time.Now().UTC().Truncate(time.Second), Seconds: took.Seconds(), Steps: done.steps, Session: done.session}
	for _, f := range files {
		if stamp.Outputs[f], err = p.hashes.of(p.path(f)); err != nil {
			return fmt.Errorf("step %s: %w", s.Name, err)
		}
	}
	if err := writeJSON(p.stampFile(s), stamp); err != nil {
		return err
	}
	return os.RemoveAll(p.begunFile(s))
}

// Places lists what a pipeline makes in its folder.
func Places() []string {
	return []string{ConfigFile, stepsFolder, segmenter, inpainter, generator, detector, finetune, "predictions", baselineFolder, outOfFold,
		"scores.csv", "scores.json", PageFile, picturesFolder, "rows", AblationText, AblationCSV, AblationJSON}
}

// Event is something that a run tells whoever watches it.
type Event interface{ event() }

// Skipped is a step that is done already.
type Skipped struct {
	Step          *Step
	Number, Total int // its place in what is asked for, from 1
}

// Warned is something to look at that does not stop the run.
type Warned struct{ Text string }

// Started comes before a step's work.
type Started struct {
	Step          *Step
	Why           string // it runs
	Number, Total int
}

// Training passes on what a training step tells.
type Training struct {
	Step  *Step
	Event train.Event
}

// Progress is how far a step without training has come.
type Progress struct {
	Step        *Step
	Done, Total int
}

// Finished comes after a step's stamp.
type Finished struct {
	Step    *Step
	Seconds float64
}

func (Warned) event()   {}
func (Skipped) event()  {}
func (Started) event()  {}
func (Training) event() {}
func (Progress) event() {}
func (Finished) event() {}
