package sample

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
	"voxgrad/train/dataset"
)

// Patches with and without a lesion voxel, also where most places are of the other kind.
func TestKinds(t *testing.T) {
	var lesions [][3]int
	for i := range 40 {
		lesions = append(lesions, [3]int{i, i % 7, 39 - i})
	}
	c := cases{item("many", [3]int{40, 40, 40}, lesions...), item("none", [3]int{20, 20, 20}), item("corner", [3]int{24, 24, 24}, [3]int{0, 0, 0})}
	for _, kind := range []Kind{WithLesion, WithoutLesion} {
		s, err := NewSampler(c, kind, options(16, 7), 1, "x")
		require.NoError(t, err)
		seen := map[string]bool{}
		for i := range 100 {
			p, err := s.Draw(i)
			require.NoError(t, err)
			seen[p.Case] = true
			require.Equal(t, kind == WithLesion, slices.ContainsFunc(p.Labels, func(l uint8) bool { return l&dataset.Lesion != 0 }))
		}
		require.Equal(t, kind == WithoutLesion, seen["none"])
		require.True(t, seen["many"] && seen["corner"])
	}
	s, err := NewSampler(c, Anywhere, options(16, 7), 1, "x")
	require.NoError(t, err)
	with := map[bool]int{}
	for i := range 100 {
		p, err := s.Draw(i)
		require.NoError(t, err)
		with[slices.ContainsFunc(p.Labels, func(l uint8) bool { return l&dataset.Lesion != 0 })]++
	}
	require.Positive(t, with[true])
	require.Positive(t, with[false])
	s, err = NewSampler(cases{item("a", [3]int{16, 16, 16}, [3]int{8, 8, 8})}, WithoutLesion, options(16, 4), 1, "x")
	require.NoError(t, err)
	_, err = s.Draw(0)
	require.ErrorContains(t, err, "without a lesion")
	s, err = NewSampler(c[1:2], WithLesion, options(16, 4), 1, "x")
	require.NoError(t, err)
	_, err = s.Draw(0)
	require.ErrorContains(t, err, "with a lesion voxel")
}

// The likelihood of lesions is cut and turned as the images are.
func TestLikelihoodGoesWithTheImages(t *testing.T) {
	it := item("a", [3]int{24, 20, 18}, [3]int{4, 5, 6})
	it.Likelihood = it.Images[0].Data
	s, err := NewSampler(cases{it}, Mixed, options(16, 4), 1, "x", turn)
	require.NoError(t, err)
	for i := range 5 {
		p, err := s.Draw(i)
		require.NoError(t, err)
		require.Equal(t, p.Images[1], p.Likelihood)
	}
}

// A hook that cannot use a place gets others, and the sample keeps its number.
func TestHookAsksAgain(t *testing.T) {
	asked := 0
	s, err := NewSampler(cases{item("a", [3]int{40, 40, 40}, [3]int{3, 3, 3})}, Mixed, options(16, 4), 1, "x", func(p *Sample, _ *rng.Stream) error {
		if asked++; p.Start[0] < 20 {
			return ErrAgain
		}
		return nil
	})
	require.NoError(t, err)
	for i := range 10 {
		p, err := s.Draw(i)
		require.NoError(t, err)
		require.Equal(t, i, p.Index)
		require.GreaterOrEqual(t, p.Start[0], 20)
	}
	require.Greater(t, asked, 10)
	s, err = NewSampler(cases{item("a", [3]int{16, 16, 16})}, Mixed, options(16, 4), 1, "x", func(*Sample, *rng.Stream) error { return ErrAgain })
	require.NoError(t, err)
	_, err = s.Draw(0)
	require.ErrorContains(t, err, "no usable patch")
}

// A hook's error names the case.
func TestHookFails(t *testing.T) {
	s, err := NewSampler(cases{item("a", [3]int{16, 16, 16})}, Mixed, options(16, 4), 1, "x", func(*Sample, *rng.Stream) error { return errDraw })
	require.NoError(t, err)
	_, err = s.Draw(0)
	require.ErrorIs(t, err, errDraw)
	require.ErrorContains(t, err, "case a")
}
