package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/prepare"
)

const data = "../../../shared/data"

func scans(t *testing.T) []subject {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	if _, err := os.Stat(data); err != nil {
		t.Skip("the real scans are not here: ", err)
	}
	list, err := published(data)
	require.NoError(t, err)
	return list
}

func TestPublishedTransformsAreMet(t *testing.T) {
	list := scans(t)
	one, two := list[0], list[1]
	got, err := prepare.Register(one.scan, two.scan, nil, nil)
	require.NoError(t, err)
	mean, most := errors(got.Between(), two.space.Mul(one.space.Inverse()), one.brain)
	require.Less(t, mean, 0.4)
	require.Less(t, most, 0.7)
	for _, s := range list[2:] {
		p := common(s)
		got, err := prepare.Register(p.a, p.b, nil, nil)
		require.NoError(t, err)
		_, most := errors(got.Between(), p.truth, p.brain)
		require.Less(t, most, 0.7, s.name)
	}
}

func TestKnownMotionsComeBack(t *testing.T) {
	list := scans(t)
	for n, p := range []pair{visits(list[0], list[1], 3, 0), rescan(list[2], 3, 1), rescan(list[4], 3, 2)} {
		got, err := prepare.Register(p.a, p.b, nil, nil)
		require.NoError(t, err)
		mean, _ := errors(got.Between(), p.truth, p.brain)
		require.Less(t, mean, 0.3*p.voxel, "pair %d", n)
	}
}
