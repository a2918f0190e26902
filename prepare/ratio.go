package prepare

import (
	"fmt"
	"math"
	"slices"

	"voxgrad/volume"
)

const (
	ratioSpanMM     = 45  // distance of control points
	ratioIterations = 20  // at most
	ratioLeast      = 0.6 // intensities, as a share of the median, that are no fluid
	ratioBins       = 40  // of intensity
)

// RatioField is the smooth multiplicative field by which the second of two scans of one head
// differs from the first, inside a mask, all on one grid: for change it is what matters, and
// more exact than the difference of two fields found apart. It is fitted to the
// logarithm of the ratio with Tukey's weights, so that what is new, gone or moved counts for
// nothing, together with a curve of the intensity, as which a change of contrast shows; fluid is
// left out. Its mean logarithm in the mask is 0: the curve has what is constant.
func RatioField(first, second *volume.Volume, mask *volume.Mask) (*Field, error) {
	s, err := newBiasSamples(first, mask)
	if err != nil {
		return nil, err
	}
	if err := second.CheckFinite(); err != nil {
		return nil, err
	}
	if err := volume.SameSpace(first, second); err != nil {
		return nil, err
	}
	a, share := s.means(first, mask)
	b, shareB := s.means(second, mask)
	least := [2]float64{ratioLeast * positiveMedian(a), ratioLeast * positiveMedian(b)}
	ratio, level := make([]float64, len(a)), make([]float64, len(a))
	weight := make([]float64, len(a))
	n := 0
	for i := range a {
		if a[i] > least[0] && b[i] > least[1] {
			weight[i] = min(share[i], shareB[i])
			ratio[i] = math.Log(b[i] / a[i])
			level[i] = (math.Log(b[i]) + math.Log(a[i])) / 2
			n++
		}
	}
	if n < leastLogs {
		return nil, fmt.Errorf("%s and %s: %d samples of the mask are above 0 in both, too few to compare them: do both show the brain there?", first.Name(), second.Name(), n)
	}
	f := &Field{grid: first.Grid}
	sp := s.spline(f, ratioSpanMM)
	field, rest, curve := make([]float64, len(a)), make([]float64, len(a)), make([]float64, len(a))
	robust := slices.Clone(weight)
	bins := equalBins(level, weight)
	for range ratioIterations {
		curveOf(curve, bins, ratio, field, robust)
		for i := range rest {
			rest[i] = robust[i] * (ratio[i] - curve[i])
		}
		f.coef = sp.normal(robust, biasStiffness).solve(sp.project(rest))
		sp.evalAll(f.coef, rest)
		centre(rest, weight, f.coef)
		moved := change(field, rest, weight)
		for i := range rest {
			rest[i] = ratio[i] - field[i] - curve[i]
		}
		tukeyWeights(robust, rest, weight)
		if moved < biasConverged {
			break
		}
	}
	return f, nil
}

func positiveMedian(values []float64) float64 {
	var p []float32
	for _, v := range values {
		if v > 0 {
			p = append(p, float32(v))
		}
	}
	if p == nil {
		return 0
	}
	return volume.Percentile(p, 50)
}

// equalBins numbers samples by level, so that all bins have as many; -1 for those without weight.
func equalBins(level, weight []float64) []int {
	var order []int
	bins := make([]int, len(level))
	for i, w := range weight {
		if bins[i] = -1; w > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(x, y int) int {
		switch {
		case level[x] < level[y]:
			return -1
		case level[x] > level[y]:
			return 1
		}
		return 0
	})
	for n, i := range order {
		bins[i] = n * ratioBins / len(order)
	}
	return bins
}

// curveOf sets curve to the weighted mean of what the field leaves of the ratio, bin by bin.
func curveOf(curve []float64, bins []int, ratio, field, weight []float64) {
	var sum, n [ratioBins]float64
	for i, b := range bins {
		if b >= 0 {
			sum[b] += weight[i] * (ratio[i] - field[i])
			n[b] += weight[i]
		}
	}
	for i, b := range bins {
		if b >= 0 && n[b] > 0 {
			curve[i] = sum[b] / n[b]
		}
	}
}

// tukeyWeights sets robust to weight times Tukey's biweight of the residuals.
func tukeyWeights(robust, residual, weight []float64) {
	var all []float32
	for i, w := range weight {
		if w > 0 {
			all = append(all, float32(math.Abs(residual[i])))
		}
	}
	cut := 4.685 * 1.4826 * volume.Percentile(all, 50)
	for i, w := range weight {
		robust[i] = w
		if cut > 0 {
			u := residual[i] / cut
			u = max(1-u*u, 0)
			robust[i] *= u * u
		}
	}
}
