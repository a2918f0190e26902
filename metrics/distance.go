package metrics

import (
	"math"

	"voxgrad/internal/par"
)

// columnBlock is how many columns are gathered together: a few cache lines.
const columnBlock = 64

// nearest returns, for each query voxel, the distance in mm to the nearest site.
// Both are raster offsets in ascending order; sites must not be empty.
//
// It is an exact Euclidean distance transform by separable lower envelopes of
// parabolas (Felzenszwalb and Huttenlocher, "Distance Transforms of Sampled
// Functions", 2012): along x within the rows that hold sites, along y within the
// slices that hold any, along z in the columns that hold queries. Rows, slices
// and columns without any are never visited, so that the time is linear in the
// voxels between sites and queries, however large the image.
func nearest(sites, queries []int32, size [3]int, spacing [3]float64) []float64 {
	out := make([]float64, len(queries))
	if len(queries) == 0 {
		return out
	}
	cols := findColumns(queries, size)
	zs, starts := groups(sites, size[0]*size[1])
	flat := make([]float64, len(zs)*cols.count())
	scratch := make([]sliceScratch, par.Threads())
	par.ForWorker(len(zs), func(worker, s int) {
		row := flat[s*cols.count() : (s+1)*cols.count()]
		scratch[worker].distances(row, sites[starts[s]:starts[s+1]], cols, size, spacing)
	})
	par.Chunks(cols.count(), columnBlock, func(lo, hi int) {
		finish(out, queries, flat, cols, zs, lo, hi, size, spacing[2])
	})
	return out
}

// groups cuts ascending offsets into those with the same quotient by unit: the
// quotients, and where each group starts, with the end as the last element.
func groups(offsets []int32, unit int) (quotients, starts []int) {
	last := -1
	for n, x := range offsets {
		if q := int(x) / unit; q != last {
			quotients = append(quotients, q)
			starts = append(starts, n)
			last = q
		}
	}
	return quotients, append(starts, len(offsets))
}

// columns are the lines along z that hold queries, ordered by x, then y.
type columns struct {
	xs      []int   // the different x
	xStarts []int   // columns xStarts[n] ≤ c < xStarts[n+1] have xs[n]
	ys      []int   // of each column
	starts  []int   // queries byColumn[starts[c]:starts[c+1]] lie in column c
	byCol   []int32 // numbers of queries, by column, then z
}

func (c *columns) count() int { return len(c.ys) }

func findColumns(queries []int32, size [3]int) *columns {
	ny := size[1]
	number := make([]int32, size[0]*ny) // first queries in the column at x·ny+y, then its number
	key := func(q int32) int {
		i, j, _ := place(int(q), size)
		return i*ny + j
	}
	for _, q := range queries {
		number[key(q)]++
	}
	c := &columns{byCol: make([]int32, len(queries))}
	total := 0
	for at, n := range number {
		if n == 0 {
			continue
		}
		if x := at / ny; len(c.xs) == 0 || c.xs[len(c.xs)-1] != x {
			c.xs = append(c.xs, x)
			c.xStarts = append(c.xStarts, len(c.ys))
		}
		number[at] = int32(len(c.ys))
		c.ys = append(c.ys, at%ny)
		c.starts = append(c.starts, total)
		total += int(n)
	}
	c.xStarts = append(c.xStarts, len(c.ys))
	fill := append([]int(nil), c.starts...)
	c.starts = append(c.starts, total)
	for n, q := range queries {
		col := number[key(q)]
		c.byCol[fill[col]] = int32(n)
		fill[col]++
	}
	return c
}

// sliceScratch is memory for one slice after another.
type sliceScratch struct {
	rows []float64 // [row with sites][x]: squared distance along x
	f    []float64 // the rows at one x
	env  envelope
}

// distances sets out[c] to the squared distance from column c to the nearest of
// the sites of one slice, within that slice.
func (s *sliceScratch) distances(out []float64, sites []int32, cols *columns, size [3]int, spacing [3]float64) {
	nx := size[0]
	rowNumbers, starts := groups(sites, nx)
	if need := len(rowNumbers) * nx; cap(s.rows) < need {
		s.rows = make([]float64, nx*size[1])
	}
	ys := rowNumbers
	for r, row := range rowNumbers {
		rowDistances(s.rows[r*nx:(r+1)*nx], sites[starts[r]:starts[r+1]], row*nx, spacing[0])
		ys[r] = row % size[1]
	}
	s.env.prepare(ys, spacing[1])
	s.f = grow(s.f, len(ys))
	for n, x := range cols.xs {
		for r := range ys {
			s.f[r] = s.rows[r*nx+x]
		}
		s.env.build(s.f)
		for c := cols.xStarts[n]; c < cols.xStarts[n+1]; c++ {
			out[c] = s.env.at(cols.ys[c])
		}
	}
}

