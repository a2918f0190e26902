package volume

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/par"
	"voxgrad/internal/rng"
)

func TestResampleAgainstDefinition(t *testing.T) {
	s := rng.New(7, "resample")
	within, beyond := 0, 0
	for range 40 {
		v := randomVolume(s, [3]int{1 + s.Intn(8), 1 + s.Intn(8), 1 + s.Intn(8)})
		// A grid that hangs over the image on all sides, and a transform between.
		to := Grid{Size: [3]int{6 + s.Intn(5), 7, 5 + s.Intn(3)}, Affine: v.Affine}
		for r := range 3 {
			for c := range 3 {
				to.Affine[r][c] += s.Uniform(-0.3, 0.3)
			}
			to.Affine[r][3] -= to.Affine[r][0] + to.Affine[r][1]
		}
		turn := Identity
		turn[0][1], turn[1][0], turn[2][3] = 0.05, -0.05, 0.3
		coef := naiveCoefficients(v)
		for _, in := range []Interp{Linear, Nearest, Cubic} {
			got := ResampleThrough(v, to, turn, in, -7)
			require.Equal(t, to, got.Grid)
			for k := range to.Size[2] {
				for j := range to.Size[1] {
					for i := range to.Size[0] {
						p := v.Voxel(turn.Apply(to.World(float64(i), float64(j), float64(k))))
						want := naiveSample(v, coef, p, in, -7)
						if want == -7 {
							beyond++
						} else {
							within++
						}
						require.InDelta(t, want, got.At(i, j, k), 2e-6, "%s %v at %v", in, v.Size, p)
					}
				}
			}
		}
	}
	require.Greater(t, within, 5000)
	require.Greater(t, beyond, 5000)
}

func TestLinearIsExactOnLinearFunctions(t *testing.T) {
	s := rng.New(8, "linear")
	v := randomVolume(s, [3]int{9, 8, 7})
	f := func(p [3]float64) float64 { return 3 + 0.5*p[0] - 0.25*p[1] + 2*p[2] }
	for k := range 7 {
		for j := range 8 {
			for i := range 9 {
				v.Data[v.Index(i, j, k)] = float32(f(v.World(float64(i), float64(j), float64(k))))
			}
		}
	}
	for range 50 {
		p := [3]float64{s.Uniform(0, 8), s.Uniform(0, 7), s.Uniform(0, 6)}
		at := Grid{Size: [3]int{1, 1, 1}, Affine: v.Affine}
		w := v.World(p[0], p[1], p[2])
		for r := range 3 {
			at.Affine[r][3] = w[r]
		}
		require.InDelta(t, f(w), Resample(v, at, Linear, 0).Data[0], 1e-6*200)
	}
}

// Far from the ends a cubic spline reproduces cubic polynomials.
func TestCubicReproducesCubics(t *testing.T) {
	v := New(Grid{Size: [3]int{61, 1, 1}, Affine: Identity})
	f := func(x float64) float64 { x = x/30 - 1; return 1 + x - 2*x*x + 3*x*x*x }
	for i := range v.Data {
		v.Data[i] = float32(f(float64(i)))
	}
	for n := range 100 {
		x := 25 + float64(n)*0.1
		at := Grid{Size: [3]int{1, 1, 1}, Affine: Identity}
		at.Affine[0][3] = x
		require.InDelta(t, f(x), Resample(v, at, Cubic, 0).Data[0], 1e-6)
	}
}

// Values on the voxels themselves come back; Resample would copy them, hence the
// direct call.
func TestCubicInterpolates(t *testing.T) {
	v := randomVolume(rng.New(9, "nodes"), [3]int{60, 1, 2})
	coef := splineCoefficients(v)
	for k := range 2 {
		row := make([]float32, 60)
		cubicRow(row, coef, v.Size, [3]float64{0, 0, float64(k)}, [3]float64{1, 0, 0}, 0)
		for i, x := range row {
			require.InDelta(t, v.At(i, 0, k), x, 2e-6)
		}
	}
}

