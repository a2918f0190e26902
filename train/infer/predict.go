// Package infer applies trained networks to whole images: sliding windows,
// ensembles, results on the grid of the input.
package infer

import (
	"context"
	"fmt"
	"math"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/internal/text"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

// Options state how to predict. Start from Defaults.
type Options struct {
	prep.Settings
	Patch    [3]int // window in voxels along x, y, z of the 1 mm grid
	Stride   [3]int // distance between windows, likewise
	Gaussian bool   // windows weigh less towards their border
	Mirror   bool   // mean over the eight mirrored inputs

	Threshold float64 // a voxel is lesion above this probability
	Least     float64 // pieces of the mask (6 neighbours) of this volume in mm³ or less are taken out; 0: none are

	// Members keeps the probabilities of each member too.
	Members bool

	// Look, if set, is shown the case before the windows are computed: an error of it ends the prediction.
	Look func(p *prep.Prepared) error

	// WithoutImages leaves the aligned images out of the result, to free their memory before
	// the windows are computed.
	WithoutImages bool

	// Progress, if set, is told the number of windows done and to do, over all
	// members.
	Progress func(done, total int)
}

// Defaults is the published way: windows of 64³ every 32 voxels, equal weights.
func Defaults() Options {
	return Options{Settings: prep.Defaults(), Patch: [3]int{64, 64, 64}, Stride: [3]int{32, 32, 32}, Threshold: volume.Threshold}
}

// Check names an option that makes no sense.
func (o Options) Check() error {
	if err := o.Settings.Check(); err != nil {
		return err
	}
	voxels := 1
	for _, n := range o.Patch {
		if n < 1 || n > volume.MaxVoxels || voxels*n > volume.MaxVoxels {
			return fmt.Errorf("windows of %v voxels: each edge must be at least 1 and all together at most %d voxels", o.Patch, volume.MaxVoxels)
		}
		voxels *= n
	}
	for a, h := range o.Stride {
		if h < 1 || h > o.Patch[a] {
			return fmt.Errorf("stride %v with patch %v: each stride (hop) must be from 1 to the patch's edge, or voxels are left out", o.Stride, o.Patch)
		}
	}
	if !(o.Threshold > 0 && o.Threshold < 1) {
		return fmt.Errorf("threshold %g: a probability above 0 and below 1", o.Threshold)
	}
	if !(o.Least >= 0) || math.IsInf(o.Least, 1) {
		return fmt.Errorf("remove-mm3 %g: a volume of 0 or more is needed", o.Least)
	}
	return nil
}

// Result is a prediction on the grid that the time points were aligned on: that of
// the first, or the common space.
type Result struct {
	Mask *volume.Mask   // where the mean probability is above the threshold, inside the brain
	Prob *volume.Volume // mean lesion probability, 0 outside the brain

	Members []*volume.Volume // those of each member, in their order, with Options.Members

	Aligned []*volume.Volume // the time points on that grid; nil with Options.WithoutImages
	Brain   *volume.Mask     // nil where none was used
}

// Predict runs an ensemble on one case: one image for segmenters, two for
// detectors; see prep.Case for the brain mask.
//
// Probabilities are computed on the canonical 1 mm grid, interpolated linearly
// to the grid of the aligned images and then thresholded. Where that grid is a
// reordering of the canonical one every voxel keeps its own value.
func Predict(ctx context.Context, members []Member, c prep.Case, opt Options) (*Result, error) {
	if err := opt.Check(); err != nil {
		return nil, err
	}
	if len(members) == 0 {
		return nil, fmt.Errorf("no network to predict with")
	}
	p, err := prep.Images(c, opt.Settings)
	if err != nil {
		return nil, err
	}
	on := &volume.Volume{Grid: p.Aligned[0].Grid, Source: p.Aligned[0].Source}
	if opt.Look != nil {
		if err := opt.Look(p); err != nil {
			return nil, err
		}
	}
	if opt.WithoutImages {
		p.Aligned = nil
	}
	prob, each, err := canonical(ctx, members, p, opt)
	if err != nil {
		return nil, err
	}
	p.Images, p.Brain = nil, nil // free them before the result is made
	r := &Result{Aligned: p.Aligned, Brain: p.Masked}
	r.Prob = onGrid(prob, on)
	for _, m := range each {
		r.Members = append(r.Members, onGrid(m, on))
	}
	r.Mask = &volume.Mask{Grid: r.Prob.Grid, Data: make([]bool, len(r.Prob.Data)), Source: r.Prob.Source}
	for i, x := range r.Prob.Data {
		if p.Masked != nil && !p.Masked.Data[i] {
			r.Prob.Data[i] = 0
			continue
		}
		r.Mask.Data[i] = float64(x) > opt.Threshold
	}
	return r, RemoveSmall(r.Mask, opt.Least)
}

// RemoveSmall takes the pieces (6 neighbours) of so many mm³ or less out of a mask.
func RemoveSmall(m *volume.Mask, mm3 float64) error {
	if mm3 == 0 {
		return nil
	}
	labels, pieces, err := volume.Components(m.Data, m.Size, 6)
	if err != nil {
		return err
	}
	for i, l := range labels {
		m.Data[i] = l > 0 && float64(pieces[l-1].Voxels)*m.VoxelMM3() > mm3
	}
	return nil
}

// onGrid brings a probability map from the canonical grid to that of an image.
func onGrid(prob, to *volume.Volume) *volume.Volume {
	if prob.Grid != to.Grid {
		prob = volume.Resample(prob, to.Grid, volume.Linear, 0)
	}
	prob.Path, prob.Source = "", to.Source
	return prob
}

// Canonical is the ensemble's mean lesion probability on the canonical grid, 0
// outside the brain.
func Canonical(ctx context.Context, members []Member, p *prep.Prepared, opt Options) (*volume.Volume, error) {
	opt.Members = false
	prob, _, err := canonical(ctx, members, p, opt)
	return prob, err
}

// canonical is Canonical, with what each member says where that is asked for.
func canonical(ctx context.Context, members []Member, p *prep.Prepared, opt Options) (mean *volume.Volume, each []*volume.Volume, err error) {
	if err := opt.Check(); err != nil {
		return nil, nil, err
	}
	windows, err := brainWindows(p.Grid(), opt, p.Brain)
	if err != nil {
		return nil, nil, err
	}
	groups := grouped(members)
	acc := newAccumulator(p.Grid(), p.Brain, len(groups), opt)
	each = make([]*volume.Volume, len(members))
	done := 0
	for _, g := range groups {
		nets, release, err := g.open()
		if err != nil {
			return nil, nil, err
		}
		own := make([]*accumulator, len(nets))
		if opt.Members {
			for m := range own {
				own[m] = newAccumulator(p.Grid(), p.Brain, 1, opt)
			}
		}
		err = runGroup(ctx, nets, p.Images, windows, acc, own, opt, func() {
			done += len(nets)
			if opt.Progress != nil {
				opt.Progress(done, len(members)*len(windows))
			}
		})
		release()
		if err != nil {
			return nil, nil, err
		}
		for m, a := range own {
			if a != nil {
				each[g.number[m]] = a.mean()
			}
		}
	}
	if !opt.Members {
		each = nil
	}
	return acc.mean(), each, nil
}

// fits reports what is wrong with a network for these images and windows.
func fits(net models.Network, images int, patch [3]int) error {
	spec := net.Spec()
	if spec.Images != images {
		return fmt.Errorf("a %s takes %s per case, got %d", spec.Name, text.Plural(spec.Images, "image"), images)
	}
	if err := spec.Segments(); err != nil {
		return err
	}
	for _, n := range patch {
		if n%max(1, spec.Multiple) != 0 {
			return fmt.Errorf("windows of %v voxels do not fit the network: every edge must be a multiple of %d", patch, spec.Multiple)
		}
	}
	return nil
}

// runGroup adds the probabilities of all windows by networks that share their encoder, or by one.
func runGroup(ctx context.Context, nets []models.Network, images []*volume.Volume, windows []Window, acc *accumulator, own []*accumulator, opt Options, progress func()) error {
	n := opt.Patch[0] * opt.Patch[1] * opt.Patch[2]
	prob := make([][]float32, len(nets))
	for m, net := range nets {
		if err := fits(net, len(images), opt.Patch); err != nil {
			return err
		}
		net.SetMode(layers.Eval)
		prob[m] = make([]float32, n)
	}
	mirrors := []int{0}
	if opt.Mirror {
		mirrors = []int{0, 1, 2, 3, 4, 5, 6, 7}
	}
	buf, turned := make([]float32, n), make([]float32, n)
	for _, w := range windows {
		if err := ctx.Err(); err != nil {
			return err
		}
		for m := range prob {
			clear(prob[m])
		}
		for _, mirror := range mirrors {
			err := forward(nets, images, w.Start, opt.Patch, mirror, buf, turned, func(m int, p []float32) {
				for v, at := range mirrored(opt.Patch, mirror) {
					prob[m][at] += p[2*v+1] / float32(len(mirrors))
				}
			})
			if err != nil {
				return err
			}
		}
		for m := range prob {
			acc.add(prob[m], w)
			if own[m] != nil {
				own[m].add(prob[m], w)
			}
		}
		progress()
	}
	return nil
}

// forward computes the class probabilities [D H W 2] of one window, mirrored along the axes whose bits are set,
// by each of the networks.
func forward(nets []models.Network, images []*volume.Volume, start, patch [3]int, mirror int, buf, turned []float32, each func(m int, p []float32)) error {
	dev := nets[0].Device()
	t := autograd.NewInference(dev)
	defer t.Close()
	shape := device.Shape{N: 1, D: patch[0], H: patch[1], W: patch[2], C: 1}
	var x []*autograd.Var
	for _, im := range images {
		clear(buf) // zeros where the window sticks out
		volume.ToNetwork(buf, im.Data, im.Size, start, patch)
		x0 := buf
		if mirror != 0 {
			for v, at := range mirrored(patch, mirror) {
				turned[v] = buf[at]
			}
			x0 = turned
		}
		in := dev.Alloc(shape)
		defer dev.Free(in)
		dev.Upload(in, x0)
		x = append(x, autograd.Input(in))
	}
	m := 0
	logits(t, nets, x, func(y *autograd.Var) {
		p := t.Softmax(y)
		each(m, t.Value(p))
		t.Release(p)
		m++
	})
	return dev.Sync()
}

// mirrored yields, for each voxel of a mirrored patch in network order, its
// place in the patch as it was.
func mirrored(patch [3]int, mirror int) func(yield func(int, int) bool) {
	at := func(a, i int) int {
		if mirror>>a&1 == 1 {
			return patch[a] - 1 - i
		}
		return i
	}
	return func(yield func(int, int) bool) {
		n := 0
		for d := range patch[0] {
			for h := range patch[1] {
				row := (at(0, d)*patch[1] + at(1, h)) * patch[2]
				for w := range patch[2] {
					if !yield(n, row+at(2, w)) {
						return
					}
					n++
				}
			}
		}
	}
}
