package prepare

import (
	"fmt"
	"math"

	"voxgrad/internal/par"
	"voxgrad/volume"
)

// The bias field is that of N4 (Tustison et al., IEEE Trans. Medical Imaging 29 (2010)) after
// N3 (Sled, Zijdenbos and Evans, IEEE Trans. Medical Imaging 17 (1998)): the logarithm of a
// scan is a sum of that of the anatomy and of a smooth field, and the field blurs the
// histogram of the anatomy. Again and again the histogram of what the field found so far
// leaves is sharpened, each voxel's expected anatomy is read from it, and the field is
// fitted to the rest; the control points get denser from level to level. Other than there
// each step is a fit of least squares, penalised for being rough; and voxels count by their
// intensity, since the logarithm makes the noise of dark ones large, and hardly where they are
// much brighter or darker than most: lesions are no measure of the field, and stay what they are.
const (
	biasSampleMM   = 4    // samples are about so far apart
	biasBin        = 0.01 // of the histogram of logarithms
	biasWidth      = 0.15 // full width at half maximum of the blur that is taken out
	biasWiener     = 0.01 // Wiener's noise
	biasConverged  = 1e-4 // root mean square by which an iteration changes the field
	biasIterations = 80   // at most, in each level
	biasRelax      = 1.5  // over-relaxation: a step goes so much farther than the fit
	biasStiffness  = 2e-3 // of the penalty on a step
	biasTypical    = 0.3  // distance of logarithms from the middle from which a sample hardly counts
)

// biasSpansMM are the distances of control points in each level.
var biasSpansMM = []float64{160, 80, 40, 30}

// BiasField finds the multiplicative field of a scan from its intensities inside a mask, which
// is on its grid: the brain, or where that is not known the head. Its mean logarithm there is 0.
func BiasField(v *volume.Volume, mask *volume.Mask) (*Field, error) {
	s, err := newBiasSamples(v, mask)
	if err != nil {
		return nil, err
	}
	logs, all, err := s.logs(v, mask)
	if err != nil {
		return nil, err
	}
	f := &Field{grid: v.Grid}
	field := make([]float64, len(logs))
	rest := make([]float64, len(logs))
	sharp := newSharpener()
	for level, mm := range biasSpansMM {
		sp := s.spline(f, mm)
		w := all
		if level > 0 { // before, a strong field looks like lesions and fluid
			w = typical(logs, field, all)
		}
		fit := sp.normal(w, biasStiffness)
		// What the level before found, with the control points of this one.
		for i, v := range field {
			rest[i] = w[i] * v
		}
		f.coef = sp.normal(w, biasStiffness/1000).solve(sp.project(rest))
		for range biasIterations {
			expected := sharp.expected(logs, field, w)
			for i, e := range expected {
				rest[i] = w[i] * (logs[i] - field[i] - e)
			}
			for i, c := range fit.solve(sp.project(rest)) {
				f.coef[i] += biasRelax * c
			}
			sp.evalAll(f.coef, rest)
			if centre(rest, w, f.coef); change(field, rest, w) < biasConverged {
				break
			}
		}
	}
	return f, nil
}

// typical is the weights lowered where a sample is, but for the field, much brighter or
// darker than most: lesions and fluid, which are no measure of the field.
func typical(logs, field, all []float64) []float64 {
	var rest []float32
	for i, w := range all {
		if w > 0 {
			rest = append(rest, float32(logs[i]-field[i]))
		}
	}
	middle := volume.Percentile(rest, 50)
	w := make([]float64, len(all))
	for i := range w {
		if all[i] > 0 {
			d := (logs[i] - field[i] - middle) / biasTypical
			w[i] = all[i] * math.Exp(-d*d*d*d)
		}
	}
	return w
}

// centre takes the weighted mean off values and off their spline's control points.
func centre(values, w, coef []float64) {
	sum, n := 0.0, 0.0
	for i, v := range values {
		sum += w[i] * v
		n += w[i]
	}
	for i := range values {
		values[i] -= sum / n
	}
	for i := range coef {
		coef[i] -= sum / n
	}
}

// change copies values over old, and is the weighted root of the mean square of what that
// changes.
func change(old, values, w []float64) float64 {
	sum, n := 0.0, 0.0
	for i, v := range values {
		d := v - old[i]
		sum += w[i] * d * d
		n += w[i]
		old[i] = v
	}
	return math.Sqrt(sum / n)
}

// biasSamples are boxes of voxels around a mask.
type biasSamples struct {
	lo, hi [3]int // the mask's bounds in voxels
	step   [3]int // edge of a box in voxels
	n      [3]int // boxes along each axis
	mm     [3]float64
}

func newBiasSamples(v *volume.Volume, mask *volume.Mask) (*biasSamples, error) {
	if err := v.CheckFinite(); err != nil {
		return nil, err
	}
	if err := volume.SameSpace(v, mask); err != nil {
		return nil, err
	}
	s := &biasSamples{mm: v.Spacing()}
	s.lo, s.hi = mask.Bounds()
	for a, mm := range s.mm {
		s.step[a] = max(1, int(math.Round(biasSampleMM/mm)))
		s.n[a] = (s.hi[a] - s.lo[a] + s.step[a] - 1) / s.step[a]
	}
	return s, nil
}

