package cpu

import (
	"voxgrad/device"
	"voxgrad/internal/par"
)

// catConv is one call of CatConv or CatConvGrad. With α = gamma·invstd and
// β = beta − mean·α of each channel of z, the concatenation,
//
//	y[v,o] = b[o] + Σ over taps t with v + t inside, channels c of w[t,c,o]·(α[c]·z[v+t,c] + β[c])
//
// so that the sources are convolved with w·α as they are, and what does not depend on z is a
// row for each of the ways in which a voxel's taps can lie outside.
//
// An upsampled source is not made either. A transposed 2³ convolution followed by a 3³ one
// is a transposed 4³ convolution of the coarse tensor with composite weights (transposed.go),
// trilinear interpolation is taken after the convolution, tap by tap (trilinear.go).
type catConv struct {
	b        *engine
	in       []device.Source
	z        device.Shape
	cout     int
	w, bias  []float32
	scale    []float64 // α
	shift    []float64 // β
	mean     []float64
	invstd   []float64
	from     []int // first channel of each source in z
	releases [][]float32
}

var conv3 = device.Conv3x3x3

const taps3 = 27

func (b *engine) newCatConv(in []device.Source, n device.Normalization, w device.Tensor) *catConv {
	c := &catConv{b: b, in: in, z: device.CatShape(in), cout: w.C, w: data(w)}
	g, be := data(n.Gamma), data(n.Beta)
	m, is := data(n.Mean), data(n.InvStd)
	for i := range c.z.C {
		a := float64(g[i]) * float64(is[i])
		c.scale = append(c.scale, a)
		c.shift = append(c.shift, float64(be[i])-float64(m[i])*a)
		c.mean = append(c.mean, float64(m[i]))
		c.invstd = append(c.invstd, float64(is[i]))
	}
	at := 0
	for _, s := range in {
		c.from = append(c.from, at)
		at += s.Out().C
	}
	return c
}

// floats is a workspace until done.
func (c *catConv) floats(n int) []float32 {
	x := c.b.workspace(n)
	c.releases = append(c.releases, x)
	return x[:n]
}

func (c *catConv) done() { c.b.free(c.releases...) }

// channels is the number of channels that source i has in z.
func (c *catConv) channels(i int) int { return c.in[i].Out().C }

// scaled is w·α of source i's channels: [27][channels][cout].
func (c *catConv) scaled(i int) []float32 {
	n := c.channels(i)
	to := c.floats(taps3 * n * c.cout)
	par.For(taps3, func(t int) {
		for k := range n {
			a := float32(c.scale[c.from[i]+k])
			from := c.w[(t*c.z.C+c.from[i]+k)*c.cout:][:c.cout]
			row := to[(t*n+k)*c.cout:][:c.cout]
			for o, v := range from {
				row[o] = a * v
			}
		}
	})
	return to
}

// constants is what every voxel gets that does not depend on a source, by presence (see there):
// [64][cout].
func (c *catConv) constants() []float32 {
	perTap := make([]float64, taps3*c.cout)
	par.For(taps3, func(t int) {
		row := perTap[t*c.cout:][:c.cout]
		for i := range c.in {
			var tb []float32
			if c.in[i].Composite() {
				tb = data(c.in[i].B)
			}
			for k := range c.channels(i) {
				at := c.from[i] + k
				s := c.shift[at]
				if tb != nil {
					s += c.scale[at] * float64(tb[k])
				}
				for o, v := range c.w[(t*c.z.C+at)*c.cout:][:c.cout] {
					row[o] += s * float64(v)
				}
			}
		}
	})
	out := make([]float32, 64*c.cout)
	sum := make([]float64, c.cout)
	for p := range 64 {
		for o := range sum {
			sum[o] = 0
			if c.bias != nil {
				sum[o] = float64(c.bias[o])
			}
		}
		eachPresent(p, func(t int) {
			for o, v := range perTap[t*c.cout:][:c.cout] {
				sum[o] += v
			}
		})
		for o, v := range sum {
			out[p*c.cout+o] = float32(v)
		}
	}
	return out
}

// presence says which of a voxel's taps lie inside: for each axis, D highest, bit 0 for the
// tap before and bit 1 for the tap after.
func presence(at, n [3]int) int {
	p := 0
	for i := range 3 {
		p <<= 2
		if at[i] > 0 {
			p |= 1
		}
		if at[i] < n[i]-1 {
			p |= 2
		}
	}
	return p
}

// eachPresent calls f for every tap that is inside.
func eachPresent(p int, f func(t int)) {
	has := func(axis, k int) bool {
		bits := p >> (2 * (2 - axis)) & 3
		return k == 1 || k == 0 && bits&1 != 0 || k == 2 && bits&2 != 0
	}
	for t := range taps3 {
		if has(0, t/9) && has(1, t/3%3) && has(2, t%3) {
			f(t)
		}
	}
}

