package train

import (
	"fmt"
	"strings"

	"voxgrad/augment"
	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/internal/rng"
	"voxgrad/models"
	"voxgrad/synth"
	"voxgrad/train/dataset"
	"voxgrad/train/sample"
	"voxgrad/volume"
)

// A task is what is particular to the training of one kind of network, in two halves. Its
// drawing decides on the host, from a sample's own stream, all that is random about a
// patch; its computing does on the device what was decided.

// drawing completes samples, in the loading goroutines.
type drawing interface {
	// images returns the number of images that a case must have.
	images() int

	// patches returns the kind of patches to train on.
	patches() sample.Kind

	// draw decides what happens to a sample. Training samples are oriented at random and
	// get recipes of augmentation, validation samples do not.
	draw(p *sample.Sample, s *rng.Stream, training bool) error
}

// computing runs a network on samples.
type computing interface {
	// upload puts a batch on the device as the network is to see it, and waits for nothing.
	upload(b *sample.Batch) inputs

	// forward runs the network and puts the loss on the tape.
	forward(tape *autograd.Tape, in inputs) answer

	// inspect adds to s what the network's output tells of a batch, where it is at hand.
	inspect(s *sums, tape *autograd.Tape, a answer, in inputs, b *sample.Batch)
}

// inputs is a batch on the device.
type inputs struct {
	images []device.Tensor // one per time point, [N D H W Cin]
	target device.Tensor   // [N D H W Cout]
	filled device.Tensor   // [N D H W 1], 1 where the loss counts; none if it counts everywhere
}

func (in inputs) free(dev device.ImagingBackend) {
	for _, x := range in.images {
		dev.Free(x)
	}
	dev.Free(in.target)
	dev.Free(in.filled)
}

// answer is what forward returns: the loss, and what the measures need.
type answer struct {
	loss *autograd.Var
	sums *autograd.Var // of the Dice loss
	out  *autograd.Var // the network's output; only where nothing is recorded
}

// numbers are the results that every batch is measured by.
func (a answer) numbers() []*autograd.Var {
	if a.sums == nil {
		return []*autograd.Var{a.loss}
	}
	return []*autograd.Var{a.loss, a.sums}
}

// measured returns the measures of a batch from the values of numbers.
func (a answer) measured(v []float32, in inputs) sums {
	s := sums{Loss: float64(v[0]), Batches: 1}
	if a.sums != nil { // of which the lesion channel counts
		s.Intersection, s.Predicted, s.Truth = float64(v[2]), float64(v[classes+2]), float64(v[2*classes+2])
		s.Voxels = float64(in.target.Rows())
	}
	return s
}

// newDrawing returns the drawing half of the configuration's task. Shapes are the lesions of
// the training cases, where the task needs them.
func newDrawing(c Config, shapes *synth.Library) drawing {
	a, s := c.Resolved().Augmentation.Preset, synthesisDraw{c.Synthesis.Options, shapes}
	switch {
	case c.Labels.On():
		if c.Task == models.Detector {
			return labelsDraw{2}
		}
		return labelsDraw{1}
	case c.Task == models.Inpainter:
		return inpainterDraw{a, s, c.Sampler.LesionFree}
	case c.Task == models.Generator:
		return generatorDraw{a}
	case c.Task == models.Segmenter:
		return segmentationDraw{a, 1}
	case c.Synthesis.On():
		return syntheticDraw{a, s}
	}
	return segmentationDraw{a, 2}
}

// newComputing returns the computing half of the configuration's task for a network. Pairs
// are synthesised by the networks of filling; shown is told of restored validation patches.
func newComputing(c Config, dev device.ImagingBackend, net models.Network, filling synth.Networks, shown func(Restored)) computing {
	dice, r := diceLoss{dev, net, c.Loss}, restoration{dev, net, c.Loss.FilledOnly, shown}
	switch {
	case c.Labels.On() && c.Labels.Find == FindBrain:
		return extraction{dice}
	case c.Labels.On():
		return stripped{segmentation{dice}}
	case c.Task == models.Inpainter:
		return inpainting{r}
	case c.Task == models.Generator:
		return generation{r}
	case c.Synthesis.On():
		return synthetic{dice, filling}
	}
	return segmentation{dice}
}

// restores reports whether a task's network restores intensities.
func restores(task string) bool { return task == models.Inpainter || task == models.Generator }

// orient puts a sample into a random orientation, images and masks of all time points
// together, and draws a recipe of augmentation for each of so many copies of it.
func orient(a augment.Preset, p *sample.Sample, s *rng.Stream, copies int) {
	perm, flip := a.DrawOrientation(s, p.Size)
	sample.Orient(p, perm, flip)
	for range copies {
		p.Recipes = append(p.Recipes, a.Draw(s, p.Size))
	}
}

