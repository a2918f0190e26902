// Package infer applies trained networks to whole images: sliding windows,
// ensembles, results on the grid of the input.
package infer

import (
	"context"
	"fmt"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

// Options say how to predict. Start from Defaults.
type Options struct {
	prep.Settings
	Patch    [3]int // window in voxels along x, y, z of the 1 mm grid
	Hop      [3]int // distance between windows, likewise
	Gaussian bool   // windows weigh less towards their border
	Mirror   bool   // mean over the eight mirrored inputs

	// NoMask predicts everywhere instead of inside the brain.
	NoMask bool

	// Progress, if set, is told the number of windows done and to do, over all
	// members.
	Progress func(done, total int)
}

// Defaults is the published way: windows of 64³ every 32 voxels, equal weights.
func Defaults() Options {
	return Options{Settings: prep.Defaults(), Patch: [3]int{64, 64, 64}, Hop: [3]int{32, 32, 32}}
}

// Check names an option that makes no sense.
func (o Options) Check() error {
	if err := o.Settings.Check(); err != nil {
		return err
	}
	if err := models.CheckGrid(o.Patch[:]...); err != nil {
		return err
	}
	for a, h := range o.Hop {
		if h < 1 || h > o.Patch[a] {
			return fmt.Errorf("hop %v with patch %v: each hop must be from 1 to the patch's edge, or voxels are left out", o.Hop, o.Patch)
		}
	}
	return nil
}

// Member opens one network of an ensemble; release gives it back. Members are
// opened one after another, so that only one needs memory at a time.
type Member func() (net *models.Net, release func(), err error)

// Keep is a member that is open already and stays so.
func Keep(net *models.Net) Member {
	return func() (*models.Net, func(), error) { return net, func() {}, nil }
}

// Result is a prediction on the grid of the first input image.
type Result struct {
	Mask *volume.Volume // 1 where the mean probability is above ½, inside the brain
	Prob *volume.Volume // mean lesion probability, 0 outside the brain
}

// Predict runs an ensemble on one case: one image for segmenters, two for
// detectors. brain is the brain mask on the grid of the first image; nil finds it
// in skull-stripped images (see prep.Auto) unless opt.NoMask.
//
// Probabilities are computed on the canonical 1 mm grid, interpolated linearly
// to the grid of the first image and then thresholded. Where that grid is a
// reordering of the canonical one every voxel keeps its own value.
func Predict(ctx context.Context, members []Member, times []*volume.Volume, brain *volume.Volume, opt Options) (*Result, error) {
	if err := opt.Check(); err != nil {
		return nil, err
	}
	if len(members) == 0 {
		return nil, fmt.Errorf("no network to predict with")
	}
	if opt.NoMask {
		brain = nil
	} else if brain == nil {
		var err error
		if brain, err = prep.Auto(times, opt.Settings); err != nil {
			return nil, err
		}
	}
	p, err := prep.Images(times, brain, opt.Settings)
	if err != nil {
		return nil, err
	}
	prob, err := Canonical(ctx, members, p, opt)
	if err != nil {
		return nil, err
	}
	return onInput(prob, p), nil
}

// onInput brings a probability map from the canonical grid to the input's.
func onInput(prob *volume.Volume, p *prep.Prepared) *Result {
	r := &Result{Prob: volume.Resample(prob, p.Input.Grid, volume.Linear, 0), Mask: p.Input.Like()}
	r.Prob.Path, r.Prob.Source = "", p.Input.Source
	for i, x := range r.Prob.Data {
		switch {
		case p.Masked != nil && !p.Masked[i]:
			r.Prob.Data[i] = 0
		case x > 0.5:
			r.Mask.Data[i] = 1
		}
	}
	return r
}

// Canonical is the ensemble's mean lesion probability on the canonical grid, 0
// outside the brain.
func Canonical(ctx context.Context, members []Member, p *prep.Prepared, opt Options) (*volume.Volume, error) {
	if err := opt.Check(); err != nil {
		return nil, err
	}
	grid := p.Grid()
	windows := brainWindows(Windows(grid.Size, opt.Patch, opt.Hop), grid, opt.Patch, p.Brain)
	acc := newAccumulator(grid, opt)
	for m, open := range members {
		net, release, err := open()
		if err != nil {
			return nil, err
		}
		err = runMember(ctx, net, p.Images, windows, acc, opt, func(done int) {
			if opt.Progress != nil {
				opt.Progress(m*len(windows)+done, len(members)*len(windows))
			}
		})
		release()
		if err != nil {
			return nil, err
		}
	}
	return acc.mean(p.Brain), nil
}

// runMember adds one network's probabilities of all windows.
func runMember(ctx context.Context, net *models.Net, images []*volume.Volume, windows []Window, acc *accumulator, opt Options, progress func(int)) error {
	if net.TimePoints() != len(images) {
		return fmt.Errorf("a %s takes %d image(s) per case, got %d", net.Kind, net.TimePoints(), len(images))
	}
	if net.Head() != models.Softmax || net.Cout != 2 {
		return fmt.Errorf("a %s does not segment", net.Kind)
	}
	net.SetMode(layers.Eval)
	mirrors := []int{0}
	if opt.Mirror {
		mirrors = []int{0, 1, 2, 3, 4, 5, 6, 7}
	}
	n := opt.Patch[0] * opt.Patch[1] * opt.Patch[2]
	buf, prob := make([]float32, n), make([]float32, n)
	for i, w := range windows {
		if err := ctx.Err(); err != nil {
			return err
		}
		clear(prob)
		for _, mirror := range mirrors {
			p, err := forward(net, images, w.Start, opt.Patch, mirror, buf)
			if err != nil {
				return err
			}
			for v, at := range mirrored(opt.Patch, mirror) {
				prob[at] += p[2*v+1] / float32(len(mirrors))
			}
		}
		acc.add(prob, w)
		progress(i + 1)
	}
	return nil
}

// forward is the class probabilities [D H W 2] of one window, mirrored along the
// axes whose bits are set.
func forward(net *models.Net, images []*volume.Volume, start, patch [3]int, mirror int, buf []float32) ([]float32, error) {
	dev := net.Device()
	t := autograd.NewInference(dev)
	defer t.Close()
	shape := device.Shape{N: 1, D: patch[0], H: patch[1], W: patch[2], C: 1}
	var x []*autograd.Var
	for _, im := range images {
		read(buf, im, start, patch, mirror)
		in := dev.Alloc(shape)
		defer dev.Free(in)
		dev.Upload(in, buf)
		x = append(x, autograd.Input(in))
	}
	p := t.Value(t.Softmax(net.Forward(t, x...)))
	return p, dev.Sync()
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

// read cuts a window from an image, x fastest, into network order, z fastest;
// zeros where it sticks out.
func read(dst []float32, im *volume.Volume, start, patch [3]int, mirror int) {
	for v, at := range mirrored(patch, mirror) {
		i := start[0] + at/(patch[1]*patch[2])
		j := start[1] + at/patch[2]%patch[1]
		k := start[2] + at%patch[2]
		dst[v] = 0
		if i < im.Size[0] && j < im.Size[1] && k < im.Size[2] {
			dst[v] = im.Data[im.Index(i, j, k)]
		}
	}
}
