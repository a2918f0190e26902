package cuda

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/internal/rng"
)

func set(t device.Tensor) device.Into { return device.Into{Tensor: t, Mode: device.Set} }

func (w *twin) free(ps ...pair) {
	for _, p := range ps {
		w.b.Free(p.dev)
	}
}

func (w *twin) download(p pair) []float32 {
	x := make([]float32, p.dev.Len())
	w.b.Download(x, p.dev)
	require.NoError(w.t, w.b.Sync())
	return x
}

// band is a matrix with few coefficients beside the diagonal.
func (w *twin) band(rows, cols, width int) pair {
	k := -1
	return w.values(device.Matrix(rows, cols), func() float64 {
		k++
		if p, q := k/cols, k%cols; p*cols/rows-q > width || q-p*cols/rows > width {
			return 0
		}
		return w.draw.Normal()
	})
}

// Several tiles each way, tails everywhere, both kernels, stages without coefficients.
func TestAlongAxisTiles(t *testing.T) {
	w := newTwin(t)
	for _, s := range []device.Shape{{N: 2, D: 35, H: 3, W: 37, C: 1}, {N: 1, D: 2, H: 33, W: 5, C: 3}, {N: 1, D: 5, H: 7, W: 47, C: 2}, {N: 1, D: 1, H: 2, W: 4, C: 17}} {
		for axis := range 3 {
			cols := s.Grid()[axis]
			for _, rows := range []int{cols, 1, 70} {
				for _, mode := range []device.Mode{device.Set, device.Add} {
					ys := device.Along(s, axis, rows)
					x, m, y := w.normal(s), w.band(rows, cols, 12), w.normal(ys)
					w.b.AlongAxis(device.Into{Tensor: y.dev, Mode: mode}, x.dev, m.dev, axis)
					w.ref.AlongAxis(device.Into{Tensor: y.ref, Mode: mode}, x.ref, m.ref, axis)
					w.near(y, 5e-6, fmt.Sprintf("%v, axis %d, %d rows, %v", s, axis, rows, mode))
					w.free(x, m, y)
				}
			}
		}
	}
	require.NoError(t, w.b.Close())
}

// The spectrum of real data is symmetric to the bit: position q and its mirror are the
// same products in the same order up to the sign.
func TestAlongAxisSymmetric(t *testing.T) {
	w := newTwin(t)
	const n = 45
	s := device.Shape{N: 1, D: n, H: 4, W: n, C: 1}
	k := 0
	dft := func(f func(float64) float64) func() float64 {
		return func() float64 {
			p, q := k/n-n/2, k%n
			k++
			return f(2 * math.Pi * float64(((p*q)%n+n)%n) / n)
		}
	}
	mirrored := func(m pair, sign float32) pair { // exactly, whatever cos and sin round to
		v := w.download(m)
		for p := range n / 2 {
			for q := range n {
				v[(n-1-p)*n+q] = sign * v[p*n+q]
			}
		}
		w.b.Upload(m.dev, v)
		return m
	}
	cos := mirrored(w.values(device.Matrix(n, n), dft(math.Cos)), 1)
	k = 0
	sin := mirrored(w.values(device.Matrix(n, n), dft(math.Sin)), -1)
	x, y := w.normal(s), w.normal(s)
	for _, axis := range []int{0, 2} {
		for sign, m := range map[float32]pair{1: cos, -1: sin} {
			w.b.AlongAxis(set(y.dev), x.dev, m.dev, axis)
			v := w.download(y)
			at := func(d, h, wd int) float32 { return v[(d*s.H+h)*s.W+wd] }
			for d := range n {
				for h := range s.H {
					for q := range n {
						md, mq := n-1-d, q
						if axis == 2 {
							md, mq = d, n-1-q
						}
						if (axis == 0 && d != n/2) || (axis == 2 && q != n/2) {
							require.Equal(t, at(d, h, q), sign*at(md, h, mq), "axis %d, voxel %d %d %d", axis, d, h, q)
						}
					}
				}
			}
		}
	}
}

// All 48 ways to hold an image.
func TestOrientAll(t *testing.T) {
	w := newTwin(t)
	x := w.normal(device.Shape{N: 2, D: 3, H: 4, W: 5, C: 2})
	for _, perm := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		for bits := range 8 {
			flip := [3]bool{bits&1 != 0, bits&2 != 0, bits&4 != 0}
			g := x.dev.Grid()
			y := w.normal(device.Shape{N: 2, D: g[perm[0]], H: g[perm[1]], W: g[perm[2]], C: 2})
			w.b.Orient(y.dev, x.dev, perm, flip)
			w.ref.Orient(y.ref, x.ref, perm, flip)
			w.near(y, 0, fmt.Sprint(perm, flip))
			w.free(y)
		}
	}
}

