package cuda

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/cuda/emu"
	"voxgrad/device"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/models/gradcheck"
	"voxgrad/models/weights"
)

// Every kind of network, forward, backward and a few updates, against the oracle.
func TestNetworks(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	d, b := onEmulator(t, []emu.Option{emu.SkipRaces()})
	rows, err := gradcheck.Agreement(b, gradcheck.FP32, func(r gradcheck.Row) {
		t.Logf("%-60s %.2g of %.2g %s", r.Name, r.Error, r.Bound, r.Worst)
	})
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(rows), 20)
	for _, r := range rows {
		require.True(t, r.OK, "%+v", r)
	}
	now, _ := b.Usage()
	require.Zero(t, now)
	require.NoError(t, b.Close())
	var total emu.Stats
	for _, s := range d.Stats() {
		total.Add(&s)
	}
	t.Log(total)
}

// Ten updates of the network whose numbers PyTorch recorded.
func TestTenSteps(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	read := func(what string) *weights.File {
		f, err := weights.Read(filepath.Join("..", "models", "testdata", "generator_linear."+what+".safetensors"))
		require.NoError(t, err)
		return f
	}
	start, golden := read("weights"), read("golden")
	var want []float64
	require.NoError(t, json.Unmarshal([]byte(golden.Meta["losses"]), &want))
	require.Len(t, want, 10)
	start.Meta["dropout"] = golden.Meta["dropout"]

	_, b := onEmulator(t, []emu.Option{emu.SkipRaces()})
	net, err := models.FromFile(b, start)
	require.NoError(t, err)
	recorded := func(name string) ([]float32, device.Shape) {
		x, ok := golden.Get(name)
		require.True(t, ok)
		return channelsLast(t, x)
	}
	input := func(name string) *autograd.Var {
		v, s := recorded(name)
		y := b.Alloc(s)
		b.Upload(y, v)
		return autograd.Input(y)
	}
	x, target := input("x"), input("target")

	net.SetMode(layers.Eval)
	tape := autograd.NewInference(b)
	y := net.Forward(tape, x)
	out := make([]float32, y.Len())
	b.Download(out, y.Tensor)
	tape.Close()
	eval, s := recorded("y_eval")
	require.Equal(t, s, y.Shape)
	for i, v := range eval {
		require.InDelta(t, v, out[i], 1e-6, "output in evaluation")
	}

	net.SetMode(layers.Train)
	adam := net.Adam(1e-3)
	for i, w := range want {
		tape := autograd.New(b, 0)
		loss := tape.MSE(net.Forward(tape, x), target)
		var got [1]float32
		b.Download(got[:], loss.Tensor)
		net.ClearGrads()
		tape.Backward(loss)
		adam.Update()
		tape.Close()
		require.NoError(t, b.Sync())
		// Adam's first updates are near ±rate whatever the size of a gradient. Where
		// rounding puts a ReLU on its other side the signs of some tiny ones change,
		// and the losses part a little, also of devices that are right.
		bound := 1e-3
		if i == 0 {
			bound = 1e-6
		}
		require.InDelta(t, w, got[0], bound, "loss of step %d", i+1)
		t.Logf("loss of step %d: %.8f, off by %.2g", i+1, got[0], float64(got[0])-w)
	}
	require.NoError(t, b.Close())
}

// channelsLast turns a vector's [N C D H W] into the device's order.
func channelsLast(t *testing.T, x weights.Tensor) ([]float32, device.Shape) {
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
