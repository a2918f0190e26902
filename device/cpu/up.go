package cpu

import (
	"voxgrad/device"
)

// Upsample interpolates along W, H and D in turn.
func (b *engine) Upsample(y, x device.Tensor) {
	yd, xd := data(y), data(x)
	// A piece is one plane pair: output planes 2d and 2d+1 need input planes d−1, d, d+1.
	pair := 2 * y.H * y.W * y.C
	b.forScratch(x.N*x.D, func(s *scratch, i int) {
		b.upsamplePair(yd[i*pair:][:pair], xd, x.Shape, s, i/x.D, i%x.D)
	})
}

// upsamplePair makes output planes 2d and 2d+1 of sample n.
func (b *engine) upsamplePair(y, xd []float32, x device.Shape, s *scratch, n, d int) {
	line := x.W * x.C
	wide := 2 * line // a line of the output
	for half := range 2 {
		far := min(max(d+2*half-1, 0), x.D-1)
		plane := s.floats(0, x.H*line) // blended along D
		b.blend(plane, xd[(n*x.D+d)*x.H*line:], xd[(n*x.D+far)*x.H*line:])
		tall := s.floats(1, line)
		for h := range 2 * x.H {
			near := h / 2
			far := min(max(near+h%2*2-1, 0), x.H-1)
			b.blend(tall, plane[near*line:], plane[far*line:])
			to := y[(half*2*x.H+h)*wide:][:wide]
			for w := range 2 * x.W {
				near := w / 2
				far := min(max(near+w%2*2-1, 0), x.W-1)
				b.blend(to[w*x.C:][:x.C], tall[near*x.C:], tall[far*x.C:])
			}
		}
	}
}

// blend: to = ¾·near + ¼·far
func (b *engine) blend(to, near, far []float32) {
	n := b.vectors(len(to), vector)
	if n > 0 {
		blendAVX2(&to[0], &near[0], &far[0], n, 0.75, 0.25)
	}
	for i := n; i < len(to); i++ {
		to[i] = 0.75*near[i] + 0.25*far[i]
	}
}

// UpsampleGrad gathers: along one axis, input i receives ¾ of outputs 2i and
// 2i+1 and ¼ of outputs 2i−1 and 2i+2; at the ends, where a neighbour is missing, the end
// itself stands for it.
func (b *engine) UpsampleGrad(dx device.Into, dy device.Tensor) {
	dxd, dyd := data(dx.Tensor), data(dy)
	line := dx.W * dx.C
	wide := 2 * line
	b.forScratch(dx.N*dx.D, func(s *scratch, i int) {
		n, d := i/dx.D, i%dx.D
		flat := s.floats(0, 2*dx.H*wide) // collected along D
		b.collect(flat, dyd[n*dy.D*len(flat):], len(flat), d, dx.D)
		short := s.floats(1, wide)
		sum := s.floats(2, dx.C)
		for h := range dx.H {
			b.collect(short, flat, wide, h, dx.H)
			for w := range dx.W {
				to := dxd[(i*dx.H+h)*line+w*dx.C:][:dx.C]
				if dx.Mode == device.Set {
					b.collect(to, short, dx.C, w, dx.W)
				} else {
					b.collect(sum, short, dx.C, w, dx.W)
					b.add(to, sum)
				}
			}
		}
	})
}

// collect: to = the adjoint's input i of n, from pieces of len(to) elements stride apart.
func (b *engine) collect(to, from []float32, stride, i, n int) {
	m := len(to)
	before, after := max(2*i-1, 0), min(2*i+2, 2*n-1)
	even, odd := from[2*i*stride:][:m], from[(2*i+1)*stride:][:m]
	p, q := from[before*stride:][:m], from[after*stride:][:m]
	v := b.vectors(m, vector)
	if v > 0 {
		collectAVX2(&to[0], &even[0], &odd[0], &p[0], &q[0], v, 0.75, 0.25)
	}
	for k := v; k < m; k++ {
		to[k] = 0.75*(even[k]+odd[k]) + 0.25*(p[k]+q[k])
	}
}
