package runs

import (
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"time"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/report"
	"voxgrad/train"
)

// Training shows a training run: a bar or log lines, and progress.png after
// each epoch.
type Training struct {
	title   string
	folder  string
	rate    float64
	seconds map[int]float64 // of this session's epochs
	bar     *cli.Progress
	drawn   bool // the last try to draw succeeded

	restored []train.Restored // patches of the epoch being validated
}

// NewTraining shows a run under a title.
func NewTraining(title string) *Training {
	return &Training{title: title, seconds: map[int]float64{}, drawn: true}
}

// Event shows one event.
func (w *Training) Event(e train.Event) {
	switch e := e.(type) {
	case train.Loading:
		if w.bar == nil {
			w.bar = cli.NewProgress("reading lesions", e.Total)
		}
		if w.bar.Set(e.Done, ""); e.Done == e.Total {
			w.bar.Shut()
			w.bar = nil
		}
	case train.Started:
		w.folder, w.rate = e.Folder, e.Config.Adam.LearningRate
		slog.Info("training "+w.title, "device", e.Device, "layout", e.Layout, "train", len(e.Train), "valid", len(e.Valid),
			"trained parameters", e.Parameters, "folder", e.Folder)
		if e.Resumed {
			slog.Info("resumed", "step", e.Step, "epochs", e.Epoch)
		}
	case train.StepDone:
		if w.bar == nil {
			w.bar = cli.NewProgress(fmt.Sprintf("epoch %d", e.Epoch), e.Steps)
		}
		w.bar.Set(e.InEpoch, fmt.Sprintf(" loss %.4f", e.Loss))
	case train.Validating:
		w.bar.Shut()
		w.bar = nil
	case train.EpochDone:
		w.bar.Shut()
		w.bar = nil
		w.seconds[e.Epoch] = e.Seconds
		best := ""
		if e.Best {
			best = " (best so far)"
		}
		slog.Info(fmt.Sprintf("epoch %d%s", e.Epoch, best), "train", digits(e.TrainLoss), "valid", digits(e.ValidLoss),
			"quality", Quality(e.Record), "seconds", math.Round(e.Seconds*10)/10, "left at most", w.left(e))
		w.draw(e.History)
		w.drawRestored()
	case train.Restored:
		w.restored = append(w.restored, e)
	case train.FullCase:
		slog.Info("whole image", "case", e.Case, "dice", digits(e.Dice), "lesion F1", digits(e.F1))
	case train.Warning:
		slog.Warn(e.Text)
	}
}

// left is the time that the epochs which may follow take, as long as those of this session did.
func (w *Training) left(e train.EpochDone) string {
	sum := 0.0
	for _, s := range w.seconds {
		sum += s
	}
	return report.Duration(time.Duration(sum / float64(len(w.seconds)) * float64(e.Epochs-e.Epoch) * float64(time.Second)))
}

// Quality is how good the answers to the validation patches were.
func Quality(r train.Record) string {
	if !math.IsNaN(float64(r.FilledPSNR)) {
		return fmt.Sprintf("PSNR in the filled regions %.2f dB, mean absolute error %.4f", float64(r.FilledPSNR), float64(r.FilledMAE))
	}
	return fmt.Sprintf("lesion Dice of the patches %.3f", float64(r.ValidDice))
}

// digits is a loss or a score for a log line.
func digits(n train.Number) string { return fmt.Sprintf("%.4f", float64(n)) }

// history is the run's records as curves.
func (w *Training) history(records []train.Record) *report.History {
	h := &report.History{Title: w.title}
	for _, r := range records {
		h.TrainLoss = append(h.TrainLoss, float64(r.TrainLoss))
		h.ValLoss = append(h.ValLoss, float64(r.ValidLoss))
		if math.IsNaN(float64(r.FilledPSNR)) {
			h.ValDice = append(h.ValDice, float64(r.ValidDice))
			h.FullDice, h.FullF1 = append(h.FullDice, float64(r.FullDice)), append(h.FullF1, float64(r.FullF1))
		} else {
			h.ValPSNR = append(h.ValPSNR, float64(r.FilledPSNR))
		}
		h.LearningRate = append(h.LearningRate, w.rate)
		s, ok := w.seconds[r.Epoch]
		if !ok {
			s = math.NaN() // of another session
		}
		h.Seconds = append(h.Seconds, s)
		if r.Best {
			h.Best = r.Epoch
		}
	}
	return h
}

// draw writes progress.png. A picture that cannot be drawn does not stop a run;
// it is reported once.
func (w *Training) draw(records []train.Record) {
	err := report.Progress(filepath.Join(w.folder, "progress.png"), "", w.history(records))
	if err != nil && w.drawn {
		slog.Warn("cannot draw the curves", "reason", err)
	}
	w.drawn = err == nil
}
