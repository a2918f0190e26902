package cuda

import (
	"math"

	"voxgrad/device"
)

// Upsample computes the eight voxels of y inside one of x together.
func (o *op) Upsample(y, x device.Tensor) {
	width := widthOf(x.C)
	n := o.numbered(x.Len() / width)
	o.stored(elementOf(x), "up", entry("upsample", width), PerElement(int(n), 1), y, x, n, x.D, x.H, x.W, x.C)
}

// UpsampleGrad gathers. Where there is work for all multiprocessors anyway, a
// thread goes through several planes and reads less. The sums are the same.
func (o *op) UpsampleGrad(dx device.Into, dy device.Tensor) {
	o.must(dy.W*dy.C <= math.MaxInt32, "dy %v has lines of more values than a kernel can count", dy.Shape)
	width := widthOf(dx.C)
	run := upRun(dx.Len() / width)
	n := o.numbered(dx.N * ceil(dx.D, run) * dx.H * dx.W * (dx.C / width))
	o.stored(elementOf(dy), "up", entry("upsample_grad", width), PerElement(int(n), 1), dx, dy, n, dx.D, dx.H, dx.W, dx.C, run, dx.Mode == device.Add)
}

// upRun is the number of planes a thread goes through, for a number of vectors.
func upRun(vectors int) int {
	switch {
	case vectors >= 1<<18:
		return 4
	case vectors >= 1<<10:
		return 2
	}
	return 1
}
