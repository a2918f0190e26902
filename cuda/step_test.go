package cuda

import (
	"fmt"
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
	bytes      int64 // of all tensors and workspaces it has, each once
	workspaces int64 // of the workspaces among them
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
	for _, a := range args {
		if p, ok := a.(driver.Ptr); ok && p != 0 {
			n := d.sizes[p]
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
		for _, m := range adam.Moments {
			count := b.Alloc(device.Scalar())
			b.NonFinite(count, m.Grad())
			b.Free(count)
		}
		adam.Update()
		tape.Close()
	}
	require.NoError(t, b.Sync())
	require.NoError(t, plain.Close())
	return d.launches
}

// product reports whether a kernel is the arithmetic of a convolution.
func (l launch) product() bool {
	return strings.HasPrefix(l.kernel, "conv_") && l.kernel != "conv_parts" ||
		strings.HasPrefix(l.kernel, "grad_") && l.kernel != "grad_finish"
}

var steps = []struct{ kind, up string }{
	{models.Segmenter, layers.Transposed}, {models.Segmenter, layers.Trilinear}, {models.Detector, layers.Transposed}, {models.Detector, layers.Trilinear},
}

// Of the 132 multiprocessors of an H100 or H200 no convolution of the published networks leaves more than a tenth without
// a block.
func TestEveryConvolutionFillsALargeCard(t *testing.T) {
	for _, s := range steps {
		n := 0
		for _, l := range launchesOfStep(t, s.kind, s.up) {
			if l.product() {
				n++
				require.GreaterOrEqual(t, 10*l.Grid.Count(), 9*132, "%s, %s: %s, %v", s.kind, s.up, l.kernel, l.Launch)
			}
		}
		require.Greater(t, n, 30)
	}
}

// Bytes that a step of the segmenter moves outside the products: tensors and workspaces of all other kernels, and what products
// leave in workspaces or take from them.
func TestBytesOutsideConvolutions(t *testing.T) {
	for _, s := range steps {
		count, bytes := map[string]int{}, map[string]int64{}
		total := int64(0)
		list := launchesOfStep(t, s.kind, s.up)
		for _, l := range list {
			n := l.bytes
			if l.product() {
				n = l.workspaces
			}
			count[l.kernel]++
			bytes[l.kernel] += n
			total += n
		}
		t.Logf("%s, %s: %d launches, %.2f GB", s.kind, s.up, len(list), float64(total)/1e9)
		for _, k := range slices.SortedFunc(maps.Keys(bytes), func(a, b string) int { return int(bytes[b] - bytes[a]) }) {
			t.Log(fmt.Sprintf("%6d launches %8.1f MB  %s", count[k], float64(bytes[k])/1e6, k))
		}
	}
}
