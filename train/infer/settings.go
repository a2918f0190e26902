package infer

import (
	"fmt"
	"strings"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/meta"
	"voxgrad/internal/text"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/train/prep"
)

// Agree is what the weights files of an ensemble's members say together of how their
// input is prepared. Members that contradict each other are an error that names
// both, and so is a preparation that Predict cannot do; names are the files.
func Agree(names []string, members []models.Preparation) (all models.Preparation, err error) {
	for n, p := range members {
		for m, q := range members[:n] {
			if c := q.Contradictions(p); len(c) > 0 {
				return all, fmt.Errorf("%s and %s cannot be used together, their inputs are prepared differently: %s", names[m], names[n], strings.Join(c, ", "))
			}
		}
		if p.Spacing != 0 && p.Spacing != 1 {
			return all, fmt.Errorf("%s: the network wants voxels of %g mm; predictions are made at 1 mm", names[n], p.Spacing)
		}
		if p.Axes != "" && p.Axes != "RAS" {
			return all, fmt.Errorf("%s: the network wants axes %s; predictions are made in RAS", names[n], p.Axes)
		}
		s := prep.Defaults()
		if p.Normalize != "" {
			s.Normalize = p.Normalize
		}
		if p.Interpolation != "" {
			s.Interpolation = p.Interpolation
		}
		if err := s.Check(); err != nil {
			return all, fmt.Errorf("%s: metadata: %w", names[n], err)
		}
		fill(&all.Normalize, p.Normalize)
		fill(&all.Interpolation, p.Interpolation)
		fill(&all.Threshold, p.Threshold)
		fill(&all.Least, p.Least)
		if all.Patch == [3]int{} { // windows and their distance come from one file
			all.Patch, all.Stride = p.Patch, p.Stride
		}
	}
	return all, nil
}

// fill sets what is not known yet.
func fill[T comparable](to *T, from T) {
	var none T
	if *to == none {
		*to = from
	}
}

// Obey takes over what the weights say, but for the settings that given reports the user
// has chosen: "normalize", "interpolation", "threshold", "remove-mm3", "patch", "stride". The result lists
// the choices that contradict the weights.
func (o *Options) Obey(p models.Preparation, given func(setting string) bool) (against []string) {
	obey(&o.Normalize, p.Normalize, "normalize", given, &against)
	obey(&o.Interpolation, p.Interpolation, "interpolation", given, &against)
	obey(&o.Threshold, p.Threshold, "threshold", given, &against)
	obey(&o.Least, p.Least, "remove-mm3", given, &against)
	if p.Patch != [3]int{} && !given("patch") { // windows of another size are no contradiction
		o.Patch = p.Patch
		if !given("stride") {
			o.HalfOverlap()
			if p.Stride != [3]int{} {
				o.Stride = p.Stride
			}
		}
	}
	return against
}

// HalfOverlap puts the windows half a window apart.
func (o *Options) HalfOverlap() {
	for a, n := range o.Patch {
		o.Stride[a] = max(1, n/2)
	}
}

func obey[T comparable](to *T, want T, name string, given func(string) bool, against *[]string) {
	var none T
	switch {
	case want == none || *to == want:
	case given(name):
		*against = append(*against, fmt.Sprintf("%s is %v, the network was trained with %v", name, *to, want))
	default:
		*to = want
	}
}

// WindowMemory is the memory that a window takes, in bytes: tensors on the device, by
// running the network on a device that computes nothing, and what is kept beside it. Several members
// share their encoder, whose features stay until the last has used them; of the weights it counts one member's.
func WindowMemory(c models.Config, patch [3]int, members int) (onDevice, beside int64, err error) {
	if err := models.CheckGrid(patch[:]...); err != nil {
		return 0, 0, err
	}
	dev := meta.New(0)
	defer dev.Close()
	net, err := models.New(dev, c, 0)
	if err != nil {
		return 0, 0, err
	}
	net.SetMode(layers.Eval)
	t := autograd.NewInference(dev)
	shape := device.Shape{N: 1, D: patch[0], H: patch[1], W: patch[2], C: c.Cin}
	var x []*autograd.Var
	for range net.TimePoints() {
		x = append(x, autograd.Input(dev.Alloc(shape)))
	}
	nets := []models.Network{net}
	if members > 1 {
		nets = append(nets, net)
	}
	logits(t, nets, x, func(y *autograd.Var) { t.Release(t.Softmax(y)) })
	if err := dev.Sync(); err != nil {
		return 0, 0, err
	}
	_, peak := dev.Usage()
	voxels := int64(patch[0]) * int64(patch[1]) * int64(patch[2])
	return peak, 4 * voxels * int64(4+members), nil // window, mirrored window, both classes of the answer; each member's probabilities
}

// Fits refuses windows that take more memory than there is.
func Fits(c models.Config, patch [3]int, members int, available int64) error {
	onDevice, beside, err := WindowMemory(c, patch, members)
	if err != nil {
		return err
	}
	if need := onDevice + beside; need > available {
		return fmt.Errorf("windows of %d×%d×%d voxels need about %s of memory, %s are free: use smaller windows", patch[0], patch[1], patch[2], text.Bytes(need), text.Bytes(available))
	}
	return nil
}
