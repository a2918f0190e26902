package cuda

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/layers"
)

// A batch of two behind an instance norm, apart and together again, with activations in bf16: samples are taken from what is stored in
// fp32 and put where it is not.
func TestInstanceNormInBF16(t *testing.T) {
	_, emulated := emulatedCores(t, BF16)
	exact := cpu.New()
	s := device.Shape{N: 2, D: 3, H: 6, W: 10, C: 3}
	var outputs, grads [][]float64
	for _, dev := range []device.Backend{emulated, exact} {
		net := layers.NewNet(dev)
		first := layers.NewConv(net.Scope().In("first"), 3, 16, layers.ConvOptions{ConvParams: device.Conv3x3x3, Act: device.ReLU})
		norm := layers.NewNorm(layers.Instance, net.Scope().In("norm"), 16)
		last := layers.NewCatConv(nil, norm, layers.NewConv(net.Scope().In("last"), 16, 8, layers.ConvOptions{ConvParams: device.Conv3x3x3}))
		net.Init(1)
		x, target := dev.Alloc(s), dev.Alloc(s.WithC(8))
		in := make([]float32, s.Len())
		for i := range in {
			in[i] = float32(math.Sin(float64(i*i))) * float32(1+4*(i/(s.Len()/2))) // the second sample is larger
		}
		dev.Upload(x, in)
		dev.Fill(target, 0.3)
		tape := autograd.New(dev, 1)
		y := last.Forward(tape, first.Forward(tape, autograd.Input(x)))
		var out []float64
		for _, v := range tape.Value(y) {
			out = append(out, float64(v))
		}
		outputs = append(outputs, out)
		tape.Backward(tape.MSE(y, autograd.Input(target)))
		var all []float64
		for _, p := range net.Params() {
			g := make([]float32, p.Len())
			dev.Download(g, p.Grad())
			for _, v := range g {
				all = append(all, float64(v))
			}
		}
		grads = append(grads, all)
		tape.Close()
		require.NoError(t, dev.Sync())
	}
	for what, pair := range map[string][][]float64{"outputs": outputs, "gradients": grads} {
		d, n := 0.0, 0.0
		for i, want := range pair[1] {
			d, n = d+(pair[0][i]-want)*(pair[0][i]-want), n+want*want
		}
		require.Positive(t, d, "%s are rounded", what)
		require.Less(t, math.Sqrt(d/n), 0.02, what)
	}
	require.NoError(t, emulated.Close())
}
