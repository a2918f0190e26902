package bench

import (
	"fmt"
	"math"

	"voxgrad/device"
)

// imaging are the ops of augmentation and synthesis on one image of one channel with the
// patch's grid.
func (s Shapes) imaging() []Case {
	e := s.Patch
	x, m := device.Shape{N: 1, D: e, H: e, W: e, C: 1}, device.Matrix(e, e)
	one, two := device.Scalar(), device.Vec(2)
	var cs []Case
	add := func(op string, args []device.Shape, call func(b device.Imaging, t []device.Tensor)) {
		cs = append(cs, onImages(op, e, args, nil, call))
	}
	for axis := range 3 {
		product := func(b device.Imaging, t []device.Tensor) { b.AlongAxis(set(t[0]), t[1], t[2], axis) }
		args := []device.Shape{x, x, m}
		add(fmt.Sprintf("AlongAxis/axis=%d/dense", axis), args, product)
		cs = append(cs, onImages(fmt.Sprintf("AlongAxis/axis=%d/blur", axis), e, args, []func(device.Shape) []float32{2: blur}, product))
	}
	for _, o := range []struct {
		name string
		perm [3]int
		flip [3]bool
	}{
		{"flip=DHW", [3]int{0, 1, 2}, [3]bool{true, true, true}}, {"swap=DH", [3]int{1, 0, 2}, [3]bool{}},
		{"swap=HW", [3]int{0, 2, 1}, [3]bool{}}, {"swap=DW", [3]int{2, 1, 0}, [3]bool{}},
	} {
		add("Orient/"+o.name, []device.Shape{x, x}, func(b device.Imaging, t []device.Tensor) { b.Orient(t[0], t[1], o.perm, o.flip) })
	}
	to := turned(e)
	add("Resample", []device.Shape{x, x, one}, func(b device.Imaging, t []device.Tensor) { b.Resample(t[0], t[1], t[2], to) })
	add("Blend", []device.Shape{x, x, x}, func(b device.Imaging, t []device.Tensor) { b.Blend(t[0], t[1], t[2], 2, -1) })
	add("Min", []device.Shape{one, x}, func(b device.Imaging, t []device.Tensor) { b.Min(t[0], t[1]) })
	add("BiasField/order=3", []device.Shape{x, x, device.Vec(20)}, func(b device.Imaging, t []device.Tensor) { b.BiasField(t[0], t[1], t[2], 3) })
	add("Noise", []device.Shape{x, x}, func(b device.Imaging, t []device.Tensor) { b.Noise(t[0], t[1], 0.05, 1) })
	add("KSpacePeak", []device.Shape{two, x, x}, func(b device.Imaging, t []device.Tensor) { b.KSpacePeak(t[0], t[1], t[2]) })
	at := [3]int{e - 1, e / 3, e / 4}
	add("KSpaceSpike", []device.Shape{x, x, two}, func(b device.Imaging, t []device.Tensor) { b.KSpaceSpike(t[0], t[1], t[2], at, 1e-6) })
	add("SpikeInImage", []device.Shape{x, x, two}, func(b device.Imaging, t []device.Tensor) { b.SpikeInImage(t[0], t[1], t[2], at, 0.1) })
	masked := func(op string, args []device.Shape, mask int, call func(b device.Imaging, t []device.Tensor)) {
		fill := make([]func(device.Shape) []float32, mask+1)
		fill[mask] = ball
		cs = append(cs, onImages(op, e, args, fill, call))
	}
	masked("Region/stats", []device.Shape{two, x, x}, 2, func(b device.Imaging, t []device.Tensor) { b.RegionStats(t[0], t[1], t[2]) })
	masked("Region/noise", []device.Shape{x, x, x, two}, 2, func(b device.Imaging, t []device.Tensor) { b.RegionNoise(t[0], t[1], t[2], t[3], 1) })
	masked("Region/select", []device.Shape{x, x, x, x}, 1, func(b device.Imaging, t []device.Tensor) { b.Select(t[0], t[1], t[2], t[3]) })
	batch := x
	batch.N = max(2, s.Batch)
	return append(cs,
		Tensors(fmt.Sprintf("Batch/put/grid=%d", e), []device.Shape{batch, x}, func(b device.Backend, t []device.Tensor) { b.PutSample(t[0], 1, t[1]) }),
		Tensors(fmt.Sprintf("Batch/take/grid=%d", e), []device.Shape{x, batch}, func(b device.Backend, t []device.Tensor) { b.TakeSample(t[0], t[1], 1) }))
}

// onImages is a case for devices that implement device.Imaging.
func onImages(op string, edge int, args []device.Shape, fill []func(device.Shape) []float32, call func(b device.Imaging, t []device.Tensor)) Case {
	c := filled(fmt.Sprintf("%s/grid=%d", op, edge), args, fill, func(b device.Backend, t []device.Tensor) { call(b.(device.Imaging), t) })
	c.imaging = true
	return c
}

// blur is the matrix of a Gaussian of 1.75 voxels, cut at four deviations: 15 coefficients in a row.
func blur(s device.Shape) []float32 {
	const sd, radius = 1.75, 7
	m := make([]float32, s.Len())
	for p := range s.W {
		for q := max(0, p-radius); q <= min(s.C-1, p+radius); q++ {
			d := float64(p-q) / sd
			m[p*s.C+q] = float32(math.Exp(-d*d/2) / (sd * math.Sqrt(2*math.Pi)))
		}
	}
	return m
}

// ball is one in the middle with a radius of an eighth of the edge.
func ball(s device.Shape) []float32 {
	mask := make([]float32, s.Len())
	r := s.D / 8
	for i := range mask {
		d, h, w := i/(s.H*s.W)-s.D/2, i/s.W%s.H-s.H/2, i%s.W-s.W/2
		if d*d+h*h+w*w <= r*r {
			mask[i] = 1
		}
	}
	return mask
}

// turned is a turn by 5° in each of two planes about the centre of a cube with edge e, and a shift of 2 voxels.
func turned(e int) [3][4]float64 {
	s, c := math.Sincos(5 * math.Pi / 180)
	to := [3][4]float64{{c, -s, 0, 2}, {s * c, c * c, -s, 2}, {s * s, s * c, c, 2}}
	centre := float64(e-1) / 2
	for a, r := range to {
		to[a][3] += centre - (r[0]+r[1]+r[2])*centre
	}
	return to
}
