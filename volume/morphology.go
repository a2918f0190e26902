package volume

import (
	"fmt"
	"math"
	"slices"

	"github.com/chewxy/math32"

	"voxgrad/internal/par"
)

// Component is one connected component of a mask.
type Component struct {
	Label    int32      // its value in the label image; components are numbered 1, 2, …
	Voxels   int        // how many voxels it has
	First    int        // raster offset of its first voxel (i fastest, then j, then k)
	Min, Max [3]int     // bounding box in voxels, both ends inside
	Centroid [3]float64 // mean voxel indices
}

// Components finds the connected components of the true voxels of mask, which
// has size[0]·size[1]·size[2] elements, i fastest. Connectivity is 6 (voxels that
// share a face), 18 (a face or an edge) or 26 (a face, an edge or a corner).
//
// labels[x] is 0 where mask[x] is false and else the Label of the component;
// comps[n] has Label n+1. Components are ordered by decreasing number of voxels,
// equal ones by First.
//
// It joins runs of true voxels along i with those of the rows before (union-find
// with the smaller run as the root), so that its time is one pass over the mask
// plus a little per run.
func Components(mask []bool, size [3]int, connectivity int) (labels []int32, comps []Component, err error) {
	if err := checkMask(len(mask), size); err != nil {
		return nil, nil, fmt.Errorf("connected components: %w", err)
	}
	if connectivity != 6 && connectivity != 18 && connectivity != 26 {
		return nil, nil, fmt.Errorf("connected components: connectivity %d: it must be 6, 18 or 26", connectivity)
	}
	runs, rows := findRuns(mask, size)
	parent := joinRuns(runs, rows, size, connectivity)
	comps, ids := gather(runs, rows, parent, size)

	// Rank the components, then write each run's label. gather numbers them by
	// first voxel, so that one number holds the whole order.
	order := make([]uint64, len(comps))
	for n, c := range comps {
		order[n] = uint64(len(mask)-c.Voxels)<<32 | uint64(n)
	}
	slices.Sort(order)
	sorted := make([]Component, len(comps))
	rank := make([]int32, len(comps))
	for n, key := range order {
		id := uint32(key)
		rank[id] = int32(n) + 1
		sorted[n] = comps[id]
		sorted[n].Label = int32(n) + 1
	}
	labels = make([]int32, len(mask))
	for row := range len(rows) - 1 {
		base := row * size[0]
		for r := rows[row]; r < rows[row+1]; r++ {
			l := rank[ids[r]]
			for x := base + int(runs[r].lo); x < base+int(runs[r].hi); x++ {
				labels[x] = l
			}
		}
	}
	return labels, sorted, nil
}

// KeepLarger is a copy of mask without the components of fewer than minVoxels
// voxels.
func KeepLarger(mask []bool, size [3]int, connectivity, minVoxels int) ([]bool, error) {
	labels, comps, err := Components(mask, size, connectivity)
	if err != nil {
		return nil, err
	}
	// Components come by decreasing size, so that the kept labels are 1..kept.
	kept := int32(0)
	for kept < int32(len(comps)) && comps[kept].Voxels >= minVoxels {
		kept++
	}
	out := make([]bool, len(mask))
	for x, l := range labels {
		out[x] = l > 0 && l <= kept
	}
	return out, nil
}

// checkMask is what is wrong with n voxels as a mask of that size, if anything.
func checkMask(n int, size [3]int) error {
	if size[0] < 1 || size[1] < 1 || size[2] < 1 {
		return fmt.Errorf("size %s: every side must be at least 1", times(size))
	}
	if n != size[0]*size[1]*size[2] {
		return fmt.Errorf("a mask of %d voxels does not have the size %s", n, times(size))
	}
	if n > math.MaxInt32 {
		return fmt.Errorf("a mask of %d voxels: more than %d are not supported", n, math.MaxInt32)
	}
	return nil
}

// run is voxels lo ≤ i < hi of one row.
type run struct{ lo, hi int32 }

