package models_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/ref"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/models/weights"
)

// The checkpoints with PyTorch's answers. Computed in float64, stored as float32.
var vectorNames = []string{"unet_transposed", "unet_trilinear", "siamese_trilinear", "generator_linear"}

// vector is one of them.
type vector struct {
	weights, golden *weights.File
	losses          []float64
}

func readVector(t *testing.T, name string) vector {
	t.Helper()
	dir := "../../shared/vectors/network"
	if _, err := os.Stat(dir); err != nil {
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
	times := net.Times()
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

// checkVector runs everything a vector holds on a device.
func checkVector(t *testing.T, dev device.Backend, name string, b bounds) {
	vec := readVector(t, name)
	net, err := models.FromFile(dev, vec.weights)
	require.NoError(t, err)
	defer net.Free()
	tensor := func(name string) weights.Tensor {
		x, ok := vec.golden.Get(name)
		require.True(t, ok, name)
		return x
	}
	x := images(t, net, tensor("x"))
	g, s := channelsLast(t, tensor("target"))
	target := upload(dev, s, g)

	output := func(mode layers.Mode, golden string, bound float64) {
		net.SetMode(mode)
		tape := autograd.NewInference(dev)
		defer tape.Close()
		y := net.Forward(tape, x...)
		if net.Head() == models.Softmax {
			y = tape.Softmax(y)
		}
		want, _ := channelsLast(t, tensor(golden))
		var worst float64
		for i, v := range values(dev, y.Tensor) {
			worst = math.Max(worst, math.Abs(v-float64(want[i])))
		}
		t.Logf("%s: worst difference %.2g", golden, worst)
		require.LessOrEqual(t, worst, bound, golden)
	}
	output(layers.Eval, "y_eval", b.eval)

	// The outputs in training mode move the running statistics, which the ten steps
	// below must not see.
	output(layers.Train, "y_train", b.train)
	require.NoError(t, net.SetTensors(vec.weights))

	net.SetMode(layers.Train)
	adam := net.Adam(1e-3)
	defer adam.Free()
	for step := range 10 {
		tape := autograd.New(dev, uint64(step))
		y := net.Forward(tape, x...)
		var loss *autograd.Var
		if net.Head() == models.Softmax {
			loss, _ = tape.DiceLoss(y, target, device.DiceOptions{Eps: 0.01})
		} else {
			loss = tape.MSE(y, target)
		}
		got := values(dev, loss.Tensor)[0]
		bound := b.firstLoss + (b.lastLoss-b.firstLoss)*float64(step)/9
		require.InDelta(t, vec.losses[step], got, bound, "loss of step %d", step+1)
		last := step == 9
		if last {
			t.Logf("tenth loss off by %.2g", math.Abs(got-vec.losses[9]))
		}
		net.ClearGrads()
		tape.Backward(loss)
		if last { // the vectors hold the gradients of the last step
			checkGradients(t, net, vec, b)
		}
		adam.Update()
		tape.Close()
	}
	output(layers.Eval, "y_eval_after", b.lastLoss*10)
	require.NoError(t, dev.Sync())
}

func checkGradients(t *testing.T, net *models.Net, vec vector, b bounds) {
	seen := 0
	var worst float64
	for _, p := range net.Params() {
		x, ok := vec.golden.Get("grad/" + p.Name)
		require.True(t, ok, p.Name)
		f, err := x.Float32s()
		require.NoError(t, err)
		want := p.Layout.FromFile(f, p.Shape)
		var diff, norm float64
		for i, v := range values(net.Device(), p.Grad()) {
			diff += (v - float64(want[i])) * (v - float64(want[i]))
			norm += float64(want[i]) * float64(want[i])
		}
		diff, norm = math.Sqrt(diff), math.Sqrt(norm)
		require.LessOrEqual(t, diff, b.grad*norm+b.gradFloor, "gradient of %s (norm %g)", p.Name, norm)
		worst = max(worst, diff/(norm+b.gradFloor/b.grad))
		seen++
	}
	for _, x := range vec.golden.Tensors {
		if strings.HasPrefix(x.Name, "grad/") {
			seen--
		}
	}
	require.Zero(t, seen, "every gradient of the vector must have been compared")
	t.Logf("worst gradient off by %.2g of its norm", worst)
}

func TestVectorsOnRef(t *testing.T) {
	for _, name := range vectorNames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The floor is for biases in front of a norm, whose true gradient is 0.
			checkVector(t, ref.New[float64](), name, bounds{
				eval: 1e-6, train: 1e-6, grad: 1e-5, gradFloor: 1e-9, firstLoss: 1e-6, lastLoss: 1e-6,
			})
		})
	}
}
