package netcheck

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
)

func TestDifferences(t *testing.T) {
	rows := 0
	require.NoError(t, Differences(func(r Row) error {
		rows++
		t.Logf("%+v", r)
		require.True(t, r.OK, "%+v", r)
		return nil
	}))
	require.Equal(t, len(networks()), rows)
	stop := errors.New("stop")
	require.ErrorIs(t, Differences(func(Row) error { return stop }), stop)
}

func TestCPUAgrees(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	rows := 0
	require.NoError(t, Agreement(dev, FP32, func(r Row) error {
		rows++
		t.Logf("%+v", r)
		require.True(t, r.OK, "%+v", r)
		return nil
	}))
	require.Equal(t, 4*len(networks()), rows)
	now, _ := dev.Usage()
	require.Zero(t, now, "everything is given back")
}
