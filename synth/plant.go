package synth

import (
	"math"

	"voxgrad/augment"
)

// least is the smallest lesion that is planted, and leastNew the smallest new one, in voxels: less cannot be told
// from noise, nor do the challenge's scores count it.
const (
	least    = 4
	leastNew = 10
)

// plant draws the lesions of a patch: for each time point how much brighter each voxel is, as a share of white matter's
// intensity. Masks and records go into v.
func (l LesionOptions) plant(s *augment.Stream, a *Anatomy, w warp, lib *Library, v *Visits, times int) (bright [2][]float32) {
	n := v.Size[0] * v.Size[1] * v.Size[2]
	for t := range bright {
		bright[t], v.Lesions[t] = make([]float32, n), make([]bool, n)
	}
	v.New, v.Kinds = make([]bool, n), make([]uint8, n)
	class := make([]Class, n)
	near := make([]uint8, n) // distance from the ventricles
	var places [siteCount][]int32
	taken := make([]bool, n) // by lesions, grown by a voxel
	brain := 0
	w.each(v.Size, func(i int, at [3]float32) {
		j := a.index(at[0]+0.5, at[1]+0.5, at[2]+0.5)
		if j < 0 {
			return
		}
		class[i], near[i] = Class(a.voxels[j]&classBits), a.sites.near[j]&rimBits
		if a.voxels[j]&brainBit != 0 {
			brain++
		}
		if a.taken != nil && a.taken[j] {
			taken[i] = true
			if a.lesions != nil && a.lesions[j] {
				v.Lesions[0][i], v.Lesions[1][i] = true, true
			}
			return
		}
		if site := a.site(j); site != NoSite {
			places[site] = append(places[site], int32(i))
		}
	})
	mean := l.CountMean * float64(brain) / 1e6 * math.Exp(l.CountSD*s.Normal())
	old, fresh := int(mean+s.Float64()), 0
	if times > 1 {
		fresh = s.Intn(l.NewMax + 1)
	}
	put := func(p Planted, soft float64, again float64, full, part []int32) {
		if p.Kind != Grows && p.Kind != Shrinks {
			part = full
		} else if len(part) == 0 {
			part, p.Kind = full, Stays
		}
		if len(full) < least || p.Kind == Appears && (len(full) < leastNew || touches(full, taken)) {
			return
		}
		p.Voxels = len(full)
		v.Planted = append(v.Planted, p)
		grow(full, v.Size, 1, func(i int) { taken[i] = true })
		lists, contrast := [2][]int32{full, full}, [2]float64{p.Contrast, p.Contrast * again}
		switch p.Kind {
		case Appears:
			lists[0] = nil
		case Vanishes:
			lists[1] = nil
		case Grows:
			lists[0] = part
		case Shrinks:
			lists[1] = part
		}
		for time, list := range lists[:times] {
			for _, i := range list {
				v.Lesions[time][i] = true
			}
			if len(list) > 0 {
				brighten(bright[time], list, v.Size, soft, float32(contrast[time]))
			}
		}
		for _, i := range full {
			v.New[i], v.Kinds[i] = p.Kind == Appears, 1+uint8(p.Kind)
		}
	}
	kind := func() Kind {
		if times == 1 {
			return Stays
		}
		return [...]Kind{Vanishes, Grows, Shrinks, Stays}[pick(s, l.Gone, l.Grown, l.Shrunk, 1-l.Gone-l.Grown-l.Shrunk)]
	}
	look := func(p *Planted) (soft, again float64) {
		p.Contrast = s.Uniform(l.Faint, l.Bright)
		return s.Uniform(0.3, max(l.SoftSD, 0.3)), s.Uniform(0.85, 1.15)
	}
	if s.Bool(l.Confluent) {
		full, part := l.confluent(s, v.Size, near, class)
		for n, list := range full {
			p := Planted{Kind: kind(), Site: Periventricular, ShapeOf: "confluent"}
			soft, again := look(&p)
			put(p, soft, again, list, part[n])
		}
	}
	for k := range old + fresh {
		p := Planted{Kind: Appears}
		if k < old {
			p.Kind = kind()
		}
		p.Site = l.site(s)
		weight := func(Shape) int { return 1 }
		large := p.Kind == Appears && l.NewLarge > 0 && s.Bool(l.NewLarge)
		if large {
			weight = Shape.volume
		}
		shape, ok := lib.draw(s, "", true, weight)
		zoom := math.Exp(l.ZoomSD * s.Normal())
		soft, again := look(&p)
		smaller, cortex, where := s.Uniform(0.5, 0.8), s.Bool(0.4), s.Float64()
		if !ok || len(places[p.Site]) == 0 {
			continue
		}
		at := unindex(int(places[p.Site][int(where*float64(len(places[p.Site])))]), v.Size)
		allowed := func(i int) bool {
			if large && taken[i] { // a large one has what is left of its place: where it touched another one it would never be drawn
				return false
			}
			c := class[i]
			return c == WhiteMatter || c >= Thalamus && c <= BrainStem || c == CerebellarWhiteMatter || cortex && (c == Cortex || c == CerebellarCortex)
		}
		p.ShapeOf = shape.Case
		put(p, soft, again, stamp(shape, at, zoom, v.Size, allowed), stamp(shape, at, zoom*smaller, v.Size, allowed))
	}
	return bright
}

