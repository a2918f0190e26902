package layers

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/device/ref"
)

func TestAverages(t *testing.T) {
	dev := ref.New[float64]()
	n := NewNet(dev)
	at := n.Scope().In("bn")
	v := device.Vec(2)
	w, mean := at.Param("weight", v, Vector, Constant(1)), at.Buffer("running_mean", v, Vector, Constant(3))
	still := n.Scope().In("still").Param("weight", v, Vector, Constant(0.1))
	frozen := n.Scope().In("still").Buffer("running_mean", v, Vector, Constant(0.3))
	n.Init(1)
	still.SetWantsGrad(false)
	get := func(x device.Tensor) []float32 {
		out := make([]float32, x.Len())
		dev.Download(out, x)
		return out
	}
	a := NewAverages(dev, n.Params(), n.Buffers(), 0.5)
	require.Len(t, a.Of, 2, "what is frozen is left alone")
	a.Use()
	require.Equal(t, []float32{1, 1}, get(w.Tensor), "nothing is averaged yet")
	a.Restore()
	for _, x := range []float32{2, 4, 8} {
		dev.Upload(w.Tensor, []float32{x, -x})
		dev.Upload(mean, []float32{x, 1})
		a.Update()
	}
	a.Use()
	require.InDeltaSlice(t, []float32{6, -6}, get(w.Tensor), 1e-6, "(8·4 + 4·2 + 2·1)/7")
	require.InDeltaSlice(t, []float32{6, 1}, get(mean), 1e-6)
	require.Equal(t, []float32{0.1, 0.1}, get(still.Tensor))
	require.Equal(t, []float32{0.3, 0.3}, get(frozen))
	a.Restore()
	require.Equal(t, []float32{8, -8}, get(w.Tensor))
	require.Equal(t, []float32{8, 1}, get(mean))
	a.Free()
	n.Free()
	now, _ := dev.Usage()
	require.Zero(t, now)
}
