package volume

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStandardize(t *testing.T) {
	x := make([]float32, 10000)
	for i := range x {
		x[i] = -50 + float32(i)
	}
	x[7] = 1e5 // an outlier, limited
	Standardize(x)
	require.Equal(t, float32(2), x[7])
	require.InDelta(t, 0, x[0], 1e-6)
	require.InDelta(t, 0.5, x[4975], 0.02)
	y := make([]float32, 10000)
	for i := range y {
		y[i] = 3 * (-50 + float32(i)) // another unit
	}
	y[7] = 3e5
	Standardize(y)
	require.InDeltaSlice(t, x, y, 1e-5)
	same := []float32{4, 4, 4}
	Standardize(same)
	require.Equal(t, []float32{0, 0, 0}, same)
}
