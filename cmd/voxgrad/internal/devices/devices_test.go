package devices_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
)

func TestDevices(t *testing.T) {
	out := clitest.Succeeds(t, "devices")
	require.Contains(t, out, "model")
	require.Contains(t, out, "cpu (")
	var l struct {
		CPU struct {
			Cores int64 `json:"cores"`
			Cache int64 `json:"cache_bytes"`
		} `json:"cpu"`
		GPUs  []any    `json:"gpus"`
		NoGPU string   `json:"no_gpu"`
		PTX   []string `json:"ptx_modules"`
	}
	require.NoError(t, json.Unmarshal([]byte(clitest.Succeeds(t, "devices", "--json")), &l))
	require.Positive(t, l.CPU.Cores)
	require.Positive(t, l.CPU.Cache)
	require.NotEmpty(t, l.PTX)
	if len(l.GPUs) == 0 {
		require.NotEmpty(t, l.NoGPU, "it says why")
	}
}
