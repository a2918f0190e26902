package prepare

import (
	"fmt"
	"math"
	"slices"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/volume"
	"voxgrad/weights"
)

// Extractor finds the brain in scans with skull, of any contrast, by a network that
// was trained on heads drawn from label maps (synth.HeadOptions).
type Extractor struct {
	dev device.Backend
	net *models.Net
}

// NewExtractor opens the built-in network. Free it.
func NewExtractor(dev device.Backend) (*Extractor, error) {
	net, err := weights.Open(dev, weights.Brain)
	if err != nil {
		return nil, fmt.Errorf("brain extraction: %w; without it, give brain masks (--brainmask)", err)
	}
	return ExtractorOf(dev, net)
}

// ExtractorOf is an extractor with a network of one's own, a segmenter of one channel whose second class is brain and
// whose weights file names the spacing of the scans it was trained on. The extractor owns the network.
func ExtractorOf(dev device.Backend, net *models.Net) (*Extractor, error) {
	if net.Kind != models.Segmenter || net.Cin != 1 || net.Cout != 2 || net.Preparation.Spacing == 0 || net.Preparation.Threshold == 0 {
		return nil, fmt.Errorf("brain extraction needs a segmenter with 1 input and 2 output channels that states its spacing and its threshold, not %s", net)
	}
	net.SetMode(layers.Eval)
	return &Extractor{dev, net}, nil
}

// Free releases the network's memory.
func (e *Extractor) Free() { e.net.Free() }

// Brain is a brain that was found.
type Brain struct {
	Mask *volume.Mask // on the grid of the scan: one piece, without holes

	// Certainty is the Dice overlap that the network expects of its mask, from its own probabilities: 2Σp·m/(Σp + Σm).
	// Scans like those it knows have 0.96 and more.
	Certainty float64
	ML        float64 // volume in millilitres
}

// Bounds on what a brain is, for messages: a field of view may hold a part of one.
const (
	leastBrainML   = 50
	mostBrainML    = 2500    // the largest brains have some 2000
	leastCertainty = 0.925   // real scans have 0.97, halves of them 0.94 and more, lowest thirds (mostly neck) 0.75 to 0.95, noise alone that looks like so much brain up to 0.77
	mostVoxels     = 1 << 22 // of a field of view on the network's grid
)

// Extract finds the brain in one scan: resampled to the network's spacing, cropped to the head, standardised, the network's probability
// resampled back, above the threshold in its weights file, the largest piece with its holes filled. The error is for a scan in which
// no brain was found.
func (e *Extractor) Extract(v *volume.Volume) (*Brain, error) {
	clean := v
	if bad := v.CheckFinite(); bad != nil {
		clean = v.Like()
		clean.Path = v.Path
		for i, f := range v.Data {
			if f-f == 0 {
				clean.Data[i] = f
			}
		}
	}
	p, err := e.probability(clean)
	if err != nil {
		return nil, err
	}
	native := volume.Resample(p, v.Grid, volume.Linear, 0)
	data, err := largest(native.Above(e.net.Preparation.Threshold).Data, v.Size)
	if err != nil {
		return nil, err
	}
	b := &Brain{Mask: &volume.Mask{Grid: v.Grid, Data: data, Source: v.Source}}
	both, sum, n := 0.0, 0.0, 0
	for i, in := range data {
		f := float64(native.Data[i])
		sum += f
		if in {
			both += f
			n++
		}
	}
	b.ML = float64(n) * b.Mask.VoxelMM3() / 1000
	if b.ML < leastBrainML || b.ML > mostBrainML {
		return nil, fmt.Errorf("%s: no brain found (%.3g ml look like one): is it a scan of a head? if so, give a brain mask (--brainmask)", v.Name(), b.ML)
	}
	if b.Certainty = 2 * both / (sum + float64(n)); b.Certainty < leastCertainty {
		return nil, fmt.Errorf("%s: no brain found with certainty (%.2f, %.0f ml): the scan is unlike those that brain extraction knows; give a brain mask (--brainmask)", v.Name(), b.Certainty, b.ML)
	}
	return b, nil
}

// largest is the largest piece of a mask (face neighbours) with its holes filled.
func largest(mask []bool, size [3]int) ([]bool, error) {
	labels, pieces, err := volume.Components(mask, size, 6)
	if err != nil || len(pieces) == 0 {
		return mask, err
	}
	out := make([]bool, len(mask))
	for i, l := range labels {
		out[i] = l == 1
	}
	return volume.FillHoles(out, size)
}