// findRuns lists the runs of true voxels in raster order; those of row
// k·size[1]+j are runs[rows[row]:rows[row+1]].
func findRuns(mask []bool, size [3]int) (runs []run, rows []int) {
	n := size[1] * size[2]
	rows = make([]int, n+1)
	for row := range n {
		line := mask[row*size[0] : (row+1)*size[0]]
		for i := 0; i < len(line); i++ {
			if !line[i] {
				continue
			}
			lo := i
			for i < len(line) && line[i] {
				i++
			}
			runs = append(runs, run{int32(lo), int32(i)})
		}
		rows[row+1] = len(runs)
	}
	return runs, rows
}

// joinRuns is the union-find forest of touching runs: parent[r] ≤ r, and a root
// is its own parent.
func joinRuns(runs []run, rows []int, size [3]int, connectivity int) []int32 {
	parent := make([]int32, len(runs))
	for r := range parent {
		parent[r] = int32(r)
	}
	// Two rows touch where their runs, one of them widened by reach, overlap.
	join := func(a, b int, reach int32) {
		p, q := rows[a], rows[b]
		for p < rows[a+1] && q < rows[b+1] {
			switch {
			case runs[p].hi+reach <= runs[q].lo:
				p++
			case runs[q].hi+reach <= runs[p].lo:
				q++
			default:
				union(parent, int32(p), int32(q))
				if runs[p].hi < runs[q].hi {
					p++
				} else {
					q++
				}
			}
		}
	}
	straight, diagonal := int32(0), int32(-1) // -1: not neighbours at all
	switch connectivity {
	case 18:
		straight, diagonal = 1, 0
	case 26:
		straight, diagonal = 1, 1
	}
	for k := range size[2] {
		for j := range size[1] {
			row := k*size[1] + j
			if rows[row] == rows[row+1] {
				continue
			}
			if j > 0 {
				join(row, row-1, straight)
			}
			if k == 0 {
				continue
			}
			below := row - size[1]
			join(row, below, straight)
			if diagonal >= 0 && j > 0 {
				join(row, below-1, diagonal)
			}
			if diagonal >= 0 && j < size[1]-1 {
				join(row, below+1, diagonal)
			}
		}
	}
	return parent
}

func union(parent []int32, a, b int32) {
	a, b = root(parent, a), root(parent, b)
	if a < b {
		parent[b] = a
	} else {
		parent[a] = b
	}
}

// root halves the path on its way up.
func root(parent []int32, a int32) int32 {
	for parent[a] != a {
		parent[a] = parent[parent[a]]
		a = parent[a]
	}
	return a
}

// gather measures every component, in the order of first voxels, and says which
// one each run belongs to.
func gather(runs []run, rows []int, parent []int32, size [3]int) (comps []Component, ids []int32) {
	ids = make([]int32, len(runs))
	for row := range len(rows) - 1 {
		j, k := row%size[1], row/size[1]
		for r := rows[row]; r < rows[row+1]; r++ {
			lo, hi := int(runs[r].lo), int(runs[r].hi)
			id := int32(len(comps))
			if top := root(parent, int32(r)); top < int32(r) {
				id = ids[top]
			} else {
				at := [3]int{lo, j, k}
				comps = append(comps, Component{First: row*size[0] + lo, Min: at, Max: at})
			}
			ids[r] = id
			c := &comps[id]
			n := hi - lo
			c.Voxels += n
			for d, ends := range [3][2]int{{lo, hi - 1}, {j, j}, {k, k}} {
				c.Min[d] = min(c.Min[d], ends[0])
				c.Max[d] = max(c.Max[d], ends[1])
				// Sums of indices are whole numbers below 2^53: exact.
				c.Centroid[d] += float64(ends[0]+ends[1]) / 2 * float64(n)
			}
		}
	}
	for c := range comps {
		for d := range 3 {
			comps[c].Centroid[d] /= float64(comps[c].Voxels)
		}
	}
	return comps, ids
}

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
