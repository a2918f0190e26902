package cuda

import "voxgrad/device"

// AlongAxis is a matrix product in tiles of 32×64; see kernels/spatial.cu. Every element
// is summed in ascending order of q, so that lines equal up to their sign give equal
// results up to their sign.
func (o *op) AlongAxis(y device.Into, x, m device.Tensor, axis int) {
	rows, cols := m.W, m.C
	inner := [3]int{x.H * x.W * x.C, x.W * x.C, x.C}[axis] // values behind each position along the axis
	lines := o.numbered(x.Len() / cols)
	name, l := "along_axis", blocks(ceil(int(lines), 64), 128)
	l.Grid.Y = ceil(rows, 32)
	if inner < 16 { // neighbours are along the axis
		name, l.Grid.X, l.Grid.Y = "along_lines", ceil(int(lines), 32), ceil(rows, 64)
	}
	o.launch("spatial", name, l, y, x, m, lines, rows, cols, inner, y.Mode == device.Add)
}

// Orient gathers: each element of y has its steps through x.
func (o *op) Orient(y, x device.Tensor, perm [3]int, flip [3]bool) {
	size, steps := x.Grid(), [3]int{x.H * x.W * x.C, x.W * x.C, x.C}
	var step [3]int
	first := 0
	for a, p := range perm {
		step[a] = steps[p]
		if flip[a] {
			first += (size[p] - 1) * steps[p]
			step[a] = -steps[p]
		}
	}
	n := o.numbered(y.Len())
	o.launch("spatial", "orient", PerElement(int(n), 1), y, x, n, y.D, y.H, y.W, y.C, x.Voxels()*x.C, first, step[0], step[1], step[2])
}

// Resample finds points in float64 and interpolates in fp32.
func (o *op) Resample(y, x, outside device.Tensor, to [3][4]float64) {
	n := o.numbered(y.Rows())
	args := []any{y, x, outside, n, y.D, y.H, y.W, y.C, x.D, x.H, x.W}
	for _, row := range to {
		for _, v := range row {
			args = append(args, v)
		}
	}
	o.launch("spatial", "resample", PerElement(int(n), 1), args...)
}
