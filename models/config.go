package models

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"voxgrad/internal/settings"
	"voxgrad/internal/text"
	"voxgrad/layers"
	"voxgrad/models/weights"
)

// Kinds of network.
const (
	Segmenter = "segmenter" // all lesions of one image
	Detector  = "detector"  // new lesions of two images
	Inpainter = "inpainter" // healthy tissue in place of noise
	Generator = "generator" // a lesion in place of noise, where a mask is set
)

// Kinds lists them.
func Kinds() []string { return []string{Segmenter, Detector, Inpainter, Generator} }

// Config describes a network to build.
type Config struct {
	Kind    string
	Width   int     // channels after the first convolution
	Up      string  // layers.Transposed or layers.Trilinear
	Cin     int     // channels of an image (per time point)
	Cout    int     // channels of the answer
	Dropout float64 // probability after each pooling, in Train
	Norm    string  // layers.Batch, which "" is too, or layers.Instance
}

// Default is the published network of a kind: width 24, dropout ½, and
// transposed convolutions, which is this project's choice.
func Default(kind string) Config {
	c := Config{Kind: kind, Width: 24, Up: layers.Transposed, Cin: 1, Cout: 2, Dropout: 0.5, Norm: layers.Batch}
	switch kind {
	case Inpainter:
		c.Cout = 1
	case Generator:
		c.Cin, c.Cout = 2, 1
	}
	return c
}

// Heads: what a network's output means.
const (
	Softmax = "softmax" // logits of exclusive classes
	Linear  = "linear"  // intensities
)

// Head is Softmax for the networks that segment, Linear for those that make intensities.
func (c Config) Head() string {
	if c.Kind == Inpainter || c.Kind == Generator {
		return Linear
	}
	return Softmax
}

// TimePoints is the number of images Forward takes.
func (c Config) TimePoints() int {
	if c.Kind == Detector {
		return 2
	}
	return 1
}

// Validate returns what is wrong with c, or nil.
func (c Config) Validate() error {
	switch {
	case !slices.Contains(Kinds(), c.Kind):
		return fmt.Errorf("there is no model %q: choose one of %s", c.Kind, strings.Join(Kinds(), ", "))
	case c.Up != layers.Transposed && c.Up != layers.Trilinear:
		return fmt.Errorf("there is no up %q: choose %s or %s", c.Up, layers.Transposed, layers.Trilinear)
	case c.Width < 1 || c.Width > 1024:
		return fmt.Errorf("width %d is outside 1 … 1024", c.Width)
	case c.Cin < 1 || c.Cin > 1024:
		return fmt.Errorf("%d input channels are outside 1 … 1024", c.Cin)
	case c.Cout < 1 || c.Cout > 1024:
		return fmt.Errorf("%d output channels are outside 1 … 1024", c.Cout)
	case c.Head() == Softmax && c.Cout < 2:
		return fmt.Errorf("%s needs at least 2 output channels (background, lesion), not %d", article(c.Kind), c.Cout)
	case !(c.Dropout >= 0 && c.Dropout < 1):
		return fmt.Errorf("dropout %v is outside [0, 1)", c.Dropout)
	case c.Norm != "" && c.Norm != layers.Batch && c.Norm != layers.Instance:
		return fmt.Errorf("there is no norm %q: choose %s or %s", c.Norm, layers.Batch, layers.Instance)
	}
	return nil
}

// Metadata describes the network in a weights file: model, width, up, cin,
// cout, head, dropout, norm.
func (c Config) Metadata() map[string]string {
	return map[string]string{
		"model": c.Kind, "width": strconv.Itoa(c.Width), "up": c.Up,
		"cin": strconv.Itoa(c.Cin), "cout": strconv.Itoa(c.Cout), "head": c.Head(),
		"dropout": strconv.FormatFloat(c.Dropout, 'g', -1, 64), "norm": cmp.Or(c.Norm, layers.Batch),
	}
}

// Metadata describes the network and its input in a weights file: Config's and
// Preparation's.
func (n *Net) Metadata() map[string]string {
	m := n.Config.Metadata()
	maps.Copy(m, n.Preparation.Metadata())
	return m
}

