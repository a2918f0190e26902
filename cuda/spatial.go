package cuda

import "voxgrad/device"

// along is s with another extent along an axis, and the number of values behind
// each position along it.
func along(s device.Shape, axis, n int) (device.Shape, int) {
	switch axis {
	case 0:
		s.D = n
		return s, s.H * s.W * s.C
	case 1:
		s.H = n
		return s, s.W * s.C
	}
	s.W = n
	return s, s.C
}

// AlongAxis is a matrix product in tiles of 32×64; see kernels/spatial.cu. Every element
// is summed in ascending order of q, so that lines equal up to their sign give equal
// results up to their sign.
func (b *Backend) AlongAxis(y device.Into, x, m device.Tensor, axis int) {
	if y.Mode == device.Skip {
		return
	}
	o := b.begin("AlongAxis")
	if o == nil {
		return
	}
	defer o.end()
	yp, xp, mp := o.into("y", y), o.ptr("x", x), o.ptr("m", m)
	o.want(0 <= axis && axis < 3, "axis %d is not 0, 1 or 2", axis)
	rows, cols := m.W, m.C
	ys, inner := along(x.Shape, axis, rows)
	o.want(m.Shape == device.Matrix(rows, cols) && cols == x.Grid()[axis] && y.Shape == ys, "y %v, x %v, m %v, axis %d", y.Shape, x.Shape, m.Shape, axis)
	o.apart(y.Tensor, x, m)
	lines := o.numbered(x.Len() / cols)
	name, l := "along_axis", blocks(ceil(int(lines), 64), 128)
	l.Grid.Y = ceil(rows, 32)
	if inner < 16 { // neighbours are along the axis
		name, l.Grid.X, l.Grid.Y = "along_lines", ceil(int(lines), 32), ceil(rows, 64)
	}
	o.launch("spatial", name, l, yp, xp, mp, lines, rows, cols, inner, y.Mode == device.Add)
}

// Orient gathers: each element of y has its steps through x.
func (b *Backend) Orient(y, x device.Tensor, perm [3]int, flip [3]bool) {
	o := b.begin("Orient")
	if o == nil {
		return
	}
	defer o.end()
	yp, xp := o.ptr("y", y), o.ptr("x", x)
	size, steps := x.Grid(), [3]int{x.H * x.W * x.C, x.W * x.C, x.C}
	var seen [3]bool
	var grid, step [3]int
	first := 0
	for a, p := range perm {
		o.want(0 <= p && p < 3 && !seen[p], "%v is not a permutation of the axes", perm)
		seen[p] = true
		grid[a], step[a] = size[p], steps[p]
		if flip[a] {
			first += (size[p] - 1) * steps[p]
			step[a] = -steps[p]
		}
	}
	o.want(y.Shape == device.Shape{N: x.N, D: grid[0], H: grid[1], W: grid[2], C: x.C}, "y %v, x %v, permutation %v", y.Shape, x.Shape, perm)
	o.apart(y, x)
	n := o.numbered(y.Len())
	o.launch("spatial", "orient", o.perElement(int(n), 1), yp, xp, n, y.D, y.H, y.W, y.C, x.Voxels()*x.C, first, step[0], step[1], step[2])
}

// Resample finds points in float64 and interpolates in fp32.
func (b *Backend) Resample(y, x, outside device.Tensor, to [3][4]float64) {
	o := b.begin("Resample")
	if o == nil {
		return
	}
	defer o.end()
	yp, xp, op := o.ptr("y", y), o.ptr("x", x), o.ptr("outside", outside)
	o.want(y.N == x.N && y.C == x.C && outside.Shape == device.Scalar(), "y %v, x %v, outside %v", y.Shape, x.Shape, outside.Shape)
	o.apart(y, x, outside)
	n := o.numbered(y.Rows())
	args := []any{yp, xp, op, n, y.D, y.H, y.W, y.C, x.D, x.H, x.W}
	for _, row := range to {
		for _, v := range row {
			args = append(args, v)
		}
	}
	o.launch("spatial", "resample", o.perElement(int(n), 1), args...)
}
