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

	"voxgrad/train/sample"
	"voxgrad/train/tensorboard"
)

// Run trains until the validation loss stops improving, all epochs are done, or
// ctx ends; then it saves and says Interrupted without an error. An error leaves
// the last good checkpoint_last in place. The summary is never nil once training
// has begun.
func Run(ctx context.Context, job Job) (*Summary, error) {
	t, err := open(job)
	if err != nil {
		return nil, err
	}
	t.timing.begin = time.Now()
	reason, err := t.loop(ctx)
	s := t.summary(reason, err)
	failed := t.dev.Sync() != nil
	err = t.end(errors.Join(err, s.write(t.dir)))
	switch {
	case err != nil && failed:
		err = fmt.Errorf("%w; %s", err, t.goOn())
	case err != nil && reason == Failed && !job.Resume:
		err = errors.Join(err, t.dropUnused())
	}
	return s, err
}

// dropUnused removes a checkpoint without a single step in it, which a mistake in
// data or settings leaves: there is nothing to go on from, and the same folder can
// be used again once the mistake is mended.
func (t *trainer) dropUnused() error {
	if last, err := readLast(t.path(LastFile)); err == nil && last.Step == 0 {
		return os.Remove(t.path(LastFile))
	}
	return nil
}

// goOn says what is left of a run whose device failed.
func (t *trainer) goOn() string {
	if _, err := os.Stat(t.path(LastFile)); err != nil {
		return "nothing had been saved yet: start again"
	}
	return t.path(LastFile) + " is as it was last saved: --resume goes on from there"
}

func (t *trainer) path(file string) string { return filepath.Join(t.dir, file) }

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
				return Interrupted, t.save()
			}
			if reason, err := t.advance(ctx, next); err != nil {
				if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
					return Interrupted, t.save()
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

// done tells whether training has come to its own end.
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

// advance does one step.
func (t *trainer) advance(ctx context.Context, next *sample.Prefetcher) (Reason, error) {
	begin := time.Now()
	b, err := next.Next(ctx)
	if err != nil {
		return Failed, err
	}
	waited := time.Since(begin)
	r, err := t.step(b)
	if err != nil {
		var bad *NotFiniteError
		if errors.As(err, &bad) {
			return NotFinite, err
		}
		return Failed, fmt.Errorf("step %d: %w", t.state.Step+1, err)
	}
	s := &t.state
	s.Step++
	s.InEpoch++
	s.Sample += t.cfg.Run.Batch
	s.Sums.add(r)
	t.timing.add(time.Since(begin), waited)
	t.on(StepDone{Epoch: s.Epoch + 1, Steps: t.cfg.Run.Steps, InEpoch: s.InEpoch, Step: s.Step,
		Loss: r.Loss, Lesion: float64(r.lesion()), Seconds: time.Since(begin).Seconds()})
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
			return Collapsed, errors.Join(err, t.save())
		}
	}
	if n := t.cfg.Run.SaveEvery; n > 0 && s.Step%n == 0 && s.InEpoch < t.cfg.Run.Steps {
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
		// Before checkpoint_last: a run that dies in between does this epoch again.
		if err := t.saveWeights(BestFile); err != nil {
			return err
		}
	}
	if err := t.save(); err != nil {
		return err
	}
	if err := writeMetrics(t.dir, t.cfg.Task, s.History); err != nil {
		return err
	}
	if err := t.board.Scalars(s.Step, r.scalars(t.cfg.Task)...); err != nil {
		return err
	}
	t.on(EpochDone{Record: r, Seconds: time.Since(begin).Seconds(), History: slices.Clone(s.History)})
	return nil
}
