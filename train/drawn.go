package train

import (
	"errors"

	"voxgrad/augment"
	"voxgrad/device"
	"voxgrad/synth"
	"voxgrad/train/sample"
	"voxgrad/volume"
)

// LabelScans draws what a training on label maps draws, one sample after the other, for people to look at or for
// other programs.
type LabelScans struct {
	cfg  Config
	from drawn
}

// OpenLabels finds the label maps and reads the shapes of a configuration. Those that its training would keep for
// validation are left out; fewer maps than folds are all drawn from.
func OpenLabels(c Config) (*LabelScans, error) {
	c = c.Resolved()
	if !c.Labels.On() {
		return nil, errors.New("labels.root is missing: the folder of label maps")
	}
	if err := c.Labels.check(c.Task); err != nil {
		return nil, err
	}
	l := &LabelScans{cfg: c}
	maps, err := openAnatomies(c.Labels.Root)
	if err != nil {
		return nil, err
	}
	shapes, err := c.Labels.shapesOf()
	if err != nil {
		return nil, err
	}
	n := len(maps.paths)
	if c.Data.Folds > n {
		l.cfg.Data.Folds = 1
	}
	l.from = drawn{cfg: &l.cfg, maps: maps, shapes: shapes, cases: l.cfg.splitLabels(n).Train, name: "sample"}
	if c.Labels.Scans == "" {
		return l, nil
	}
	set, err := c.scanSet()
	if err != nil {
		return nil, err
	}
	split, err := c.splitScans(set)
	if err != nil {
		return nil, err
	}
	l.from.scans, l.from.scanned = c.scanAnatomies(set), split.Train
	return l, nil
}

// LabelScan is a drawn sample: one or two scans as the network gets them, after the scanner and outside the brain mask 0
// (for brain extraction standardised, with all of the head), and what was drawn into them. All are on one grid along RAS whose middle is the
// origin.
type LabelScan struct {
	Anatomy string
	Images  []*volume.Volume
	Brain   *volume.Volume // the mask, with its errors; where brain is looked for, the share of each voxel that is brain

	// Of lesions, where they are drawn.
	Lesions []*volume.Mask // one per time point, on the first one's anatomy
	New     *volume.Mask   // of two time points
	Kinds   []int32        // per voxel 0, or 1 and the synth.Kind of its lesion
	Planted []synth.Planted

	Recipes []augment.Recipe // of the scanner, one per time point
}

// Draw draws the sample of a number, from the configuration's seed.
func (l *LabelScans) Draw(dev device.ImagingBackend, index int) (*LabelScan, error) {
	p, v, err := l.from.draw(index)
	if err != nil {
		return nil, err
	}
	grid := volume.Grid{Size: p.Size, Affine: volume.Identity}
	for a, n := range p.Size {
		grid.Affine[a][a] = l.cfg.Labels.SpacingMM
		grid.Affine[a][3] = -l.cfg.Labels.SpacingMM * float64(n-1) / 2
	}
	image := func(x []float32) *volume.Volume {
		out := volume.New(grid)
		volume.FromNetwork(out.Data, x, p.Size, [3]int{}, p.Size)
		return out
	}
	out := &LabelScan{Anatomy: p.Case, Recipes: p.Recipes}
	in := newComputing(l.cfg, dev, nil, synth.Networks{}, nil).upload(&sample.Batch{First: index, Samples: []*sample.Sample{p}})
	for _, t := range in.images {
		x := make([]float32, t.Len())
		dev.Download(x, t)
		out.Images = append(out.Images, image(x))
	}
	in.free(dev)
	if err := dev.Sync(); err != nil {
		return nil, err
	}
	if v == nil {
		out.Brain = image(p.Share)
		return out, nil
	}
	mask := func(x []bool) *volume.Mask {
		m := volume.NewMask(grid)
		volume.FromNetwork(m.Data, x, p.Size, [3]int{}, p.Size)
		return m
	}
	out.Brain, out.Planted = mask(v.Brain).Volume(), v.Planted
	for t := range out.Images {
		out.Lesions = append(out.Lesions, mask(v.Lesions[t]))
	}
	if len(out.Images) > 1 {
		out.New = mask(v.New)
	}
	kinds := make([]int32, len(v.Kinds))
	for i, k := range v.Kinds {
		kinds[i] = int32(k)
	}
	out.Kinds = make([]int32, len(kinds))
	volume.FromNetwork(out.Kinds, kinds, p.Size, [3]int{}, p.Size)
	return out, nil
}
