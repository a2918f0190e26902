package models_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/models/weights"
)

// save writes net's tensors, changed by edit, with metadata, and gives the path.
func save(t *testing.T, net *models.Net, meta map[string]string, edit func([]weights.Tensor) []weights.Tensor) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "w.safetensors")
	tensors := models.Tensors(net)
	if edit != nil {
		tensors = edit(tensors)
	}
	require.NoError(t, weights.Write(path, tensors, meta))
	return path
}

func allTensors(net *models.Net) map[string][]float64 {
	out := map[string][]float64{}
	for _, p := range net.Params() {
		out[p.Name] = values(net.Device(), p.Tensor)
	}
	for _, b := range net.Buffers() {
		out[b.Name] = values(net.Device(), b.Tensor)
	}
	return out
}

func TestSaveAndLoad(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	for _, kind := range models.Kinds() {
		for _, up := range []string{layers.Transposed, layers.Trilinear} {
			c := small(kind, up)
			c.Dropout = 0.25
			net := build(t, dev, c, 5)
			path := filepath.Join(t.TempDir(), "w.safetensors")
			require.NoError(t, models.Save(net, path, map[string]string{"epoch": "3"}))
			got, err := models.Load(dev, path, kind)
			require.NoError(t, err)
			require.Equal(t, c, got.Config)
			require.Equal(t, allTensors(net), allTensors(got))

			f, err := weights.Read(path)
			require.NoError(t, err)
			require.Equal(t, "3", f.Meta["epoch"])
			w, _ := f.Get("conv1.weight")
			require.Equal(t, []int{2, c.Cin, 3, 3, 3}, w.Shape)
			if up == layers.Transposed {
				w, _ = f.Get("up2.weight")
				require.Equal(t, []int{16, 16, 2, 2, 2}, w.Shape)
			}

			// Without metadata, with the vectors' metadata: the same network.
			c.Dropout = 0.5
			for _, meta := range []map[string]string{nil, {
				"nf": "2", "nin": fmt.Sprint(c.Cin), "nout": fmt.Sprint(c.Cout), "up": up,
				"siamese": map[bool]string{true: "True", false: "False"}[kind == models.Detector], "head": net.Head(),
			}} {
				got, err = models.Load(dev, save(t, net, meta, nil))
				require.NoError(t, err)
				require.Equal(t, c, got.Config)
			}
		}
	}
}

// PyTorch's layouts, element by element.
func TestLayouts(t *testing.T) {
	s := device.Weights(2, 3, 5) // Cin 3, Cout 5
	dev := make([]float32, s.Len())
	for i := range dev {
		dev[i] = float32(i)
	}
	at := func(kd, kh, kw, i, o int) float32 { return dev[(((kd*2+kh)*2+kw)*3+i)*5+o] }
	conv, convT := layers.ConvWeights.ToFile(dev, s), layers.ConvTWeights.ToFile(dev, s)
	for k := range 8 {
		kd, kh, kw := k/4, k/2%2, k%2
		for i := range 3 {
			for o := range 5 {
				require.Equal(t, at(kd, kh, kw, i, o), conv[(((o*3+i)*2+kd)*2+kh)*2+kw])
				require.Equal(t, at(kd, kh, kw, i, o), convT[(((i*5+o)*2+kd)*2+kh)*2+kw])
			}
		}
	}
	require.Equal(t, dev, layers.ConvWeights.FromFile(conv, s))
	require.Equal(t, dev, layers.ConvTWeights.FromFile(convT, s))
	require.Equal(t, []int{5, 3, 2, 2, 2}, layers.ConvWeights.FileShape(s))
	require.Equal(t, []int{3, 5, 2, 2, 2}, layers.ConvTWeights.FileShape(s))
}

