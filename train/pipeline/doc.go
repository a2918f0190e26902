// Package pipeline runs the whole published method from one configuration:
// segmenter, inpainter, generator, detector on synthetic pairs, fine-tuning on real
// pairs, ensemble, evaluation, report; and the rows of its ablation table.
//
// # Steps
//
// A step is a function of its inputs: the settings that concern it, the images and
// masks it reads, the weights of earlier steps. All of them are compared by
// content (SHA-256), never by name or time. When a step is through it leaves a
// stamp, written last, with the hashes of what it read and made. So
//
//   - a step whose inputs and outputs are those of its stamp is skipped;
//   - a step that was cut off goes on where it stopped, training from its last
//     checkpoint, to the same bits as without the break;
//   - when an input changes, the step starts over, and with it those that read what
//     it made, unless that comes out the same.
//
// Where the files lie, how much memory the loader may use, and how often a
// checkpoint is saved are not inputs. Neither are the device and the version of the
// program: a stamp records them, and to compute everything anew, take another folder.
//
// # The folder
//
//	OUT/pipeline.toml                     the resolved configuration
//	OUT/segmenter/fold_0/                 run folders of the stages, see package train
//	OUT/inpainter/fold_0/, generator/fold_0/
//	OUT/detector/fold_K/, finetune/fold_K/ the ensemble's members, on synthetic and real pairs
//	OUT/predictions/CASE_new.nii.gz       masks of the test pairs, with CASE_probability.nii.gz
//	OUT/out_of_fold/                      probabilities of the training pairs by the members that left them out, and truth
//	OUT/scores.csv, scores.json           their scores
//	OUT/baseline/                         the same of a difference threshold
//	OUT/index.html                        the report, with OUT/pictures/CASE.png
//	OUT/rows/110/…                        the same of another row of the ablation
//	OUT/steps/                            stamps, locks, the cache of hashes
package pipeline
