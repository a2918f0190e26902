package cuda

import (
	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// Min takes the minimum of many blocks' minima.
func (o *op) Min(least, x device.Tensor) {
	l := o.shares(x.Len(), 4)
	part := o.workspace(l.Grid.X)
	o.launch("intensity", "min_part", l, part, x, x.Len())
	o.launch("intensity", "min_finish", blocks(1, threads), least, part, l.Grid.X)
}

// perLine is the launch of a kernel with a warp for every line along W.
func (o *op) perLine(s device.Shape) (l driver.Launch, lines int) {
	lines = s.N * s.D * s.H
	o.numbered(lines)
	o.numbered(s.W * s.C)
	return blocks(ceil(lines, threads/32), threads), lines
}

// BiasField is computed in float64 up to the exponential.
func (o *op) BiasField(y, x, coef device.Tensor, order int) {
	l, lines := o.perLine(x.Shape)
	o.launch("intensity", "bias_field", l, y, x, coef, lines, x.D, x.H, x.W, x.C, order)
}

// Noise draws four words a thread.
func (o *op) Noise(y, x device.Tensor, sd float64, key uint64) {
	o.launch("intensity", "noise", PerElement(x.Len(), 4), y, x, x.Len(), float32(sd), key)
}
