package models

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"voxgrad/device"
	"voxgrad/internal/text"
	"voxgrad/layers"
	"voxgrad/models/weights"
)

// Load reads a weights file or a checkpoint and builds its network, which must
// be of one of the kinds given, if any are.
func Load(dev device.Backend, path string, kinds ...string) (*Net, error) {
	f, err := weights.Read(path)
	if err != nil {
		return nil, err
	}
	return FromFile(dev, f, kinds...)
}

// FromFile is Load of a file that has been read.
func FromFile(dev device.Backend, f *weights.File, kinds ...string) (*Net, error) {
	c, err := ConfigOf(f)
	if err != nil {
		return nil, err
	}
	prepared, err := PreparationOf(f)
	if err != nil {
		return nil, err
	}
	if len(kinds) > 0 && !slices.Contains(kinds, c.Kind) {
		return nil, fmt.Errorf("%s holds %s; %s is needed here", f.Path, article(c.Kind), article(strings.Join(kinds, " or ")))
	}
	n, err := build(dev, c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	if err := Restore(n, f); err != nil {
		n.Free()
		return nil, err
	}
	n.Preparation = prepared
	return n, nil
}

// LoadEncoder replaces the encoder by that of a segmenter's or detector's
// weights, which must have the same width and number of input channels.
func (n *Net) LoadEncoder(path string) error {
	f, err := weights.Read(path)
	if err != nil {
		return err
	}
	c, err := ConfigOf(f)
	if err != nil {
		return err
	}
	if c.Width != n.Width || c.Cin != n.Cin {
		return fmt.Errorf("the encoder in %s has width %d and %d input channels; %s needs width %d and %d",
			path, c.Width, c.Cin, n, n.Width, n.Cin)
	}
	if c.Norm != cmp.Or(n.Norm, layers.Batch) {
		return fmt.Errorf("the encoder in %s has %s norm, %s has %s norm: its norm must be the encoder's (network.norm)", path, c.Norm, n, cmp.Or(n.Norm, layers.Batch))
	}
	if c.Head() != Softmax {
		return fmt.Errorf("%s holds %s; an encoder is taken from a segmenter or a detector", path, article(c.Kind))
	}
	return restore(n, Unwrapped(f), inEncoder)
}

// Unwrapped is f without what a wrapper has put before all of its names: "module." of
// DataParallel, "_orig_mod." of torch.compile, a LightningModule's own word. Files of other
// networks than the four, and those that need nothing of the kind, come back as they are.
func Unwrapped(f *weights.File) *weights.File {
	return unwrapped(f, marks...)
}

// marks are tensors of which each of the four networks, and each part of one that
// is kept in a file of its own, has one.
var marks = []string{"conv_out.weight", "conv1.weight"}

// Names that a training checkpoint adds to a weights file start with one of
// these: the optimizer's moments, and whatever the training loop keeps.
const (
	AdamPrefix  = "adam."
	TrainPrefix = "train."
)

// batchCounter is a buffer of PyTorch's norms that nothing here needs.
const batchCounter = ".num_batches_tracked"

// IsState reports whether a tensor belongs to a checkpoint's training state and
// not to the network.
func IsState(name string) bool {
	return strings.HasPrefix(name, AdamPrefix) || strings.HasPrefix(name, TrainPrefix)
}

// Tensors are a network's parameters and buffers under their names, in their
// layouts (PyTorch's, for the layers of package layers), rounded to float32.
func Tensors(n Network) []weights.Tensor {
	var out []weights.Tensor
	each(n, func(name string, l layers.Layout, x device.Tensor) {
		out = append(out, pack(n.Device(), name, l, x))
	})
	return out
}

// Save writes a weights file with the network's metadata: its Metadata method's, or
// else its Spec's. Extra metadata may be given, and wins.
func Save(n Network, path string, extra map[string]string) error {
	t := Tensors(n)
	if err := n.Device().Sync(); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	meta := Metadata(n)
	maps.Copy(meta, extra)
	return weights.Write(path, t, meta)
}

// Metadata describes a network in its weights file: the result of its Metadata
// method, or else of its Spec's.
func Metadata(n Network) map[string]string {
	if m, ok := n.(interface{ Metadata() map[string]string }); ok {
		return m.Metadata()
	}
	return n.Spec().Metadata()
}

// Restore replaces all parameters and buffers by the file's, or none: every
// tensor must be there with its shape, and there must be no others, but for those
// a checkpoint adds (see IsState) and PyTorch's counters of batches. A word that a
// wrapper has put before all names ("module.") is left out.
func Restore(n Network, f *weights.File) error {
	known := map[string]bool{}
	var first string
	each(n, func(name string, _ layers.Layout, _ device.Tensor) {
		if first == "" {
			first = name
		}
		known[name] = true
	})
	f = unwrapped(f, first)
	var extra []string
	for _, t := range f.Tensors {
		if !known[t.Name] && !IsState(t.Name) && !strings.HasSuffix(t.Name, batchCounter) {
			extra = append(extra, t.Name)
		}
	}
	if len(extra) > 0 {
		return fmt.Errorf("%s does not fit %s: it has %s besides", f.Path, describe(n), some(extra))
	}
	return restore(n, f, func(string) bool { return true })
}

// RestoreParameters is Restore of a network without running statistics from a file that may have them: instance norm goes on from batch norm's
// scale and shift.
func (n *Net) RestoreParameters(f *weights.File) error {
	return restore(n, Unwrapped(f), func(string) bool { return true })
}

// restore replaces the chosen tensors after checking all of them.
func restore(n Network, f *weights.File, chosen func(name string) bool) error {
	values := map[string][]float32{}
	var missing, wrong []string
	each(n, func(name string, l layers.Layout, x device.Tensor) {
		if !chosen(name) {
			return
		}
		t, ok := f.Get(name)
		if !ok {
			missing = append(missing, name)
			return
		}
		v, err := unpack(t, l, x.Shape)
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		values[name] = v
	})
	switch {
	case len(missing) > 0:
		return fmt.Errorf("%s does not fit %s: %s missing", f.Path, describe(n), some(missing))
	case len(wrong) > 0:
		return fmt.Errorf("%s does not fit %s: %s", f.Path, describe(n), some(wrong))
	}
	each(n, func(name string, _ layers.Layout, x device.Tensor) {
		if v, ok := values[name]; ok {
			n.Device().Upload(x, v)
		}
	})
	if err := n.Device().Sync(); err != nil {
		return fmt.Errorf("cannot load %s: %w", f.Path, err)
	}
	return nil
}

// AdamTensors are the optimizer's state for a checkpoint: adam.step, and
// adam.m.NAME and adam.v.NAME in the layout of parameter NAME.
func AdamTensors(a *layers.Adam) []weights.Tensor {
	out := []weights.Tensor{weights.Int64(AdamPrefix+"step", []int64{int64(a.Step)})}
	for _, m := range a.Moments {
		out = append(out,
			pack(a.Device(), AdamPrefix+"m."+m.Name, m.Layout, m.M),
			pack(a.Device(), AdamPrefix+"v."+m.Name, m.Layout, m.V))
	}
	return out
}

// RestoreAdam sets what AdamTensors returned. The same parameters must be trainable.
func RestoreAdam(a *layers.Adam, f *weights.File) error {
	step, err := stepOf(f, AdamPrefix+"step")
	if err != nil {
		return err
	}
	values := make([][2][]float32, len(a.Moments))
	for i, m := range a.Moments {
		for j, kind := range []string{"m.", "v."} {
			t, ok := f.Get(AdamPrefix + kind + m.Name)
			if !ok {
				return fmt.Errorf("%s has no optimizer state for %s: was it frozen then?", f.Path, m.Name)
			}
			if values[i][j], err = unpack(t, m.Layout, m.Param.Shape); err != nil {
				return fmt.Errorf("%s: %w", f.Path, err)
			}
		}
	}
	for i, m := range a.Moments {
		a.Device().Upload(m.M, values[i][0])
		a.Device().Upload(m.V, values[i][1])
	}
	a.Step = step
	return a.Device().Sync()
}

// averagePrefix is before the names of averages in a checkpoint.
const averagePrefix = TrainPrefix + "average."

// AverageTensors are the averages' state for a checkpoint: train.average.step, and
// train.average.NAME, the sum of tensor NAME in its layout.
func AverageTensors(a *layers.Averages) []weights.Tensor {
	out := []weights.Tensor{weights.Int64(averagePrefix+"step", []int64{int64(a.Step)})}
	for _, t := range a.Of {
		out = append(out, pack(a.Device(), averagePrefix+t.Name, t.Layout, t.Sum))
	}
	return out
}

// RestoreAverages sets what AverageTensors returned, of the same tensors.
func RestoreAverages(a *layers.Averages, f *weights.File) error {
	step, err := stepOf(f, averagePrefix+"step")
	if err != nil {
		return err
	}
	values := make([][]float32, len(a.Of))
	for i, t := range a.Of {
		sum, ok := f.Get(averagePrefix + t.Name)
		if !ok {
			return fmt.Errorf("%s has no average of %s: was it frozen then?", f.Path, t.Name)
		}
		if values[i], err = unpack(sum, t.Layout, t.W.Shape); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	for i, t := range a.Of {
		a.Device().Upload(t.Sum, values[i])
	}
	a.Step = step
	return a.Device().Sync()
}

// stepOf reads a counter of updates.
func stepOf(f *weights.File, name string) (int, error) {
	step, ok := f.Get(name)
	if !ok {
		return 0, fmt.Errorf("%s has no training state %s: it is a plain weights file, or from a run without it", f.Path, name)
	}
	s, err := step.Int64s()
	if err != nil || len(s) != 1 || s[0] < 0 {
		return 0, fmt.Errorf("%s: %s is not one number", f.Path, name)
	}
	return int(s[0]), nil
}

// unwrapped is f without what a wrapper has put before all of its names: "module."
// of DataParallel, "_orig_mod." of torch.compile, a LightningModule's own word. marks
// are names of which f has one when there is nothing before it.
func unwrapped(f *weights.File, marks ...string) *weights.File {
	for _, mark := range marks {
		if _, ok := f.Get(mark); ok {
			return f
		}
	}
	prefix, all := wrapper(f, marks...)
	if prefix == "" || !all {
		return f
	}
	tensors := slices.Clone(f.Tensors)
	for i := range tensors {
		tensors[i].Name = strings.TrimPrefix(tensors[i].Name, prefix)
	}
	g, err := weights.Make(f.Path, tensors, f.Meta)
	if err != nil {
		return f // cannot be: names that differ still do
	}
	return g
}

// wrapper is what stands before one of the marks in f, and whether it stands
// before all other names too.
func wrapper(f *weights.File, marks ...string) (prefix string, all bool) {
	for _, mark := range marks {
		for _, t := range f.Tensors {
			before, ok := strings.CutSuffix(t.Name, "."+mark)
			if !ok {
				continue
			}
			prefix = before + "."
			outside := func(t weights.Tensor) bool { return !strings.HasPrefix(t.Name, prefix) }
			return prefix, !slices.ContainsFunc(f.Tensors, outside)
		}
	}
	return "", false
}

// each visits the parameters, then the buffers.
func each(n Network, visit func(name string, l layers.Layout, x device.Tensor)) {
	for _, p := range n.Params() {
		visit(p.Name, p.Layout, p.Tensor)
	}
	for _, b := range n.Buffers() {
		visit(b.Name, b.Layout, b.Tensor)
	}
}

// pack copies a tensor from the device.
func pack(dev device.Backend, name string, l layers.Layout, x device.Tensor) weights.Tensor {
	v := make([]float32, x.Len())
	dev.Download(v, x)
	return weights.Float32(name, l.FileShape(x.Shape), l.ToFile(v, x.Shape))
}

// unpack is the content of t in the device's order, if it has the right shape
// and finite values.
func unpack(t weights.Tensor, l layers.Layout, s device.Shape) ([]float32, error) {
	if want := l.FileShape(s); !slices.Equal(want, t.Shape) {
		return nil, fmt.Errorf("%s has shape %v instead of %v", t.Name, t.Shape, want)
	}
	v, err := t.Float32s()
	if err != nil {
		return nil, err
	}
	for _, x := range v {
		if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("%s holds NaN or infinite values", t.Name)
		}
	}
	return l.FromFile(v, s), nil
}

// describe is "a segmenter of width 24 with transposed up", or what a network's Spec
// says where it does not describe itself.
func describe(n Network) string {
	if s, ok := n.(fmt.Stringer); ok {
		return s.String()
	}
	return article(n.Spec().Name)
}

// article is "a segmenter" or "an inpainter".
func article(kind string) string {
	if kind != "" && strings.ContainsRune("aeiou", rune(kind[0])) {
		return "an " + kind
	}
	return "a " + kind
}

// some lists names, but not hundreds of them.
func some(names []string) string {
	const few = 4
	n := min(few, len(names))
	shown := make([]string, n)
	for i := range shown {
		shown[i] = text.CleanTo(names[i], 200)
	}
	list := strings.Join(shown, ", ")
	if len(names) > few {
		list += fmt.Sprintf(" and %d more", len(names)-few)
	}
	return list
}

// The layer names in the checkpoints of the paper's authors
// (github.com/Reda-Abdellah/new_lesions_public, model_pytorch.py), beside this
// project's. Layers that are not listed have the same names. Their files differ in
// two more ways:
//
//   - the detector is two files, the segmenter, whose encoder it uses, and a
//     decoder with the fusion layers;
//   - they are pickled PyTorch modules. Only PyTorch can read those:
//     safetensors.torch.save_file(torch.load(a, weights_only=False).state_dict(), b).
var authorsNames = map[string]string{
	"bn1": "conv1_bn", "bn2": "conv2_bn", "bn3": "conv3_bn",
	"bn4": "conv4_bn", "bn5": "conv5_bn", "bn6": "conv6_bn",
	"bn8": "concat1_bn", "bn9": "concat2_bn", "bn10": "concat3_bn",
	"fuse1": "combine1", "fuse1_bn": "combine1_bn",
	"fuse2": "combine2", "fuse2_bn": "combine2_bn",
	"fuse3": "combine3", "fuse3_bn": "combine3_bn",
	"fuse4": "combine4", "fuse4_bn": "combine4_bn",
}

// authors reports whether a file has the authors' names.
func authors(f *weights.File) bool {
	_, a := f.Get("concat1_bn.weight")
	_, b := f.Get("conv1_bn.weight")
	return a || b
}

// FromPublishedNames renames the tensors of the authors' networks. A detector is given
// as two files, the decoder and the segmenter whose encoder it uses, in either order.
func FromPublishedNames(files ...*weights.File) (*weights.File, error) {
	ours := map[string]string{}
	for our, their := range authorsNames {
		ours[their] = our
	}
	var decoder, whole *weights.File
	for _, f := range files {
		f = Unwrapped(f)
		switch _, fused := f.Get("combine4.weight"); {
		case !authors(f):
			return nil, fmt.Errorf("%s does not have the layer names of the paper's authors", f.Path)
		case fused:
			decoder = f
		default:
			whole = f
		}
	}
	var path string
	var out []weights.Tensor
	switch {
	case len(files) == 1 && whole != nil:
		path, out = whole.Path, rename(whole.Tensors, ours)
	case len(files) == 1 && decoder != nil:
		return nil, fmt.Errorf("%s is a detector's decoder: give the segmenter whose encoder it uses as well", decoder.Path)
	case len(files) == 2 && whole != nil && decoder != nil:
		encoder, _ := split(rename(whole.Tensors, ours))
		path, out = decoder.Path, append(encoder, rename(decoder.Tensors, ours)...)
	default:
		return nil, errors.New("give one segmenter, inpainter or generator, or a detector's decoder and a segmenter")
	}
	f, err := weights.Make(path, out, nil)
	if err != nil {
		return nil, err
	}
	c, err := ConfigOf(f)
	if err != nil {
		return nil, err
	}
	f.Meta = c.Metadata()
	return f, nil
}

// ToPublishedNames renames the tensors of a network to the authors' names. A detector
// becomes two lists: rest, the decoder with the fusion layers, and encoder, the part
// of a segmenter that it uses. For other networks encoder is empty.
func ToPublishedNames(f *weights.File) (rest, encoder []weights.Tensor, err error) {
	c, err := ConfigOf(f)
	if err != nil {
		return nil, nil, err
	}
	all := Unwrapped(f).Tensors
	if c.Kind == Detector {
		encoder, all = split(all)
	}
	return rename(all, authorsNames), rename(encoder, authorsNames), nil
}

// rename gives layers the names that table has for them and leaves out what is
// not part of a network's weights.
func rename(tensors []weights.Tensor, table map[string]string) []weights.Tensor {
	var out []weights.Tensor
	for _, t := range tensors {
		if IsState(t.Name) || strings.HasSuffix(t.Name, batchCounter) {
			continue
		}
		layer, what, _ := strings.Cut(t.Name, ".")
		if other, ok := table[layer]; ok {
			t.Name = other + "." + what
		}
		out = append(out, t)
	}
	return out
}

// split separates the encoder's tensors, by this project's names.
func split(tensors []weights.Tensor) (encoder, rest []weights.Tensor) {
	for _, t := range tensors {
		if inEncoder(t.Name) {
			encoder = append(encoder, t)
		} else {
			rest = append(rest, t)
		}
	}
	return encoder, rest
}
