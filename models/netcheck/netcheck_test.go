package netcheck

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
)

func TestDifferences(t *testing.T) {
	rows, err := Differences(func(r Row) { t.Logf("%+v", r) })
	require.NoError(t, err)
	require.Len(t, rows, len(networks()))
	for _, r := range rows {
		require.True(t, r.OK, "%+v", r)
	}
}

func TestCPUAgrees(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	rows, err := Agreement(dev, FP32, func(r Row) { t.Logf("%+v", r) })
	require.NoError(t, err)
	require.Len(t, rows, 4*len(networks()))
	for _, r := range rows {
		require.True(t, r.OK, "%+v", r)
	}
	now, _ := dev.Usage()
	require.Zero(t, now, "everything is given back")
}
