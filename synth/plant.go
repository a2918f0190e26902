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
	v.New = make([]bool, n)
	class := make([]Class, n)
	var places [siteCount][]int32
	brain := 0
	w.each(v.Size, func(i int, at [3]float32) {
		j := a.index(at[0]+0.5, at[1]+0.5, at[2]+0.5)
		if j < 0 {
			return
		}
		class[i] = Class(a.voxels[j] &^ brainBit)
		if a.voxels[j]&brainBit != 0 {
			brain++
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
	taken := make([]bool, n) // by lesions, grown by a voxel
	for k := range old + fresh {
		p := Planted{Kind: Appears}
		if k < old {
			p.Kind = Stays
			if times > 1 {
				p.Kind = [...]Kind{Vanishes, Grows, Shrinks, Stays}[pick(s, l.Gone, l.Grown, l.Shrunk, 1-l.Gone-l.Grown-l.Shrunk)]
			}
		}
		p.Site = l.site(s)
		shape, ok := lib.Draw(s, "", true)
		zoom := math.Exp(l.ZoomSD * s.Normal())
		p.Contrast = s.Uniform(l.Faint, l.Bright)
		soft, smaller, cortex, again := s.Uniform(0.3, max(l.SoftSD, 0.3)), s.Uniform(0.5, 0.8), s.Bool(0.4), s.Uniform(0.85, 1.15)
		where := s.Float64()
		if !ok || len(places[p.Site]) == 0 {
			continue
		}
		at := unindex(int(places[p.Site][int(where*float64(len(places[p.Site])))]), v.Size)
		allowed := func(i int) bool {
			c := class[i]
			return c == WhiteMatter || c >= Thalamus && c <= BrainStem || c == CerebellarWhiteMatter || cortex && (c == Cortex || c == CerebellarCortex)
		}
		full := stamp(shape, at, zoom, v.Size, allowed)
		part := full
		if p.Kind == Grows || p.Kind == Shrinks {
			if part = stamp(shape, at, zoom*smaller, v.Size, allowed); len(part) == 0 {
				part, p.Kind = full, Stays
			}
		}
		if len(full) < least || p.Kind == Appears && (len(full) < leastNew || touches(full, taken)) {
			continue
		}
		p.Voxels, p.ShapeOf = len(full), shape.Case
		v.Planted = append(v.Planted, p)
		grow(full, v.Size, 1, func(i int) { taken[i] = true })
		paint := func(time int, list []int32, contrast float64) {
			for _, i := range list {
				v.Lesions[time][i] = true
			}
			brighten(bright[time], list, v.Size, soft, float32(contrast))
		}
		if p.Kind != Appears {
			list := full
			if p.Kind == Grows {
				list = part
			}
			paint(0, list, p.Contrast)
		}
		if p.Kind != Vanishes && times > 1 {
			list := full
			if p.Kind == Shrinks {
				list = part
			}
			paint(1, list, p.Contrast*again)
		}
		if p.Kind == Appears {
			for _, i := range full {
				v.New[i] = true
			}
		}
	}
	return bright
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

// brighten adds a lesion with a soft border: where lesions meet, the brighter one shows.
func brighten(bright []float32, list []int32, size [3]int, soft float64, contrast float32) {
	kernel, lo := augment.GaussianKernel(soft, 3)
	r := -lo
	box := bounds(list, size)
	var start, n [3]int
	for a := range n {
		start[a] = max(box[0][a]-r, 0)
		n[a] = min(box[1][a]+r, size[a]) - start[a]
	}
	x := make([]float32, n[0]*n[1]*n[2])
	for _, i := range list {
		p := unindex(int(i), size)
		for a := range p {
			p[a] -= start[a]
		}
		x[index(p, n)] = 1
	}
	for a, stride := range [3]int{n[1] * n[2], n[2], 1} {
		y := make([]float32, len(x))
		for i := range x {
			at := i / stride % n[a]
			for k, w := range kernel {
				if j := at + k - r; j >= 0 && j < n[a] {
					y[i] += float32(w) * x[i+(k-r)*stride]
				}
			}
		}
		x = y
	}
	for i, v := range x {
		p := unindex(i, n)
		for a := range p {
			p[a] += start[a]
		}
		at := index(p, size)
		bright[at] = max(bright[at], v*contrast)
	}
}
