package cuda

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/device/ref"
	"voxgrad/internal/rng"
)

// twin makes each call on the emulator and, in float64, on the oracle.
type twin struct {
	t    *testing.T
	b    *Backend
	ref  *ref.Backend[float64]
	draw *rng.Stream
}

// Without a pool, so that no access outside a tensor goes unseen.
func newTwin(t *testing.T) *twin {
	_, b := onEmulator(t, nil, WithoutPool())
	return &twin{t, b, ref.New[float64](), rng.New(1, t.Name())}
}

// pair is a tensor on both.
type pair struct{ dev, ref device.Tensor }

func (w *twin) values(s device.Shape, f func() float64) pair {
	p := pair{w.b.Alloc(s), w.ref.Alloc(s)}
	x := make([]float32, s.Len())
	for i := range x {
		x[i] = float32(f())
	}
	w.b.Upload(p.dev, x)
	w.ref.Upload(p.ref, x)
	return p
}

func (w *twin) normal(s device.Shape) pair { return w.values(s, w.draw.Normal) }

func (w *twin) near(p pair, bound float64, name string) {
	w.t.Helper()
	require.NoError(w.t, w.b.Sync(), name)
	x := make([]float32, p.dev.Len())
	w.b.Download(x, p.dev)
	worst := 0.0
	for i, v := range w.ref.Data(p.ref) {
		worst = math.Max(worst, math.Abs(float64(x[i])-v)/(1+math.Abs(v)))
		require.False(w.t, math.IsNaN(float64(x[i])), name)
	}
	require.LessOrEqual(w.t, worst, bound, name)
}

// More channels than a block has threads: several groups, the last one partly empty.
func TestManyChannels(t *testing.T) {
	w := newTwin(t)
	for _, c := range []int{257, 1040} {
		s, v := device.Shape{N: 1, D: 2, H: 3, W: 5, C: c}, device.Vec(c)
		require.Greater(t, summed(s, widthOf(c)).groups, 1)
		x, dy, gamma, beta := w.normal(s), w.normal(s), w.normal(v), w.normal(v)
		mean, invstd, y, dx, dgamma, dbeta := w.normal(v), w.normal(v), w.normal(s), w.normal(s), w.normal(v), w.normal(v)
		none := device.Tensor{}
		w.b.BatchNormStats(mean.dev, invstd.dev, x.dev, none, none, 0.01, 0)
		w.ref.BatchNormStats(mean.ref, invstd.ref, x.ref, none, none, 0.01, 0)
		w.near(mean, 1e-6, "mean")
		w.near(invstd, 1e-6, "invstd")
		w.b.BatchNormApply(y.dev, x.dev, gamma.dev, beta.dev, mean.dev, invstd.dev)
		w.ref.BatchNormApply(y.ref, x.ref, gamma.ref, beta.ref, mean.ref, invstd.ref)
		w.near(y, 2e-6, "BatchNormApply")
		into := func(t device.Tensor) device.Into { return device.Into{Tensor: t, Mode: device.Add} }
		w.b.BatchNormGrad(into(dx.dev), into(dgamma.dev), into(dbeta.dev), dy.dev, x.dev, gamma.dev, mean.dev, invstd.dev, false)
		w.ref.BatchNormGrad(into(dx.ref), into(dgamma.ref), into(dbeta.ref), dy.ref, x.ref, gamma.ref, mean.ref, invstd.ref, false)
		w.near(dx, 5e-6, "dx")
		w.near(dgamma, 5e-6, "dgamma")
		w.near(dbeta, 5e-6, "dbeta")

		both := w.normal(s.WithC(c + 4))
		a, b := w.normal(s), w.normal(s.WithC(4))
		w.b.Concat(both.dev, a.dev, b.dev)
		w.ref.Concat(both.ref, a.ref, b.ref)
		w.near(both, 0, "Concat")
		w.b.Split(into(a.dev), into(b.dev), both.dev)
		w.ref.Split(into(a.ref), into(b.ref), both.ref)
		w.near(a, 1e-7, "Split")
		w.near(b, 1e-7, "Split")

		loss, sums, prob := w.normal(device.Scalar()), w.normal(device.Vec(3*c)), w.normal(s)
		g := w.values(s, w.draw.Float64)
		opt := device.DiceOptions{Eps: 0.1, CrossEntropy: 0.3}
		w.b.DiceLoss(loss.dev, sums.dev, prob.dev, x.dev, g.dev, opt)
		w.ref.DiceLoss(loss.ref, sums.ref, prob.ref, x.ref, g.ref, opt)
		w.near(loss, 1e-6, "loss")
		w.near(sums, 1e-6, "sums")
		w.near(prob, 1e-6, "prob")
		up := w.normal(device.Scalar())
		w.b.DiceLossGrad(into(dx.dev), up.dev, sums.dev, x.dev, g.dev, opt)
		w.ref.DiceLossGrad(into(dx.ref), up.ref, sums.ref, x.ref, g.ref, opt)
		w.near(dx, 5e-6, "DiceLossGrad")
	}
}

