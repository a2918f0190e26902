package train

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/models/weights"
)

// Every number of a state comes back to the bit, NaN included.
func TestStateRoundTrip(t *testing.T) {
	s := state{Config: "a = 1\n", Train: []string{"x"}, Valid: []string{"y"}, Step: 9, Sample: 36, Epoch: 1, InEpoch: 4, LowSteps: 3,
		Sums:     sums{Loss: 0.1 + 0.2, Batches: 4, Intersection: 1.0 / 3, Predicted: math.Pi * 1e9, Truth: 5e-324, Voxels: 1 << 53},
		BestLoss: Number(math.NaN()), BestAt: 1,
		History: []Record{{Epoch: 1, Step: 5, TrainLoss: 0.7, FullDice: Number(math.NaN()), Best: true}}}
	b, err := json.Marshal(s)
	require.NoError(t, err)
	f, err := weights.Make("x", []weights.Tensor{weights.Bytes(stateTensor, b)}, nil)
	require.NoError(t, err)
	got, err := readState(f)
	require.NoError(t, err)
	require.True(t, math.IsNaN(float64(got.BestLoss)))
	require.True(t, math.IsNaN(float64(got.History[0].FullDice)))
	got.BestLoss, s.BestLoss = 0, 0
	got.History[0].FullDice, s.History[0].FullDice = 0, 0
	require.Equal(t, s, *got)
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"step":3,"sample":12,"epoch":1,"history":[{"epoch":1}],"best_epoch":1,"best_loss":null}`))
	f.Add([]byte(`{"best_epoch":2}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := weights.Make("x", []weights.Tensor{weights.Bytes(stateTensor, b)}, nil)
		require.NoError(t, err)
		s, err := readState(w)
		if err == nil && s.BestAt > 0 {
			_ = s.History[s.BestAt-1]
		}
	})
}

// readLast is the state in a checkpoint_last.
func readLast(path string) (*state, error) {
	f, err := weights.Read(path)
	if err != nil {
		return nil, err
	}
	return readState(f)
}