// confluent draws lesions that have grown together along the ventricles: white matter that is nearer to them than a smooth
// field, in pieces; part is what of each is nearer than a share of it.
func (l LesionOptions) confluent(s *augment.Stream, size [3]int, near []uint8, class []Class) (full, part [][]int32) {
	reach, share := s.Uniform(3, max(l.ConfluentMM, 3)), float32(s.Uniform(0.5, 0.8))
	field, fine := augment.SmoothField(s, size, s.Uniform(10, 30)), augment.SmoothField(s, size, 4)
	above := float32(s.Uniform(-0.3, 0.7)) // the lower, the more of the ventricles has such lesions
	mask := make([]bool, len(near))
	limit := func(i int) float32 { return float32(reach) * min(field[i]-above+0.25*fine[i], 1) }
	for i, c := range class {
		mask[i] = c == WhiteMatter && near[i] > 0 && float32(near[i]) <= limit(i)
	}
	full = components(mask, size)
	for _, list := range full {
		var inner []int32
		for _, i := range list {
			if float32(near[i]) <= limit(int(i))*share {
				inner = append(inner, i)
			}
		}
		part = append(part, inner)
	}
	return full, part
}

// stamp is a shape, stretched about its middle, at a place: the voxels inside the patch that are allowed.
func stamp(shape Shape, at [3]int, zoom float64, size [3]int, allowed func(i int) bool) (out []int32) {
	in := make([]bool, shape.Size[0]*shape.Size[1]*shape.Size[2])
	for _, p := range shape.Voxels {
		in[index(p, shape.Size)] = true
	}
	var n [3]int
	for a := range n {
		n[a] = max(int(math.Ceil(float64(shape.Size[a])*zoom)), 1)
	}
	for d := range n[0] {
		for h := range n[1] {
			for w := range n[2] {
				var from, to [3]int
				for a, x := range [3]int{d, h, w} {
					from[a] = int(math.Floor((float64(x)+0.5-float64(n[a])/2)/zoom + float64(shape.Size[a])/2))
					to[a] = at[a] + x - n[a]/2
				}
				if !inside(from, shape.Size) || !in[index(from, shape.Size)] || !inside(to, size) {
					continue
				}
				if i := index(to, size); allowed(i) {
					out = append(out, int32(i))
				}
			}
		}
	}
	return out
}

func touches(list []int32, taken []bool) bool {
	for _, i := range list {
		if taken[i] {
			return true
		}
	}
	return false
}

// brightest is how much brighter than its mean over the lesion a lesion may be: blurred small ones would have a peak.
const brightest = 2

// brighten adds a lesion with a soft border, its contrast the mean over the lesion: where lesions meet, the brighter one shows.
func brighten(bright []float32, list []int32, size [3]int, soft float64, contrast float32) {
	_, lo := augment.GaussianKernel(soft, 3)
	r := -lo
	box := bounds(list, size)
	var start, n [3]int
	for a := range n {
		start[a] = max(box[0][a]-r, 0)
		n[a] = min(box[1][a]+r, size[a]) - start[a]
	}
	place := func(i int32) int {
		p := unindex(int(i), size)
		for a := range p {
			p[a] -= start[a]
		}
		return index(p, n)
	}
	x := make([]float32, n[0]*n[1]*n[2])
	for _, i := range list {
		x[place(i)] = 1
	}
	x = blur(x, n, soft)
	sum := float32(0)
	for _, i := range list {
		sum += x[place(i)]
	}
	scale := contrast * min(float32(len(list))/sum, brightest)
	for i, v := range x {
		p := unindex(i, n)
		for a := range p {
			p[a] += start[a]
		}
		at := index(p, size)
		bright[at] = max(bright[at], v*scale)
	}
}

// blur is a Gaussian filter, with the edges' values beyond them.
func blur(x []float32, n [3]int, sd float64) []float32 {
	kernel, lo := augment.GaussianKernel(sd, 3)
	for a, stride := range [3]int{n[1] * n[2], n[2], 1} {
		y := make([]float32, len(x))
		for i := range x {
			at := i / stride % n[a]
			for k, w := range kernel {
				j := min(max(at+k+lo, 0), n[a]-1)
				y[i] += float32(w) * x[i+(j-at)*stride]
			}
		}
		x = y
	}
	return x
}
