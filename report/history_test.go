package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// training is a history with a gap in each of two curves.
func training(n int) *History {
	h := &History{Title: "detector, fold 0", Best: n / 2}
	for e := range n {
		x := float64(e)
		h.TrainLoss = append(h.TrainLoss, 0.1+math.Exp(-x/20))
		h.ValLoss = append(h.ValLoss, 0.2+math.Exp(-x/18)+0.02*math.Sin(x))
		h.ValDice = append(h.ValDice, 0.7-0.7*math.Exp(-x/22))
		h.LearningRate = append(h.LearningRate, 1e-4*math.Pow(0.9, x))
		h.Seconds = append(h.Seconds, 31+math.Cos(x))
	}
	if n > 20 {
		h.ValLoss[10], h.ValDice[0] = math.NaN(), math.Inf(1)
	}
	return h
}

func TestProgressWritesPictures(t *testing.T) {
	dir := t.TempDir()
	path, svg := filepath.Join(dir, "progress.png"), filepath.Join(dir, "progress.svg")
	require.NoError(t, Progress(path, svg, training(40)))
	first, err := os.ReadFile(path)
	require.NoError(t, err)
	img, err := png.Decode(bytes.NewReader(first))
	require.NoError(t, err)
	require.Equal(t, 1280, img.Bounds().Dx())

	// Every curve is there: some pixels have exactly its colour.
	count := map[[3]uint32]int{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			r, g, b, _ := img.At(x, y).RGBA()
			count[[3]uint32{r >> 8, g >> 8, b >> 8}]++
		}
	}
	for _, c := range []struct{ r, g, b uint8 }{
		{lineBlue.R, lineBlue.G, lineBlue.B}, {lineOrange.R, lineOrange.G, lineOrange.B},
		{lineGreen.R, lineGreen.G, lineGreen.B}, {linePurple.R, linePurple.G, linePurple.B},
	} {
		require.Greater(t, count[[3]uint32{uint32(c.r), uint32(c.g), uint32(c.b)}], 100)
	}

	vector, err := os.ReadFile(svg)
	require.NoError(t, err)
	requireXML(t, vector)
	for _, s := range []string{"loss", "validation Dice of patches", "learning rate", "seconds per epoch", "best epoch", "detector, fold 0"} {
		require.Contains(t, string(vector), ">"+s+"<")
	}
	require.NotContains(t, string(vector), "NaN")
	require.NotContains(t, string(vector), "Inf")

	require.NoError(t, Progress(path, svg, training(40)))
	again, _ := os.ReadFile(path)
	require.True(t, bytes.Equal(first, again), "the same history, other bytes")
}

// requireXML reads every element.
func requireXML(t *testing.T, b []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else {
			require.NoError(t, err)
		}
	}
}

func TestProgressOfShortAndEmptyHistories(t *testing.T) {
	nan := math.NaN()
	for name, h := range map[string]*History{
		"nothing":    {},
		"no epoch":   {TrainLoss: []float64{}},
		"one epoch":  training(1),
		"two":        training(2),
		"constant":   {TrainLoss: []float64{0, 0, 0}, Seconds: []float64{5, 5, 5}},
		"all NaN":    {TrainLoss: []float64{nan, nan}, ValDice: []float64{nan, nan}, LearningRate: []float64{nan, nan}},
		"rate of 0":  {LearningRate: []float64{1e-4, 0}},
		"huge":       {TrainLoss: []float64{1e300, -1e300}},
		"tiny":       {TrainLoss: []float64{1e-300, 2e-300}},
		"only times": {Seconds: []float64{3, 4}},
		"smooth":     {ValDiceEMA: []float64{0.1, 0.2}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Curves(h)
			require.NoError(t, err)
			var b bytes.Buffer
			require.NoError(t, c.WritePNG(&b, 40))
			_, err = png.Decode(&b)
			require.NoError(t, err)
			svg, err := c.svg()
			require.NoError(t, err)
			requireXML(t, svg)
		})
	}
}

