package cuda

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/cuda/driver"
	"voxgrad/cuda/memplan"
	"voxgrad/device"
	"voxgrad/layers"
	"voxgrad/models"
)

// launch is one launch of a step.
type launch struct {
	kernel string
	driver.Launch
	flops      float64 // of a product
	bytes      int64   // of all tensors and workspaces it has, each once
	workspaces int64   // of the workspaces among them
}

// product reports whether a kernel is the arithmetic of a convolution.
func (l launch) product() bool {
	return strings.HasPrefix(l.kernel, "conv_") && l.kernel != "conv_parts" ||
		strings.HasPrefix(l.kernel, "grad_") && l.kernel != "grad_finish"
}

// arithmetic is what a product of these arguments does.
func (l launch) arithmetic(args []any) float64 {
	if !l.product() {
		return 0
	}
	of := func(at ...int) (n float64) {
		n = 2
		for _, i := range at {
			n *= float64(args[i].(int))
		}
		return n
	}
	if strings.HasPrefix(l.kernel, "grad_") {
		return of(8, 12, 7, 13, 13, 13) // voxels, channels, k³
	}
	n := of(4, 9, 10, 11, 12, 8, 13, 13, 13)
	if args[16].(bool) {
		n /= of(14, 14, 14) / 2
	}
	return n
}

// share is what a launch touches of tensor i among its arguments, where that is not the whole.
func (l launch) share(i int, args []any) float64 {
	of := func(n, all int) float64 { return float64(args[n].(int)) / float64(args[all].(int)) }
	switch {
	case l.kernel == "border_sums" && i == 1:
		inner := 1.0
		for _, n := range args[3:6] {
			inner *= 1 - 2/float64(n.(int))
		}
		return 1 - inner
	case l.kernel == "catconv_taps" && i == 1: // a source's channels of the weights
		return of(9, 7)
	case l.kernel == "catconv_affine" && i == 10:
		return float64(l.Grid.X) / float64(args[16].(int))
	case l.kernel == "catconv_grad_w" && i == 0:
		return of(12, 10)
	case l.kernel == "pack_weights" && i == 1 && args[9].(bool):
		return of(8, 10)
	case l.kernel == "pack_weights" && i == 1:
		return of(7, 10)
	}
	return 1
}

// stepDriver launches nothing and notes every launch.
type stepDriver struct {
	*memplan.Device
	sizes    map[driver.Ptr]int64
	tensors  map[driver.Ptr]bool
	launches []launch
}

func (d *stepDriver) Alloc(n int64) (driver.Ptr, error) {
	p, err := d.Device.Alloc(n)
	d.sizes[p] = n
	return p, err
}

func (d *stepDriver) Free(p driver.Ptr) error {
	delete(d.sizes, p)
	delete(d.tensors, p)
	return d.Device.Free(p)
}

func (d *stepDriver) Launch(k driver.Kernel, l driver.Launch, args ...any) error {
	at := launch{kernel: k.Name(), Launch: l}
	at.flops = at.arithmetic(args)
	for i, a := range args {
		if p, ok := a.(driver.Ptr); ok && p != 0 {
			n := int64(at.share(i, args) * float64(d.sizes[p]))
			at.bytes += n
			if !d.tensors[p] {
				at.workspaces += n
			}
		}
	}
	d.launches = append(d.launches, at)
	return d.Device.Launch(k, l, args...)
}

// stepBackend tells tensors from workspaces.
type stepBackend struct {
	*Backend
	d *stepDriver
}

func (b stepBackend) Alloc(s device.Shape) device.Tensor {
	t := b.Backend.Alloc(s)
	b.d.tensors[ptr(t)] = true
	return t
}