// probability is how likely each voxel is brain, on the network's grid.
func (e *Extractor) probability(v *volume.Volume) (*volume.Volume, error) {
	g, err := volume.Iso(v.Grid, e.net.Preparation.Spacing)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.Name(), err)
	}
	if n := g.Size[0] * g.Size[1] * g.Size[2]; n > mostVoxels {
		return nil, fmt.Errorf("%s: a field of view of %d voxels of %.3g mm is not that of a head", v.Name(), n, e.net.Preparation.Spacing)
	}
	x, err := cropToHead(average(v, g), e.net.Preparation.Spacing)
	if err != nil {
		return nil, err
	}
	g = x.Grid
	volume.Standardize(x.Data)
	if slices.Max(x.Data) == 0 { // one intensity alone, of which norms by the sample's own statistics make anything
		return x, nil
	}
	size := g.Size
	for a := range size {
		size[a] = (size[a] + models.Multiple - 1) / models.Multiple * models.Multiple
	}
	shape := device.Shape{N: 1, D: size[0], H: size[1], W: size[2], C: 1}
	in := make([]float32, shape.Len())
	volume.ToNetwork(in, x.Data, g.Size, [3]int{}, size)
	t := e.dev.Alloc(shape)
	e.dev.Upload(t, in)
	tape := autograd.NewInference(e.dev)
	answer := e.net.Forward(tape, autograd.Input(t))
	p := e.dev.Alloc(answer.Shape)
	e.dev.Softmax(p, answer.Tensor)
	both := make([]float32, p.Len())
	e.dev.Download(both, p)
	e.dev.Free(p)
	tape.Close()
	e.dev.Free(t)
	if err := e.dev.Sync(); err != nil {
		return nil, err
	}
	for i := range in {
		in[i] = both[2*i+1]
	}
	out := volume.New(g)
	volume.FromNetwork(out.Data, in, g.Size, [3]int{}, size)
	return out, nil
}

// What cropToHead takes for signal, as a share of the 99th percentile above the first, and the margin that is left around it.
const (
	headSignal   = 0.15
	headMarginMM = 20.0
)

// cropToHead is what of a field of view holds a head: the box of the largest piece of signal, with a margin. Air beyond it would
// change the percentiles that intensities are standardised by, and the statistics of the network's norms.
func cropToHead(x *volume.Volume, mm float64) (*volume.Volume, error) {
	least, most := volume.Percentile(x.Data, 1), volume.Percentile(x.Data, 99)
	head := x.Above(least + headSignal*(most-least))
	var err error
	if head.Data, err = largest(head.Data, x.Size); err != nil {
		return nil, err
	}
	lo, hi := head.Bounds()
	if hi == ([3]int{}) {
		return x, nil
	}
	margin := int(math.Ceil(headMarginMM / mm))
	for a := range 3 {
		lo[a], hi[a] = max(lo[a]-margin, 0), min(hi[a]+margin, x.Size[a])
	}
	return volume.Resample(x, x.Box(lo, hi), volume.Nearest, 0), nil
}

// average is a scan on a grid, each voxel the mean of its eight parts, as the scans are that the network was trained on.
func average(v *volume.Volume, g volume.Grid) *volume.Volume {
	out := volume.New(g)
	fine := g
	for part := range 8 {
		shift := [3]float64{float64(part&1)/2 - 0.25, float64(part>>1&1)/2 - 0.25, float64(part>>2&1)/2 - 0.25}
		at := g.World(shift[0], shift[1], shift[2])
		for r := range 3 {
			fine.Affine[r][3] = at[r]
		}
		x := volume.Resample(v, fine, volume.Linear, 0)
		for i, f := range x.Data {
			out.Data[i] += f / 8
		}
	}
	return out
}

// Found is Extract for an Input: the built-in network is opened when the first scan needs it;
// free gives its memory back.
func Found(dev device.Backend) (extract func(v *volume.Volume) (*volume.Mask, float64, error), free func()) {
	var e *Extractor
	free = func() {
		if e != nil {
			e.Free()
		}
	}
	return func(v *volume.Volume) (*volume.Mask, float64, error) {
		if e == nil {
			opened, err := NewExtractor(dev)
			if err != nil {
				return nil, 0, fmt.Errorf("%s still has its skull: %w", v.Name(), err)
			}
			e = opened
		}
		b, err := e.Extract(v)
		if err != nil {
			return nil, 0, err
		}
		return b.Mask, b.Certainty, nil
	}, free
}