// uploadImage is one of a sample's images on the device, [1 D H W 1].
func uploadImage(dev device.ImagingBackend, p *sample.Sample, image int) device.Tensor {
	x := dev.Alloc(device.Shape{N: 1, D: p.Size[0], H: p.Size[1], W: p.Size[2], C: 1})
	dev.Upload(x, p.Images[image])
	return x
}

// degrade applies the recipe of a time point to x.
func degrade(dev device.ImagingBackend, x device.Tensor, p *sample.Sample, time int) {
	if time < len(p.Recipes) {
		p.Recipes[time].Apply(dev, x)
	}
}

// augmented is both.
func augmented(dev device.ImagingBackend, p *sample.Sample, image, time int) device.Tensor {
	x := uploadImage(dev, p, image)
	degrade(dev, x, p, time)
	return x
}

// batchShape is the shape of a batch of one-channel images.
func batchShape(b *sample.Batch) device.Shape {
	size := b.Samples[0].Size
	return device.Shape{N: len(b.Samples), D: size[0], H: size[1], W: size[2], C: 1}
}

// masks returns a sample's labels as two masks.
func masks(p *sample.Sample) (brain, lesions []bool) {
	brain, lesions = make([]bool, len(p.Labels)), make([]bool, len(p.Labels))
	for v, l := range p.Labels {
		brain[v], lesions[v] = l&dataset.Brain != 0, l&dataset.Lesion != 0
	}
	return brain, lesions
}

// describe names a patch in messages, with what was done to it.
func describe(p *sample.Sample) string {
	text := fmt.Sprintf("%d (case %s at %v", p.Index, p.Case, p.Start)
	for time, r := range p.Recipes {
		var steps []string
		for _, t := range r {
			steps = append(steps, t.String())
		}
		if len(r) > 0 {
			text += fmt.Sprintf(", image %d with %s", time+1, strings.Join(steps, ", "))
		}
	}
	return text + ")"
}

// segmentationDraw is of a segmenter on single images, or a detector on real pairs.
type segmentationDraw struct {
	augment augment.Preset
	times   int
}

func (d segmentationDraw) images() int          { return d.times }
func (d segmentationDraw) patches() sample.Kind { return sample.Mixed }

func (d segmentationDraw) draw(p *sample.Sample, s *rng.Stream, training bool) error {
	if training {
		orient(d.augment, p, s, d.times)
	}
	return nil
}

// classes is background and lesion.
const classes = 2

// diceLoss is the segmentation loss of a network's answer.
type diceLoss struct {
	dev  device.ImagingBackend
	net  models.Network
	loss Loss
}

// target is a batch's target for the Dice loss, [N D H W 2].
func (d diceLoss) target(b *sample.Batch, lesions func(p *sample.Sample) []bool) device.Tensor {
	shape := batchShape(b).WithC(classes)
	host := make([]float32, shape.Len())
	for n, p := range b.Samples {
		for v, lesion := range lesions(p) {
			class := 0
			if lesion {
				class = 1
			}
			host[classes*(n*shape.Voxels()+v)+class] = 1
		}
	}
	x := d.dev.Alloc(shape)
	d.dev.Upload(x, host)
	return x
}

func (d diceLoss) forward(tape *autograd.Tape, in inputs) answer {
	x := make([]*autograd.Var, len(in.images))
	for i, im := range in.images {
		x[i] = autograd.Input(im)
	}
	loss, sums := tape.DiceLoss(d.net.Forward(tape, x...), autograd.Input(in.target), device.DiceOptions{
		Eps: d.loss.Eps, ForegroundOnly: d.loss.LesionOnly, CrossEntropy: d.loss.CrossEntropy,
	})
	return answer{loss: loss, sums: sums}
}

// inspect adds nothing: the sums are the measures.
func (d diceLoss) inspect(*sums, *autograd.Tape, answer, inputs, *sample.Batch) {}

// segmentation is soft Dice between the answer and the lesion mask.
type segmentation struct{ diceLoss }

func (t segmentation) upload(b *sample.Batch) inputs {
	shape := batchShape(b)
	var in inputs
	for time := range b.Samples[0].Images {
		x := t.dev.Alloc(shape)
		for n, p := range b.Samples {
			one := augmented(t.dev, p, time, time)
			t.dev.PutSample(x, n, one)
			t.dev.Free(one)
		}
		in.images = append(in.images, x)
	}
	in.target = t.target(b, func(p *sample.Sample) []bool {
		_, lesions := masks(p)
		return lesions
	})
	return in
}

