package cuda

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/ref"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/models/weights"
)

// recorded is a network with a batch of images, and what PyTorch made of it in float64: the losses of
// ten updates, and the gradients of the tenth.
type recorded struct {
	start, golden *weights.File
	losses        []float64
}

// The smallest one is in a package's testdata, so that there always is one.
const (
	smallest    = "generator_linear"
	smallestDir = "../models/testdata"
	othersDir   = "../../shared/vectors/network"
)

var recordedNames = []string{smallest, "unet_transposed", "unet_trilinear", "siamese_trilinear"}

func readRecorded(t *testing.T, name string) recorded {
	dir := smallestDir
	if name != smallest {
		dir = othersDir
		if _, err := os.Stat(dir); err != nil {
			t.Skip("the recorded networks are not here: ", dir)
		}
	}
	read := func(what string) *weights.File {
		f, err := weights.Read(filepath.Join(dir, name+"."+what+".safetensors"))
		require.NoError(t, err)
		return f
	}
	r := recorded{start: read("weights"), golden: read("golden")}
	require.NoError(t, json.Unmarshal([]byte(r.golden.Meta["losses"]), &r.losses))
	require.Len(t, r.losses, 10)
	r.start.Meta["dropout"] = r.golden.Meta["dropout"]
	return r
}

// gradient is one of the tenth step.
func (r recorded) gradient(t *testing.T, p *layers.Param) []float64 {
	x, ok := r.golden.Get("grad/" + p.Name)
	require.True(t, ok, p.Name)
	f, err := x.Float32s()
	require.NoError(t, err)
	var out []float64
	for _, v := range p.Layout.FromFile(f, p.Shape) {
		out = append(out, float64(v))
	}
	return out
}

// learner is a recorded network on a device.
type learner struct {
	recorded
	t      *testing.T
	dev    device.Backend
	net    *models.Net
	x      []*autograd.Var
	target *autograd.Var
}

func newLearner(t *testing.T, dev device.Backend, r recorded) *learner {
	net, err := models.FromFile(dev, r.start)
	require.NoError(t, err)
	l := &learner{recorded: r, t: t, dev: dev, net: net}
	input := func(v []float32, s device.Shape) *autograd.Var {
		y := dev.Alloc(s)
		dev.Upload(y, v)
		return autograd.Input(y)
	}
	all, s := l.values("x")
	for i := range net.TimePoints() {
		var part []float32
		for r := range s.Rows() {
			part = append(part, all[r*s.C+i*net.Cin:r*s.C+(i+1)*net.Cin]...)
		}
		l.x = append(l.x, input(part, s.WithC(net.Cin)))
	}
	l.target = input(l.values("target"))
	return l
}

// values turns a vector's [N C D H W] into the device's order.
func (l *learner) values(name string) ([]float32, device.Shape) {
	x, ok := l.golden.Get(name)
	require.True(l.t, ok, name)
	in, err := x.Float32s()
	require.NoError(l.t, err)
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

// output is the network's answer in evaluation, against PyTorch's.
func (l *learner) output() {
	l.net.SetMode(layers.Eval)
	tape := autograd.NewInference(l.dev)
	defer tape.Close()
	y := l.net.Forward(tape, l.x...)
	if l.net.Head() == models.Softmax {
		y = tape.Softmax(y)
	}
	want, s := l.values("y_eval")
	require.Equal(l.t, s, y.Shape)
	worst := 0.0
	for i, v := range exact(l.dev, y.Tensor) {
		worst = max(worst, math.Abs(v-float64(want[i])))
	}
	require.LessOrEqual(l.t, worst, 1e-6, "output in evaluation")
	l.t.Logf("output in evaluation: worst difference %.2g", worst)
}

func (l *learner) forward(tape *autograd.Tape) *autograd.Var {
	l.net.SetMode(layers.Train)
	y := l.net.Forward(tape, l.x...)
	if l.net.Head() == models.Softmax {
		v, _ := tape.DiceLoss(y, l.target, device.DiceOptions{Eps: 0.01})
		return v
	}
	return tape.MSE(y, l.target)
}

// step is one of training, its update left to the caller; the gradients stay.
func (l *learner) step() (loss float64) {
	tape := autograd.New(l.dev, 0)
	defer tape.Close()
	v := l.forward(tape)
	loss = exact(l.dev, v.Tensor)[0]
	l.net.ClearGrads()
	tape.Backward(v)
	require.NoError(l.t, l.dev.Sync())
	return loss
}

// sides notes on which side of zero the ReLUs were, in the order of the backward pass, or puts them on the
// side that another device noted.
type sides struct {
	device.Backend
	noted   *[][]float32 // nil: does neither
	replay  bool
	flipped int
	largest float64 // of those that were on different sides
}

// unmasked takes a gradient's mask away, and returns what applies it.
func (s *sides) unmasked(g *device.Into) func() {
	dx := *g
	g.Mask = device.Tensor{}
	return func() {
		if dx.Mode != device.Skip && !dx.Mask.None() {
			s.ReLUGrad(device.Into{Tensor: dx.Tensor, Mode: device.Set}, dx.Tensor, dx.Mask)
		}
	}
}

func (s *sides) ConvGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	mask := s.unmasked(&dx)
	s.Backend.ConvGradX(dx, dy, w, win)
	mask()
}

