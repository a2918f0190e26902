package cpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
)

// The statistics of an upsampled tensor that is not made are those of float64 to the last bit or two of a float32, also where its
// variance is what is left of much larger ones, and a mean is far from zero.
func TestCompositeStatistics(t *testing.T) {
	for _, c := range []struct{ cx, c int }{{2, 1}, {3, 5}, {9, 17}} {
		s := device.Source{X: device.Tensor{Shape: device.Shape{N: 2, D: 7, H: 9, W: 11, C: c.cx}}, Up: device.Transposed}
		s.W.Shape = device.Weights(2, c.cx, c.c)
		require.True(t, s.Composite())
		x, w, bias := drawn32(s.X.Len(), 1), drawn32(s.W.Len(), 2), drawn32(c.c, 3)
		for i := range x {
			switch i % c.cx {
			case 0:
				x[i] += 100
			case 1: // the channel before, but for a thousandth
				x[i] = x[i-1] + x[i]/1000
			}
		}
		for k := range 8 {
			for l := range c.c {
				w[(k*c.cx+1)*c.c+l] = -w[k*c.cx*c.c+l]
			}
		}
		shift := make([]float64, c.c) // of float64: what channelMoments is to be
		want := make([]float64, 2*c.c)
		u := func(v, k, l int) float64 {
			sum := float64(bias[l])
			for i := range c.cx {
				sum += float64(w[(k*c.cx+i)*c.c+l]) * float64(x[v*c.cx+i])
			}
			return sum
		}
		n := s.X.Rows()
		for l := range shift {
			for v := range n {
				for k := range 8 {
					shift[l] += u(v, k, l) / float64(8*n)
				}
			}
			for v := range n {
				for k := range 8 {
					d := u(v, k, l) - shift[l]
					want[c.c+l] += d * d / float64(8*n)
				}
			}
		}
		check := func(b *Backend, x, w, bias []float32) float64 {
			about, moments := b.engine.compositeMoments(x, s, w, bias)
			worst := 0.0
			for l, a := range about {
				rows := float64(8 * n)
				d := moments[l] / rows
				variance := moments[c.c+l]/rows - d*d
				worst = max(worst, math.Abs(float64(a)+d-shift[l])/math.Sqrt(want[c.c+l]), math.Abs(variance/want[c.c+l]-1))
			}
			return worst
		}
		for _, b := range []*Backend{New(), NewPortable()} {
			require.Less(t, check(b, x, w, bias), 1e-7, b.Name())
			for name, mistake := range map[string]float64{
				"no bias":                check(b, x, w, nil),
				"a voxel left out":       check(b, x[c.cx:], w, bias),
				"a position taken twice": check(b, x, append(w[c.cx*c.c:len(w):len(w)], w[c.cx*c.c:2*c.cx*c.c]...), bias),
				"another channel's bias": check(b, x, w[:len(w):len(w)], append(bias[1:len(bias):len(bias)], 7)),
				"one position of zero":   check(b, x, append(make([]float32, c.cx*c.c), w[c.cx*c.c:]...), bias),
			} {
				require.False(t, mistake < 1e-7, "%s went unnoticed", name)
			}
		}
	}
}
