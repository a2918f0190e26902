package train

import (
	"fmt"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/internal/rng"
	"voxgrad/models"
	"voxgrad/train/dataset"
	"voxgrad/train/sample"
)

// task is what is particular to the training of one kind of network. What is
// random is decided by draw on the host, from the sample's own stream; upload only
// computes on the device what was decided and waits for nothing.
type task interface {
	// images is the number of images that a case must have.
	images() int

	// patches is the kind of patches to train on.
	patches() sample.Kind

	// draw completes a sample, in the loading goroutines. Training samples are turned
	// and get recipes of augmentation, validation samples do not.
	draw(p *sample.Sample, s *rng.Stream, training bool) error

	// upload puts a batch on the device as the network is to see it.
	upload(b *sample.Batch) inputs

	// forward runs the network and gives the loss on the tape.
	forward(tape *autograd.Tape, in inputs) answer

	// read downloads what a batch gave.
	read(tape *autograd.Tape, a answer, in inputs, b *sample.Batch) sums
}

// inputs is a batch on the device.
type inputs struct {
	images []device.Tensor // one per time point, [N D H W Cin]
	target device.Tensor   // [N D H W Cout]
	filled device.Tensor   // [N D H W 1], 1 where the loss counts; none if it counts everywhere
}

func (t *trainer) free(in inputs) {
	for _, x := range in.images {
		t.dev.Free(x)
	}
	t.dev.Free(in.target)
	t.dev.Free(in.filled)
}

// answer is what forward gives: the loss, and what the measures need.
type answer struct {
	loss *autograd.Var
	sums *autograd.Var // of the Dice loss
	out  *autograd.Var // the network's output; only where nothing is recorded
}

// newTask is the configuration's task.
func (t *trainer) newTask() task {
	switch {
	case t.cfg.Task == models.Inpainter:
		return inpainting{restoration{t}}
	case t.cfg.Task == models.Generator:
		return generation{restoration{t}}
	case t.cfg.Task == models.Segmenter:
		return segmentation{t, 1}
	case t.cfg.Synthesis.On():
		return synthetic{t}
	}
	return segmentation{t, 2}
}

// restores reports whether a task's network paints intensities.
func restores(task string) bool { return task == models.Inpainter || task == models.Generator }

// batchShape is the shape of a batch of one-channel images.
func batchShape(b *sample.Batch) device.Shape {
	size := b.Samples[0].Size
	return device.Shape{N: len(b.Samples), D: size[0], H: size[1], W: size[2], C: 1}
}

// masks are a sample's labels apart.
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
		if len(r) > 0 {
			text += fmt.Sprintf(", image %d with %s", time+1, recipeText(r))
		}
	}
	return text + ")"
}
