package train

import (
	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/synth"
	"voxgrad/train/sample"
)

// restoration is what the inpainter and the generator have in common: noise hides
// part of a patch, the network restores it, and the loss is the mean squared error
// over the whole patch. With filled_only, what the network makes of the rest counts
// as right.
type restoration struct{ *trainer }

func (t restoration) images() int { return 1 }

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

// read measures the errors in validation alone, where the output is at hand. The
// truth is the sample's image, which nothing has augmented.
func (t restoration) read(tape *autograd.Tape, a answer, in inputs, b *sample.Batch) sums {
	s := sums{Loss: float64(tape.Value(a.loss)[0]), Batches: 1}
	if a.out == nil {
		return s
	}
	out := tape.Value(a.out)
	voxels := batchShape(b).Voxels()
	for n, p := range b.Samples {
		s.addErrors(out[n*voxels:][:voxels], p.Images[0], p.Fill)
	}
	t.show(b, in.images[0], out)
	return s
}

// addErrors adds the differences between a restored patch and the true one.
func (s *sums) addErrors(restored, truth []float32, fill []bool) {
	for v, x := range restored {
		d := float64(x) - float64(truth[v])
		s.PatchVoxels++
		s.PatchSquared += d * d
		s.PatchAbsolute += max(d, -d)
		if fill[v] {
			s.FilledVoxels++
			s.FilledSquared += d * d
			s.FilledAbsolute += max(d, -d)
		}
	}
}

// shown is how many validation patches are pictured.
const shown = 4

// show tells of the first validation patches what the network was given and what
// it made of it.
func (t *trainer) show(b *sample.Batch, x device.Tensor, out []float32) {
	if b.First >= shown {
		return
	}
	in := make([]float32, x.Len())
	t.dev.Download(in, x)
	voxels := batchShape(b).Voxels()
	for n, p := range b.Samples {
		if b.First+n >= shown {
			return
		}
		given := make([]float32, voxels)
		for v := range given {
			given[v] = in[(n*voxels+v)*x.C]
		}
		t.on(Restored{Epoch: t.state.Epoch + 1, Number: b.First + n, Case: p.Case, Size: p.Size,
			Before: p.Images[0], Corrupted: given, After: out[n*voxels:][:voxels], Filled: p.Fill})
	}
}

// newFilled is room for where the loss counts; none if it counts everywhere.
func (t restoration) newFilled(shape device.Shape) device.Tensor {
	if !t.cfg.Loss.FilledOnly {
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

// corrupt puts noise into the part of x that the sample hides. Region is that part
// as a mask on the device; free it.
func (t *trainer) corrupt(x device.Tensor, p *sample.Sample) (region device.Tensor) {
	brain, lesions := masks(p)
	base := synth.UploadMask(t.dev, x.Shape, synth.Base(brain, lesions))
	region = synth.UploadMask(t.dev, x.Shape, p.Fill)
	synth.Corrupt(t.dev, x, x, base, region, p.FillKey)
	t.dev.Free(base)
	return region
}

// patch is a sample as synthesis sees it. Where no other case lends shapes, its own may.
func (t *trainer) patch(p *sample.Sample) synth.Patch {
	if t.shapes.Cases() == 1 {
		return patchOf(p, "")
	}
	return patchOf(p, p.Case)
}

func patchOf(p *sample.Sample, id string) synth.Patch {
	brain, lesions := masks(p)
	return synth.Patch{Size: p.Size, Brain: brain, Lesions: lesions, Likelihood: p.Likelihood, Case: id}
}
