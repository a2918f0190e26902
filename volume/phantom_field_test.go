package volume

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

func TestLatticeIsUnitNoiseWithItsSlope(t *testing.T) {
	l := newLattice(3, 1, "test")
	s := rng.New(1, "places")
	var sum, squares float64
	const n = 20000
	for range n {
		p := [3]float64{s.Uniform(-200, 200), s.Uniform(-200, 200), s.Uniform(-200, 200)}
		v := l.at(p)
		sum += v
		squares += v * v
	}
	require.InDelta(t, 0, sum/n, 0.05)
	require.InDelta(t, 1, math.Sqrt(squares/n), 0.05)

	for range 50 {
		p := [3]float64{s.Uniform(-20, 20), s.Uniform(-20, 20), s.Uniform(-20, 20)}
		v, slope := l.slope(p)
		require.InDelta(t, l.at(p), v, 1e-6)
		var grad float64
		for d := range 3 {
			lo, hi := p, p
			lo[d] -= 0.01
			hi[d] += 0.01
			grad += square((l.at(hi) - l.at(lo)) / 0.02)
		}
		require.InDelta(t, math.Sqrt(grad), slope, 2e-3)
	}
}

func TestFieldIsTheLattice(t *testing.T) {
	l := newLattice(30, 2, "test")
	size, spacing := [3]int{21, 10, 13}, [3]float64{1, 0.7, 3}
	f := l.field(size, spacing)
	g := Grid{Size: size}
	var most, squares float64
	for k := range size[2] {
		for j := range size[1] {
			for i := range size[0] {
				want := l.at([3]float64{float64(i) * spacing[0], float64(j) * spacing[1], float64(k) * spacing[2]})
				off := math.Abs(want - float64(f[g.Index(i, j, k)]))
				most = max(most, off)
				squares += off * off
			}
		}
	}
	// Linear interpolation over a third of a cell.
	require.Less(t, most, 0.2)
	require.Less(t, math.Sqrt(squares/float64(g.Len())), 0.05)
}

func TestGaussianBlur(t *testing.T) {
	size, spacing := [3]int{15, 13, 11}, [3]float64{1, 2, 0.5}
	g := Grid{Size: size}
	sigma := [3]float64{1.1, 1.5, 0.4}
	v := make([]float32, g.Len())
	v[g.Index(7, 6, 5)] = 1
	gaussianBlur(v, size, spacing, sigma)
	var total float64
	for _, f := range v {
		total += float64(f)
	}
	require.InDelta(t, 1, total, 1e-5)
	for d := range 3 {
		for step := 1; step <= 2; step++ {
			at := [3]int{7, 6, 5}
			at[d] += step
			mm := float64(step) * spacing[d]
			if mm > 2.5*sigma[d] {
				continue
			}
			want := math.Exp(-mm * mm / (2 * sigma[d] * sigma[d]))
			require.InDelta(t, want, v[g.Index(at[0], at[1], at[2])]/v[g.Index(7, 6, 5)], 1e-5)
		}
	}
	// A constant stays, up to the border.
	for x := range v {
		v[x] = 2.5
	}
	gaussianBlur(v, size, spacing, sigma)
	for _, f := range v {
		require.InDelta(t, 2.5, f, 1e-5)
	}
	// No blur leaves every bit.
	s := rng.New(3, "blur")
	for x := range v {
		v[x] = float32(s.Normal())
	}
	before := append([]float32(nil), v...)
	gaussianBlur(v, size, spacing, [3]float64{})
	require.Equal(t, before, v)
}
