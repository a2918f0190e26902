package volume

import (
	"fmt"
	"math"

	"github.com/chewxy/math32"

	"voxgrad/internal/par"
)

// Voxels is the spacing for distances counted in voxels instead of millimetres.
var Voxels = [3]float64{1, 1, 1}

// Distance is, for every voxel, the Euclidean distance between its centre and that
// of the nearest true voxel of mask, in the unit of spacing; +Inf where mask has
// none. The time is linear in the number of voxels: one lower envelope of
// parabolas per line and axis (Felzenszwalb and Huttenlocher, "Distance transforms
// of sampled functions", Theory of Computing 2012).
func Distance(mask []bool, size [3]int, spacing [3]float64) ([]float32, error) {
	d, err := squaredDistance(mask, size, spacing, math.Inf(1))
	if err != nil {
		return nil, err
	}
	for x, f := range d {
		d[x] = math32.Sqrt(f)
	}
	return d, nil
}

// Dilate is true wherever mask has a true voxel within radius, in the unit of
// spacing (use Voxels for a radius in voxels).
func Dilate(mask []bool, size [3]int, spacing [3]float64, radius float64) ([]bool, error) {
	d, err := squaredDistance(mask, size, spacing, math.Inf(1))
	if err != nil {
		return nil, fmt.Errorf("dilation: %w", err)
	}
	if err := checkRadius(radius); err != nil {
		return nil, fmt.Errorf("dilation: %w", err)
	}
	out := make([]bool, len(mask))
	limit := squareLimit(radius)
	for x, f := range d {
		out[x] = f <= limit
	}
	return out, nil
}

// Erode is true where no false voxel is within radius, in the unit of spacing.
// Everything outside the image counts as false.
func Erode(mask []bool, size [3]int, spacing [3]float64, radius float64) ([]bool, error) {
	outside := make([]bool, len(mask))
	for x, m := range mask {
		outside[x] = !m
	}
	d, err := squaredDistance(outside, size, spacing, 0)
	if err != nil {
		return nil, fmt.Errorf("erosion: %w", err)
	}
	if err := checkRadius(radius); err != nil {
		return nil, fmt.Errorf("erosion: %w", err)
	}
	limit := squareLimit(radius)
	for x, f := range d {
		outside[x] = f > limit
	}
	return outside, nil
}

// FillHoles is mask with every false voxel set that no path over faces connects
// to the border of the image.
func FillHoles(mask []bool, size [3]int) ([]bool, error) {
	inverse := make([]bool, len(mask))
	for x, m := range mask {
		inverse[x] = !m
	}
	labels, comps, err := Components(inverse, size, 6)
	if err != nil {
		return nil, fmt.Errorf("filling holes: %w", err)
	}
	hole := make([]bool, len(comps)+1)
	for _, c := range comps {
		inside := true
		for d := range 3 {
			inside = inside && c.Min[d] > 0 && c.Max[d] < size[d]-1
		}
		hole[c.Label] = inside
	}
	for x, m := range mask {
		inverse[x] = m || hole[labels[x]]
	}
	return inverse, nil
}

func checkRadius(radius float64) error {
	if !(radius >= 0) || math.IsInf(radius, 0) {
		return fmt.Errorf("radius %g: it must be 0 or more", radius)
	}
	return nil
}

// squareLimit is the squared radius with room for the rounding of sums such as
// three steps of 0.7 mm against 2.1 mm.
func squareLimit(radius float64) float32 { return float32(radius * radius * (1 + 1e-6)) }

// squaredDistance is the square of Distance. border is the squared distance that
// voxels one step outside the image have: 0 if they count as true, +Inf if not.
func squaredDistance(mask []bool, size [3]int, spacing [3]float64, border float64) ([]float32, error) {
	if err := checkMask(len(mask), size); err != nil {
		return nil, err
	}
	for _, s := range spacing {
		if !(s > 0) || math.IsInf(s, 0) {
			return nil, fmt.Errorf("voxel size %g: it must be above 0", s)
		}
	}
	d := make([]float32, len(mask))
	for x, m := range mask {
		if !m {
			d[x] = float32(math.Inf(1))
		}
	}
	stride := [3]int{1, size[0], size[0] * size[1]}
	for axis := range 3 {
		n, step := size[axis], stride[axis]
		// Lines along axis, in groups that lie side by side in memory.
		inner, outer := step, len(mask)/(step*n)
		group := inner
		if axis == 0 {
			inner, outer, group = outer, 1, 64
		}
		par.For(outer*((inner+group-1)/group), func(job int) {
			e := newEnvelope(n, spacing[axis], border)
			groups := (inner + group - 1) / group
			for l := job % groups * group; l < min(inner, (job%groups+1)*group); l++ {
				start := job/groups*step*n + l
				if axis == 0 {
					start = l * n
				}
				e.line(d[start:], step)
			}
		})
	}
	return d, nil
}

// envelope is scratch memory for lines of n voxels.
type envelope struct {
	n       int
	spacing float64
	border  float64
	f       []float64 // squared distances so far, with a voxel more at both ends
	at      []int     // places of the parabolas of the lower envelope
	from    []float64 // where each begins to be the lowest
}

func newEnvelope(n int, spacing, border float64) *envelope {
	return &envelope{
		n: n, spacing: spacing, border: border,
		f: make([]float64, n+2), at: make([]int, n+2), from: make([]float64, n+2),
	}
}

// line replaces the n values d[0], d[step], … by the lower envelope of the
// parabolas that stand on them.
func (e *envelope) line(d []float32, step int) {
	some := e.border == 0
	f := e.f
	f[0], f[e.n+1] = e.border, e.border
	for i := range e.n {
		f[i+1] = float64(d[i*step])
		some = some || f[i+1] < math.Inf(1)
	}
	if !some {
		return
	}
	ss := e.spacing * e.spacing
	last := -1
	for q := range f {
		if math.IsInf(f[q], 1) {
			continue
		}
		begin := math.Inf(-1)
		for last >= 0 {
			p := e.at[last]
			begin = (float64(p+q) + (f[q]-f[p])/(ss*float64(q-p))) / 2
			if begin > e.from[last] {
				break
			}
			begin = math.Inf(-1)
			last--
		}
		last++
		e.at[last], e.from[last] = q, begin
	}
	n := 0
	for i := range e.n {
		x := float64(i + 1)
		for n < last && e.from[n+1] <= x {
			n++
		}
		gap := x - float64(e.at[n])
		d[i*step] = float32(gap*gap*ss + f[e.at[n]])
	}
}