// synthesisDraw draws what synthesis does to a patch.
type synthesisDraw struct {
	options synth.Options
	shapes  *synth.Library
}

// patch is a sample as synthesis sees it. Lesions do not take the shapes of their own case
// unless no other case has any.
func (d synthesisDraw) patch(p *sample.Sample) synth.Patch {
	if d.shapes.Cases() == 1 {
		return patchOf(p, "")
	}
	return patchOf(p, p.Case)
}

func patchOf(p *sample.Sample, id string) synth.Patch {
	brain, lesions := masks(p)
	return synth.Patch{Size: p.Size, Brain: brain, Lesions: lesions, Likelihood: p.Likelihood, Case: id}
}

// syntheticDraw is of a detector on pairs that are made from single images while it
// trains: two copies of a patch are augmented, each by itself, and lesions are taken out
// and put in.
type syntheticDraw struct {
	augment augment.Preset
	synthesisDraw
}

func (d syntheticDraw) images() int          { return 1 }
func (d syntheticDraw) patches() sample.Kind { return sample.Mixed }

func (d syntheticDraw) draw(p *sample.Sample, s *rng.Stream, training bool) (err error) {
	if training {
		orient(d.augment, p, s, 2)
	}
	p.Plan, err = d.options.Plan(s, d.patch(p), d.shapes)
	return err
}

// synthetic is segmentation of pairs that two frozen networks make.
type synthetic struct {
	diceLoss
	filling synth.Networks
}

func (t synthetic) upload(b *sample.Batch) inputs {
	shape := batchShape(b)
	in := inputs{images: []device.Tensor{t.dev.Alloc(shape), t.dev.Alloc(shape)}}
	for n, p := range b.Samples {
		first := uploadImage(t.dev, p, 0)
		pair := [2]device.Tensor{first, t.dev.Alloc(first.Shape)}
		t.dev.Copy(device.Into{Tensor: pair[1], Mode: device.Set}, first)
		for time, one := range pair {
			degrade(t.dev, one, p, time)
		}
		p.Plan.Run(t.dev, t.filling, pair)
		for time, one := range pair {
			t.dev.PutSample(in.images[time], n, one)
			t.dev.Free(one)
		}
	}
	in.target = t.target(b, func(p *sample.Sample) []bool { return p.Plan.NewLesions() })
	return in
}

// inpainterDraw is of the network that restores healthy tissue: on patches without a
// lesion, noise hides places that have the shape of other cases' lesions. If patches may
// have lesions, the noise keeps away from them.
type inpainterDraw struct {
	augment augment.Preset
	synthesisDraw
	lesionFree bool
}

func (d inpainterDraw) images() int { return 1 }

func (d inpainterDraw) patches() sample.Kind {
	if d.lesionFree {
		return sample.WithoutLesion
	}
	return sample.Anywhere
}

func (d inpainterDraw) draw(p *sample.Sample, s *rng.Stream, training bool) error {
	if training {
		orient(d.augment, p, s, 1)
	}
	patch := d.patch(p)
	var err error
	if patch.Brain, err = awayFrom(patch.Lesions, patch.Brain, p.Size); err != nil {
		return err
	}
	fill, ok, err := d.options.InpainterRegion(s, patch, d.shapes)
	if err != nil {
		return err
	}
	if !ok {
		return sample.ErrAgain
	}
	p.Fill, p.FillKey = fill, s.Uint64()
	return nil
}

// awayFrom is the brain without the lesions and all their neighbours.
func awayFrom(lesions, brain []bool, size [3]int) ([]bool, error) {
	// Package volume counts the first axis fastest. Neighbours over corners are √3 away.
	near, err := volume.Dilate(lesions, [3]int{size[2], size[1], size[0]}, volume.Voxels, 1.8)
	if err != nil {
		return nil, err
	}
	return synth.Base(brain, near), nil
}

// restoration is what the inpainter and the generator have in common: noise hides part of
// a patch, the network restores it, and the loss is the mean squared error over the whole
// patch. With filledOnly, what the network makes of the rest counts as right.
type restoration struct {
	dev        device.ImagingBackend
	net        models.Network
	filledOnly bool
	shown      func(Restored)
}

func (t restoration) forward(tape *autograd.Tape, in inputs) answer {
	out := t.net.Forward(tape, autograd.Input(in.images[0]))
	var a answer
	if !tape.Recording() {
		a.out = tape.Hold(out)
	}
	if !in.filled.None() {
		t.dev.Select(in.target, in.filled, in.target, out.Tensor)
	}
	a.loss = tape.MSE(out, autograd.Input(in.target))
	return a
}