func TestCurvesLeaveOutWhatWasNotMeasured(t *testing.T) {
	titles := func(h *History) (out []string) {
		c, err := Curves(h)
		require.NoError(t, err)
		for _, p := range c.panels {
			out = append(out, p.title)
		}
		return out
	}
	require.Equal(t, []string{"loss", "validation Dice of patches", "learning rate", "seconds per epoch"}, titles(training(5)))
	whole, nan := training(3), math.NaN()
	whole.FullDice, whole.FullF1 = []float64{nan, nan, nan}, []float64{nan, nan, nan}
	require.NotContains(t, titles(whole), "whole validation images", "never scored")
	whole.FullDice[1], whole.FullF1[1] = 0.5, 0.25
	require.Contains(t, titles(whole), "whole validation images")
	h := training(5)
	h.LearningRate = []float64{1e-4, 1e-4, math.NaN(), 1e-4, 1e-4}
	require.Equal(t, []string{"loss", "validation Dice of patches", "seconds per epoch"}, titles(h))
	h.Seconds, h.ValDice = nil, nil
	require.Equal(t, []string{"loss", "learning rate"}, titles(h))
	h.ValPSNR = []float64{20, 21, math.NaN(), 24, 25}
	require.Equal(t, []string{"loss", "validation PSNR (dB)", "learning rate"}, titles(h))
}

func TestGapSplitsTheCurve(t *testing.T) {
	pieces := func(y ...float64) int {
		c, err := Curves(&History{TrainLoss: y})
		require.NoError(t, err)
		svg, err := c.svg()
		require.NoError(t, err)
		return strings.Count(string(svg), "stroke:"+hexColor(lineBlue))
	}
	require.Equal(t, 1, pieces(1, 2, 3, 4))
	require.Equal(t, 2, pieces(1, 2, math.NaN(), 3, 4))
	require.Equal(t, 1, pieces(1, 2, math.Inf(1), 4)) // a lone point is a dot
}

func TestHistoryRefusesWhatDoesNotFit(t *testing.T) {
	err := Progress(filepath.Join(t.TempDir(), "p.png"), "", &History{TrainLoss: []float64{1, 2}, Seconds: []float64{1}})
	require.EqualError(t, err, "training history: TrainLoss has 2 epochs and Seconds 1")
	_, err = Curves(&History{TrainLoss: []float64{1}, Best: 2})
	require.EqualError(t, err, "training history: the best epoch is 2 of 1")
}

func TestProgressNamesTheFileItCannotWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "progress.png")
	err := Progress(path, "", training(3))
	require.ErrorContains(t, err, path)
	require.True(t, errors.Is(err, os.ErrNotExist))
}

func TestEMA(t *testing.T) {
	nan := math.NaN()
	got := EMA([]float64{nan, 1, 2, nan, 3}, 0.75)
	require.True(t, math.IsNaN(got[0]))
	require.InDeltaSlice(t, []float64{1, (0.75 + 2) / 1.75, (0.75 + 2) / 1.75, (0.5625 + 1.5 + 3) / 2.3125}, got[1:], 1e-15)
}

func TestTicks(t *testing.T) {
	labels := func(k ticks, low, high float64) (out []string) {
		for _, x := range k.Ticks(low, high) {
			out = append(out, x.Label)
		}
		return out
	}
	require.Equal(t, []string{"0.0", "0.2", "0.4", "0.6", "0.8"}, labels(ticks{count: 6}, -0.01, 0.95))
	require.Equal(t, []string{"1", "2", "3"}, labels(ticks{count: 9, least: 1}, 1, 3))
	require.Equal(t, []string{"200", "400", "600", "800", "1000"}, labels(ticks{count: 9, least: 1}, 1, 1000))
	require.Equal(t, []string{"−0.05", "0.00", "0.05"}, labels(ticks{count: 3}, -0.06, 0.07))
}