// ConfigOf returns which network a file holds. Names and shapes of the tensors tell
// width, up, channels, the norm (running statistics or none) and whether it is a detector; the metadata tell the rest and
// must not contradict them. Besides this project's keys it understands nf, nin,
// nout and siamese. Without metadata a network with one output channel is an
// inpainter if it has one input channel, else a generator, and one with more output
// channels is a segmenter.
func ConfigOf(f *weights.File) (Config, error) {
	f = Unwrapped(f)
	if authors(f) {
		return Config{}, fmt.Errorf("%s has the layer names of the paper's authors: convert it first (voxgrad weights from-authors)", f.Path)
	}
	first, ok1 := f.Get("conv1.weight")
	last, ok2 := f.Get("conv_out.weight")
	if !ok1 || !ok2 || len(first.Shape) != 5 || len(last.Shape) != 5 {
		if prefix, all := wrapper(f, marks...); prefix != "" && !all {
			return Config{}, fmt.Errorf("%s: the names of a network begin with %s, but not all of the file's do: save that network alone", f.Path, text.Clean(prefix))
		}
		return Config{}, fmt.Errorf("%s holds none of this program's networks: no convolutions conv1 and conv_out", f.Path)
	}
	c := Config{Width: first.Shape[0], Cin: first.Shape[1], Cout: last.Shape[0], Up: layers.Trilinear, Dropout: 0.5, Norm: layers.Instance}
	for _, t := range f.Tensors {
		if strings.HasSuffix(t.Name, runningMean) && !IsState(t.Name) {
			c.Norm = layers.Batch
		}
	}
	if _, ok := f.Get("up3.weight"); ok {
		c.Up = layers.Transposed
	}
	_, siamese := f.Get("fuse4.weight")
	c.Kind = f.Meta["model"]
	if c.Kind == "" {
		c.Kind = guess(c, siamese, f.Meta["head"])
	}
	if err := agree(f, c, siamese); err != nil {
		return Config{}, err
	}
	if s := f.Meta["dropout"]; s != "" {
		p, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return Config{}, fmt.Errorf("%s: metadata: dropout = %q is not a number", f.Path, s)
		}
		c.Dropout = p
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", f.Path, err)
	}
	return c, nil
}

// runningMean ends the names of buffers that batch norms have and instance norms do not.
const runningMean = ".running_mean"

// guess is the kind of a network whose file does not say.
func guess(c Config, siamese bool, head string) string {
	switch {
	case siamese:
		return Detector
	case head == Softmax || head == "" && c.Cout > 1:
		return Segmenter
	case c.Cin == 1:
		return Inpainter
	default:
		return Generator
	}
}

// agree compares the metadata with what the tensors tell.
func agree(f *weights.File, c Config, siamese bool) error {
	for _, want := range [][2]string{
		{"width", strconv.Itoa(c.Width)}, {"nf", strconv.Itoa(c.Width)},
		{"cin", strconv.Itoa(c.Cin)}, {"nin", strconv.Itoa(c.Cin)},
		{"cout", strconv.Itoa(c.Cout)}, {"nout", strconv.Itoa(c.Cout)},
		{"up", c.Up}, {"head", c.Head()}, {"norm", c.Norm},
	} {
		if got, ok := f.Meta[want[0]]; ok && got != want[1] {
			return fmt.Errorf("%s: metadata say %s = %s, the tensors say %s", f.Path, want[0], got, want[1])
		}
	}
	if siamese != (c.Kind == Detector) {
		return fmt.Errorf("%s: metadata say model = %s, but fusion layers are %s", f.Path, c.Kind,
			map[bool]string{true: "present", false: "missing"}[siamese])
	}
	return nil
}