func (s *sides) MaxPoolGrad(dx device.Into, dy, x, y device.Tensor) {
	mask := s.unmasked(&dx)
	s.Backend.MaxPoolGrad(dx, dy, x, y)
	mask()
}

func (s *sides) CatConvGrad(g device.CatConvGrads, dy device.Tensor, in []device.Source, n device.Normalization, w device.Tensor, fixed bool) {
	g.In = slices.Clone(g.In)
	for i := range g.In {
		defer s.unmasked(&g.In[i].X)()
	}
	s.Backend.CatConvGrad(g, dy, in, n, w, fixed)
}

func (s *sides) ReLUGrad(dx device.Into, dy, y device.Tensor) {
	if s.noted == nil {
		s.Backend.ReLUGrad(dx, dy, y)
		return
	}
	own := exact(s, y)
	if !s.replay {
		v := make([]float32, len(own))
		for i := range v {
			v[i] = float32(own[i])
		}
		*s.noted = append(*s.noted, v)
		s.Backend.ReLUGrad(dx, dy, y)
		return
	}
	v := (*s.noted)[0]
	*s.noted = (*s.noted)[1:]
	for i := range v {
		if (v[i] > 0) != (own[i] > 0) {
			s.flipped++
			s.largest = max(s.largest, float64(v[i]), own[i])
		}
	}
	other := s.Alloc(y.Shape)
	defer s.Free(other)
	s.Upload(other, v)
	s.Backend.ReLUGrad(dx, dy, other)
}

// exact is a tensor's content in float64.
func exact(dev device.Backend, x device.Tensor) []float64 {
	if s, ok := dev.(*sides); ok {
		dev = s.Backend
	}
	if r, ok := dev.(*ref.Backend[float64]); ok {
		return r.Data(x)
	}
	f := make([]float32, x.Len())
	dev.Download(f, x)
	out := make([]float64, len(f))
	for i, v := range f {
		out[i] = float64(v)
	}
	return out
}

func (l *learner) snapshot() *weights.File {
	f, err := weights.Make("a snapshot", models.Tensors(l.net), nil)
	require.NoError(l.t, err)
	return f
}

// gradients compares each parameter's with what is wanted, to a part of its norm. The floor is for biases
// in front of a norm, whose true gradient is 0.
func (l *learner) gradients(what string, bound float64, want func(p *layers.Param) []float64) {
	const floor = 1e-6
	worst, where := 0.0, ""
	for _, p := range l.net.Params() {
		w := want(p)
		var diff, norm float64
		for i, v := range exact(l.dev, p.Grad()) {
			diff += (v - w[i]) * (v - w[i])
			norm += w[i] * w[i]
		}
		diff, norm = math.Sqrt(diff), math.Sqrt(norm)
		require.LessOrEqual(l.t, diff, bound*norm+floor, "%s: gradient of %s (norm %g)", what, p.Name, norm)
		if e := diff / (norm + floor/bound); e > worst {
			worst, where = e, p.Name
		}
	}
	l.t.Logf("%s: worst gradient off by %.2g of its norm (%s)", what, worst, where)
}