// launchesOfStep are the launches of a training step of the published network on one patch of 64³ voxels: forward, reverse,
// the look at the gradients, the update.
func launchesOfStep(t *testing.T, kind, up string) []launch {
	if l := noted[kind+up]; l != nil {
		return l
	}
	d := &stepDriver{memplan.New(driver.Info{Name: "none", ComputeCapability: 61, Multiprocs: 132, SharedPerCTA: 48 << 10, SharedOptIn: 99 << 10}),
		map[driver.Ptr]int64{}, map[driver.Ptr]bool{}, nil}
	plain, err := New(d, WithoutPool())
	require.NoError(t, err)
	b := stepBackend{plain, d}
	c := models.Default(kind)
	c.Up = up
	net, err := models.New(b, c, 1)
	require.NoError(t, err)
	net.SetMode(layers.Train)
	adam := net.Adam(1e-3)
	s := device.Shape{N: 1, D: 64, H: 64, W: 64, C: 1}
	var x []*autograd.Var
	for range net.TimePoints() {
		x = append(x, autograd.Input(b.Alloc(s)))
	}
	target := autograd.Input(b.Alloc(s.WithC(2)))
	for range 2 { // the first allocates
		d.launches = nil
		tape := autograd.New(b, 1)
		net.ClearGrads()
		loss, _ := tape.DiceLoss(net.Forward(tape, x...), target, device.DiceOptions{Eps: 1})
		tape.Backward(loss)
		grads, _ := adam.Gradients()
		found := b.Alloc(device.Vec(2))
		b.NonFinite(found, grads)
		adam.UpdateUnless(found)
		b.Free(found)
		look, update := &d.launches[len(d.launches)-3], &d.launches[len(d.launches)-1]
		require.Equal(t, []string{"nonfinite_count", "adam"}, []string{look.kernel, update.kernel})
		for _, g := range grads { // through tables: one read; four read, three written
			look.bytes += 4 * int64(g.Len())
			update.bytes += 7 * 4 * int64(g.Len())
		}
		tape.Close()
	}
	require.NoError(t, b.Sync())
	require.NoError(t, plain.Close())
	noted[kind+up] = d.launches
	return d.launches
}

// noted are the launches of steps that were made before.
var noted = map[string][]launch{}

var steps = []struct {
	kind, up string
	most     float64 // GB outside the products
}{
	{models.Segmenter, layers.Transposed, 2.8}, {models.Segmenter, layers.Trilinear, 4.6}, {models.Detector, layers.Transposed, 5.5}, {models.Detector, layers.Trilinear, 7.3},
}

// Of the 132 multiprocessors of an H100 or H200 no convolution of the published networks leaves more than a tenth without
// a block. The smallest one takes 0.3 GFLOP; what has less is products of weights with weights.
func TestEveryConvolutionFillsALargeCard(t *testing.T) {
	for _, s := range steps {
		n := 0
		for _, l := range launchesOfStep(t, s.kind, s.up) {
			if l.flops < 0.3e9 {
				continue
			}
			n++
			require.GreaterOrEqual(t, 10*l.Grid.Count(), 9*132, "%s, %s: %s, %v, %.2f GFLOP", s.kind, s.up, l.kernel, l.Launch, l.flops/1e9)
		}
		require.Greater(t, n, 30)
	}
}

// Bytes that a step moves outside the products: tensors and workspaces of all other kernels, and what products
// leave in workspaces or take from them. `go test -v` lists them, and the arithmetic, by kernel.
func TestBytesOutsideConvolutions(t *testing.T) {
	for _, s := range steps {
		count, bytes := map[string]int{}, map[string]int64{}
		total, flops := int64(0), 0.0
		list := launchesOfStep(t, s.kind, s.up)
		for _, l := range list {
			n := l.bytes
			if l.product() {
				n = l.workspaces
			}
			flops += l.flops
			count[l.kernel]++
			bytes[l.kernel] += n
			total += n
		}
		t.Logf("%s, %s: %d launches, %.2f GB, %.0f GFLOP", s.kind, s.up, len(list), float64(total)/1e9, flops/1e9)
		for _, k := range slices.SortedFunc(maps.Keys(bytes), func(a, b string) int { return int(bytes[b] - bytes[a]) }) {
			t.Logf("%6d launches %8.1f MB  %s", count[k], float64(bytes[k])/1e6, k)
		}
		require.LessOrEqual(t, float64(total)/1e9, s.most, "%s, %s", s.kind, s.up)
	}
}