func TestWrongFiles(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	net := build(t, dev, small(models.Segmenter, layers.Transposed), 1)
	without := func(name string) func([]weights.Tensor) []weights.Tensor {
		return func(all []weights.Tensor) (kept []weights.Tensor) {
			for _, t := range all {
				if t.Name != name {
					kept = append(kept, t)
				}
			}
			return kept
		}
	}
	with := func(x weights.Tensor) func([]weights.Tensor) []weights.Tensor {
		return func(all []weights.Tensor) []weights.Tensor { return append(without(x.Name)(all), x) }
	}
	nan := float32(math.NaN())
	for want, path := range map[string]string{
		"a detector is needed here":                           save(t, net, nil, nil),
		"bn3.running_var missing":                             save(t, net, nil, without("bn3.running_var")),
		"bn3.bias has shape [5] instead of [4]":               save(t, net, nil, with(weights.Float32("bn3.bias", nil, make([]float32, 5)))),
		"bn3.bias holds NaN":                                  save(t, net, nil, with(weights.Float32("bn3.bias", nil, []float32{1, 2, nan, 4}))),
		"tensor bn3.bias holds I64":                           save(t, net, nil, with(weights.Int64("bn3.bias", make([]int64, 4)))),
		"it has conv99.weight besides":                        save(t, net, nil, with(weights.Float32("conv99.weight", nil, []float32{1}))),
		"no convolutions conv1 and conv_out":                  save(t, net, nil, without("conv_out.weight")),
		"metadata say width = 24, the tensors say 2":          save(t, net, map[string]string{"width": "24"}, nil),
		"metadata say up = trilinear, the tensors say":        save(t, net, map[string]string{"up": "trilinear"}, nil),
		"model = detector, but fusion layers are missing":     save(t, net, map[string]string{"model": "detector"}, nil),
		"metadata: dropout = \"much\"":                        save(t, net, map[string]string{"dropout": "much"}, nil),
		"dropout 7 is outside":                                save(t, net, map[string]string{"dropout": "7"}, nil),
		"there is no model \"resnet\"":                        save(t, net, map[string]string{"model": "resnet"}, nil),
		"has the layer names of the paper's authors: convert": save(t, net, nil, with(weights.Float32("conv1_bn.weight", nil, []float32{1}))),
		"no such file":                                        "absent.safetensors",
	} {
		var kinds []string
		if strings.Contains(want, "needed here") {
			kinds = []string{models.Detector}
		}
		_, err := models.Load(dev, path, kinds...)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, path, "errors name the file")
	}
	now, _ := dev.Usage()
	net.Free()
	after, _ := dev.Usage()
	require.Positive(t, now)
	require.Zero(t, after, "failed loads give their memory back")
}

var encoderName = regexp.MustCompile(`^(conv[1-7]|bn[1-6])\.`)

func TestLoadEncoder(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	seg := build(t, dev, small(models.Segmenter, layers.Transposed), 1)
	det := build(t, dev, small(models.Detector, layers.Trilinear), 2)
	before := allTensors(det)
	require.NoError(t, det.LoadEncoder(save(t, seg, nil, nil)))
	from, after := allTensors(seg), allTensors(det)
	for name := range after {
		if encoderName.MatchString(name) {
			require.Equal(t, from[name], after[name], name)
		} else {
			require.Equal(t, before[name], after[name], name)
		}
	}

	wide := models.Default(models.Segmenter)
	wide.Width = 3
	require.ErrorContains(t, det.LoadEncoder(save(t, build(t, dev, wide, 1), nil, nil)), "has width 3 and 1 input channels")
	paint := build(t, dev, small(models.Inpainter, layers.Trilinear), 1)
	require.ErrorContains(t, det.LoadEncoder(save(t, paint, nil, nil)), "holds an inpainter; an encoder is taken from a segmenter or a detector")
	require.ErrorContains(t, det.LoadEncoder("absent.safetensors"), "absent.safetensors")
}

// A checkpoint of everything, after two steps, continues with the same bits.
func TestTrainingStateRoundTrip(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	c := small(models.Segmenter, layers.Transposed)
	s := device.Shape{N: 1, D: 8, H: 8, W: 16}
	step := func(net *models.Net, adam *layers.Adam) {
		tape := autograd.New(dev, uint64(adam.Step))
		defer tape.Close()
		net.ClearGrads()
		target := make([]float32, 2*s.Rows())
		for i := range target {
			target[i] = float32(i % 2)
		}
		loss, _ := tape.DiceLoss(net.Forward(tape, noise(net, s)...), upload(dev, s.WithC(2), target), device.DiceOptions{Eps: 0.01})
		tape.Backward(loss)
		adam.Update()
	}
	a := build(t, dev, c, 1)
	adam := a.Adam(1e-3)
	step(a, adam)
	step(a, adam)
	path := save(t, a, a.Metadata(), func(x []weights.Tensor) []weights.Tensor {
		return append(append(x, models.AdamTensors(adam)...), weights.Bytes(models.TrainPrefix+"state", []byte("{}")))
	})

	b, err := models.Load(dev, path) // a checkpoint serves as a weights file
	require.NoError(t, err)
	f, err := weights.Read(path)
	require.NoError(t, err)
	resumed := b.Adam(1e-3)
	require.NoError(t, models.RestoreAdam(resumed, f))
	require.Equal(t, 2, resumed.Step)
	step(a, adam)
	step(b, resumed)
	require.Equal(t, allTensors(a), allTensors(b))

	plain, err := weights.Read(save(t, a, nil, nil))
	require.NoError(t, err)
	require.ErrorContains(t, models.RestoreAdam(resumed, plain), "plain weights file")
	b.FreezeEncoder()
	less, err := weights.Make("less", models.AdamTensors(b.Adam(1)), nil)
	require.NoError(t, err)
	require.ErrorContains(t, models.RestoreAdam(adam, less), "no optimizer state for conv1.weight")
}