// Points inside, at the border of half a voxel, exactly on voxels, and outside; axes of one voxel.
func TestResamplePoints(t *testing.T) {
	w := newTwin(t)
	outside := w.values(device.Scalar(), func() float64 { return -7 })
	for _, s := range []device.Shape{{N: 2, D: 4, H: 5, W: 6, C: 2}, {N: 1, D: 1, H: 9, W: 1, C: 1}} {
		x := w.normal(s)
		for name, to := range map[string][3][4]float64{
			"identity": {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}},
			"halves":   {{0.5, 0, 0, -0.5}, {0, 0.5, 0, -0.5}, {0, 0, 0.5, -0.5}},
			"rotated":  {{0.8, -0.6, 0.01, 1}, {0.6, 0.8, 0, -1}, {0, 0.02, 0.9, 0.3}},
			"shrunk":   {{0, 0.3, 0, 0.123}, {0.4, 0, 0, 0.1}, {0, 0, 0.7, 0}},
			"not":      {{math.NaN(), 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}},
			"far":      {{1, 0, 0, 1e18}, {0, 1, 0, 0}, {0, 0, 1, 0}},
		} {
			y := w.normal(device.Shape{N: s.N, D: 8, H: 7, W: 11, C: s.C})
			w.b.Resample(y.dev, x.dev, outside.dev, to)
			w.ref.Resample(y.ref, x.ref, outside.ref, to)
			w.near(y, 1e-6, name)
			w.free(y)
		}
		w.free(x)
	}
}

// z has the bits of package rng: with x = 0 and sd = 1 it is the result.
func TestNoiseBits(t *testing.T) {
	const key = 0xfedcba9876543210
	w := newTwin(t)
	for _, n := range []int{1, 2, 3, 2053} {
		x := w.values(device.Vec(n), func() float64 { return 0 })
		w.b.Noise(x.dev, x.dev, 1, key)
		for i, v := range w.download(x) {
			require.Equal(t, math.Float32bits(rng.Normal32(rng.Word(key, uint64(i)))), math.Float32bits(v), "%d of %d", i, n)
		}
		mask, stats := w.values(device.Vec(n), func() float64 { return 0.75 }), w.values(device.Vec(2), func() float64 { return 0 })
		w.b.Upload(stats.dev, []float32{0, 1})
		w.b.Fill(x.dev, 5)
		w.b.RegionNoise(x.dev, x.dev, mask.dev, stats.dev, key)
		for i, v := range w.download(x) {
			require.Equal(t, math.Float32bits(rng.Normal32(rng.Word(key, uint64(i)))), math.Float32bits(v), "%d of %d", i, n)
		}
	}
}

func TestFieldOrders(t *testing.T) {
	w := newTwin(t)
	for _, s := range []device.Shape{{N: 2, D: 3, H: 5, W: 11, C: 3}, {N: 1, D: 1, H: 2, W: 40, C: 1}} {
		for order := range 5 {
			x := w.normal(s)
			coef := w.values(device.Vec((order+1)*(order+2)*(order+3)/6), func() float64 { return w.draw.Uniform(-0.5, 0.5) })
			w.b.BiasField(x.dev, x.dev, coef.dev, order)
			w.ref.BiasField(x.ref, x.ref, coef.ref, order)
			w.near(x, 1e-7, fmt.Sprint(s, order))
			w.free(x, coef)
		}
	}
}

// More blocks than one, more parts than a block has threads, NaN, ties.
func TestReductionsOfImages(t *testing.T) {
	w := newTwin(t)
	for _, n := range []int{1, 5, 3001, 300*1024 + 3} {
		s := device.Shape{N: 1, D: 1, H: 1, W: n, C: 1}
		x, mask := w.values(s, func() float64 { return 1000 + w.draw.Normal() }), w.values(s, w.draw.Float64)
		least, stats := w.normal(device.Scalar()), w.normal(device.Vec(2))
		w.b.Min(least.dev, x.dev)
		w.ref.Min(least.ref, x.ref)
		w.near(least, 0, "minimum")
		w.b.RegionStats(stats.dev, x.dev, mask.dev)
		w.ref.RegionStats(stats.ref, x.ref, mask.ref)
		w.near(stats, 1e-7, "statistics")
		w.b.Fill(mask.dev, 0.5)
		w.b.RegionStats(stats.dev, x.dev, mask.dev)
		require.Equal(t, []float32{0, 0}, w.download(stats), "nothing inside")

		re, im := make([]float32, n), make([]float32, n)
		for i := range re {
			re[i], im[i] = float32(w.draw.Intn(3)), float32(w.draw.Intn(1000))-2000
		}
		re[n/2], im[n/2] = 3, -5
		re[n/3], im[n/3] = 3, -4
		re[n-1], im[n-1] = 3, -6
		want := im[n/3] // where n is 1, the last one written
		w.b.Upload(x.dev, re)
		w.b.Upload(mask.dev, im)
		w.b.KSpacePeak(stats.dev, x.dev, mask.dev)
		require.Equal(t, []float32{3, want}, w.download(stats))
		x0 := w.download(x)
		x0[n-1] = float32(math.NaN())
		w.b.Upload(x.dev, x0)
		w.b.Min(least.dev, x.dev)
		require.True(t, math.IsNaN(float64(w.download(least)[0])))
		w.free(x, mask, least, stats)
	}
}