// rowDistances sets row[x] to the squared distance to the nearest site of the row
// that starts at offset base.
func rowDistances(row []float64, sites []int32, base int, spacing float64) {
	x := 0
	for n, s := range sites {
		site, end := int(s)-base, len(row)
		if n+1 < len(sites) {
			end = (site+int(sites[n+1])-base)/2 + 1 // halfway to the next
		}
		for ; x < end; x++ {
			d := float64(x-site) * spacing
			row[x] = d * d
		}
	}
}

// finish adds the third axis in columns lo ≤ c < hi and takes the roots.
func finish(out []float64, queries []int32, flat []float64, cols *columns, zs []int, lo, hi int, size [3]int, spacing float64) {
	block := make([]float64, (hi-lo)*len(zs)) // [column][slice]
	for s := range zs {
		for c, d := range flat[s*cols.count()+lo : s*cols.count()+hi] {
			block[c*len(zs)+s] = d
		}
	}
	var env envelope
	env.prepare(zs, spacing)
	for c := lo; c < hi; c++ {
		env.build(block[(c-lo)*len(zs) : (c-lo+1)*len(zs)])
		for _, n := range cols.byCol[cols.starts[c]:cols.starts[c+1]] {
			out[n] = math.Sqrt(env.at(int(queries[n]) / (size[0] * size[1])))
		}
	}
}

// envelope is the minimum over n of f[n] + (spacing·(t − pos[n]))² as a function
// of t: the lower envelope of parabolas of equal width. prepare sets positions and
// spacing, build the heights; at then gives the value for ascending t.
type envelope struct {
	pos     []int
	squared float64   // spacing²
	shift   []float64 // [d]: 1 / (2·spacing²·d)
	f       []float64
	vertex  []int32   // the parabolas that are lowest somewhere, from left to right
	from    []float64 // where each starts to be
	n       int       // how many of them
	cur     int       // the one that at looked at last
}

// prepare sets the positions, which must ascend.
func (e *envelope) prepare(pos []int, spacing float64) {
	e.pos, e.squared = pos, spacing*spacing
	reach := pos[len(pos)-1] - pos[0] + 1
	e.shift = grow(e.shift, reach)
	for d := 1; d < reach; d++ {
		e.shift[d] = 1 / (2 * e.squared * float64(d))
	}
	e.vertex = grow(e.vertex, len(pos))
	e.from = grow(e.from, len(pos))
}

// build finds the envelope for heights f ≥ 0.
//
// Parabolas q < r cross at (q+r)/2 + (f[r]−f[q]) / (2·spacing²·(r−q)). Written so,
// the rounding error in the crossing changes a value near it by a few units in the
// last place of f, whatever the distance from the origin.
func (e *envelope) build(f []float64) {
	e.f, e.cur = f, 0
	e.vertex[0], e.from[0] = 0, math.Inf(-1)
	k := 0
	for r := 1; r < len(f); r++ {
		for {
			q := e.vertex[k]
			d := e.pos[r] - e.pos[q]
			x := float64(e.pos[r]+e.pos[q])*0.5 + float64((f[r]-f[q])*e.shift[d])
			if x > e.from[k] {
				k++
				e.vertex[k], e.from[k] = int32(r), x
				break
			}
			k-- // never below 0: from[0] is −∞
		}
	}
	e.n = k + 1
}

// at is the envelope at t, which must not be below the t of the call before.
func (e *envelope) at(t int) float64 {
	for e.cur+1 < e.n && e.from[e.cur+1] < float64(t) {
		e.cur++
	}
	q := e.vertex[e.cur]
	d := float64(t - e.pos[q])
	// The conversion forbids a fused multiply-add: the same bits on every machine.
	return float64(e.squared*(d*d)) + e.f[q]
}

// grow is s with length n; what it holds is lost when it must be made anew.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