// inspect measures the errors in validation alone, where the output is at hand. The truth is
// the sample's image, which nothing has augmented.
func (t restoration) inspect(s *sums, tape *autograd.Tape, a answer, in inputs, b *sample.Batch) {
	if a.out == nil {
		return
	}
	out := tape.Value(a.out)
	voxels := batchShape(b).Voxels()
	for n, p := range b.Samples {
		s.addErrors(out[n*voxels:][:voxels], p.Images[0], p.Fill)
	}
	t.show(b, in.images[0], out)
}

// pictured is how many validation patches are shown.
const pictured = 4

// show tells of the first validation patches what the network got and what it made of it.
func (t restoration) show(b *sample.Batch, x device.Tensor, out []float32) {
	if b.First >= pictured {
		return
	}
	in := make([]float32, x.Len())
	t.dev.Download(in, x)
	voxels := batchShape(b).Voxels()
	for n, p := range b.Samples {
		if b.First+n >= pictured {
			return
		}
		corrupted := make([]float32, voxels)
		for v := range corrupted {
			corrupted[v] = in[(n*voxels+v)*x.C]
		}
		t.shown(Restored{Number: b.First + n, Case: p.Case, Size: p.Size,
			Before: p.Images[0], Corrupted: corrupted, After: out[n*voxels:][:voxels], Filled: p.Fill})
	}
}

// newFilled is room for where the loss counts; none if it counts everywhere.
func (t restoration) newFilled(shape device.Shape) device.Tensor {
	if !t.filledOnly {
		return device.Tensor{}
	}
	return t.dev.Alloc(shape)
}

// keep frees a sample's region, after a copy into filled where there is one.
func (t restoration) keep(filled device.Tensor, n int, region device.Tensor) {
	if !filled.None() {
		t.dev.PutSample(filled, n, region)
	}
	t.dev.Free(region)
}

// corrupt puts noise into the part of x that the sample hides and returns that part as a
// mask on the device; free it.
func (t restoration) corrupt(x device.Tensor, p *sample.Sample) (region device.Tensor) {
	brain, lesions := masks(p)
	base := synth.UploadMask(t.dev, x.Shape, synth.Base(brain, lesions))
	region = synth.UploadMask(t.dev, x.Shape, p.Fill)
	synth.Corrupt(t.dev, x, x, base, region, p.FillKey)
	t.dev.Free(base)
	return region
}

// inpainting: what augmentation makes of the patch is the target, and with noise in it
// the input.
type inpainting struct{ restoration }

func (t inpainting) upload(b *sample.Batch) inputs {
	shape := batchShape(b)
	x, target, filled := t.dev.Alloc(shape), t.dev.Alloc(shape), t.newFilled(shape)
	for n, p := range b.Samples {
		one := augmented(t.dev, p, 0, 0)
		t.dev.PutSample(target, n, one)
		t.keep(filled, n, t.corrupt(one, p))
		t.dev.PutSample(x, n, one)
		t.dev.Free(one)
	}
	return inputs{[]device.Tensor{x}, target, filled}
}

// generatorDraw is of the network that generates lesions, on patches with lesions.
type generatorDraw struct{ augment augment.Preset }

func (d generatorDraw) images() int          { return 1 }
func (d generatorDraw) patches() sample.Kind { return sample.WithLesion }

func (d generatorDraw) draw(p *sample.Sample, s *rng.Stream, training bool) error {
	if training {
		orient(d.augment, p, s, 1)
	}
	_, p.Fill = masks(p)
	p.FillKey = s.Uint64()
	return nil
}

// generation: an augmented copy with noise in place of the lesions is the first channel of
// the input, the lesion mask the second, and the original patch the target.
type generation struct{ restoration }

func (t generation) upload(b *sample.Batch) inputs {
	shape := batchShape(b)
	x, target, filled := t.dev.Alloc(shape.WithC(2)), t.dev.Alloc(shape), t.newFilled(shape)
	for n, p := range b.Samples {
		one := uploadImage(t.dev, p, 0)
		t.dev.PutSample(target, n, one)
		degrade(t.dev, one, p, 0)
		region := t.corrupt(one, p)
		two := t.dev.Alloc(one.Shape.WithC(2))
		t.dev.Concat(two, one, region)
		t.dev.PutSample(x, n, two)
		t.dev.Free(one)
		t.keep(filled, n, region)
		t.dev.Free(two)
	}
	return inputs{[]device.Tensor{x}, target, filled}
}