// Preparation is how the images were made that a network was trained on, as its weights
// file keeps it: whoever applies the network has to do the same. A zero value is what a
// file does not state.
type Preparation struct {
	Normalize     string  // of intensities: kde, median or none
	Interpolation string  // onto the grid: linear or cubic
	Spacing       float64 // of the grid, mm
	Axes          string  // what D, H, W run along: RAS is to the right, the front and the top
	Patch         [3]int  // voxels along D, H, W
	Stride        [3]int  // between windows of a prediction, likewise; half a window where nothing was chosen
	Threshold     float64 // a voxel is lesion above this probability; 0 for networks that restore
	Least         float64 // pieces of this volume or less are no lesions, mm³; 0 where nothing was chosen

	// Where the network comes from.
	Data    string // SHA-256 of the training cases' names and files
	Version string // of the program
	Commit  string // of its source
}

// Metadata is p as keys of a weights file, without what is not known.
func (p Preparation) Metadata() map[string]string {
	m := map[string]string{}
	set := func(key, value string, known bool) {
		if known {
			m[key] = value
		}
	}
	set("normalize", p.Normalize, p.Normalize != "")
	set("interpolation", p.Interpolation, p.Interpolation != "")
	set("spacing_mm", number(p.Spacing), p.Spacing != 0)
	set("axes", p.Axes, p.Axes != "")
	set("patch", fmt.Sprintf("%dx%dx%d", p.Patch[0], p.Patch[1], p.Patch[2]), p.Patch != [3]int{})
	set("stride", fmt.Sprintf("%dx%dx%d", p.Stride[0], p.Stride[1], p.Stride[2]), p.Stride != [3]int{})
	set("threshold", number(p.Threshold), p.Threshold != 0)
	set("least_lesion_mm3", number(p.Least), p.Least != 0)
	set("data_sha256", p.Data, p.Data != "")
	set("voxgrad_version", p.Version, p.Version != "")
	set("voxgrad_commit", p.Commit, p.Commit != "")
	return m
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// PreparationOf reads what a weights file states of its network's input. Values that make no
// sense are errors; what the file does not state stays zero.
func PreparationOf(f *weights.File) (p Preparation, err error) {
	p = Preparation{Normalize: f.Meta["normalize"], Interpolation: f.Meta["interpolation"], Axes: f.Meta["axes"],
		Data: f.Meta["data_sha256"], Version: f.Meta["voxgrad_version"], Commit: f.Meta["voxgrad_commit"]}
	for key, to := range map[string]*float64{"spacing_mm": &p.Spacing, "threshold": &p.Threshold, "least_lesion_mm3": &p.Least} {
		text, ok := f.Meta[key]
		if !ok {
			continue
		}
		if *to, err = strconv.ParseFloat(text, 64); err != nil || !(*to > 0 && *to <= 100) {
			return p, fmt.Errorf("%s: metadata: %s = %q: a number above 0 is needed", f.Path, key, text)
		}
	}
	for key, to := range map[string]*[3]int{"patch": &p.Patch, "stride": &p.Stride} {
		text, ok := f.Meta[key]
		if !ok {
			continue
		}
		if *to, err = settings.ParseSize(text); err != nil {
			return p, fmt.Errorf("%s: metadata: %s: %w", f.Path, key, err)
		}
	}
	return p, nil
}

// Contradictions lists where p and q differ in how an image becomes the input of a
// network and its answer a mask, in words: "normalize is kde and none". What one of them
// does not state is no contradiction, and neither are patch and stride.
func (p Preparation) Contradictions(q Preparation) []string {
	var out []string
	add := func(name, a, b string, known bool) {
		if known && a != b {
			out = append(out, fmt.Sprintf("%s is %s and %s", name, a, b))
		}
	}
	add("normalize", p.Normalize, q.Normalize, p.Normalize != "" && q.Normalize != "")
	add("interpolation", p.Interpolation, q.Interpolation, p.Interpolation != "" && q.Interpolation != "")
	add("spacing_mm", number(p.Spacing), number(q.Spacing), p.Spacing != 0 && q.Spacing != 0)
	add("axes", p.Axes, q.Axes, p.Axes != "" && q.Axes != "")
	add("threshold", number(p.Threshold), number(q.Threshold), p.Threshold != 0 && q.Threshold != 0)
	add("least_lesion_mm3", number(p.Least), number(q.Least), p.Least != 0 && q.Least != 0)
	return out
}
