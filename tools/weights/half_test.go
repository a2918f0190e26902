package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/models/weights"
)

// The built-in file depends on the network alone, not on the build that trained it, and says what prediction does with it.
func TestHalf(t *testing.T) {
	dir := t.TempDir()
	var files [2][]byte
	for k, version := range []string{"v1", "v2"} {
		in, out := filepath.Join(dir, version), filepath.Join(dir, version+".half")
		meta := map[string]string{"width": "8", "threshold": "0.5", "voxgrad_version": version, "voxgrad_commit": "of " + version}
		require.NoError(t, weights.Write(in, []weights.Tensor{weights.Float32("conv1.bias", []int{2}, []float32{0.1, -2})}, meta))
		require.NoError(t, half([]string{"--in", in, "--out", out, "--threshold", "0.35", "--stride", "28x28x28"}))
		var err error
		files[k], err = os.ReadFile(out)
		require.NoError(t, err)
		f, err := weights.Read(out)
		require.NoError(t, err)
		require.Equal(t, map[string]string{"width": "8", "threshold": "0.35", "stride": "28x28x28"}, f.Meta)
		x, err := f.Tensors[0].Float32s()
		require.NoError(t, err)
		require.InDeltaSlice(t, []float32{0.1, -2}, x, 1e-4)
		require.Equal(t, "F16", f.Tensors[0].Type)
	}
	require.Equal(t, files[0], files[1])
	require.Error(t, half([]string{"--in", filepath.Join(dir, "v1"), "--out", filepath.Join(dir, "bad"), "--threshold", "much"}))
	require.NoFileExists(t, filepath.Join(dir, "bad"))
}
