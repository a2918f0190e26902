package synth

import (
	"math"

	"voxgrad/augment"
)

// A vessel is drawn in steps of so many voxels, and turns by a standard deviation of so much at each.
const (
	vesselStep = 0.5
	vesselTurn = 0.12
)

// vessels draws thin bright tubes, dots where they are short, into the brightness of each time point. A vessel is at one place in all of
// them, but flow makes it bright in one and not in the other. Lesions and masks do not know of them.
func (l LesionOptions) vessels(s *augment.Stream, size [3]int, brain []bool, bright [][]float32) {
	var places []int32
	for i, in := range brain {
		if in {
			places = append(places, int32(i))
		}
	}
	n := int(l.Vessels*float64(len(places))/1e6 + s.Float64())
	for range n {
		var at [3]float64
		for a, x := range unindex(int(places[s.Intn(len(places))]), size) {
			at[a] = float64(x)
		}
		d := s.Direction()
		radius, steps, most := s.Uniform(0.4, 0.9), int(s.Uniform(0, l.VesselMM)/vesselStep), s.Uniform(l.VesselBright/4, l.VesselBright)
		tube := map[int]float32{}
		for range steps + 1 {
			if !inside([3]int{int(at[0]), int(at[1]), int(at[2])}, size) || !brain[index([3]int{int(at[0]), int(at[1]), int(at[2])}, size)] {
				break
			}
			dab(tube, at, radius, size)
			norm := 0.0
			for a := range d {
				at[a] += vesselStep * d[a]
				d[a] += vesselTurn * s.Normal()
				norm += d[a] * d[a]
			}
			for a := range d {
				d[a] /= math.Sqrt(norm)
			}
		}
		for _, b := range bright {
			seen, f := s.Bool(l.VesselSeen), float32(most*s.Uniform(0.5, 1))
			if !seen {
				continue
			}
			for i, v := range tube {
				b[i] = max(b[i], v*f)
			}
		}
	}
}

// dab adds a Gaussian of height 1 at a place, where it is higher than what is there.
func dab(tube map[int]float32, at [3]float64, radius float64, size [3]int) {
	r := int(math.Ceil(2.5 * radius))
	for d := int(at[0]) - r; d <= int(at[0])+r+1; d++ {
		for h := int(at[1]) - r; h <= int(at[1])+r+1; h++ {
			for w := int(at[2]) - r; w <= int(at[2])+r+1; w++ {
				p := [3]int{d, h, w}
				q := (sq(float64(d)-at[0]) + sq(float64(h)-at[1]) + sq(float64(w)-at[2])) / (radius * radius)
				if !inside(p, size) || q > 6 {
					continue
				}
				i := index(p, size)
				tube[i] = max(tube[i], float32(math.Exp(-q/2)))
			}
		}
	}
}

// atrophyReach is the distance from the ventricles, mm, over which what they push aside is taken up.
const atrophyReach = 6

// atrophy widens the ventricles of the second scan by mm: what is near one there was that much nearer to it, less so farther away. first is
// where the first scan's patch lies.
func (w *warp) atrophy(first warp, a *Anatomy, size [3]int, mm, spacing float64) {
	near := make([]float32, size[0]*size[1]*size[2])
	first.each(size, func(i int, at [3]float32) {
		near[i] = rimBits
		if j := a.index(at[0]+0.5, at[1]+0.5, at[2]+0.5); j >= 0 {
			near[i] = float32(a.sites.near[j] & rimBits)
		}
	})
	near = blur(near, size, 1.5/spacing)
	for i, d := range near {
		p := unindex(i, size)
		var g [3]float64
		norm := 0.0
		for axis := range g {
			lo, hi := p, p
			lo[axis], hi[axis] = max(p[axis]-1, 0), min(p[axis]+1, size[axis]-1)
			g[axis] = float64(near[index(hi, size)]-near[index(lo, size)]) / float64(max(hi[axis]-lo[axis], 1))
			norm += g[axis] * g[axis]
		}
		if norm = math.Sqrt(norm); norm < 0.2/spacing { // inside a ventricle, or between two
			continue
		}
		by := mm / spacing * math.Exp(-max(float64(d)-1-mm, 0)/atrophyReach) / norm
		for axis := range g {
			w.moved[axis][i] -= float32(by * g[axis])
		}
	}
}
