package prepare

import (
	"cmp"
	"math"
	"slices"

	"voxgrad/internal/par"
	"voxgrad/volume"
)

// The coarse search tries all turns of up to searchTurn about each axis, and shifts of the
// centres of both heads from one another, which differ where a field of view cuts a head.
const (
	searchMM   = 8
	searchTurn = 45 // degrees
	searchStep = 15
)

var searchShifts = [3][]float64{{0}, {-20, 0, 20}, {-45, -30, -15, 0, 15, 30, 45}} // mm

// candidate is a motion from the first scan to the second, with how well the scans match.
type candidate struct {
	motion volume.Transform
	score  float64
}

// search lists motions by the correlation of the images, best first. Images are levels of
// searchMM, not normalised locally: at that resolution the shape of the head says most. Brains, cut out by their masks,
// have lost that: of them the share of one that is in the other counts too.
func search(a, b *level, brains bool) []candidate {
	ca, cb := a.centroid(), b.centroid()
	points := a.samples()
	back := b.samples()
	turns := int(2*searchTurn/searchStep) + 1
	sizes := []float64{1}
	if brains { // a brain that is all there is so much larger or smaller in each direction
		sizes = append(sizes, math.Cbrt(b.volume()/a.volume()))
	}
	n := turns * turns * turns * len(sizes)
	per := len(searchShifts[1]) * len(searchShifts[2])
	list := make([]candidate, n*per+1)
	par.For(n, func(t int) {
		angle := func(i int) float64 { return (float64(i)*searchStep - searchTurn) * math.Pi / 180 }
		turn := rotationAbout(angle(t%turns), angle(t/turns%turns), angle(t/turns/turns%turns)).Mul(scaling(sizes[t/turns/turns/turns]))
		for s := range per {
			shift := [3]float64{0, searchShifts[1][s%len(searchShifts[1])], searchShifts[2][s/len(searchShifts[1])]}
			m := translation(cb).Mul(translation(shift)).Mul(turn).Mul(translation([3]float64{-ca[0], -ca[1], -ca[2]}))
			list[t*per+s] = candidate{m, match(points, b, m, brains) + match(back, a, m.Inverse(), brains)}
		}
	})
	list[n*per] = candidate{volume.Identity, match(points, b, volume.Identity, brains) + match(back, a, volume.Identity, brains)}
	slices.SortStableFunc(list, func(x, y candidate) int { return cmp.Compare(y.score, x.score) })
	return list
}

// rotationAbout turns about x, then y, then z.
func rotationAbout(x, y, z float64) volume.Transform {
	q := func(axis int, angle float64) volume.Transform {
		var v [3]float64
		v[axis] = math.Sin(angle / 2)
		return rotation(math.Cos(angle/2), v)
	}
	return q(2, z).Mul(q(1, y)).Mul(q(0, x))
}

func scaling(s float64) (t volume.Transform) {
	t[0][0], t[1][1], t[2][2] = s, s, s
	return t
}

// volume is that of what counts, mm³.
func (l *level) volume() (v float64) {
	for _, w := range l.weight.Data {
		v += float64(w)
	}
	mm := l.weight.Affine.Spacing()
	return v * mm[0] * mm[1] * mm[2]
}

// centroid is the mean of the points that count.
func (l *level) centroid() (c [3]float64) {
	total := 0.0
	for x, w := range l.weight.Data {
		if w == 0 {
			continue
		}
		p := l.weight.World(float64(x%l.weight.Size[0]), float64(x/l.weight.Size[0]%l.weight.Size[1]), float64(x/l.weight.Size[0]/l.weight.Size[1]))
		for d := range 3 {
			c[d] += float64(w) * p[d]
		}
		total += float64(w)
	}
	for d := range 3 {
		c[d] /= max(total, 1e-9)
	}
	return c
}

// sample is a point of a scan and its value.
type sample struct {
	at    [3]float64
	value float64
}

// samples are every other voxel that counts, as on a face-centred grid.
func (l *level) samples() (list []sample) {
	for x, w := range l.weight.Data {
		i, j, k := x%l.weight.Size[0], x/l.weight.Size[0]%l.weight.Size[1], x/l.weight.Size[0]/l.weight.Size[1]
		if (i+j+k)%2 == 0 && w > 0.5 {
			list = append(list, sample{l.weight.World(float64(i), float64(j), float64(k)), float64(l.image.Data[x])})
		}
	}
	return list
}

// leastSeen is the share of one head's points that must lie in the field of view of the
// other scan for a motion to be thought of.
const leastSeen = 0.4

// match is the correlation of samples with the level's values where m puts them; points
// beyond its field of view do not count, but for lowering the score a little. With inside the share of the others at
// which the level counts is added.
func match(points []sample, l *level, m volume.Transform, inside bool) float64 {
	to := l.image.Affine.Inverse().Mul(m)
	var n, f, g, ff, gg, fg, in float64
	data, sx, sy, sz := l.image.Data, l.image.Size[0], l.image.Size[1], l.image.Size[2]
	for _, s := range points {
		x := to[0][0]*s.at[0] + to[0][1]*s.at[1] + to[0][2]*s.at[2] + to[0][3]
		y := to[1][0]*s.at[0] + to[1][1]*s.at[1] + to[1][2]*s.at[2] + to[1][3]
		z := to[2][0]*s.at[0] + to[2][1]*s.at[1] + to[2][2]*s.at[2] + to[2][3]
		if x < 0 || y < 0 || z < 0 || x >= float64(sx-1) || y >= float64(sy-1) || z >= float64(sz-1) {
			continue
		}
		i, j, k := int(x), int(y), int(z)
		o := (k*sy+j)*sx + i
		fx, fy, fz := x-float64(i), y-float64(j), z-float64(k)
		row := func(o int) float64 { return float64(data[o])*(1-fx) + float64(data[o+1])*fx }
		low := row(o)*(1-fy) + row(o+sx)*fy
		high := row(o+sx*sy)*(1-fy) + row(o+sx*sy+sx)*fy
		v := low*(1-fz) + high*fz
		n++
		if inside && l.weight.Data[((int(z+0.5))*sy+int(y+0.5))*sx+int(x+0.5)] > 0.5 {
			in++
		}
		f += s.value
		g += v
		ff += s.value * s.value
		gg += v * v
		fg += s.value * v
	}
	if n < leastSeen*float64(len(points)) || n == 0 {
		return -1
	}
	va, vb := ff-f*f/n, gg-g*g/n
	if va <= 0 || vb <= 0 {
		return -1
	}
	return (fg-f*g/n)/math.Sqrt(va*vb) + in/n - 0.1*(1-n/float64(len(points)))
}
