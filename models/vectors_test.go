package models_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/device/ref"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/models/weights"
)

// The checkpoints with PyTorch's answers. Computed in float64, stored as float32.
var vectorNames = []string{"unet_transposed", "unet_trilinear", "siamese_trilinear", "generator_linear", "generator_instance"}

// own are in testdata, so that there always are some; tools/torchcheck/instance.py recorded the second.
var own = []string{"generator_linear", "generator_instance"}

// vector is one of them.
type vector struct {
	weights, golden *weights.File
	losses          []float64
}

func readVector(t *testing.T, name string) vector {
	t.Helper()
	dir := "../../shared/vectors/network"
	if slices.Contains(own, name) {
		dir = "testdata"
	} else if _, err := os.Stat(dir); err != nil {
		t.Skip("the vectors are not here: ", dir)
	}
	var v vector
	var err error
	v.weights, err = weights.Read(filepath.Join(dir, name+".weights.safetensors"))
	require.NoError(t, err)
	v.golden, err = weights.Read(filepath.Join(dir, name+".golden.safetensors"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(v.golden.Meta["losses"]), &v.losses))
	require.Len(t, v.losses, 10)
	v.weights.Meta["dropout"] = v.golden.Meta["dropout"] // 0; the weights do not say
	return v
}

// channelsLast turns a vector's [N C D H W] into the device's order.
func channelsLast(t *testing.T, x weights.Tensor) ([]float32, device.Shape) {
	t.Helper()
	in, err := x.Float32s()
	require.NoError(t, err)
	s := device.Shape{N: x.Shape[0], C: x.Shape[1], D: x.Shape[2], H: x.Shape[3], W: x.Shape[4]}
	out := make([]float32, len(in))
	v := s.Voxels()
	for n := range s.N {
		for c := range s.C {
			for i := range v {
				out[(n*v+i)*s.C+c] = in[(n*s.C+c)*v+i]
			}
		}
	}
	return out, s
}

// images splits the channels of x into one input per time point.
func images(t *testing.T, net *models.Net, x weights.Tensor) []*autograd.Var {
	t.Helper()
	all, s := channelsLast(t, x)
	times := net.TimePoints()
	require.Equal(t, net.Cin*times, s.C)
	var in []*autograd.Var
	for i := range times {
		part := make([]float32, 0, s.Rows()*net.Cin)
		for r := range s.Rows() {
			part = append(part, all[r*s.C+i*net.Cin:r*s.C+(i+1)*net.Cin]...)
		}
		in = append(in, upload(net.Device(), s.WithC(net.Cin), part))
	}
	return in
}

func upload(dev device.Backend, s device.Shape, x []float32) *autograd.Var {
	v := dev.Alloc(s)
	dev.Upload(v, x)
	return autograd.Input(v)
}

// values are the exact contents of a tensor.
func values(dev device.Backend, x device.Tensor) []float64 {
	if r, ok := dev.(*ref.Backend[float64]); ok {
		return append([]float64(nil), r.Data(x)...)
	}
	f := make([]float32, x.Len())
	dev.Download(f, x)
	out := make([]float64, len(f))
	for i, v := range f {
		out[i] = float64(v)
	}
	return out
}

// bounds are how far a device may be from PyTorch.
type bounds struct {
	eval, train, grad, gradFloor, firstLoss, lastLoss float64
}

// run is a network on a device with a vector's images and target.
type run struct {
	t      *testing.T
	dev    device.Backend
	net    *models.Net
	vec    vector
	x      []*autograd.Var
	target *autograd.Var
}

func newRun(t *testing.T, dev device.Backend, name string) *run {
	vec := readVector(t, name)
	net, err := models.FromFile(dev, vec.weights)
	require.NoError(t, err)
	r := &run{t: t, dev: dev, net: net, vec: vec}
	r.x = images(t, net, r.golden("x"))
	g, s := channelsLast(t, r.golden("target"))
	r.target = upload(dev, s, g)
	return r
}

func (r *run) golden(name string) weights.Tensor {
	x, ok := r.vec.golden.Get(name)
	require.True(r.t, ok, name)
	return x
}

// output compares the network's answer in a mode.
func (r *run) output(mode layers.Mode, golden string, bound float64) {
	r.net.SetMode(mode)
	tape := autograd.NewInference(r.dev)
	defer tape.Close()
	y := r.net.Forward(tape, r.x...)
	if r.net.Head() == models.Softmax {
		y = tape.Softmax(y)
	}
	want, _ := channelsLast(r.t, r.golden(golden))
	var worst float64
	for i, v := range values(r.dev, y.Tensor) {
		worst = math.Max(worst, math.Abs(v-float64(want[i])))
	}
	r.t.Logf("%s: worst difference %.2g", golden, worst)
	require.LessOrEqual(r.t, worst, bound, golden)
}

