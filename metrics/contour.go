package metrics

// contour lists, in raster order, the voxels of m with at least one face
// neighbour of a different value. Outside the image there are no neighbours.
func contour(m *labelled) []int32 {
	nx, ny, nz := m.size[0], m.size[1], m.size[2]
	l := m.labels
	var out []int32
	x := 0
	for k := range nz {
		for j := range ny {
			for i := range nx {
				v := l[x]
				if v != 0 && (i > 0 && l[x-1] != v || i < nx-1 && l[x+1] != v ||
					j > 0 && l[x-nx] != v || j < ny-1 && l[x+nx] != v ||
					k > 0 && l[x-nx*ny] != v || k < nz-1 && l[x+nx*ny] != v) {
					out = append(out, int32(x))
				}
				x++
			}
		}
	}
	return out
}

// rim lists the voxels of a set (raster offsets, ascending) with at least one of
// their 26 neighbours not in it.
func rim(set []int32, size [3]int) []int32 {
	member := make([]bool, size[0]*size[1]*size[2])
	for _, x := range set {
		member[x] = true
	}
	var out []int32
	for _, x := range set {
		if hasStranger(member, int(x), size) {
			out = append(out, x)
		}
	}
	return out
}

// hasStranger says whether a neighbour of voxel x, by face, edge or corner, is no
// member.
func hasStranger(member []bool, x int, size [3]int) bool {
	i, j, k := place(x, size)
	for c := max(k-1, 0); c <= min(k+1, size[2]-1); c++ {
		for b := max(j-1, 0); b <= min(j+1, size[1]-1); b++ {
			row := (c*size[1] + b) * size[0]
			for a := max(i-1, 0); a <= min(i+1, size[0]-1); a++ {
				if !member[row+a] {
					return true
				}
			}
		}
	}
	return false
}

// byLabel sorts a contour's voxels into lists for labels 1, 2, …, in raster order
// each.
func byLabel(contour []int32, m *labelled) [][]int32 {
	out := make([][]int32, m.values-1)
	for _, x := range contour {
		l := m.labels[x] - 1
		out[l] = append(out[l], x)
	}
	return out
}

// difference lists the voxels of a that are background in b.
func difference(a, b *labelled) []int32 {
	var out []int32
	for x, l := range a.labels {
		if l != 0 && b.labels[x] == 0 {
			out = append(out, int32(x))
		}
	}
	return out
}

// union merges two ascending lists, each voxel once.
func union(a, b []int32) []int32 {
	out := make([]int32, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			out, a = append(out, a[0]), a[1:]
		case a[0] > b[0]:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}