// Halving the spacing divides the error of a cubic spline by 16, of linear
// interpolation by 4.
func TestOrderOfConvergence(t *testing.T) {
	worst := func(n int, in Interp) float64 {
		h := 1.0 / float64(n-1)
		v := New(Grid{Size: [3]int{n, 5, 5}, Affine: Affine{{h, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}})
		f := func(x float64) float64 { return math.Cos(3 * math.Pi * x) } // even about both ends, as the mirrored image is
		for i := range v.Data {
			v.Data[i] = float32(f(float64(i%n) * h))
		}
		to := Grid{Size: [3]int{501, 1, 1}, Affine: Affine{{1.0 / 500, 0, 0, 0}, {0, 1, 0, 2}, {0, 0, 1, 2}}}
		e := 0.0
		for i, x := range Resample(v, to, in, 0).Data {
			e = max(e, math.Abs(float64(x)-f(float64(i)/500)))
		}
		return e
	}
	require.InDelta(t, 16, worst(17, Cubic)/worst(33, Cubic), 3)
	require.InDelta(t, 4, worst(17, Linear)/worst(33, Linear), 0.5)
}

func TestResampleCopiesSharedVoxels(t *testing.T) {
	s := rng.New(10, "copy")
	for range 30 {
		v := randomVolume(s, [3]int{5, 6, 4})
		spacing := v.Affine.Spacing() // to 1 mm along its own axes
		for r := range 3 {
			for c := range 3 {
				v.Affine[r][c] /= spacing[c]
			}
		}
		iso, err := Iso(v.Grid, 1)
		require.NoError(t, err)
		for _, in := range []Interp{Linear, Nearest, Cubic} {
			require.Equal(t, Canonical(v).Data, Resample(v, iso, in, 0).Data, "the same bits")
			require.Equal(t, v.Data, Resample(Resample(v, iso, in, 0), v.Grid, in, 0).Data)
		}
		v.Affine[0][0] *= 1 + 5e-6 // below the tolerance
		require.Equal(t, Canonical(v).Data, Resample(v, iso, Cubic, 0).Data)
	}
	// A window into the image, shifted by whole voxels, partly beyond it.
	v := randomVolume(s, [3]int{4, 4, 4})
	to := Grid{Size: [3]int{4, 4, 4}, Affine: v.Affine}
	for r := range 3 {
		to.Affine[r][3] += 2 * v.Affine[r][0]
	}
	w := Resample(v, to, Cubic, 9)
	require.Equal(t, v.At(3, 2, 1), w.At(1, 2, 1))
	require.Equal(t, float32(9), w.At(2, 2, 1))
}

func TestResampleDoesNotDependOnThreads(t *testing.T) {
	defer par.SetThreads(0)
	s := rng.New(11, "threads")
	v := randomVolume(s, [3]int{17, 13, 11})
	iso, err := Iso(v.Grid, 0.7)
	require.NoError(t, err)
	for _, in := range []Interp{Linear, Nearest, Cubic} {
		par.SetThreads(1)
		one := Resample(v, iso, in, 0)
		par.SetThreads(7)
		require.Equal(t, one, Resample(v, iso, in, 0))
	}
}

func TestResampleThereAndBack(t *testing.T) {
	s := rng.New(12, "back")
	v := New(Grid{Size: [3]int{20, 24, 9}, Affine: Affine{{-0.72, 0, 0, 5}, {0, -0.72, 0, 5}, {0, 0, 3, 5}}})
	for i := range v.Data {
		v.Data[i] = float32(s.Float64())
	}
	v.Path, v.Source = "p", &Source{}
	iso, err := Iso(v.Grid, 1)
	require.NoError(t, err)
	ones := v.Like()
	for i := range ones.Data {
		ones.Data[i] = 1
	}
	p := Resample(ones, iso, Linear, -1)
	for _, x := range p.Data {
		require.Equal(t, float32(1), x, "the 1 mm grid lies inside the field of view")
	}
	for _, x := range Resample(p, v.Grid, Linear, -1).Data {
		require.Equal(t, float32(1), x, "and so does the input grid in it")
	}
	back := Resample(Resample(v, iso, Linear, 0), v.Grid, Linear, 0)
	require.Equal(t, v.Grid, back.Grid)
	require.Equal(t, "p", back.Path)
	require.Same(t, v.Source, back.Source)
}

func BenchmarkResample(b *testing.B) {
	s := rng.New(13, "bench")
	v := New(Grid{Size: [3]int{183, 239, 43}, Affine: Affine{{-0.71875, 0, 0, 60}, {0, -0.71875, 0, 80}, {0, 0, 3, -60}}})
	for i := range v.Data {
		v.Data[i] = float32(s.Float64())
	}
	iso, err := Iso(v.Grid, 1)
	require.NoError(b, err)
	for _, in := range []Interp{Nearest, Linear, Cubic} {
		b.Run(fmt.Sprintf("interp=%s", in), func(b *testing.B) {
			b.SetBytes(int64(4 * iso.Len()))
			for b.Loop() {
				Resample(v, iso, in, 0)
			}
		})
	}
}
