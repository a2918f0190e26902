package cuda

import (
	"math"

	"voxgrad/device"
)

func doubled(x device.Shape) device.Shape {
	return device.Shape{N: x.N, D: 2 * x.D, H: 2 * x.H, W: 2 * x.W, C: x.C}
}

// Upsample computes the eight voxels of y that lie in one of x together.
func (b *Backend) Upsample(y, x device.Tensor) {
	o := b.begin("Upsample")
	if o == nil {
		return
	}
	defer o.end()
	yp, xp := o.ptr("y", y), o.ptr("x", x)
	o.want(y.Shape == doubled(x.Shape), "y %v, x %v", y.Shape, x.Shape)
	o.apart(y, x)
	width := widthOf(x.C)
	n := o.numbered(x.Len() / width)
	o.launch("up", entry("upsample", width), o.perElement(int(n), 1), yp, xp, n, x.D, x.H, x.W, x.C)
}

// UpsampleGrad gathers. Where there is work for all multiprocessors anyway, a
// thread goes through several planes and reads less. The sums are the same.
func (b *Backend) UpsampleGrad(dx device.Into, dy device.Tensor) {
	if dx.Mode == device.Skip {
		return
	}
	o := b.begin("UpsampleGrad")
	if o == nil {
		return
	}
	defer o.end()
	dxp, dyp := o.into("dx", dx), o.ptr("dy", dy)
	o.want(dy.Shape == doubled(dx.Shape), "dx %v, dy %v", dx.Shape, dy.Shape)
	o.want(dy.W*dy.C <= math.MaxInt32, "dy %v has lines of more values than a kernel can count", dy.Shape)
	o.apart(dx.Tensor, dy)
	width := widthOf(dx.C)
	run := upRun(dx.Len() / width)
	n := o.numbered(dx.N * ceil(dx.D, run) * dx.H * dx.W * (dx.C / width))
	o.launch("up", entry("upsample_grad", width), o.perElement(int(n), 1), dxp, dyp, n, dx.D, dx.H, dx.W, dx.C, run, dx.Mode == device.Add)
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
