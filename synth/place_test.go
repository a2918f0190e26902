package synth

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
)

// Centres are drawn in proportion to the likelihood, and nowhere else.
func TestPlanLikelihood(t *testing.T) {
	o := Defaults()
	o.GeneratedMin, o.GeneratedMax = 1, 1
	p := box(12)
	p.Likelihood = make([]float32, p.voxels())
	at := [][3]int{{2, 3, 4}, {9, 2, 7}, {5, 5, 5}}
	for n, a := range at {
		p.Likelihood[index(a, p.Size)] = float32(n + 1)
	}
	p.Likelihood[0] = 1000 // outside the brain
	const n = 3000
	var hits [3]int
	for seed := range uint64(n) {
		pl := plan(t, o, seed, p, dot(t, o))
		require.Len(t, pl.lesions, 1)
		for k, a := range at {
			if int(pl.lesions[0][0]) == index(a, p.Size) {
				hits[k]++
			}
		}
	}
	for k, c := range hits {
		near(t, float64(k+1)/6, c, n, "place")
	}
	clear(p.Likelihood)
	pl := plan(t, o, 1, p, dot(t, o))
	require.Equal(t, []Dropped{{Reason: "no place in the patch is likely", Voxels: 1}}, pl.Record.Dropped)
}

// Without a likelihood centres are at least 5 mm inside the brain, and the faces of
// a patch that is cut out of a brain are no border.
func TestPlanErodesTheBrain(t *testing.T) {
	o := Defaults()
	o.GeneratedMin, o.GeneratedMax = 1, 1
	p := box(16)
	for i := range p.Brain {
		p.Brain[i] = p.at(i)[0] > 1
	}
	least, most, side := 99, 0, 99
	for seed := range uint64(600) {
		at := p.at(int(plan(t, o, seed, p, dot(t, o)).lesions[0][0]))
		least, most, side = min(least, at[0]), max(most, at[0]), min(side, at[1])
	}
	require.Equal(t, 7, least, "more than 5 mm from the last voxel outside, 1")
	require.Equal(t, 15, most)
	require.Zero(t, side)
}

func TestErodeBrain(t *testing.T) {
	p := box(14)
	deep, err := erodeBrain(p.Brain, p.Size, 3)
	require.NoError(t, err)
	want, err := volume.Erode(p.Brain, p.Size, volume.Voxels, 3)
	require.NoError(t, err)
	require.Equal(t, want, deep, "where the shell is outside the brain, the face of the patch is no different")
}
