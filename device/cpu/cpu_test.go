package cpu

import (
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/internal/par"
)

func noise(b *Backend, s device.Shape, seed uint64) device.Tensor {
	t := b.Alloc(s)
	r := rand.New(rand.NewPCG(seed, 1))
	v := make([]float32, s.Len())
	for i := range v {
		v[i] = 2*r.Float32() - 1
	}
	b.Upload(t, v)
	return t
}

func set(t device.Tensor) device.Into { return device.Into{Tensor: t, Mode: device.Set} }

// everything runs each operation whose work is shared among threads and returns
// the bits of all results. Sizes fill several blocks, with rests everywhere.
func everything(b *Backend) []uint32 {
	var bits []uint32
	keep := func(ts ...device.Tensor) {
		for _, t := range ts {
			v := make([]float32, t.Len())
			b.Download(v, t)
			for _, f := range v {
				bits = append(bits, math.Float32bits(f))
			}
			b.Free(t)
		}
	}
	for _, c := range []struct {
		win       device.ConvParams
		cin, cout int
	}{{device.Conv3x3x3, 50, 35}, {device.Conv3x3x3, 20, 2}, {device.Conv3x3x3, 1, 24}, {device.ConvParams{K: 3, Stride: 2, Pad: 1}, 7, 9}, {device.Conv3x3x3, 48, 64}, {device.Conv3x3x3, 24, 40}} {
		s := device.Shape{N: 2, D: 9, H: 8, W: 11, C: c.cin}
		x, w, bias := noise(b, s, 1), noise(b, device.Weights(c.win.K, c.cin, c.cout), 2), noise(b, device.Vec(c.cout), 3)
		y := b.Alloc(c.win.Out(s, c.cout))
		b.Conv(y, x, w, bias, c.win, device.ReLU)
		dx, dw, db := b.Alloc(s), b.Alloc(w.Shape), b.Alloc(bias.Shape)
		b.ConvGradX(set(dx), y, w, c.win)
		b.ConvGradW(set(dw), set(db), x, y, c.win)
		keep(y, dx, dw, db)
		b.Free(x)
		b.Free(w)
		b.Free(bias)
	}
	s := device.Shape{N: 2, D: 8, H: 9, W: 10, C: 21}
	x, w, bias := noise(b, s, 4), noise(b, device.Weights(2, 21, 18), 5), noise(b, device.Vec(18), 6)
	y := b.Alloc(device.ConvT2x2x2.OutT(s, 18))
	b.ConvT(y, x, w, bias, device.ConvT2x2x2)
	dx, dw, db := b.Alloc(s), b.Alloc(w.Shape), b.Alloc(bias.Shape)
	b.ConvTGradX(set(dx), y, w, device.ConvT2x2x2)
	b.ConvTGradW(set(dw), set(db), x, y, device.ConvT2x2x2)
	keep(y, dx, dw, db, w, bias)

	big := noise(b, device.Shape{N: 1, D: 10, H: 30, W: 30, C: 13}, 7)
	vec := func() device.Tensor { return b.Alloc(device.Vec(13)) }
	mean, invstd, gamma, dgamma, dbeta := vec(), vec(), noise(b, device.Vec(13), 8), vec(), vec()
	b.BatchNormStats(mean, invstd, big, device.Tensor{}, device.Tensor{}, 1e-5, 0.1)
	grad := b.Alloc(big.Shape)
	b.BatchNormGrad(set(grad), set(dgamma), set(dbeta), big, big, gamma, mean, invstd, false)
	g, loss, sums := noise(b, big.Shape, 9), b.Alloc(device.Scalar()), b.Alloc(device.Vec(39))
	b.DiceLoss(loss, sums, device.Tensor{}, big, g, device.DiceOptions{Eps: 0.01, CrossEntropy: 1})
	mse := b.Alloc(device.Scalar())
	b.MSE(mse, big, g)
	up := b.Alloc(x.WithC(21))
	small := b.Alloc(device.Shape{N: 2, D: 4, H: 4, W: 5, C: 21})
	b.MaxPool(small, x)
	b.MaxPoolGrad(set(up), small, x, small)
	drop := b.Alloc(big.Shape)
	b.Dropout(drop, big, 0.3, 11)
	keep(mean, invstd, gamma, dgamma, dbeta, grad, g, loss, sums, mse, up, small, drop, big, x)
	keep(images(b)...)
	for _, up := range []device.Upsampling{device.AsIs, device.Trilinear, device.Transposed} {
		keep(catConvs(b, up, 37, 53, false)...)
	}
	keep(catConvs(b, device.Transposed, 48, 32, false)...) // channels for Winograd
	return bits
}

