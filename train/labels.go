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
	"voxgrad/internal/settings"
	"voxgrad/models"
	"voxgrad/synth"
	"voxgrad/train/dataset"
	"voxgrad/train/sample"
	"voxgrad/volume"
)

// Labels makes a network train on scans that are drawn from label maps instead of a data set.
type Labels struct {
	Root string `toml:"root" comment:"folder of label maps of heads; with it scans are drawn from them, and data has no meaning"`
	Find string `toml:"find" comment:"what is found in them: segmenter: brain or lesions; detector: new"`

	Shapes   string `toml:"shapes" comment:"lesion mask, or folder of them, whose lesions have their shapes used; not for brain"`
	ShapeMin int    `toml:"shape_min_voxels" comment:"smallest lesion whose shape is used, voxels of 1 mm"`
	ShapeMax int    `toml:"shape_max_voxels" comment:"largest; confluent ones are drawn along the ventricles"`

	Scans     string  `toml:"scans" comment:"data set of scans of one visit in the atlas's space ('voxgrad prepare --data'): lesions are drawn into them too; not for brain"`
	ScanShare float64 `toml:"scan_share" comment:"share of the samples that are made from them instead of label maps"`
	synth.HeadOptions
	synth.LesionOptions
}

// What a network finds in scans from label maps.
const (
	FindBrain   = "brain"
	FindLesions = "lesions"
	FindNew     = "new"
)

// defaultLabels are those of a task.
func defaultLabels(task string) Labels {
	l := Labels{Find: FindLesions, ShapeMin: 4, ShapeMax: 4000, ScanShare: 0.5, HeadOptions: synth.DefaultHeads(), LesionOptions: synth.DefaultLesions()}
	l.SpacingMM, l.ShiftMM = 1, 12
	l.TextureMax, l.PatchyMax, l.GammaMax = 0.06, 0.07, 1.3 // FLAIR scans, not any contrast
	if task == models.Detector {
		l.Find = FindNew
	}
	return l
}

// On reports whether training draws from label maps.
func (l Labels) On() bool { return l.Root != "" }

func (l Labels) check(task string) error {
	if !l.On() {
		return nil
	}
	switch {
	case task == models.Segmenter && (l.Find == FindBrain || l.Find == FindLesions), task == models.Detector && l.Find == FindNew:
	default:
		return fmt.Errorf("labels: a %s does not find %q in scans from label maps; a segmenter finds %s or %s, a detector what is %s", task, l.Find, FindBrain, FindLesions, FindNew)
	}
	if l.Find != FindBrain {
		if l.Shapes == "" {
			return errors.New("labels.shapes is missing: lesion masks whose lesions have their shapes used")
		}
		if l.SpacingMM != 1 {
			return fmt.Errorf("labels.spacing_mm = %g: lesions are found in voxels of 1 mm", l.SpacingMM)
		}
	}
	if l.Scans != "" && l.Find == FindBrain {
		return errors.New("labels.scans: lesions are drawn into scans; brain is found in whole heads, from label maps alone")
	}
	if err := settings.Within("labels.scan_share", l.ScanShare, 0, 1); err != nil {
		return err
	}
	if l.ShapeMin < 1 || l.ShapeMax < l.ShapeMin {
		return fmt.Errorf("labels: shape_min_voxels %d and shape_max_voxels %d: want 1 ≤ min ≤ max", l.ShapeMin, l.ShapeMax)
	}
	if err := l.HeadOptions.Check(); err != nil {
		return err
	}
	return l.LesionOptions.Check()
}

// anatomies are heads that are read when they are first drawn from.
type anatomies struct {
	paths []string // of label maps
	read  func(i int) (*synth.Anatomy, error)
	list  []*synth.Anatomy
	err   []error
	once  []sync.Once
}

func newAnatomies(n int, read func(i int) (*synth.Anatomy, error)) *anatomies {
	return &anatomies{nil, read, make([]*synth.Anatomy, n), make([]error, n), make([]sync.Once, n)}
}

func openAnatomies(root string) (*anatomies, error) {
	paths, err := synth.FindAnatomies(root)
	if err != nil {
		return nil, err
	}
	m := newAnatomies(len(paths), func(i int) (*synth.Anatomy, error) { return synth.ReadAnatomy(paths[i]) })
	m.paths = paths
	return m, nil
}

func (m *anatomies) get(i int) (*synth.Anatomy, error) {
	m.once[i].Do(func() { m.list[i], m.err[i] = m.read(i) })
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
	t.split = c.splitLabels(n)
	t.maps = maps
	if t.shapes, err = c.Labels.shapesOf(); err != nil {
		return err
	}
	training, valid := drawn{cfg: c, maps: maps, shapes: t.shapes, cases: t.split.Train, name: "sample"}, drawn{cfg: c, maps: maps, shapes: t.shapes, cases: t.split.Valid, name: "valid"}
	if c.Labels.Scans != "" {
		if err := t.openScans(&training, &valid); err != nil {
			return err
		}
	}
	t.train, t.valid = training, valid
	return nil
}

