package demo

import (
	"fmt"

	"voxgrad/train/dataset"
)

// demoFolds are the parts of the training pairs; two of them have a member.
const demoFolds = 5

// demoStages is the published recipe at a size that takes minutes: narrow networks,
// small patches, a larger learning rate, no dropout. Dice alone may collapse to "no
// lesion" in so few steps, hence the cross-entropy; and the networks that fill regions learn
// what belongs into a hole much sooner if nothing else of a patch is counted. A window
// of prediction is as large as a phantom.
const demoStages = `
[network]
width = %d
dropout = 0.0

[sampler]
patch = [%d, %[2]d, %[2]d]
jitter = %[3]d

[adam]
learning_rate = 1e-3

[loss]
cross_entropy = 0.5

[inpainter.loss]
filled_only = true
[generator.loss]
filled_only = true

[run]
batch = 2
steps = %[4]d
valid_patches = %[5]d

[segmenter.run]
epochs = %[6]d
[inpainter.run]
epochs = %[7]d
[generator.run]
epochs = %[7]d
[detector.run]
epochs = %[8]d
[finetune.run]
epochs = %[9]d
[finetune.adam]
learning_rate = 3e-4

[predict]
patch = [%[10]d, %[11]d, %[12]d]
`

// config is demo.toml.
func (d *demo) config() string {
	size := d.size()
	stages := fmt.Sprintf(demoStages, 8, 32, 10, 40, 16, 5, 4, 3, 7, size[0], size[1], size[2])
	if d.quick {
		stages = fmt.Sprintf(demoStages, 6, 24, 8, 20, 8, 4, 3, 3, 6, size[0], size[1], size[2])
	}
	return demoMark + fmt.Sprintf(` Run it again with
#   voxgrad pipeline --config %[2]s/%[6]s --out %[2]s
# %[8]d pairs to train on, %[9]d held out.
seed = %[1]d
folds = %[3]d
members = 2

[data.single]
root = %[4]q
[data.pairs]
root = %[5]q
[data.test]
root = %[7]q
`, d.seed, d.out, demoFolds, d.path(demoTrain, dataset.PhantomTable), d.path(demoTrain), demoConfig, d.path(demoHeld), d.trainPairs, d.heldOut) + stages
}
