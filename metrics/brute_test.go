package metrics

import (
	"cmp"
	"math"
	"slices"

	"voxgrad/volume"
)

// The definitions, spelled out over all pairs of voxels. Masks here are slices
// of labels 0, 1, 2, … with 0 as the background.

type point [3]int

func pointsOf(size [3]int, keep func(x int, p point) bool) []point {
	var out []point
	g := volume.Grid{Size: size}
	for k := range size[2] {
		for j := range size[1] {
			for i := range size[0] {
				if p := (point{i, j, k}); keep(g.Index(i, j, k), p) {
					out = append(out, p)
				}
			}
		}
	}
	return out
}

// anyNeighbour reports whether test holds for a neighbour of p inside the image.
func anyNeighbour(size [3]int, p point, faces bool, test func(x int) bool) bool {
	g := volume.Grid{Size: size}
	for a := -1; a <= 1; a++ {
		for b := -1; b <= 1; b++ {
			for c := -1; c <= 1; c++ {
				steps := a*a + b*b + c*c
				i, j, k := p[0]+a, p[1]+b, p[2]+c
				if steps == 0 || faces && steps > 1 ||
					i < 0 || j < 0 || k < 0 || i >= size[0] || j >= size[1] || k >= size[2] {
					continue
				}
				if test(g.Index(i, j, k)) {
					return true
				}
			}
		}
	}
	return false
}

func bruteDistance(p, q point, spacing [3]float64) float64 {
	s := 0.0
	for d := range 3 {
		v := float64(p[d]-q[d]) * spacing[d]
		s += v * v
	}
	return math.Sqrt(s)
}

// bruteDistances are from each of a to the nearest of b.
func bruteDistances(a, b []point, spacing [3]float64) []float64 {
	out := make([]float64, len(a))
	for n, p := range a {
		out[n] = math.Inf(1)
		for _, q := range b {
			out[n] = min(out[n], bruteDistance(p, q, spacing))
		}
	}
	return out
}

// bruteSurface is Hausdorff, ContourMean, Average and the tool's SurfaceDistance.
func bruteSurface(truth, pred []int, labels int, size [3]int, spacing [3]float64) [4]float64 {
	masks := [2][]int{truth, pred}
	var all, rims [2][]point
	perLabel := make([][2][]point, labels+1)
	for s, m := range masks {
		all[s] = pointsOf(size, func(x int, _ point) bool { return m[x] != 0 })
		onContour := make([]bool, len(m))
		contour := pointsOf(size, func(x int, p point) bool {
			onContour[x] = m[x] != 0 && anyNeighbour(size, p, true, func(y int) bool { return m[y] != m[x] })
			return onContour[x]
		})
		g := volume.Grid{Size: size}
		for _, p := range contour {
			if anyNeighbour(size, p, false, func(y int) bool { return !onContour[y] }) {
				rims[s] = append(rims[s], p)
			}
			l := m[g.Index(p[0], p[1], p[2])]
			perLabel[l][s] = append(perLabel[l][s], p)
		}
	}
	both := func(a [2][]point) [2][]float64 {
		return [2][]float64{bruteDistances(a[0], a[1], spacing), bruteDistances(a[1], a[0], spacing)}
	}
	h, c := both(all), both(rims)
	out := [4]float64{max(slices.Max(h[0]), slices.Max(h[1])), 0, 0, 0}
	n := 0
	for _, d := range c {
		s := 0.0
		for _, v := range d {
			s += v
		}
		out[1] = max(out[1], s/float64(len(d)))
	}
	for l := 1; l <= labels; l++ {
		for _, d := range both(perLabel[l]) {
			for k, v := range d {
				out[2] += v
				out[3] += slices.Min(d[:k+1])
				n++
			}
		}
	}
	out[2] /= float64(n)
	out[3] /= float64(n)
	return out
}

// bruteVoxel adds up label by label.
func bruteVoxel(truth, pred []int, labels int) Voxel {
	var i, u, fp, fn, tn, t, p float64
	for x := range truth {
		if truth[x] == 0 && pred[x] == 0 {
			tn++
		}
		for l := 1; l <= labels; l++ {
			switch a, b := truth[x] == l, pred[x] == l; {
			case a && b:
				i, u, t, p = i+1, u+1, t+1, p+1
			case a:
				fn, u, t = fn+1, u+1, t+1
			case b:
				fp, u, p = fp+1, u+1, p+1
			}
		}
	}
	k := float64(labels)
	return Voxel{
		Jaccard: i / u, Dice: 2 * (i / u) / (1 + i/u), Sensitivity: i / (i + fn), PPV: i / (i + fp),
		Specificity: tn / (tn + fp/k), NPV: tn / (tn + fn/k), RelativeVolumeError: 100 * (p - t) / t,
	}
}

// bruteLesions are the kept components as sets of voxels, in order.
func bruteLesions(mask []int, size [3]int, least int) []map[int]bool {
	g := volume.Grid{Size: size}
	seen := map[int]bool{}
	var out []map[int]bool
	var first []int
	for start := range mask {
		if mask[start] == 0 || seen[start] {
			continue
		}
		set, todo := map[int]bool{start: true}, []int{start}
		seen[start] = true
		for len(todo) > 0 {
			x := todo[0]
			todo = todo[1:]
			i, j, k := place(x, size)
			for _, y := range pointsOf(size, func(y int, p point) bool {
				step := func(a, b int) int { return (a - b) * (a - b) }
				return mask[y] != 0 && !seen[y] && step(p[0], i)+step(p[1], j)+step(p[2], k) == 1
			}) {
				n := g.Index(y[0], y[1], y[2])
				seen[n], set[n] = true, true
				todo = append(todo, n)
			}
		}
		if len(set) >= least {
			out = append(out, set)
			first = append(first, start)
		}
	}
	order := make([]int, len(out))
	for n := range order {
		order[n] = n
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(len(out[b]), len(out[a])), cmp.Compare(first[a], first[b]))
	})
	sorted := make([]map[int]bool, len(out))
	for n, o := range order {
		sorted[n] = out[o]
	}
	return sorted
}

// bruteDetected walks the full table, zeros included, as the specification says.
func bruteDetected(judged, others []map[int]bool, o Options) []bool {
	r, t := len(judged), len(others)
	table := make([][]int, r+1) // table[0][j]: outside all judged
	for i := range table {
		table[i] = make([]int, t+1)
	}
	common := func(a, b map[int]bool) (n int) {
		for x := range a {
			if b[x] {
				n++
			}
		}
		return n
	}
	for j, b := range others {
		table[0][j+1] = len(b)
		for i, a := range judged {
			table[i+1][j+1] = common(a, b)
			table[0][j+1] -= table[i+1][j+1]
		}
	}
	out := make([]bool, r)
	for i := 1; i <= r && t > 0; i++ {
		inside := 0
		order := []int{}
		for j := 1; j <= t; j++ {
			inside += table[i][j]
			order = append(order, j)
		}
		if !(float64(inside)/float64(len(judged[i-1])) > o.Alpha) {
			continue
		}
		slices.SortStableFunc(order, func(a, b int) int { return table[i][b] - table[i][a] })
		s, ok := 0.0, true
		for _, j := range order {
			if s >= o.Gamma {
				break
			}
			if float64(table[0][j])/float64(len(others[j-1])) > o.Beta {
				ok = false
				break
			}
			s += float64(table[i][j]) / float64(inside)
		}
		out[i-1] = ok
	}
	return out
}
