package augment

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/ref"
	"voxgrad/volume"
)

// oneD are values of scipy for single lines.
type oneD struct {
	Kernels []struct {
		Sigma   float64
		Radius  int
		Weights []float64
	} `json:"gaussian_kernels"`
	Line     []float64
	Gaussian []struct {
		Sigma float64
		Out   []float64
	} `json:"gaussian_reflect"`
	Uniform []struct {
		Size int
		Out  []float64
	} `json:"uniform_reflect"`
	Coefficients []struct {
		Mode string
		Out  []float64
	} `json:"bspline3_coefficients"`
	Spline  struct{ At, Out []float64 } `json:"bspline3_eval_mirror"`
	Zoom3   []zoomed                    `json:"zoom_order3"`
	Zoom1   []zoomed                    `json:"zoom_order1"`
	Shifted struct {
		N      []int
		Orders [][]int `json:"order_of_fft_bins"`
	} `json:"fftshift"`
}

type zoomed struct {
	Zoom float64
	Out  []float64
}

func readOneD(t *testing.T) (v oneD) {
	t.Helper()
	b, err := os.ReadFile("testdata/one_d.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &v))
	require.NotEmpty(t, v.Kernels)
	return v
}

func (m matrix) times(x []float64) []float64 {
	y := make([]float64, m.rows)
	for p := range y {
		for q, a := range m.row(p) {
			y[p] += a * x[q]
		}
	}
	return y
}

const tight = 1e-13

func TestLinesAreThoseOfScipy(t *testing.T) {
	v := readOneD(t)
	n := len(v.Line)
	for _, k := range v.Kernels {
		w, lo := GaussianKernel(k.Sigma, Truncate)
		require.Equal(t, -k.Radius, lo)
		require.InDeltaSlice(t, k.Weights, w, tight)
	}
	for _, g := range v.Gaussian {
		w, lo := GaussianKernel(g.Sigma, Truncate)
		require.InDeltaSlice(t, g.Out, window(n, w, lo).times(v.Line), tight)
	}
	for _, u := range v.Uniform {
		w := make([]float64, u.Size)
		for i := range w {
			w[i] = 1 / float64(u.Size)
		}
		require.InDeltaSlice(t, u.Out, window(n, w, -(u.Size/2)).times(v.Line), tight)
	}
	require.Equal(t, "mirror", v.Coefficients[0].Mode)
	c := append([]float64{}, v.Line...)
	splineCoefficients(c)
	require.InDeltaSlice(t, v.Coefficients[0].Out, c, tight)
	require.InDeltaSlice(t, v.Spline.Out, splineAt(v.Spline.At, n).times(v.Line), tight)
	for _, z := range v.Zoom3 {
		require.InDeltaSlice(t, z.Out, splineAt(evenly(len(z.Out), n), n).times(v.Line), tight)
	}
	for _, z := range v.Zoom1 {
		require.InDeltaSlice(t, z.Out, linearAt(evenly(len(z.Out), n), n).times(v.Line), tight)
		require.Equal(t, len(z.Out), Anisotropy{Factor: 1 / z.Zoom}.zoomed(n))
	}
	for i, n := range v.Shifted.N { // row p of fourier holds that element of an unshifted transform
		c, s := fourier(n)
		for p, bin := range v.Shifted.Orders[i] {
			whole := newTwiddles(n)
			for q := range n {
				require.Equal(t, whole.cos[bin*q%n], c.row(p)[q])
				require.Equal(t, whole.sin[bin*q%n], s.row(p)[q])
			}
		}
	}
}

// Small lines that scipy's values do not reach.
func TestLinesOfFewVoxels(t *testing.T) {
	require.InDeltaSlice(t, []float64{3, 3, 3}, splineAt([]float64{-0.4, 0, 0.4}, 1).times([]float64{3}), tight)
	require.InDeltaSlice(t, []float64{2, 5}, splineAt([]float64{0, 1}, 2).times([]float64{2, 5}), tight)
	require.Equal(t, []float64{4, 4}, linearAt([]float64{-1, 1}, 1).times([]float64{4}))
	w, lo := GaussianKernel(3, Truncate) // reaches over a line of two many times
	require.InDeltaSlice(t, []float64{1, 1}, window(2, w, lo).times([]float64{1, 1}), tight)
}

// The window of an even mean reaches down, or with origin −1 up; scipy's uniform_filter1d by hand.
func TestAxialMeanOrigin(t *testing.T) {
	v := volume.New(volume.Grid{Size: [3]int{1, 5, 1}, Affine: volume.Identity})
	copy(v.Data, []float32{1, 2, 4, 8, 16})
	for _, c := range []struct {
		size, origin int
		want         []float32
	}{
		{2, 0, []float32{1, 1.5, 3, 6, 12}},
		{2, -1, []float32{1.5, 3, 6, 12, 16}},
		{4, 0, []float32{1.5, 2, 3.75, 7.5, 11}},
		{4, -1, []float32{2, 3.75, 7.5, 11, 12}},
		{3, 1, []float32{4. / 3, 4. / 3, 7. / 3, 14. / 3, 28. / 3}},
	} {
		got := apply(t, ref.New[float32](), Recipe{AxialMean{Axis: 1, Size: c.size, Origin: c.origin}}, v)
		require.InDeltaSlice(t, c.want, got.Data, 1e-6, "size %d, origin %d", c.size, c.origin)
	}
}

// Opposite frequencies have equal cosines and opposite sines, to the bit, odd or even.
func TestFourierMatricesAreExactlyConjugate(t *testing.T) {
	for n := 1; n <= 41; n++ {
		c, s := fourier(n)
		for p := range n {
			f := p - n/2
			opposite := modulo(-f+n/2, n) // −n/2 is its own opposite
			for q := range n {
				require.Equal(t, c.row(p)[q], c.row(opposite)[q])
				require.Equal(t, s.row(p)[q], -s.row(opposite)[q])
			}
		}
	}
}