func TestAuthorsNames(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	for _, kind := range models.Kinds() {
		net := build(t, dev, small(kind, layers.Trilinear), 3)
		ours, err := weights.Make("ours", models.Tensors(net), nil)
		require.NoError(t, err)
		rest, encoder, err := models.ToPublishedNames(ours)
		require.NoError(t, err)
		theirs, err := weights.Make("theirs", rest, nil)
		require.NoError(t, err)
		files := []*weights.File{theirs}
		if kind == models.Detector {
			for _, name := range []string{"combine4.weight", "combine1_bn.running_var", "concat3_bn.bias", "conv8.bias"} {
				_, ok := theirs.Get(name)
				require.True(t, ok, name)
			}
			_, ok := theirs.Get("conv1.weight")
			require.False(t, ok, "the encoder is another file")
			_, err = models.FromPublishedNames(theirs)
			require.ErrorContains(t, err, "give the segmenter")

			// The encoder comes with the rest of a segmenter, and with PyTorch's counters.
			seg := build(t, dev, small(models.Segmenter, layers.Trilinear), 4)
			sf, _ := weights.Make("seg", models.Tensors(seg), nil)
			whole, _, err := models.ToPublishedNames(sf)
			require.NoError(t, err)
			byName := map[string]weights.Tensor{}
			for _, x := range encoder {
				byName[x.Name] = x
			}
			for i, x := range whole {
				if e, ok := byName[x.Name]; ok {
					whole[i] = e
				}
			}
			whole = append(whole, weights.Int64("conv1_bn.num_batches_tracked", []int64{9}))
			se, err := weights.Make("segmenter", whole, nil)
			require.NoError(t, err)
			files = []*weights.File{se, theirs}
		} else {
			require.Empty(t, encoder)
			_, ok := theirs.Get("concat1_bn.running_mean")
			require.True(t, ok)
		}
		back, err := models.FromPublishedNames(files...)
		require.NoError(t, err)
		got, err := models.FromFile(dev, back, kind)
		require.NoError(t, err)
		require.Equal(t, allTensors(net), allTensors(got))
		_, err = models.FromPublishedNames(ours)
		require.ErrorContains(t, err, "does not have the layer names")
	}
}

func TestSaveIntoAMissingFolder(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	net := build(t, dev, small(models.Segmenter, layers.Trilinear), 1)
	path := filepath.Join(t.TempDir(), "no", "w.safetensors")
	require.ErrorContains(t, models.Save(net, path, nil), path)
	_, err := os.Stat(path)
	require.Error(t, err)
}

// Whatever a wrapper has put before all names is left out, at every way in.
func TestWrappedNames(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	net := build(t, dev, small(models.Segmenter, layers.Transposed), 1)
	wrap := func(prefix string, more ...weights.Tensor) string {
		return save(t, net, map[string]string{"model": models.Segmenter}, func(x []weights.Tensor) []weights.Tensor {
			for i := range x {
				x[i].Name = prefix + x[i].Name
			}
			return append(append(x, weights.Int64(prefix+"bn1.num_batches_tracked", []int64{3})), more...)
		})
	}
	for _, prefix := range []string{"module.", "_orig_mod.", "module._orig_mod.", "model.", "net.0."} {
		got, err := models.Load(dev, wrap(prefix))
		require.NoError(t, err, prefix)
		require.Equal(t, allTensors(net), allTensors(got))
		det := build(t, dev, small(models.Detector, layers.Trilinear), 2)
		require.NoError(t, det.LoadEncoder(wrap(prefix)))
		require.Equal(t, allTensors(net)["conv3.weight"], allTensors(det)["conv3.weight"])
		f, err := weights.Read(wrap(prefix))
		require.NoError(t, err)
		require.NoError(t, models.Restore(got, f))
		names, _, err := models.ToPublishedNames(f)
		require.NoError(t, err)
		theirs, err := weights.Make("theirs", names, nil)
		require.NoError(t, err)
		_, ok := theirs.Get("concat1_bn.weight")
		require.True(t, ok)
		for i := range theirs.Tensors {
			theirs.Tensors[i].Name = prefix + theirs.Tensors[i].Name
		}
		theirs, err = weights.Make("theirs", theirs.Tensors, nil)
		require.NoError(t, err)
		back, err := models.FromPublishedNames(theirs)
		require.NoError(t, err)
		_, err = models.FromFile(dev, back, models.Segmenter)
		require.NoError(t, err)
	}
	path := wrap("model.", weights.Float32("ema.conv1.weight", nil, []float32{1}))
	_, err := models.Load(dev, path)
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, "names of a network begin with model., but not all of the file's do")
}
