package synth

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/augment"
)

// Vessels are thin, begin in the brain, are no brighter than they may be, at the same places at both times, and not always seen.
func TestVessels(t *testing.T) {
	size := [3]int{48, 48, 48}
	n := 48 * 48 * 48
	brain := make([]bool, n)
	for i := range brain {
		p := unindex(i, size)
		brain[i] = p[0] >= 10 && p[0] < 38 && p[1] >= 10 && p[1] < 38 && p[2] >= 10 && p[2] < 38
	}
	l := DefaultLesions()
	l.Vessels = 1e6 / float64(count(brain)) // one
	once, both, total := 0, 0, 0
	for seed := range uint64(300) {
		bright := [][]float32{make([]float32, n), make([]float32, n)}
		l.vessels(augment.NewStream(seed), size, brain, bright)
		again := [][]float32{make([]float32, n), make([]float32, n)}
		l.vessels(augment.NewStream(seed), size, brain, again)
		require.Equal(t, bright, again)
		var seen [2]bool
		for time, b := range bright {
			volume, most := 0, float32(0)
			for i, x := range b {
				if x == 0 {
					continue
				}
				seen[time] = true
				most = max(most, x)
				if x > 0.3*float32(l.VesselBright) {
					volume++
				}
				p := unindex(i, size)
				for _, c := range p {
					require.True(t, c >= 10-4 && c < 38+4, "%v is far from the brain", p)
				}
			}
			require.LessOrEqual(t, most, float32(l.VesselBright))
			require.Less(t, volume, int(l.VesselMM*2*math.Pi*2*2), "a tube")
		}
		if seen[0] || seen[1] {
			total++
		}
		if seen[0] != seen[1] {
			once++
		}
		if seen[0] && seen[1] {
			both++
			for i := range n {
				require.Equal(t, bright[0][i] > 0, bright[1][i] > 0, "one place")
			}
		}
	}
	// Of those that are seen at all 0.49 are at both times, 0.42 at one.
	near(t, 0.49, both, 300, "at both times")
	near(t, 0.42, once, 300, "at one")
	near(t, 0.91, total, 300, "at all")
}

// Vessels change images and no mask; without them nothing is drawn from the stream.
func TestVesselsAreNoLesions(t *testing.T) {
	a, lib := smallHead(t), NewLibrary(Options{ShapeMin: 4, ShapeMax: 400})
	require.NoError(t, lib.AddBlobs(augment.NewStream(1), 20))
	size := [3]int{64, 64, 64}
	o, l := still(), DefaultLesions()
	l.CountMean, l.MaskError = 300, 0
	plain, err := o.DrawVisits(augment.NewStream(3), l, a, lib, size, 2)
	require.NoError(t, err)
	l.Vessels = 2000
	with, err := o.DrawVisits(augment.NewStream(3), l, a, lib, size, 2)
	require.NoError(t, err)
	require.Equal(t, plain.Lesions, with.Lesions)
	require.Equal(t, plain.New, with.New)
	require.Equal(t, plain.Planted, with.Planted)
	require.NotEqual(t, plain.Images, with.Images)
	require.NotZero(t, count(plain.Lesions[0]))
}

// The ball of fluid, of radius 6, grows by what its wall moves; the head's outside stays.
func TestAtrophyWidensTheVentricles(t *testing.T) {
	a := smallHead(t)
	require.NoError(t, a.prepare())
	size := [3]int{64, 64, 64}
	o := still()
	w := o.warpAt(augment.NewStream(5), size, a.centre, 0)
	for _, mm := range []float64{0, 0.8, 2} {
		second := w
		for p := range second.moved {
			second.moved[p] = make([]float32, 64*64*64)
		}
		second.atrophy(w, a, size, mm, 1)
		ventricle, farthest := 0.0, 0.0
		offset := second.partial()
		second.each(size, func(i int, at [3]float32) {
			for _, o := range offset {
				if Class(a.at(at[0]+o[0], at[1]+o[1], at[2]+o[2])&classBits) == Ventricle {
					ventricle += 1. / 8
				}
			}
			q, r := unindex(i, size), 0.0
			for _, x := range q {
				r += sq(float64(x) - 31.5)
			}
			if math.Sqrt(r) > 24 {
				for p := range second.moved {
					farthest = max(farthest, math.Abs(float64(second.moved[p][i])))
				}
			}
		})
		radius := math.Cbrt(ventricle * 3 / (4 * math.Pi))
		require.InDelta(t, 6+mm, radius, 0.25+0.1*mm, "%g mm", mm)
		require.Less(t, farthest, 0.15*mm+1e-9)
	}
	l := DefaultLesions()
	l.AtrophyMM = 6
	require.ErrorContains(t, l.Check(), "atrophy_mm")
	l = DefaultLesions()
	l.VesselSeen = 2
	require.ErrorContains(t, l.Check(), "vessel_seen")
}
