package report

import (
	"fmt"
	"math"
)

// History is what training measured, one element per finished epoch. A slice
// may be nil where nothing was measured, and a NaN stands for an epoch in which it
// was not; slices that are there have the same length.
type History struct {
	Title        string
	TrainLoss    []float64
	ValLoss      []float64
	ValDice      []float64 // of the validation patches or cases, in [0, 1]
	ValDiceEMA   []float64 // smoothed; computed from ValDice where nil
	ValPSNR      []float64 // dB, of patches that a network restored
	LearningRate []float64
	Seconds      []float64 // wall time of each epoch
	Best         int       // number of the best epoch, counted from 1; 0 for none
}

// Epochs is how many epochs h has; an error says which slice differs in length.
func (h *History) Epochs() (int, error) {
	n, first := 0, ""
	for _, s := range []struct {
		name string
		data []float64
	}{
		{"TrainLoss", h.TrainLoss}, {"ValLoss", h.ValLoss}, {"ValDice", h.ValDice},
		{"ValDiceEMA", h.ValDiceEMA}, {"ValPSNR", h.ValPSNR}, {"LearningRate", h.LearningRate}, {"Seconds", h.Seconds},
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

// EMA is the exponential moving average of x that starts at its first number:
// y[0] = x[0], y[n] = keep·y[n−1] + (1−keep)·x[n]. A NaN in x leaves the average
// as it was. nnU-Net smooths its validation Dice so, with keep = 0.9.
func EMA(x []float64, keep float64) []float64 {
	y := make([]float64, len(x))
	last := math.NaN()
	for n, v := range x {
		switch {
		case math.IsNaN(v):
		case math.IsNaN(last):
			last = v
		default:
			last = keep*last + (1-keep)*v
		}
		y[n] = last
	}
	return y
}