// A spike in the spectrum and its wave in the image; odd and even extents.
func TestWaves(t *testing.T) {
	w := newTwin(t)
	s := device.Shape{N: 1, D: 5, H: 6, W: 37, C: 1}
	peak := w.values(device.Vec(2), w.draw.Normal)
	for _, at := range [][3]int{{0, 0, 0}, {2, 3, 18}, {4, 5, 36}, {1, 4, 2}} {
		x, im := w.normal(s), w.normal(s)
		w.b.SpikeInImage(x.dev, x.dev, peak.dev, at, 300)
		w.ref.SpikeInImage(x.ref, x.ref, peak.ref, at, 300)
		w.near(x, 1e-6, "wave")
		w.b.KSpaceSpike(x.dev, im.dev, peak.dev, at, 0.3)
		w.ref.KSpaceSpike(x.ref, im.ref, peak.ref, at, 0.3)
		w.near(x, 1e-6, "real part")
		w.near(im, 1e-6, "imaginary part")
		w.free(x, im)
	}
}

// Samples that start at a multiple of 16 bytes, and that do not.
func TestSamples(t *testing.T) {
	w := newTwin(t)
	for _, wd := range []int{1, 4, 7, 1101} {
		s := device.Shape{N: 3, D: 1, H: 1, W: wd, C: 1}
		one := s
		one.N = 1
		for n := range s.N {
			batch, x, y := w.normal(s), w.normal(one), w.normal(one)
			w.b.TakeSample(y.dev, batch.dev, n)
			w.ref.TakeSample(y.ref, batch.ref, n)
			w.near(y, 0, "taken")
			w.b.PutSample(batch.dev, n, x.dev)
			w.ref.PutSample(batch.ref, n, x.ref)
			w.near(batch, 0, "put")
			w.free(batch, x, y)
		}
	}
}

// What is wrong with the arguments is said, and the backend is left unlocked.
func TestImagingRefuses(t *testing.T) {
	_, b := onEmulator(t, nil)
	x, y, v2, one := b.Alloc(device.Shape{N: 1, D: 2, H: 3, W: 4, C: 1}), b.Alloc(device.Shape{N: 1, D: 2, H: 3, W: 4, C: 1}), b.Alloc(device.Vec(2)), b.Alloc(device.Scalar())
	m, two := b.Alloc(device.Matrix(4, 4)), b.Alloc(device.Shape{N: 2, D: 2, H: 3, W: 4, C: 1})
	for want, call := range map[string]func(){
		"AlongAxis: axis 3 is not":             func() { b.AlongAxis(set(y), x, m, 3) },
		"AlongAxis: y [1 2 3 4 1], x":          func() { b.AlongAxis(set(y), x, m, 1) },
		"AlongAxis: an output [1 2 3 4 1]":     func() { b.AlongAxis(set(x), x, m, 2) },
		"Orient: [0 0 2] is not":               func() { b.Orient(y, x, [3]int{0, 0, 2}, [3]bool{}) },
		"Orient: y [1 2 3 4 1], x":             func() { b.Orient(y, x, [3]int{2, 1, 0}, [3]bool{}) },
		"Resample: y [1 2 3 4 1], x":           func() { b.Resample(y, x, v2, [3][4]float64{}) },
		"Blend: y":                             func() { b.Blend(y, x, m, 1, 1) },
		"Min: least [1 1 1 1 2]":               func() { b.Min(v2, x) },
		"BiasField: order 5 is not":            func() { b.BiasField(y, x, v2, 5) },
		"BiasField: y":                         func() { b.BiasField(y, x, v2, 1) },
		"Noise: y":                             func() { b.Noise(y, m, 1, 1) },
		"KSpacePeak: [2 2 3 4 1] is not one":   func() { b.KSpacePeak(v2, two, two) },
		"KSpaceSpike: position [0 3 0] is out": func() { b.KSpaceSpike(x, y, v2, [3]int{0, 3, 0}, 1) },
		"KSpaceSpike: an output":               func() { b.KSpaceSpike(x, x, v2, [3]int{}, 1) },
		"SpikeInImage: position [-1 0 0] is":   func() { b.SpikeInImage(y, x, v2, [3]int{-1, 0, 0}, 1) },
		"RegionStats: stats [1 1 1 1 1]":       func() { b.RegionStats(one, x, y) },
		"RegionNoise: an output":               func() { b.RegionNoise(y, x, y, v2, 1) },
		"Select: y":                            func() { b.Select(y, m, x, x) },
		"PutSample: no sample 2 in batch":      func() { b.PutSample(two, 2, x) },
		"TakeSample: x [1 1 1 1 2], batch ":    func() { b.TakeSample(v2, two, 0) },
	} {
		func() {
			defer func() { require.Contains(t, fmt.Sprint(recover()), "cuda: "+want) }()
			call()
		}()
	}
	require.NoError(t, b.Sync())
}
