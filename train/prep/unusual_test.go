package prep

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
)

// A ball of white matter with cortex around it and ventricles inside, sulci in the cortex: by intensities of tissues.
func ordered(t *testing.T, white, cortex, fluid float32, mm float64) []Doubt {
	n := int(120 / mm)
	v := volume.New(volume.Grid{Size: [3]int{n, n, n}, Affine: volume.Affine{{mm}, {0, mm}, {0, 0, mm}}})
	brain := volume.NewMask(v.Grid)
	for i := range v.Data {
		x, y, z := float64(i%n)*mm-60, float64(i/n%n)*mm-60, float64(i/n/n)*mm-60
		r := math.Sqrt(x*x + y*y + z*z)
		brain.Data[i] = r < 50
		switch {
		case r >= 50:
		case r < 22, r > 45 && math.Abs(math.Mod(x+100, 8)) < 1:
			v.Data[i] = fluid
		case r > 45:
			v.Data[i] = cortex
		default:
			v.Data[i] = white
		}
	}
	p, err := Images(Case{Times: []*volume.Volume{v}, Brain: brain}, Defaults())
	require.NoError(t, err)
	out, err := p.Unusual()
	require.NoError(t, err)
	return out
}

func TestContrastsAreToldByTissueOrder(t *testing.T) {
	require.Empty(t, ordered(t, 600, 700, 100, 2))
	for want, x := range map[string][3]float32{"may be T1-weighted": {900, 600, 200}, "looks T2-weighted": {500, 650, 1200}, "fluid is not dark": {600, 700, 650}} {
		out := ordered(t, x[0], x[1], x[2], 2)
		require.Len(t, out, 1, want)
		require.Contains(t, out[0].Text, want)
	}
	for mm, want := range map[[3]float64]string{{1, 1, 3}: "", {0.9, 0.9, 8}: "", {3, 1, 3}: "voxels of 3 × 1 × 3 mm", {1, 1, 12}: "slices of up to 10.5 mm"} {
		v := volume.New(volume.Grid{Size: [3]int{2, 2, 2}, Affine: volume.Affine{{mm[0]}, {0, mm[1]}, {0, 0, mm[2]}}})
		if got := Coarse(v); want == "" {
			require.Empty(t, got)
		} else {
			require.Contains(t, got, want)
		}
	}
}