// steps trains, and gives the losses. The gradients of the last step stay.
func (r *run) steps(adam *layers.Adam, n int) (losses []float64) {
	r.net.SetMode(layers.Train)
	for range n {
		tape := autograd.New(r.dev, 0)
		y := r.net.Forward(tape, r.x...)
		var loss *autograd.Var
		if r.net.Head() == models.Softmax {
			loss, _ = tape.DiceLoss(y, r.target, device.DiceOptions{Eps: 0.01})
		} else {
			loss = tape.MSE(y, r.target)
		}
		losses = append(losses, values(r.dev, loss.Tensor)[0])
		r.net.ClearGrads()
		tape.Backward(loss)
		adam.Update()
		tape.Close()
	}
	return losses
}

// check runs what a vector holds up to the ten losses. It gives the weights
// before and after the tenth step: the vectors hold the gradients of that step, and
// the output after it.
func (r *run) check(b bounds) (before, after *weights.File) {
	r.output(layers.Eval, "y_eval", b.eval)
	// In training mode outputs move the running statistics, which the ten steps must
	// not see.
	r.output(layers.Train, "y_train", b.train)
	require.NoError(r.t, models.Restore(r.net, r.vec.weights))

	adam := r.net.Adam(1e-3)
	if most := r.vec.golden.Meta["clip_norm"]; most != "" {
		var err error
		adam.MaxNorm, err = strconv.ParseFloat(most, 64)
		require.NoError(r.t, err)
	}
	losses := r.steps(adam, 9)
	before = r.snapshot()
	losses = append(losses, r.steps(adam, 1)...)
	for i, want := range r.vec.losses {
		bound := b.firstLoss + (b.lastLoss-b.firstLoss)*float64(i)/9
		require.InDelta(r.t, want, losses[i], bound, "loss of step %d", i+1)
	}
	r.t.Logf("losses off by %.2g at first, %.2g at last", math.Abs(losses[0]-r.vec.losses[0]), math.Abs(losses[9]-r.vec.losses[9]))
	require.NoError(r.t, r.dev.Sync())
	return before, r.snapshot()
}

func (r *run) snapshot() *weights.File {
	f, err := weights.Make("a snapshot", models.Tensors(r.net), nil)
	require.NoError(r.t, err)
	return f
}

// gradients compares those of the last step.
func (r *run) gradients(b bounds) {
	t := r.t
	seen := 0
	var worst float64
	for _, p := range r.net.Params() {
		f, err := r.golden("grad/" + p.Name).Float32s()
		require.NoError(t, err)
		want := p.Layout.FromFile(f, p.Shape)
		var diff, norm float64
		for i, v := range values(r.dev, p.Grad()) {
			diff += (v - float64(want[i])) * (v - float64(want[i]))
			norm += float64(want[i]) * float64(want[i])
		}
		diff, norm = math.Sqrt(diff), math.Sqrt(norm)
		require.LessOrEqual(t, diff, b.grad*norm+b.gradFloor, "gradient of %s (norm %g)", p.Name, norm)
		worst = max(worst, diff/(norm+b.gradFloor/b.grad))
		seen++
	}
	for _, x := range r.vec.golden.Tensors {
		if strings.HasPrefix(x.Name, "grad/") {
			seen--
		}
	}
	require.Zero(t, seen, "every gradient of the vector must have been compared")
	t.Logf("worst gradient off by %.2g of its norm", worst)
}

// TestVectors: the oracle first, then the cpu. Ten steps of Adam, which divides
// small gradients by their own size, drive float32 and float64 apart by more than
// gradients and outputs may differ; so the cpu's gradients of the tenth step and its
// output after it are taken at the oracle's weights.
func TestVectors(t *testing.T) {
	for _, name := range vectorNames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The floor is for biases in front of a norm, whose true gradient is 0.
			exact := bounds{eval: 1e-6, train: 1e-6, grad: 1e-5, gradFloor: 1e-9, firstLoss: 1e-6, lastLoss: 1e-6}
			oracle := newRun(t, ref.New[float64](), name)
			before, after := oracle.check(exact)
			oracle.gradients(exact)
			oracle.output(layers.Eval, "y_eval_after", exact.eval)

			single := bounds{eval: 1e-6, train: 1e-5, grad: 1e-4, gradFloor: 1e-6, firstLoss: 1e-6, lastLoss: 1e-3}
			dev := cpu.New()
			defer dev.Close()
			fast := newRun(t, dev, name)
			if fast.net.Norm == layers.Instance { // its statistics are computed in evaluation too
				single.eval = single.train
			}
			fast.check(single)
			require.NoError(t, models.Restore(fast.net, before))
			fast.steps(fast.net.Adam(0), 1)
			fast.gradients(single)
			require.NoError(t, models.Restore(fast.net, after))
			fast.output(layers.Eval, "y_eval_after", single.eval)
		})
	}
}
