package train

import (
	"strings"

	"voxgrad/augment"
	"voxgrad/device"
	"voxgrad/internal/rng"
	"voxgrad/train/sample"
)

// turn puts a sample into a random orientation: images and masks of all time
// points together.
func (t *trainer) turn(p *sample.Sample, s *rng.Stream) {
	perm, flip := t.cfg.Augmentation.DrawOrientation(s, p.Size)
	sample.Orient(p, perm, flip)
}

// drawRecipes draws how each of so many copies of the patch is degraded.
func (t *trainer) drawRecipes(p *sample.Sample, s *rng.Stream, copies int) {
	for range copies {
		p.Recipes = append(p.Recipes, t.cfg.Augmentation.Draw(s, p.Size))
	}
}

// image is one of a sample's images on the device, [1 D H W 1].
func (t *trainer) image(p *sample.Sample, image int) device.Tensor {
	x := t.dev.Alloc(device.Shape{N: 1, D: p.Size[0], H: p.Size[1], W: p.Size[2], C: 1})
	t.dev.Upload(x, p.Images[image])
	return x
}

// augment degrades x as time point time of a sample.
func (t *trainer) augment(x device.Tensor, p *sample.Sample, time int) {
	if time < len(p.Recipes) {
		p.Recipes[time].Apply(t.dev, x)
	}
}

// augmented is both.
func (t *trainer) augmented(p *sample.Sample, image, time int) device.Tensor {
	x := t.image(p, image)
	t.augment(x, p, time)
	return x
}

// recipeText lists the transforms of a recipe, for messages.
func recipeText(r augment.Recipe) string {
	var steps []string
	for _, t := range r {
		steps = append(steps, t.String())
	}
	return strings.Join(steps, ", ")
}
