package sample

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/augment"
	"voxgrad/internal/rng"
	"voxgrad/train/dataset"
)

func deforming(change func(*augment.Preset)) augment.Preset {
	p, err := augment.Named("none")
	if err != nil {
		panic(err)
	}
	p.Space.P, p.Space.Degrees, p.Space.ScaleMin, p.Space.ScaleMax, p.Space.BendMM = 1, 0, 1, 1, 0
	change(&p)
	if err := p.Check(); err != nil {
		panic(err)
	}
	return p
}

// A map that moves nothing cuts what Cut cuts; one that enlarges twice shows half of it.
func TestCutThrough(t *testing.T) {
	it := item("a", [3]int{20, 22, 24}, [3]int{9, 10, 11})
	size, start := [3]int{9, 9, 9}, [3]int{5, 6, 7}
	still := deforming(func(*augment.Preset) {}).DrawSpace(rng.New(1), size)
	got, want := cutThrough(it, start, still, size), Cut(it, start, size)
	require.Equal(t, want.Labels, got.Labels)
	for time := range want.Images {
		for i, x := range want.Images[time] {
			require.InEpsilon(t, x, got.Images[time][i], 1e-6)
		}
	}
	twice := deforming(func(p *augment.Preset) { p.Space.ScaleMin, p.Space.ScaleMax = 2, 2 }).DrawSpace(rng.New(1), size)
	got = cutThrough(it, start, twice, size)
	lesion := 0
	for d := range 9 {
		for h := range 9 {
			for w := range 9 {
				i := (d*9+h)*9 + w
				x, y, z := 9+float64(d-4)/2, 10+float64(h-4)/2, 11+float64(w-4)/2
				require.InEpsilon(t, 1+x+100*y+10000*z, float64(got.Images[1][i]), 1e-5)
				if got.Labels[i]&dataset.Lesion != 0 {
					lesion++
				}
			}
		}
	}
	require.Equal(t, 8, lesion, "one voxel, enlarged twice along each axis")

	// A turn keeps distances from the middle, and images and labels together; what is outside is 0.
	turn := deforming(func(p *augment.Preset) { p.Space.Degrees = 60 }).DrawSpace(rng.New(5), size)
	furthest := 0.0
	turn.Each(func(i int, at [3]float64) {
		q := [3]float64{float64(i/81) - 4, float64(i/9%9) - 4, float64(i%9) - 4}
		a := [3]float64{at[0] - 4, at[1] - 4, at[2] - 4}
		require.InDelta(t, q[0]*q[0]+q[1]*q[1]+q[2]*q[2], a[0]*a[0]+a[1]*a[1]+a[2]*a[2], 1e-9)
		furthest = max(furthest, math.Abs(q[0]-a[0]))
	})
	require.Greater(t, furthest, 1.0)
	corner := cutThrough(it, [3]int{}, turn, size)
	none := 0
	for i, x := range corner.Images[0] {
		if x == 0 {
			none++
			require.Zero(t, corner.Labels[i]&dataset.Lesion)
		}
	}
	require.Greater(t, none, 3)
}

// Bends are as large as they say; exponents keep 0 and 1.
func TestBendAndGamma(t *testing.T) {
	size := [3]int{32, 32, 32}
	p := deforming(func(p *augment.Preset) { p.Space.BendMM, p.Space.BendCellMM = 3, 8 })
	sum, n := 0.0, 0.0
	for seed := range uint64(20) {
		p.DrawSpace(rng.New(seed), size).Each(func(i int, at [3]float64) {
			d := at[0] - float64(i/1024)
			sum, n = sum+d*d, n+1
		})
	}
	require.InDelta(t, 3, sum/n, 1, "the mean square of a standard deviation that is uniform up to 3")

	p.Gamma = augment.GammaDraw{P: 1, Min: 2, Max: 2}
	x := []float32{0, 0.5, 1, 2, -1}
	p.DrawGamma(rng.New(1), x)
	require.Equal(t, []float32{0, 0.25, 1, 4, -1}, x)
}

// Deformed patches are of their kind, the same for the same number, and others than without.
func TestSamplerDeforms(t *testing.T) {
	cs := cases{item("a", [3]int{40, 40, 40}, [3]int{20, 20, 20}, [3]int{21, 20, 20})}
	p := deforming(func(p *augment.Preset) {
		p.Space.P, p.Space.Degrees, p.Space.ScaleMin, p.Space.ScaleMax, p.Space.BendMM = 0.5, 30, 0.7, 1.4, 2
		p.Gamma = augment.GammaDraw{P: 0.5, Min: 0.7, Max: 1.5}
	})
	for kind, want := range map[Kind]bool{WithLesion: true, WithoutLesion: false} {
		plain, err := NewSampler(cs, kind, options(16, 4), 3, "s")
		require.NoError(t, err)
		bent, err := NewSampler(cs, kind, options(16, 4), 3, "s")
		require.NoError(t, err)
		bent.Deform(p)
		others := 0
		for i := range 20 {
			a, err := bent.Draw(i)
			require.NoError(t, err)
			b, err := bent.Draw(i)
			require.NoError(t, err)
			require.Equal(t, a, b)
			has := false
			for _, l := range a.Labels {
				has = has || l&dataset.Lesion != 0
			}
			require.Equal(t, want, has)
			c, err := plain.Draw(i)
			require.NoError(t, err)
			if !equalImages(a, c) {
				others++
			}
		}
		require.Greater(t, others, 10)

		// Off, nothing is drawn: the very patches of before.
		off := p
		off.Space.P, off.Gamma.P = 0, 0
		bent.Deform(off)
		for i := range 20 {
			a, err := bent.Draw(i)
			require.NoError(t, err)
			c, err := plain.Draw(i)
			require.NoError(t, err)
			require.Equal(t, c, a)
		}
	}
}

func equalImages(a, b *Sample) bool {
	for i, x := range a.Images[0] {
		if b.Images[0][i] != x {
			return false
		}
	}
	return true
}