// The composite weights that CatConv leaves make the same gradients as those that CatConvGrad makes, and are what makes them.
func TestCompositeWeightsAreLeft(t *testing.T) {
	b := New()
	for _, cout := range []int{53, 32} {
		made, left := catConvs(b, device.Transposed, 48, cout, false), catConvs(b, device.Transposed, 48, cout, true)
		for i, m := range made {
			require.Equal(t, data(m), data(left[i]), "%d outputs, result %d", cout, i)
		}
	}
	s := device.Shape{N: 1, D: 4, H: 4, W: 4, C: 1}
	in := []device.Source{{X: noise(b, s, 1), Up: device.Transposed, W: noise(b, device.Weights(2, 1, 1), 2), W4: b.Alloc(device.Weights(4, 1, 1))}}
	require.True(t, in[0].Composite())
	b.Fill(in[0].W4, 0)
	v, dx := noise(b, device.Vec(1), 3), set(b.Alloc(s))
	b.CatConvGrad(device.CatConvGrads{In: []device.SourceGrad{{X: dx}}}, noise(b, device.Upsampled(s), 4), in, device.Normalization{Gamma: v, Beta: v, Mean: v, InvStd: v},
		noise(b, device.Weights(3, 1, 1), 5), true)
	require.Equal(t, make([]float32, s.Len()), data(dx.Tensor))
	require.NoError(t, b.Close())
}

// catConvs are CatConv of an upsampled source and a skip connection, and its gradients; leave: with composite weights from one to the other.
func catConvs(b *Backend, up device.Upsampling, cx, cout int, leave bool) (out []device.Tensor) {
	fine := device.Shape{N: 2, D: 6, H: 8, W: 10, C: 48}
	x := device.Shape{N: 2, D: 3, H: 4, W: 5, C: cx}
	if up == device.AsIs {
		x = fine.WithC(cx)
	}
	in := []device.Source{{X: noise(b, x, 21), Up: up}, {X: noise(b, fine, 22)}}
	if up == device.Transposed {
		in[0].W, in[0].B = noise(b, device.Weights(2, cx, cx), 23), noise(b, device.Vec(cx), 24)
	}
	v, w := device.Vec(48+cx), noise(b, device.Weights(3, 48+cx, cout), 25)
	n := device.Normalization{Gamma: noise(b, v, 26), Beta: noise(b, v, 27), Mean: b.Alloc(v), InvStd: b.Alloc(v)}
	into := func(s device.Shape) device.Into {
		t := b.Alloc(s)
		out = append(out, t)
		return set(t)
	}
	y := into(fine.WithC(cout))
	b.CatConvStats(n.Mean, n.InvStd, in, device.Tensor{}, device.Tensor{}, 1e-5, 0.1)
	if leave {
		in[0].W4 = b.Alloc(device.Weights(4, cx, cout))
	}
	b.CatConv(y.Tensor, in, n, w, device.Tensor{}, device.ReLU)
	g := device.CatConvGrads{Gamma: into(v), Beta: into(v), W: into(w.Shape)}
	for _, s := range in {
		to := device.SourceGrad{X: into(s.X.Shape)}
		if s.Up == device.Transposed {
			to.W, to.B = into(s.W.Shape), into(s.B.Shape)
		}
		g.In = append(g.In, to)
	}
	b.CatConvGrad(g, y.Tensor, in, n, w, false)
	for _, t := range []device.Tensor{in[0].X, in[0].W, in[0].B, in[1].X, w, n.Gamma, n.Beta, n.Mean, n.InvStd} {
		if !t.None() {
			b.Free(t)
		}
	}
	return out
}

