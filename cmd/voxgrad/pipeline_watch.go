package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"

	"voxgrad/train/pipeline"
)

// pipelineWatch shows how a pipeline goes.
type pipelineWatch struct {
	training *trainWatch
	bar      *progress
}

func newPipelineWatch() *pipelineWatch { return &pipelineWatch{} }

func (w *pipelineWatch) event(e pipeline.Event) {
	switch e := e.(type) {
	case pipeline.Skipped:
		slog.Info(fmt.Sprintf("step %d of %d is done: %s", e.Number, e.Total, e.Step.Name))
	case pipeline.Warned:
		slog.Warn(e.Text)
	case pipeline.Started:
		slog.Info(fmt.Sprintf("step %d of %d: %s", e.Number, e.Total, e.Step.Name), "why", e.Why)
		w.training, w.bar = newTrainWatch(e.Step.Name), nil
	case pipeline.Training:
		w.training.event(e.Event)
	case pipeline.Progress:
		if w.bar == nil {
			w.bar = newProgress(e.Step.Name, e.Total)
		}
		w.bar.set(e.Done, "")
	case pipeline.Finished:
		w.bar.shut()
		slog.Info("done: "+e.Step.Name, "seconds", math.Round(e.Seconds*10)/10)
	}
}

func interrupted(err error) error {
	if errors.Is(err, pipeline.ErrInterrupted) {
		return stopped{err}
	}
	return err
}
