package sample

import "voxgrad/internal/rng"

// Orthogonal puts the patch into one of the orientations reachable by swapping
// and mirroring axes, all equally likely: 48 for a cube, fewer where edges
// differ in length. Images and labels move together; no value is interpolated.
func Orthogonal(p *Sample, s *rng.Stream) {
	perms := allowed(p.Size)
	perm := perms[s.Intn(len(perms))]
	var flip [3]bool
	for a := range flip {
		flip[a] = s.Bool(0.5)
	}
	for t, im := range p.Images {
		p.Images[t] = orient(im, p.Size, perm, flip)
	}
	p.Labels = orient(p.Labels, p.Size, perm, flip)
}

// allowed lists the axis permutations that keep the patch's shape.
func allowed(size [3]int) [][3]int {
	var out [][3]int
	for _, p := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		if size[p[0]] == size[0] && size[p[1]] == size[1] && size[p[2]] == size[2] {
			out = append(out, p)
		}
	}
	return out
}

// orient gives y with y[i] = x[j], where j[perm[a]] = i[a], counted from the other
// end if flip[a].
func orient[T any](x []T, size, perm [3]int, flip [3]bool) []T {
	stride := [3]int{size[1] * size[2], size[2], 1}
	var step [3]int
	at := 0
	for a := range 3 {
		step[a] = stride[perm[a]]
		if flip[a] {
			at += step[a] * (size[a] - 1)
			step[a] = -step[a]
		}
	}
	y := make([]T, len(x))
	n := 0
	for d := range size[0] {
		for h := range size[1] {
			from := at + d*step[0] + h*step[1]
			for range size[2] {
				y[n] = x[from]
				n++
				from += step[2]
			}
		}
	}
	return y
}
