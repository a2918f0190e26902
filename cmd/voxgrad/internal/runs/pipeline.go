package runs

import (
	"errors"
	"fmt"
	"log/slog"
	"math"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/train/pipeline"
)

// Pipeline shows how a pipeline goes.
type Pipeline struct {
	training *Training
	bar      *cli.Progress
}

func newPipelineWatch() *Pipeline { return &Pipeline{} }

func (w *Pipeline) event(e pipeline.Event) {
	switch e := e.(type) {
	case pipeline.Skipped:
		slog.Info(fmt.Sprintf("step %d of %d is done: %s", e.Number, e.Total, e.Step.Name))
	case pipeline.Warned:
		slog.Warn(e.Text)
	case pipeline.Started:
		slog.Info(fmt.Sprintf("step %d of %d: %s", e.Number, e.Total, e.Step.Name), "why", e.Why)
		w.training, w.bar = NewTraining(e.Step.Name), nil
	case pipeline.Training:
		w.training.Event(e.Event)
	case pipeline.Progress:
		if w.bar == nil {
			w.bar = cli.NewProgress(e.Step.Name, e.Total)
		}
		w.bar.Set(e.Done, "")
	case pipeline.Finished:
		w.bar.Shut()
		slog.Info("done: "+e.Step.Name, "seconds", math.Round(e.Seconds*10)/10)
	}
}

// Interrupted marks the engine's end by a signal as one.
func Interrupted(err error) error {
	if errors.Is(err, pipeline.ErrInterrupted) {
		return cli.Stopped(err)
	}
	return err
}