// images are results of the operations on images.
func images(b *Backend) (out []device.Tensor) {
	s := device.Shape{N: 1, D: 41, H: 39, W: 45, C: 1}
	x, z := noise(b, s, 12), noise(b, s, 13)
	into := func(s device.Shape) device.Tensor {
		t := b.Alloc(s)
		out = append(out, t)
		return t
	}
	for axis, n := range s.Grid() {
		m := noise(b, device.Matrix(n, n), 14)
		y := into(s)
		b.AlongAxis(set(y), x, m, axis)
		b.AlongAxis(device.Into{Tensor: y, Mode: device.Add}, z, m, axis)
		b.Free(m)
	}
	b.Orient(into(device.Shape{N: 1, D: s.W, H: s.H, W: s.D, C: 1}), x, [3]int{2, 1, 0}, [3]bool{true, false, true})
	b.Orient(into(s), x, [3]int{0, 1, 2}, [3]bool{false, false, true})
	two, coef, least := into(device.Vec(2)), noise(b, device.Vec(20), 15), into(device.Scalar())
	b.Min(least, x)
	b.Resample(into(s), x, least, [3][4]float64{{1, 0.1, -0.2, 0.3}, {0, 0.9, 0, 2}, {0.1, 0.2, 1, -3}})
	b.Blend(into(s), x, z, 2, -1)
	b.BiasField(into(s), x, coef, 3)
	b.Noise(into(s), x, 0.1, 5)
	b.KSpacePeak(two, x, z)
	b.SpikeInImage(into(s), x, two, [3]int{30, 2, 20}, 5)
	stats := into(device.Vec(2))
	b.RegionStats(stats, x, z)
	b.RegionNoise(into(s), x, z, stats, 6)
	b.Select(into(s), z, x, z)
	batch := into(device.Shape{N: 2, D: s.D, H: s.H, W: s.W, C: 1})
	b.PutSample(batch, 0, x)
	b.PutSample(batch, 1, z)
	b.TakeSample(into(s), batch, 1)
	b.Free(x)
	b.Free(z)
	b.Free(coef)
	return out
}

func TestBitsDoNotDependOnThreads(t *testing.T) {
	defer par.SetThreads(0)
	for name, open := range map[string]func() *Backend{"default": New, "winograd": byWinograd, "portable": NewPortable} {
		par.SetThreads(1)
		b := open()
		want := everything(b)
		for _, threads := range []int{2, 3} {
			par.SetThreads(threads)
			got := everything(b)
			require.Len(t, got, len(want))
			for i := range want {
				if got[i] != want[i] {
					t.Fatalf("%s: value %d differs between 1 and %d threads", name, i, threads)
				}
			}
		}
		now, _ := b.Usage()
		require.Zero(t, now)
		require.NoError(t, b.Close())
	}
}

// byWinograd opens a backend that goes Winograd's way wherever it can.
func byWinograd() *Backend {
	b := New()
	b.engine.winograds = always
	return b
}

// The tiles differ, the order of each output's sum does not.
func TestAVX512HasTheBitsOfAVX2(t *testing.T) {
	if !haveAVX512 {
		t.Skip("no AVX-512 here")
	}
	for _, use := range []choice{always, never} {
		narrow, wide := open(true, false), open(true, true)
		narrow.engine.winograds, wide.engine.winograds = use, use
		want, got := everything(narrow), everything(wide)
		require.Len(t, got, len(want))
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("winograds = %d: value %d differs", use, i)
			}
		}
		require.NoError(t, narrow.Close())
		require.NoError(t, wide.Close())
	}
}

func TestLessThanTheProcessorHas(t *testing.T) {
	for v, lanes := range map[string]int{"avx2": 8, "go": 1} {
		t.Setenv("VOXGRAD_CPU", v)
		b := New()
		require.NoError(t, b.Sync())
		require.LessOrEqual(t, b.Lanes(), lanes)
	}
	t.Setenv("VOXGRAD_CPU", "avx1024")
	require.ErrorContains(t, New().Sync(), `VOXGRAD_CPU is "avx1024": it may be avx2 or go`)
}

func TestGoroutinesShareABackend(t *testing.T) {
	b := New()
	defer b.Close()
	want := everything(b)
	var wg sync.WaitGroup
	for range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			got := everything(b)
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("value %d differs when several goroutines work", i)
					return
				}
			}
		}()
	}
	wg.Wait()
	require.NoError(t, b.Sync())
}

func TestFreedMemoryIsReused(t *testing.T) {
	b := New()
	s := device.Shape{N: 1, D: 8, H: 8, W: 8, C: 24}
	x := b.Alloc(s)
	first := &x.Mem.(*buffer).data[0]
	now, peak := b.Usage()
	require.EqualValues(t, s.Len()*4, now)
	require.Equal(t, now, peak)
	b.Free(x)
	y := b.Alloc(s)
	require.Same(t, first, &y.Mem.(*buffer).data[0])
	z := b.Alloc(s)
	require.NotSame(t, first, &z.Mem.(*buffer).data[0])
	b.Free(y)
	now, peak = b.Usage()
	require.EqualValues(t, s.Len()*4, now)
	require.EqualValues(t, 2*s.Len()*4, peak)
	b.ResetPeak()
	_, peak = b.Usage()
	require.Equal(t, now, peak)
	b.Free(z)
	require.Panics(t, func() { b.Free(z) })
	require.Panics(t, func() { b.Fill(y, 1) })
	other := New()
	require.Panics(t, func() { other.Free(b.Alloc(s)) })
}

