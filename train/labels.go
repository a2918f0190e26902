package train

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"voxgrad/augment"
	"voxgrad/device"
	"voxgrad/internal/rng"
	"voxgrad/models"
	"voxgrad/synth"
	"voxgrad/train/dataset"
	"voxgrad/train/sample"
	"voxgrad/volume"
)

// Labels makes a network train on scans that are drawn from label maps instead of a data set.
type Labels struct {
	Root string `toml:"root" comment:"folder of label maps of heads; with it scans are drawn from them, and data has no meaning"`
	Find string `toml:"find" comment:"segmenter: what is found in them: brain"`
	synth.HeadOptions
}

// FindBrain is brain extraction.
const FindBrain = "brain"

// On reports whether training draws from label maps.
func (l Labels) On() bool { return l.Root != "" }

func (l Labels) check(task string) error {
	if !l.On() {
		return nil
	}
	if task != models.Segmenter || l.Find != FindBrain {
		return fmt.Errorf("labels: a %s does not find %q in scans from label maps; a segmenter finds %s", task, l.Find, FindBrain)
	}
	return l.HeadOptions.Check()
}

// anatomies are label maps that are read when they are first drawn from.
type anatomies struct {
	paths []string
	list  []*synth.Anatomy
	err   []error
	once  []sync.Once
}

func openAnatomies(root string) (*anatomies, error) {
	paths, err := synth.FindAnatomies(root)
	if err != nil {
		return nil, err
	}
	n := len(paths)
	return &anatomies{paths, make([]*synth.Anatomy, n), make([]error, n), make([]sync.Once, n)}, nil
}

func (m *anatomies) get(i int) (*synth.Anatomy, error) {
	m.once[i].Do(func() { m.list[i], m.err[i] = synth.ReadAnatomy(m.paths[i]) })
	return m.list[i], m.err[i]
}

// id is a label map's name.
func (m *anatomies) id(root string, i int) string {
	rel, err := filepath.Rel(root, m.paths[i])
	if err != nil {
		rel = m.paths[i]
	}
	return filepath.ToSlash(rel)
}

// hash is that of the names and contents of the label maps.
func (m *anatomies) hash(root string, of func(path string) (string, error)) (string, error) {
	sum := sha256.New()
	for i, p := range m.paths {
		h, err := of(p)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %s\n", m.id(root, i), h)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// openLabels finds the label maps and splits them: as many as a fold has validate.
func (t *trainer) openLabels() error {
	c := &t.cfg
	maps, err := openAnatomies(c.Labels.Root)
	if err != nil {
		return err
	}
	n := len(maps.paths)
	if c.Data.Folds > n {
		return fmt.Errorf("%s: %d label maps cannot be split into %d folds", c.Labels.Root, n, c.Data.Folds)
	}
	order := rng.New(c.Seed, "folds").Perm(n)
	for k, i := range order {
		if k%c.Data.Folds == c.Data.Fold || c.Data.Folds == 1 {
			t.split.Valid = append(t.split.Valid, i)
		}
		if k%c.Data.Folds != c.Data.Fold || c.Data.Folds == 1 {
			t.split.Train = append(t.split.Train, i)
		}
	}
	t.maps = maps
	t.train = drawn{t, t.split.Train, "sample"}
	t.valid = drawn{t, t.split.Valid, "valid"}
	return nil
}

// drawn are samples that are made from some of the label maps.
type drawn struct {
	t     *trainer
	cases []int
	name  string
}

// Draw implements sample.Source. The scans that validate are drawn as those that train: what
// they are is what the network is for.
func (d drawn) Draw(index int) (*sample.Sample, error) {
	c := &d.t.cfg
	s := rng.New(c.Seed, d.name, index)
	i := d.cases[s.Intn(len(d.cases))]
	a, err := d.t.maps.get(i)
	if err != nil {
		return nil, err
	}
	size := c.Sampler.Patch
	h := c.Labels.Draw(s, a, size)
	r := c.Augmentation.DrawSpaced(s, size, augment.Isotropic(c.Labels.SpacingMM))
	p := &sample.Sample{Index: index, Case: a.Name, Size: size, Images: [][]float32{h.Image}, Share: h.Brain,
		Recipes: []augment.Recipe{c.Labels.Scanner(s, r)}}
	return p, p.Recipes[0].Check(size)
}

// labelsDraw is of a segmenter on drawn scans, whose samples come complete.
type labelsDraw struct{}

func (labelsDraw) images() int          { return 1 }
func (labelsDraw) patches() sample.Kind { return sample.Anywhere }
func (labelsDraw) draw(*sample.Sample, *rng.Stream, bool) error {
	return errors.New("samples from label maps are complete")
}

// extraction is soft Dice between the answer and the share of each voxel that is brain, on
// scans that are standardised after the scanner, as prediction does.
type extraction struct{ diceLoss }

func (t extraction) upload(b *sample.Batch) inputs {
	shape := batchShape(b)
	in := inputs{images: []device.Tensor{t.dev.Alloc(shape)}, target: t.dev.Alloc(shape.WithC(classes))}
	voxels := shape.Voxels()
	image, target := make([]float32, shape.Len()), make([]float32, classes*shape.Len())
	for n, p := range b.Samples {
		one := augmented(t.dev, p, 0, 0)
		x := image[n*voxels:][:voxels]
		t.dev.Download(x, one)
		t.dev.Free(one)
		volume.Standardize(x)
		for v, share := range p.Share {
			at := classes * (n*voxels + v)
			target[at], target[at+1] = 1-share, share
		}
	}
	t.dev.Upload(in.images[0], image)
	t.dev.Upload(in.target, target)
	return in
}

// openSource is openData of whatever the configuration trains on.
func (t *trainer) openSource(ctx context.Context, hooks []sample.Hook) error {
	if !t.cfg.Labels.On() {
		return t.openData(ctx, hooks)
	}
	if len(hooks) > 0 {
		return errors.New("hooks complete patches of a data set; scans drawn from label maps have none")
	}
	return t.openLabels()
}

// ids are the names of cases of the data set, or of label maps.
func (t *trainer) ids(cases []int) (out []string) {
	for _, i := range cases {
		if t.maps != nil {
			out = append(out, t.maps.id(t.cfg.Labels.Root, i))
		} else {
			out = append(out, t.set.Cases[i].ID)
		}
	}
	return out
}

// layout is how the training data lie.
func (t *trainer) layout() string {
	if t.maps != nil {
		return "label maps"
	}
	return t.set.Layout
}

// hashData is the hash of what is trained on.
func (t *trainer) hashData(of func(path string) (string, error)) (string, error) {
	if t.maps != nil {
		return t.maps.hash(t.cfg.Labels.Root, of)
	}
	return t.set.Hash(dataset.Images|dataset.Masks|dataset.Maps, of)
}
