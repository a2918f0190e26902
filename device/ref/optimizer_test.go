package ref

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
)

// Three updates of torch.optim.AdamW, PyTorch 2.15 in float64.
func TestWeightDecay(t *testing.T) {
	b := New[float64]()
	v := device.Vec(3)
	s := device.AdamSlot{W: b.Alloc(v), Grad: b.Alloc(v), M: b.Alloc(v), V: b.Alloc(v)}
	copy(b.Data(s.W), []float64{1, -2, 0.5})
	b.Fill(s.M, 0)
	b.Fill(s.V, 0)
	want := [][]float64{
		{0.8703322259136212, -1.8409900990099008, 0.3850499750124937},
		{0.7573470142456962, -1.841408984517944, 0.3468454151999143},
		{0.6673873233133306, -1.8292476396248667, 0.3157645823646989},
	}
	for i, g := range [][]float64{{0.3, -0.1, 2}, {0.1, 0.4, -1}, {0, 0, 1e-3}} {
		copy(b.Data(s.Grad), g)
		b.Adam([]device.AdamSlot{s}, device.AdamOptions{Step: i + 1, LR: 0.1, Beta1: 0.9, Beta2: 0.99, Eps: 1e-3, WeightDecay: 0.3})
		require.InDeltaSlice(t, want[i], b.Data(s.W), 1e-12)
	}
}
