package models

import (
	"errors"
	"fmt"
	"strings"

	"voxgrad/models/weights"
)

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
