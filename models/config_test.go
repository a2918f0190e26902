package models

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/layers"
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

func TestPreparationIsKeptInTheFile(t *testing.T) {
	dev := cpu.New()
	c := Default(Segmenter)
	c.Width = 2
	net, err := New(dev, c, 1)
	require.NoError(t, err)
	want := Preparation{Normalize: "median", Interpolation: "cubic", Spacing: 1, Axes: "RAS", Patch: [3]int{32, 24, 16}, Stride: [3]int{20, 18, 12},
		Threshold: 0.5, Data: "abc", Version: "1.2", Commit: "def"}
	net.Preparation = want
	path := filepath.Join(t.TempDir(), "w.safetensors")
	require.NoError(t, Save(net, path, nil))
	again, err := Load(dev, path)
	require.NoError(t, err)
	require.Equal(t, want, again.Preparation)
	require.Empty(t, want.Contradictions(again.Preparation))

	f, err := weights.Read(path)
	require.NoError(t, err)
	require.Equal(t, "32x24x16", f.Meta["patch"])
	f.Meta = map[string]string{"model": Segmenter}
	none, err := PreparationOf(f)
	require.NoError(t, err)
	require.Zero(t, none)
	require.Empty(t, none.Metadata())
	require.Empty(t, want.Contradictions(none), "what is not said contradicts nothing")
	for key, bad := range map[string]string{"patch": "8x8", "stride": "0x1x1", "spacing_mm": "one", "threshold": "NaN"} {
		f.Meta = map[string]string{key: bad}
		_, err := PreparationOf(f)
		require.ErrorContains(t, err, key)
		_, err = FromFile(dev, f)
		require.ErrorContains(t, err, key)
	}
}

func TestContradictions(t *testing.T) {
	a := Preparation{Normalize: "kde", Interpolation: "linear", Spacing: 1, Axes: "RAS", Threshold: 0.5}
	b := Preparation{Normalize: "none", Interpolation: "cubic", Spacing: 2, Axes: "LPS", Threshold: 0.25}
	require.Equal(t, []string{"normalize is kde and none", "interpolation is linear and cubic", "spacing_mm is 1 and 2", "axes is RAS and LPS",
		"threshold is 0.5 and 0.25"}, a.Contradictions(b))
}

// The norm is in the metadata and in the tensors, and both must agree; weights of one norm do not fit the other.
func TestNormInTheFile(t *testing.T) {
	dev := cpu.New()
	dir := t.TempDir()
	file := map[string]*weights.File{}
	for _, norm := range []string{layers.Batch, layers.Instance} {
		c := Default(Segmenter)
		c.Width, c.Norm = 2, norm
		net, err := New(dev, c, 1)
		require.NoError(t, err)
		path := filepath.Join(dir, norm)
		require.NoError(t, Save(net, path, nil))
		file[norm], err = weights.Read(path)
		require.NoError(t, err)
		require.Equal(t, norm, file[norm].Meta["norm"])
		got, err := ConfigOf(file[norm])
		require.NoError(t, err)
		require.Equal(t, c, got)
		delete(file[norm].Meta, "norm") // as in files of earlier versions and of other programs
		got, err = ConfigOf(file[norm])
		require.NoError(t, err)
		require.Equal(t, c, got)
		net, err = FromFile(dev, file[norm])
		require.NoError(t, err)
		require.Equal(t, norm == layers.Instance, strings.HasSuffix(net.String(), "and instance norm"))
	}
	file[layers.Instance].Meta["norm"] = layers.Batch
	_, err := ConfigOf(file[layers.Instance])
	require.ErrorContains(t, err, "metadata say norm = batch, the tensors say instance")

	for norm, other := range map[string]string{layers.Batch: layers.Instance, layers.Instance: layers.Batch} {
		c := Default(Detector)
		c.Width, c.Norm = 2, norm
		net, err := New(dev, c, 1)
		require.NoError(t, err)
		require.NoError(t, net.LoadEncoder(filepath.Join(dir, norm)))
		require.ErrorContains(t, net.LoadEncoder(filepath.Join(dir, other)), "has "+other+" norm")
	}
	c := Default(Segmenter)
	c.Norm = "group"
	_, err = New(dev, c, 1)
	require.ErrorContains(t, err, `there is no norm "group": choose batch or instance`)
}
