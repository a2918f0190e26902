package report

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
)

// span is the range of the data of a panel.
type span struct{ xmin, xmax, ymin, ymax float64 }

func newRange() span {
	inf := math.Inf(1)
	return span{inf, -inf, inf, -inf}
}

// settle gives a panel without a single finite point the unit square, and one
// with a single x some room on both sides.
func (s *span) settle() {
	if s.xmin > s.xmax {
		s.xmin, s.xmax = 0, 1
	}
	if s.xmin == s.xmax {
		s.xmin, s.xmax = s.xmin-0.5, s.xmax+0.5
	}
	if s.ymin > s.ymax {
		s.ymin, s.ymax = 0, 1
	}
}

// ticks puts about count labels at multiples of 1, 2 or 5 times a power of ten,
// at least the given step apart.
type ticks struct{ count, least float64 }

func (t ticks) Ticks(low, high float64) (out []plot.Tick) {
	step := max(t.least, niceStep((high-low)/t.count))
	digits := int(max(0, -math.Floor(math.Log10(step)+1e-9)))
	first, last := math.Ceil(low/step-1e-9), math.Floor(high/step+1e-9)
	for n := first; n <= last && len(out) < 100; n++ {
		out = append(out, plot.Tick{Value: n * step, Label: Unit{Digits: digits}.Format(n * step)})
	}
	return out
}

// niceStep is the smallest of 1, 2, 5 times a power of ten that is not below x.
func niceStep(x float64) float64 {
	if !(x > 0) {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if m*p >= x*(1-1e-9) {
			return m * p
		}
	}
	return 10 * p
}

// decadeTicks labels 1, 2 and 5 times powers of ten.
type decadeTicks struct{}

func (decadeTicks) Ticks(low, high float64) (ticks []plot.Tick) {
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		for _, m := range []float64{1, 2, 5} {
			if x := m * math.Pow(10, e); x >= low && x <= high {
				ticks = append(ticks, plot.Tick{Value: x, Label: strconv.FormatFloat(x, 'g', 3, 64)})
			}
		}
	}
	return ticks
}