// Memory that no later request fits must not pile up.
func TestPoolIsBounded(t *testing.T) {
	b := New()
	const most, unit = 200, 1000
	for i := 1; i <= most; i++ {
		b.Free(b.Alloc(device.Vec(i * unit)))
	}
	require.LessOrEqual(t, b.pool.held, int64(roundUp(most*unit)*4*3/2))
}

func TestOutOfMemorySticks(t *testing.T) {
	b := New()
	b.SetLimit(1 << 20)
	x := b.Alloc(device.Vec(1000))
	b.Fill(x, 1)
	require.NoError(t, b.Sync())
	y := b.Alloc(device.Vec(1 << 20))
	err := b.Sync()
	require.Error(t, err)
	require.Contains(t, err.Error(), "[1 1 1 1 1048576]")
	require.Contains(t, err.Error(), "limit 1.0 MiB")
	// Everything afterwards does nothing, with either tensor.
	b.Fill(x, 2)
	b.Fill(y, 2)
	b.Copy(set(y), x)
	b.Conv(y, y, y, y, device.Conv3x3x3, device.Linear)
	require.EqualValues(t, 1, x.Mem.(*buffer).data[0])
	require.Equal(t, err, b.Sync())
	b.Free(y)
	b.Free(x)
	now, _ := b.Usage()
	require.Zero(t, now)
}

func TestPoolYieldsToNewRequests(t *testing.T) {
	b := New()
	b.SetLimit(4 << 20)
	b.Free(b.Alloc(device.Vec(700_000)))
	x := b.Alloc(device.Vec(1_000_000)) // does not fit beside what is held
	require.NoError(t, b.Sync())
	require.LessOrEqual(t, b.pool.held+b.pool.used, int64(4<<20))
	b.Free(x)
}

func TestName(t *testing.T) {
	defer par.SetThreads(0)
	par.SetThreads(1)
	require.Equal(t, "cpu (go, 1 thread)", NewPortable().Name())
	par.SetThreads(3)
	require.Equal(t, "cpu (go, 3 threads)", NewPortable().Name())
	if haveAVX2 {
		require.True(t, strings.HasPrefix(open(true, false).Name(), "cpu (avx2, "))
	}
	if haveAVX512 {
		require.True(t, strings.HasPrefix(open(true, true).Name(), "cpu (avx512, "))
	}
}

// A NaN must come through wherever a value would, so that training can notice.
func TestNaNIsNotHidden(t *testing.T) {
	nan := float32(math.NaN())
	for _, b := range []*Backend{New(), NewPortable()} {
		for _, c := range []int{1, 8, 19} {
			s := device.Shape{N: 1, D: 2, H: 2, W: 2, C: c}
			for i := range s.Len() {
				v := make([]float32, s.Len())
				v[i] = nan
				x, y := b.Alloc(s), b.Alloc(device.Vec(c))
				b.Upload(x, v)
				b.MaxPool(y, x)
				out := make([]float32, c)
				b.Download(out, y)
				for k, o := range out {
					require.Equal(t, k == i%c, o != o, "MaxPool, %d channels, NaN at %d, channel %d is %g", c, i, k, o)
				}
				b.Free(x)
				b.Free(y)
			}
			for _, cout := range []int{2, 16, 21} {
				v := make([]float32, s.Len())
				v[len(v)-1] = nan
				x, w, y := b.Alloc(s), noise(b, device.Weights(3, c, cout), 1), b.Alloc(s.WithC(cout))
				b.Upload(x, v)
				b.Conv(y, x, w, device.Tensor{}, device.Conv3x3x3, device.ReLU)
				count := b.Alloc(device.Vec(2))
				b.Fill(count, 0)
				b.NonFinite(count, []device.Tensor{y})
				n := []float32{0, 0}
				b.Download(n, count)
				require.EqualValues(t, y.Len(), n[0], "Conv, %d to %d channels", c, cout)
			}
		}
	}
}