// splitLabels splits so many label maps: as many as a fold has validate.
func (c Config) splitLabels(n int) (s dataset.Split) {
	for k, i := range rng.New(c.Seed, "folds").Perm(n) {
		if k%c.Data.Folds == c.Data.Fold || c.Data.Folds == 1 {
			s.Valid = append(s.Valid, i)
		}
		if k%c.Data.Folds != c.Data.Fold || c.Data.Folds == 1 {
			s.Train = append(s.Train, i)
		}
	}
	return s
}

// shapesOf collects the shapes of lesions; none where brain is looked for.
func (l Labels) shapesOf() (*synth.Library, error) {
	lib := synth.NewLibrary(synth.Options{ShapeMin: l.ShapeMin, ShapeMax: l.ShapeMax})
	if l.Find == FindBrain {
		return lib, nil
	}
	return lib, lib.AddFiles(l.Shapes)
}

// times is the number of scans of a sample.
func (l Labels) times() int {
	if l.Find == FindNew {
		return 2
	}
	return 1
}

// drawn are samples that are made from some of the label maps.
type drawn struct {
	cfg    *Config
	maps   *anatomies
	shapes *synth.Library
	cases  []int
	name   string

	scans   *anatomies // that samples are made from too; nil: none
	scanned []int      // which of them
}

// Draw implements sample.Source. The scans that validate are drawn as those that train: what
// they are is what the network is for.
func (d drawn) Draw(index int) (*sample.Sample, error) {
	p, _, err := d.draw(index)
	return p, err
}

// draw is Draw, with what was drawn where that is lesions.
func (d drawn) draw(index int) (p *sample.Sample, v *synth.Visits, err error) {
	c := d.cfg
	s := rng.New(c.Seed, d.name, index)
	from, cases := d.maps, d.cases
	if d.scans != nil && s.Bool(c.Labels.ScanShare) {
		from, cases = d.scans, d.scanned
	}
	a, err := from.get(cases[s.Intn(len(cases))])
	if err != nil {
		return nil, nil, err
	}
	p = &sample.Sample{Index: index, Case: a.Name, Size: c.Sampler.Patch}
	if c.Labels.Find == FindBrain {
		h := c.Labels.Draw(s, a, p.Size)
		p.Images, p.Share = [][]float32{h.Image}, h.Brain
	} else {
		if v, err = c.Labels.DrawVisits(s, c.Labels.LesionOptions, a, d.shapes, p.Size, c.Labels.times()); err != nil {
			return nil, nil, err
		}
		p.Images, p.Labels = v.Images, make([]uint8, len(v.Brain))
		found := v.Lesions[0]
		if c.Labels.Find == FindNew {
			found = v.New
		}
		for i, b := range v.Brain {
			if b {
				p.Labels[i] = dataset.Brain
				if found[i] {
					p.Labels[i] |= dataset.Lesion
				}
			}
		}
	}
	for range c.Labels.times() {
		r := c.Augmentation.DrawSpaced(s, p.Size, augment.Isotropic(c.Labels.SpacingMM))
		p.Recipes = append(p.Recipes, c.Labels.Scanner(s, r))
		if err := p.Recipes[len(p.Recipes)-1].Check(p.Size); err != nil {
			return nil, nil, err
		}
	}
	return p, v, nil
}

// labelsDraw is of a segmenter on drawn scans, whose samples come complete.
type labelsDraw struct{ times int }

func (d labelsDraw) images() int        { return d.times }
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

// stripped is segmentation of drawn scans that are 0 outside the brain after the scanner, as preparation
// leaves them.
type stripped struct{ segmentation }

func (t stripped) upload(b *sample.Batch) inputs {
	in := t.segmentation.upload(b)
	shape := batchShape(b)
	brain, none := make([]bool, 0, shape.Len()), t.dev.Alloc(shape)
	for _, p := range b.Samples {
		inside, _ := masks(p)
		brain = append(brain, inside...)
	}
	t.dev.Fill(none, 0)
	mask := synth.UploadMask(t.dev, shape, brain)
	for _, x := range in.images {
		t.dev.Select(x, mask, x, none)
	}
	t.dev.Free(mask)
	t.dev.Free(none)
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
		maps, err := t.maps.hash(t.cfg.Labels.Root, of)
		if err != nil || t.set == nil {
			return maps, err
		}
		scans, err := t.set.Hash(dataset.Images|dataset.Masks, of)
		return dataset.HashValues(map[string]string{"label maps": maps, "scans": scans}), err
	}
	return t.set.Hash(dataset.Images|dataset.Masks|dataset.Maps, of)
}