// A thread takes four rows at a time: numbers of rows that end at each of the four,
// in a line of threads or behind it, in the first block or a later one.
func TestRowTails(t *testing.T) {
	w := newTwin(t)
	into := func(t device.Tensor) device.Into { return device.Into{Tensor: t, Mode: device.Add} }
	for _, c := range []int{50, 100} {
		ty := threads / (c / widthOf(c))
		for _, rows := range []int{1, ty - 1, ty, ty + 1, 2*ty - 1, 2 * ty, 3*ty + 2, 4 * ty, 5*ty - 2, 8 * ty, 8*ty + 1, 9 * ty, 14*ty + 1, 20 * ty, 23*ty + 1} {
			s, v := device.Shape{N: 1, D: 1, H: 1, W: rows, C: c}, device.Vec(c)
			x, dy, gamma, mean := w.normal(s), w.normal(s), w.normal(v), w.normal(v)
			invstd, dx, dgamma, dbeta := w.normal(v), w.normal(s), w.normal(v), w.normal(v)
			name := s.String()
			w.b.BatchNormGrad(into(dx.dev), into(dgamma.dev), into(dbeta.dev), dy.dev, x.dev, gamma.dev, mean.dev, invstd.dev, false)
			w.ref.BatchNormGrad(into(dx.ref), into(dgamma.ref), into(dbeta.ref), dy.ref, x.ref, gamma.ref, mean.ref, invstd.ref, false)
			w.near(dx, 1e-5, name)
			w.near(dgamma, 1e-5, name)
			w.near(dbeta, 1e-5, name)
			w.b.BatchNormApply(dy.dev, x.dev, gamma.dev, dbeta.dev, mean.dev, invstd.dev)
			w.ref.BatchNormApply(dy.ref, x.ref, gamma.ref, dbeta.ref, mean.ref, invstd.ref)
			w.near(dy, 1e-5, name)
			w.b.BatchNormStats(mean.dev, invstd.dev, x.dev, gamma.dev, dgamma.dev, 0.1, 0.1)
			w.ref.BatchNormStats(mean.ref, invstd.ref, x.ref, gamma.ref, dgamma.ref, 0.1, 0.1)
			w.near(mean, 1e-6, name)
			w.near(invstd, 1e-5, name)
			ca := 52 % c // 2 or, divisible by four, 52
			a, b := w.normal(s.WithC(ca)), w.normal(s.WithC(c-ca))
			w.b.Split(into(a.dev), into(b.dev), x.dev)
			w.ref.Split(into(a.ref), into(b.ref), x.ref)
			w.near(a, 1e-7, name)
			w.near(b, 1e-7, name)
			w.b.Concat(x.dev, a.dev, b.dev)
			w.ref.Concat(x.ref, a.ref, b.ref)
			w.near(x, 1e-7, name)
			for _, p := range []pair{x, dy, gamma, mean, invstd, dx, dgamma, dbeta, a, b} {
				w.b.Free(p.dev)
			}
		}
	}
	require.NoError(t, w.b.Close())
}

// More parts than the kernels that add them have threads.
func TestManyParts(t *testing.T) {
	w := newTwin(t)
	s := device.Shape{N: 1, D: 1, H: 1, W: 2404, C: 255}
	v, none := device.Vec(s.C), device.Tensor{}
	require.Greater(t, summed(s, 1).parts, threads)
	x, g := w.values(s, func() float64 { return w.draw.Uniform(-1, 3) }), w.values(s, w.draw.Float64)
	mean, invstd, dgamma, dbeta := w.normal(v), w.normal(v), w.normal(v), w.normal(v)
	w.b.BatchNormStats(mean.dev, invstd.dev, x.dev, none, none, 0.01, 0)
	w.ref.BatchNormStats(mean.ref, invstd.ref, x.ref, none, none, 0.01, 0)
	w.near(mean, 1e-6, "mean")
	w.near(invstd, 1e-6, "invstd")
	into := func(t device.Tensor) device.Into { return device.Into{Tensor: t, Mode: device.Add} }
	w.b.BatchNormGrad(device.Into{}, into(dgamma.dev), into(dbeta.dev), g.dev, x.dev, mean.dev, mean.dev, invstd.dev, false)
	w.ref.BatchNormGrad(device.Into{}, into(dgamma.ref), into(dbeta.ref), g.ref, x.ref, mean.ref, mean.ref, invstd.ref, false)
	w.near(dgamma, 1e-4, "dgamma") // the oracle's mean is not rounded
	w.near(dbeta, 1e-6, "dbeta")
	loss, sums := w.normal(device.Scalar()), w.normal(device.Vec(3*s.C))
	for _, opt := range []device.DiceOptions{{Eps: 1}, {Eps: 1, CrossEntropy: 1, ForegroundOnly: true}} {
		w.b.DiceLoss(loss.dev, sums.dev, none, x.dev, g.dev, opt)
		w.ref.DiceLoss(loss.ref, sums.ref, none, x.ref, g.ref, opt)
		w.near(loss, 1e-6, "DiceLoss")
		w.near(sums, 1e-6, "sums")
	}
	w.b.MSE(loss.dev, x.dev, g.dev)
	w.ref.MSE(loss.ref, x.ref, g.ref)
	w.near(loss, 1e-6, "MSE")
}