// spline is the one on the samples with control points about mm apart, which becomes the field's.
func (s *biasSamples) spline(f *Field, mm float64) *spline {
	sp := &spline{}
	for a := range 3 {
		extent := float64(s.hi[a] - 1 - s.lo[a])
		f.axes[a] = knots{float64(s.lo[a]), float64(s.hi[a] - 1), max(1, int(math.Round(extent*s.mm[a]/mm)))}
		step := float64(s.step[a])
		sp.axes[a] = f.axes[a].basis(float64(s.lo[a])+(step-1)/2, step, s.n[a])
	}
	return sp
}

// leastLogs is how many samples a field is found from.
const leastLogs = 50

// logs are the logarithms of the samples' mean intensities in the mask, with weights.
func (s *biasSamples) logs(v *volume.Volume, mask *volume.Mask) (logs, w []float64, err error) {
	logs, w = s.means(v, mask)
	var positive []float32
	for i, x := range logs {
		if w[i] > 0 {
			positive = append(positive, float32(x))
		}
	}
	if len(positive) < leastLogs {
		return nil, nil, fmt.Errorf("%s: %d samples of the mask are above 0, too few to find a bias field from: is the image empty, or the mask another one's?", v.Name(), len(positive))
	}
	middle := volume.Percentile(positive, 50)
	for i, x := range logs {
		if w[i] > 0 {
			w[i] *= min(1, x*x/(middle*middle))
			logs[i] = math.Log(x)
		}
	}
	return logs, w, nil
}

// means are the mean intensities in the mask of the samples, and the share of each that is
// there; both are 0 where no voxel is above 0.
func (s *biasSamples) means(v *volume.Volume, mask *volume.Mask) (mean, share []float64) {
	n := s.n[0] * s.n[1] * s.n[2]
	mean, share = make([]float64, n), make([]float64, n)
	box := float64(s.step[0] * s.step[1] * s.step[2])
	par.For(s.n[2], func(k int) {
		for dz := range s.step[2] {
			z := s.lo[2] + k*s.step[2] + dz
			if z >= s.hi[2] {
				break
			}
			for y := s.lo[1]; y < s.hi[1]; y++ {
				row := (k*s.n[1] + (y-s.lo[1])/s.step[1]) * s.n[0]
				at := v.Index(0, y, z)
				for x := s.lo[0]; x < s.hi[0]; x++ {
					if f := v.Data[at+x]; mask.Data[at+x] && f > 0 {
						i := row + (x-s.lo[0])/s.step[0]
						mean[i] += float64(f)
						share[i]++
					}
				}
			}
		}
		for i := k * s.n[0] * s.n[1]; i < (k+1)*s.n[0]*s.n[1]; i++ {
			if share[i] > 0 {
				mean[i] /= share[i]
				share[i] /= box
			}
		}
	})
	return mean, share
}

// sharpener takes the blur of a histogram out.
type sharpener struct {
	blur, wiener []float64 // kernels: value at distance 0, 1, … bins
}

func newSharpener() *sharpener {
	const n = 1024 // period of the transforms, in bins
	sigma := biasWidth / (2 * math.Sqrt(2*math.Ln2)) / biasBin
	s := &sharpener{make([]float64, n/4), make([]float64, n/4)}
	for d := range s.blur {
		s.blur[d] = math.Exp(-float64(d*d)/(2*sigma*sigma)) / (sigma * math.Sqrt(2*math.Pi))
		for k := range n {
			q := float64(min(k, n-k)) * 2 * math.Pi / n * sigma
			t := math.Exp(-q * q / 2) // the transform of the blur
			s.wiener[d] += math.Cos(2*math.Pi*float64(k*d%n)/n) * t / (t*t + biasWiener) / n
		}
	}
	return s
}

// convolve is the convolution of a histogram with a symmetric kernel.
func convolve(h, kernel []float64) []float64 {
	out := make([]float64, len(h))
	for i := range out {
		sum := h[i] * kernel[0]
		for d := 1; d < len(kernel); d++ {
			if i >= d {
				sum += kernel[d] * h[i-d]
			}
			if i+d < len(h) {
				sum += kernel[d] * h[i+d]
			}
		}
		out[i] = sum
	}
	return out
}

// expected is, for each sample, the expected logarithm of the anatomy given that of the scan
// less the field.
func (s *sharpener) expected(logs, field, w []float64) []float64 {
	lo, hi := math.Inf(1), math.Inf(-1)
	for i, l := range logs {
		if w[i] > 0 {
			lo, hi = min(lo, l-field[i]), max(hi, l-field[i])
		}
	}
	const margin = 20 // bins
	lo -= margin * biasBin
	bins := min(int((hi-lo)/biasBin)+2+margin, 4000)
	h := make([]float64, bins)
	place := func(i int) (int, float64) {
		x := min(max((logs[i]-field[i]-lo)/biasBin, 0), float64(bins-2))
		b := int(x)
		return b, x - float64(b)
	}
	for i := range logs {
		if w[i] > 0 {
			b, t := place(i)
			h[b] += w[i] * (1 - t)
			h[b+1] += w[i] * t
		}
	}
	u := convolve(h, s.wiener)
	moment := make([]float64, bins)
	for b := range u {
		u[b] = max(u[b], 0)
		moment[b] = u[b] * (lo + float64(b)*biasBin)
	}
	above, below := convolve(moment, s.blur), convolve(u, s.blur)
	for b := range above {
		if below[b] > 1e-12 {
			above[b] /= below[b]
		} else {
			above[b] = lo + float64(b)*biasBin
		}
	}
	out := make([]float64, len(logs))
	for i := range out {
		if w[i] > 0 {
			b, t := place(i)
			out[i] = above[b]*(1-t) + above[b+1]*t
		}
	}
	return out
}
