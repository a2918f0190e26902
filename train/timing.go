package train

import (
	"math"
	"slices"
	"time"
)

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
	trainable, _ := t.net.Count()
	out := &Summary{Task: t.cfg.Task, Folder: t.dir, Device: t.dev.Name(), Reason: reason,
		Fold: t.cfg.Data.Fold, Folds: t.cfg.Data.Folds, Train: s.Train, Valid: s.Valid,
		Parameters: trainable, Epochs: s.Epoch, Steps: s.Step,
		Seconds: time.Since(c.begin).Seconds(), SessionSteps: len(c.steps), StepSeconds: Number(c.median()),
		PatchesASecond:  Number(float64(len(c.steps)*t.cfg.Run.Batch) / c.total),
		WaitingFraction: Number(c.waited / c.total)}
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