// A thread of UpsampleGrad goes through 1, 2 or 4 planes; none divides these grids.
func TestUpsampleGradRuns(t *testing.T) {
	w := newTwin(t)
	for run, s := range map[int]device.Shape{
		1: {N: 1, D: 5, H: 3, W: 3, C: 1}, 2: {N: 1, D: 9, H: 11, W: 13, C: 1}, 4: {N: 1, D: 65, H: 64, W: 65, C: 1},
	} {
		require.Equal(t, run, upRun(s.Len()))
		dx, dy := w.normal(s), w.normal(device.Upsampled(s))
		w.b.UpsampleGrad(device.Into{Tensor: dx.dev, Mode: device.Add}, dy.dev)
		w.ref.UpsampleGrad(device.Into{Tensor: dx.ref, Mode: device.Add}, dy.ref)
		w.near(dx, 2e-6, "dx")
	}
}

// A block's first row far from all others must not cost the variance its digits,
// and a NaN must come out.
func TestNormStatsOfStrangeData(t *testing.T) {
	w := newTwin(t)
	s, v := device.Shape{N: 1, D: 13, H: 16, W: 16, C: 4}, device.Vec(4)
	i := 0
	x := w.values(s, func() float64 {
		i++
		if i <= s.C {
			return 1000
		}
		return 5 + w.draw.Normal()
	})
	mean, invstd := w.normal(v), w.normal(v)
	w.b.BatchNormStats(mean.dev, invstd.dev, x.dev, device.Tensor{}, device.Tensor{}, 1e-5, 0)
	w.ref.BatchNormStats(mean.ref, invstd.ref, x.ref, device.Tensor{}, device.Tensor{}, 1e-5, 0)
	w.near(mean, 1e-6, "mean")
	w.near(invstd, 1e-6, "invstd")

	w.b.Fill(x.dev, float32(math.NaN()))
	w.b.BatchNormStats(mean.dev, invstd.dev, x.dev, device.Tensor{}, device.Tensor{}, 1e-5, 0)
	got := make([]float32, s.C)
	w.b.Download(got, invstd.dev)
	for _, v := range got {
		require.True(t, math.IsNaN(float64(v)))
	}
	y := w.b.Alloc(device.Pooled(s))
	w.b.MaxPool(y, x.dev)
	pool := make([]float32, y.Len())
	w.b.Download(pool, y)
	require.True(t, math.IsNaN(float64(pool[len(pool)-1])))
	require.NoError(t, w.b.Sync())
}

// A block of Adam has 2048 elements; these slots have more, fewer and just as many.
func TestAdamOfManySizes(t *testing.T) {
	w := newTwin(t)
	var dev, oracle []device.AdamSlot
	var all []pair
	for _, n := range []int{1, 2048, 3, 4099, 2047, 24, 6144, 1025, 1540, 1026} {
		p, g, m, v := w.normal(device.Vec(n)), w.normal(device.Vec(n)), w.normal(device.Vec(n)), w.values(device.Vec(n), w.draw.Float64)
		dev = append(dev, device.AdamSlot{W: p.dev, Grad: g.dev, M: m.dev, V: v.dev})
		oracle = append(oracle, device.AdamSlot{W: p.ref, Grad: g.ref, M: m.ref, V: v.ref})
		all = append(all, p, m, v)
	}
	opt := device.AdamOptions{Step: 3, LR: 0.01, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}
	w.b.Adam(dev, opt)
	w.ref.Adam(oracle, opt)
	for _, p := range all {
		w.near(p, 1e-6, "Adam")
	}
	for _, slots := range [][]device.AdamSlot{
		{dev[1], dev[1]},
		{dev[1], {W: dev[4].W, Grad: dev[4].Grad, M: dev[4].M, V: dev[4].W}},
		{dev[1], {W: dev[4].W, Grad: dev[4].M, M: dev[4].M, V: dev[4].V}},
	} {
		func() {
			defer func() { require.Contains(t, recover(), "cuda: Adam: ") }()
			w.b.Adam(slots, opt)
		}()
	}
	require.NoError(t, w.b.Sync(), "the backend is not left locked")
}