// plain is source i as a tensor: itself, or made in a workspace.
func (c *catConv) plain(i int) []float32 {
	s := c.in[i]
	x := data(s.X)
	if s.Up == device.AsIs {
		return x
	}
	u := c.floats(s.Out().Len())
	c.b.transposed(u, x, s, data(s.W), data(s.B))
	return u
}

// transposed makes u, the source upsampled by its transposed convolution. bias may be nil.
func (b *engine) transposed(u, x []float32, s device.Source, w, bias []float32) {
	b.scatterTaps(&correlation{in: x, out: u, is: s.X.Shape, os: s.Out(), bias: bias}, w, device.ConvT2x2x2, false)
}

// CatConv takes the upsampled sources first and applies the activation with the last source.
func (b *engine) CatConv(y device.Tensor, in []device.Source, n device.Normalization, w, bias device.Tensor, act device.Act) {
	yd := data(y)
	c := b.newCatConv(in, n, w)
	defer c.done()
	c.bias = data(bias)

	table := c.constants()
	order := device.UpsampledFirst(in)
	for k, i := range order {
		s := in[i]
		j := correlation{in: nil, out: yd, is: s.X.Shape, os: y.Shape, add: k > 0}
		if k == 0 {
			j.table = table
		}
		if k == len(order)-1 {
			j.act = act
		}
		wi := c.scaled(i)
		switch {
		case s.Up == device.Trilinear:
			c.trilinear(yd, i, wi, &j)
		case s.Composite():
			j.in = data(s.X)
			b.scatterTaps(&j, c.composite(i, wi), device.CompositeWindow, false)
		default:
			j.in, j.is = c.plain(i), s.Out()
			b.gatherTaps(&j, wi, conv3, false)
		}
	}
}

// CatConvStats makes an upsampled source a few planes at a time, or takes its moments from those of the coarse one.
func (b *engine) CatConvStats(mean, invstd device.Tensor, in []device.Source, runMean, runVar device.Tensor, eps, momentum float64) {
	to := batchStats{data(mean), data(invstd), data(runMean), data(runVar), eps, momentum}
	from := 0
	for _, s := range in {
		x := data(s.X)
		u := s.Out()
		var moments []float64
		var shift []float32
		switch s.Up {
		case device.AsIs:
			shift = x[:u.C]
			moments = b.channelMoments(x, shift)
		case device.Trilinear:
			shift = x[:u.C] // the corner is not interpolated
			moments = b.trilinearMoments(x, s.X.Shape, shift)
		case device.Transposed:
			if s.Composite() {
				shift, moments = b.compositeMoments(x, s, data(s.W), data(s.B))
			} else {
				shift, moments = b.transposedMoments(x, s, data(s.W), data(s.B))
			}
		}
		to.finish(from, moments, shift, u.Rows())
		from += u.C
	}
}

// trilinearMoments is channelMoments of an upsampled tensor, made two planes at a time.
func (b *engine) trilinearMoments(x []float32, s device.Shape, shift []float32) []float64 {
	c := s.C
	part := make([]float64, s.N*s.D*2*c)
	b.forScratch(s.N*s.D, func(sc *scratch, i int) {
		pair := sc.floats(2, 8*s.H*s.W*c)
		b.upsamplePair(pair, x, s, sc, i/s.D, i%s.D)
		acc := part[i*2*c:][:2*c]
		b.moments(acc[:c], acc[c:], pair, shift)
	})
	for p := part[2*c:]; len(p) > 0; p = p[2*c:] {
		for i, v := range p[:2*c] {
			part[i] += v
		}
	}
	return part[:2*c]
}

// slabPlanes is how many coarse planes of a transposed convolution are made at a time.
const slabPlanes = 4

// transposedMoments is channelMoments of a tensor upsampled by a transposed convolution, about its
// first voxel.
func (b *engine) transposedMoments(x []float32, s device.Source, w, bias []float32) (shift []float32, moments []float64) {
	plane := s.X.H * s.X.W * s.X.C
	planes := s.X.N * s.X.D // the window does not reach beyond a coarse plane
	slab := s
	slab.X.Shape.N = 1
	slab.X.Shape.D = min(slabPlanes, planes)
	u := b.workspace(slab.Out().Len())
	defer b.free(u)
	c := s.Out().C
	moments = make([]float64, 2*c)
	for d := 0; d < planes; d += slab.X.Shape.D {
		slab.X.Shape.D = min(slabPlanes, planes-d)
		made := u[:slab.Out().Len()]
		b.transposed(made, x[d*plane:], slab, w, bias)
		if shift == nil {
			shift = append(shift, made[:c]...)
		}
		for i, v := range b.channelMoments(made, shift) {
			moments[i] += v
		}
	}
	return shift, moments
}
