package models

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/models/weights"
)

// Metadata are anybody's text. What is accepted describes a network that can be
// made, and says the same when it is written and read again.
func FuzzMetadata(f *testing.F) {
	dev := cpu.New()
	f.Cleanup(func() { require.NoError(f, dev.Close()) })
	c := Default(Segmenter)
	c.Width = 2
	net, err := New(dev, c, 1)
	require.NoError(f, err)
	tensors, good := Tensors(net), net.Metadata()
	for k, v := range good {
		f.Add(k, v, "spacing_mm", "1")
	}
	f.Add("dropout", "NaN", "patch", "64x64x-1")
	f.Add("width", "99999999999999999999", "threshold", "1e999")
	f.Add("patch", "9999999999x9999999999x9999999999", "normalize", "\x1b[31m")
	f.Fuzz(func(t *testing.T, key, value, other, text string) {
		meta := map[string]string{}
		for k, v := range good {
			meta[k] = v
		}
		meta[key], meta[other] = value, text
		file, err := weights.Make("net.safetensors", tensors, meta)
		require.NoError(t, err)
		c, err := ConfigOf(file)
		if err != nil {
			require.Contains(t, err.Error(), "net.safetensors")
			return
		}
		require.NoError(t, c.Validate())
		p, err := PreparationOf(file)
		if err != nil {
			require.Contains(t, err.Error(), "net.safetensors")
			return
		}
		for k := range file.Meta {
			delete(file.Meta, k)
		}
		for _, m := range []map[string]string{c.Metadata(), p.Metadata()} {
			for k, v := range m {
				file.Meta[k] = v
			}
		}
		again, err := ConfigOf(file)
		require.NoError(t, err)
		require.Equal(t, c, again)
		q, err := PreparationOf(file)
		require.NoError(t, err)
		require.Equal(t, p, q)
		require.Empty(t, strings.Join(p.Contradictions(q), "; "))
	})
}
