package infer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/internal/rng"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/models/weights"
	"voxgrad/volume"
)

// docsNetwork is a network whose weights and statistics depend on nothing but its kind.
func docsNetwork(t *testing.T, kind, up string) *models.Net {
	net := network(t, cpu.New(), kind, 3)
	if net.Up != up {
		c := net.Config
		c.Up = up
		var err error
		net, err = models.New(cpu.New(), c, 3)
		require.NoError(t, err)
	}
	draw := rng.New(5, "statistics", kind)
	for _, b := range net.Buffers() {
		v := make([]float32, b.Len())
		for i := range v {
			v[i] = float32(0.5 + draw.Float64())
		}
		net.Device().Upload(b.Tensor, v)
	}
	return net
}

// The Python of docs/networks.md, run by PyTorch (tools/torchcheck/networks.py), gives the same scale of the
// intensities and the same probabilities.
func TestPyTorchOfTheDocs(t *testing.T) {
	size := [3]int{16, 8, 24}
	var times []*volume.Volume
	brain := ball(noise(0, size).Grid, [3]float64{7, 4, 12}, 9)
	for i := range 2 {
		v := noise(uint64(i), size)
		draw := rng.New(uint64(i), "tissue")
		for j := range v.Data {
			v.Data[j] = 0
			if x := 100 + 15*draw.Normal(); brain.Data[j] {
				v.Data[j] = float32(x)
			}
		}
		times = append(times, v)
	}
	nets := map[string]*models.Net{
		models.Segmenter: docsNetwork(t, models.Segmenter, layers.Transposed),
		models.Detector:  docsNetwork(t, models.Detector, layers.Trilinear),
	}
	if dir := os.Getenv("VOXGRAD_RECORD"); dir != "" {
		record(t, dir, times, nets)
	}

	docs, err := os.ReadFile("../../docs/networks.md")
	require.NoError(t, err)
	code := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(docs)
	require.NotNil(t, code, "docs/networks.md has no Python")
	sum := sha256.Sum256(code[1])
	f, err := weights.Read("testdata/networks_md.safetensors")
	require.NoError(t, err)
	require.Equal(t, hex.EncodeToString(sum[:]), f.Meta["sha256"],
		"the Python of docs/networks.md is not what was recorded: run tools/torchcheck/networks.py")

	for i, v := range times {
		want, ok := f.Get([]string{"scale_time1", "scale_time2"}[i])
		require.True(t, ok)
		x, err := want.Float64s()
		require.NoError(t, err)
		scale, err := volume.KDEScale(v, brain)
		require.NoError(t, err)
		require.InDelta(t, x[0], scale, 1e-4)
	}
	opt := Defaults()
	opt.Patch, opt.Stride = size, size
	for kind, net := range nets {
		got, err := Predict(context.Background(), []Member{Keep(net)}, one(brain, times[:net.TimePoints()]...), opt)
		require.NoError(t, err)
		recorded, ok := f.Get(kind)
		require.True(t, ok)
		require.Equal(t, size[:], recorded.Shape)
		want, err := recorded.Float32s()
		require.NoError(t, err)
		var low, high float32 = 1, 0
		for i := range size[0] {
			for j := range size[1] {
				for k := range size[2] {
					p, q := got.Prob.Data[got.Prob.Index(i, j, k)], want[(i*size[1]+j)*size[2]+k]
					require.InDelta(t, q, p, 1e-5, "%s at %d %d %d", kind, i, j, k)
					if brain.Data[brain.Index(i, j, k)] {
						low, high = min(low, q), max(high, q)
					}
				}
			}
		}
		require.Greater(t, high-low, float32(0.2), "an answer that is the same everywhere shows nothing")
	}
}

// record writes what the script reads.
func record(t *testing.T, dir string, times []*volume.Volume, nets map[string]*models.Net) {
	require.NoError(t, os.MkdirAll(dir, 0o777))
	var images []weights.Tensor
	for i, v := range times {
		x := make([]float32, 0, len(v.Data))
		for a := range v.Size[0] {
			for b := range v.Size[1] {
				for c := range v.Size[2] {
					x = append(x, v.Data[v.Index(a, b, c)])
				}
			}
		}
		images = append(images, weights.Float32([]string{"time1", "time2"}[i], v.Size[:], x))
	}
	require.NoError(t, weights.Write(filepath.Join(dir, "images.safetensors"), images, nil))
	for kind, net := range nets {
		require.NoError(t, models.Save(net, filepath.Join(dir, kind+".safetensors"), nil))
	}
}
