package cuda

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/cuda/driver"
	"voxgrad/cuda/launches"
	"voxgrad/device"
	"voxgrad/layers"
	"voxgrad/models"
)

// stepBackend tells tensors from workspaces.
type stepBackend struct {
	*Backend
	d *launches.Recorder
}

func (b stepBackend) noted(t device.Tensor) device.Tensor {
	b.d.Tensor(ptr(t))
	return t
}

func (b stepBackend) Alloc(s device.Shape) device.Tensor { return b.noted(b.Backend.Alloc(s)) }

func (b stepBackend) AllocActivation(s device.Shape) device.Tensor {
	return b.noted(b.Backend.AllocActivation(s))
}

// launchesOfStep are the launches of a training step of the published network on one patch of 64³ voxels: forward, reverse,
// the look at the gradients, the update.
func launchesOfStep(t *testing.T, s step) []launches.Launch {
	if l := noted[s]; l != nil {
		return l
	}
	d := launches.NewRecorder(driver.Info{Name: "none", ComputeCapability: 61 + 19*min(int(s.precision), 1), Multiprocs: 132, SharedPerCTA: 48 << 10, SharedOptIn: 99 << 10})
	plain, err := New(d, WithoutPool(), WithPrecision(s.precision))
	require.NoError(t, err)
	b := stepBackend{plain, d}
	c := models.Default(s.kind)
	c.Up = s.up
	net, err := models.New(b, c, 1)
	require.NoError(t, err)
	net.SetMode(layers.Train)
	adam := net.Adam(1e-3)
	image := device.Shape{N: 1, D: 64, H: 64, W: 64, C: 1}
	var x []*autograd.Var
	for range net.TimePoints() {
		x = append(x, autograd.Input(b.Alloc(image)))
	}
	target := autograd.Input(b.Alloc(image.WithC(2)))
	for range 2 { // the first allocates
		d.Launches = nil
		tape := autograd.New(b, 1)
		net.ClearGrads()
		loss, _ := tape.DiceLoss(net.Forward(tape, x...), target, device.DiceOptions{Eps: 1})
		tape.Backward(loss)
		grads, _ := adam.Gradients()
		found := b.Alloc(device.Vec(2))
		b.NonFinite(found, grads)
		adam.UpdateUnless(found)
		b.Free(found)
		look, update := &d.Launches[len(d.Launches)-3], &d.Launches[len(d.Launches)-1]
		require.Equal(t, []string{"nonfinite_count", "adam"}, []string{look.Kernel, update.Kernel})
		for _, g := range grads { // through tables: one read; four read, three written
			look.Bytes += 4 * int64(g.Len())
			update.Bytes += 7 * 4 * int64(g.Len())
		}
		tape.Close()
	}
	require.NoError(t, b.Sync())
	require.NoError(t, plain.Close())
	noted[s] = d.Launches
	return d.Launches
}

// noted are the launches of steps that were made before.
var noted = map[step][]launches.Launch{}

type step struct {
	kind, up  string
	precision Precision
	most      float64 // GB outside the products, tap products, which stay in a cache, left out
}

var steps = []step{
	{models.Segmenter, layers.Transposed, FP32, 2.2}, {models.Segmenter, layers.Trilinear, FP32, 2.5},
	{models.Detector, layers.Transposed, FP32, 4.4}, {models.Detector, layers.Trilinear, FP32, 4.8},
	{models.Segmenter, layers.Transposed, BF16, 1.5}, {models.Segmenter, layers.Trilinear, BF16, 1.5},
	{models.Detector, layers.Transposed, BF16, 3}, {models.Detector, layers.Trilinear, BF16, 3},
	{models.Segmenter, layers.Transposed, TF32, 4.1},
}

// Of the 132 multiprocessors of an H100 or H200 no convolution of the published networks leaves more than a tenth without
// a block; on tensor cores, where a share of a sum is at least a plane of the window, no more than three tenths. The smallest one takes 0.34 GFLOP; what has less is products
// of weights with weights, and of a coarse tensor with those, whose parts would take longer to write and to add than the whole does.
func TestEveryConvolutionFillsALargeCard(t *testing.T) {
	for _, s := range steps {
		n := 0
		for _, l := range launchesOfStep(t, s) {
			if l.Flops < 0.31e9 {
				continue
			}
			n++
			tenths := 9
			if s.precision != FP32 {
				tenths = 7
			}
			require.GreaterOrEqual(t, 10*l.Grid.Count(), tenths*132, "%s, %s, %v: %s, %v, %.2f GFLOP", s.kind, s.up, s.precision, l.Kernel, l.Launch, l.Flops/1e9)
		}
		require.Greater(t, n, 30)
	}
}

// Bytes that a step moves outside the products: tensors and workspaces of all other kernels, and what products
// leave in workspaces or take from them. The tap products of trilinear sources, in a workspace of at most tapBytes that is written and read at once, are counted by
// themselves. `go test -v` lists them, and the arithmetic, by kernel.
func TestBytesOutsideConvolutions(t *testing.T) {
	for _, s := range steps {
		count, bytes := map[string]int{}, map[string]int64{}
		total, cached, flops := int64(0), int64(0), 0.0
		list := launchesOfStep(t, s)
		for _, l := range list {
			n := l.Bytes
			if l.Product() {
				n = l.Workspaces
			}
			flops += l.Flops
			cached += l.Taps
			count[l.Kernel]++
			bytes[l.Kernel] += n
			total += n
		}
		t.Logf("%s, %s, %v: %d launches, %.2f GB and %.2f GB of tap products, %.0f GFLOP", s.kind, s.up, s.precision, len(list), float64(total-cached)/1e9, float64(cached)/1e9, flops/1e9)
		for _, k := range slices.SortedFunc(maps.Keys(bytes), func(a, b string) int { return int(bytes[b] - bytes[a]) }) {
			t.Logf("%6d launches %8.1f MB  %s", count[k], float64(bytes[k])/1e6, k)
		}
		require.NotContains(t, count, "relu_grad", "%s, %s", s.kind, s.up)
		require.LessOrEqual(t, float64(total-cached)/1e9, s.most, "%s, %s, %v", s.kind, s.up, s.precision)
	}
}
