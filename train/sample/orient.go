package sample

// Orient swaps and mirrors axes of images, labels and likelihood together, without
// interpolation: the new value at i is the old one at j with j[perm[a]] = i[a],
// counted from the other end if flip[a]. Axes are D, H, W.
func Orient(p *Sample, perm [3]int, flip [3]bool) {
	for t, im := range p.Images {
		p.Images[t] = orient(im, p.Size, perm, flip)
	}
	p.Labels = orient(p.Labels, p.Size, perm, flip)
	if p.Likelihood != nil {
		p.Likelihood = orient(p.Likelihood, p.Size, perm, flip)
	}
	size := p.Size
	for a := range size {
		p.Size[a] = size[perm[a]]
	}
}

// orient returns y with y[i] = x[j], where j[perm[a]] = i[a], counted from the other
// end if flip[a].
func orient[T any](x []T, size, perm [3]int, flip [3]bool) []T {
	stride := [3]int{size[1] * size[2], size[2], 1}
	var step [3]int
	at := 0
	for a := range 3 {
		step[a] = stride[perm[a]]
		if flip[a] {
			at += step[a] * (size[perm[a]] - 1)
			step[a] = -step[a]
		}
	}
	y := make([]T, len(x))
	n := 0
	for d := range size[perm[0]] {
		for h := range size[perm[1]] {
			from := at + d*step[0] + h*step[1]
			for range size[perm[2]] {
				y[n] = x[from]
				n++
				from += step[2]
			}
		}
	}
	return y
}
