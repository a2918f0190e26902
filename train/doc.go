// Package train runs the stages of the pipeline: it trains a segmenter, a detector
// (on real pairs, or on pairs that it makes while it trains), an inpainter or a
// generator on a data set and keeps the run folder.
//
// Its sub-packages hold what stands on its own: dataset (files to cases), prep
// (canonical grid, brain mask, normalisation), sample (patches), infer (whole
// images), tensorboard (event files).
//
// # Host and device
//
// The loading goroutines decide all that is random about a patch from its own
// stream: place, orientation, recipes of augmentation, what is hidden by noise or
// filled. The step uploads the patch, and the device does what was decided, queued
// behind the step before.
//
// # The run folder
//
//	RUN/fold_K/config.toml                    the resolved configuration
//	RUN/fold_K/checkpoint_last.safetensors    weights and everything needed to go on
//	RUN/fold_K/checkpoint_best.safetensors    weights with the lowest validation loss
//	RUN/fold_K/checkpoint_final.safetensors   weights when training ended by itself
//	RUN/fold_K/metrics.csv                    one line per epoch
//	RUN/fold_K/summary.json                   how the run went
//	RUN/fold_K/events.out.tfevents.*          the same curves for TensorBoard
//
// # Same bits after a break
//
// A run is a function of its configuration, its data and the device. Every random
// number is a function of the seed, a name and a counter (the step, the sample's
// number), so a checkpoint needs no generator state, and a resumed run computes
// the bits that the uninterrupted one would have computed. What depends on the
// clock is kept out of metrics.csv and of the checkpoints.
package train
