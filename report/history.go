package report

import (
	"fmt"
	"io"
	"math"
	"slices"

	"voxgrad/internal/outfile"
)

// History is what training measured, one element per finished epoch. A slice
// may be nil where nothing was measured, and a NaN is an epoch in which it
// was not; slices that are there have the same length.
type History struct {
	Title        string
	TrainLoss    []float64
	ValLoss      []float64
	ValDice      []float64 // of the validation patches, in [0, 1]
	ValDiceEMA   []float64 // smoothed; computed from ValDice where nil
	FullDice     []float64 // mean over whole validation images, in [0, 1]
	FullF1       []float64 // their lesion F1
	ValPSNR      []float64 // dB, of patches that a network restored
	LearningRate []float64
	Seconds      []float64 // wall time of each epoch
	Best         int       // number of the best epoch, counted from 1; 0 for none
}

// Epochs returns how many epochs h has; an error names the slice that differs in length.
func (h *History) Epochs() (int, error) {
	n, first := 0, ""
	for _, s := range []struct {
		name string
		data []float64
	}{
		{"TrainLoss", h.TrainLoss}, {"ValLoss", h.ValLoss}, {"ValDice", h.ValDice},
		{"ValDiceEMA", h.ValDiceEMA}, {"FullDice", h.FullDice}, {"FullF1", h.FullF1}, {"ValPSNR", h.ValPSNR}, {"LearningRate", h.LearningRate}, {"Seconds", h.Seconds},
	} {
		switch {
		case s.data == nil:
		case first == "":
			n, first = len(s.data), s.name
		case len(s.data) != n:
			return 0, fmt.Errorf("training history: %s has %d epochs and %s %d", first, n, s.name, len(s.data))
		}
	}
	if h.Best < 0 || h.Best > n {
		return 0, fmt.Errorf("training history: the best epoch is %d of %d", h.Best, n)
	}
	return n, nil
}

// EMA is the exponential moving average of x, corrected for where it starts:
// y[n] = Σ keepⁿ⁻ⁱ·x[i] / Σ keepⁿ⁻ⁱ over the i ≤ n at which x is a number. Without the
// correction the first number, which says least, would weigh most for a long time.
// Before the first number y is NaN, and a NaN in x leaves the average as it was.
func EMA(x []float64, keep float64) []float64 {
	y := make([]float64, len(x))
	sum, weight := 0.0, 0.0
	for n, v := range x {
		if !math.IsNaN(v) {
			sum, weight = keep*sum+v, keep*weight+1
		}
		y[n] = sum / weight
	}
	return y
}

// smoothing is how much of the average an epoch keeps, as in nnU-Net's progress.png.
const smoothing = 0.9

// Curves is the chart of a training history: training and validation loss,
// validation Dice of patches as measured and smoothed, scores of whole images, PSNR, learning rate and seconds per
// epoch, one panel each, with the best epoch marked. Panels without data are left out,
// and a learning rate that never changes makes room for the seconds.
func Curves(h *History) (*Chart, error) {
	n, err := h.Epochs()
	if err != nil {
		return nil, err
	}
	epoch := make([]float64, n)
	for i := range epoch {
		epoch[i] = float64(i + 1)
	}
	best := math.NaN()
	if h.Best > 0 {
		best = float64(h.Best)
	}
	nan := math.NaN()
	c := &Chart{title: h.Title}

	loss := panel{title: "loss", mark: best, markName: "best epoch", low: nan}
	if h.TrainLoss != nil {
		loss.lines = append(loss.lines, line{name: "training", x: epoch, y: h.TrainLoss, color: lineBlue, width: 1.8})
	}
	if h.ValLoss != nil {
		loss.lines = append(loss.lines, line{name: "validation", x: epoch, y: h.ValLoss, color: lineOrange, width: 1.8})
	}
	if loss.lines != nil || n == 0 {
		c.panels = append(c.panels, loss)
	}

	dice := panel{title: "validation Dice of patches", mark: best, markName: "best epoch", low: 0}
	if h.ValDice != nil {
		dice.lines = append(dice.lines, line{name: "per epoch", x: epoch, y: h.ValDice, color: lineGreen, width: 0.8, points: true})
	}
	smooth := h.ValDiceEMA
	if smooth == nil && h.ValDice != nil {
		smooth = EMA(h.ValDice, smoothing)
	}
	if smooth != nil {
		dice.lines = append(dice.lines, line{name: "smoothed", x: epoch, y: smooth, color: linePurple, width: 2.2})
	}
	if dice.lines != nil {
		c.panels = append(c.panels, dice)
	}

	if anyNumber(h.FullDice) || anyNumber(h.FullF1) {
		c.panels = append(c.panels, panel{
			title: "whole validation images", mark: best, markName: "best epoch", low: 0,
			lines: []line{
				{name: "Dice", x: epoch, y: h.FullDice, color: lineGreen, width: 1.4, points: true},
				{name: "lesion F1", x: epoch, y: h.FullF1, color: linePurple, width: 1.4, points: true},
			},
		})
	}

	if h.ValPSNR != nil {
		c.panels = append(c.panels, panel{
			title: "validation PSNR (dB)", mark: best, markName: "best epoch", low: nan,
			lines: []line{{name: "PSNR", x: epoch, y: h.ValPSNR, color: lineGreen, width: 1.4, points: true}},
		})
	}

	if h.LearningRate != nil && (h.Seconds == nil || !constant(h.LearningRate)) {
		c.panels = append(c.panels, panel{
			title: "learning rate", mark: nan, low: nan, logarithmic: positive(h.LearningRate),
			lines: []line{{name: "learning rate", x: epoch, y: h.LearningRate, color: lineBlue, width: 1.8}},
		})
	}
	if h.Seconds != nil {
		c.panels = append(c.panels, panel{
			title: "seconds per epoch", mark: nan, low: 0,
			lines: []line{{name: "seconds", x: epoch, y: h.Seconds, color: lineOrange, width: 1.2, points: true}},
		})
	}
	c.panels[len(c.panels)-1].xlabel = "epoch"
	return c, nil
}

// anyNumber reports whether there is any number in x.
func anyNumber(x []float64) bool {
	return slices.ContainsFunc(x, func(v float64) bool { return !math.IsNaN(v) })
}

// constant reports whether all finite values are the same.
func constant(x []float64) bool {
	first := math.NaN()
	for _, v := range x {
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
		case math.IsNaN(first):
			first = v
		case v != first:
			return false
		}
	}
	return true
}

// positive reports whether every finite value is above 0, with at least one there.
func positive(x []float64) bool {
	some := false
	for _, v := range x {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		if v <= 0 {
			return false
		}
		some = true
	}
	return some
}

// Progress draws the curves of a training history to a PNG file and, where svg
// is not "", to an SVG file. Both are replaced whole or not at all.
func Progress(path, svg string, h *History) error {
	c, err := Curves(h)
	if err != nil {
		return err
	}
	if svg != "" {
		if err := outfile.Write(svg, c.WriteSVG); err != nil {
			return err
		}
	}
	return outfile.Write(path, func(w io.Writer) error { return c.WritePNG(w, progressDPI) })
}

// progressDPI makes progress.png 1280 pixels across: legible without zooming.
const progressDPI = 144
