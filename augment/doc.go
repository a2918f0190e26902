// Package augment degrades MR images as scanners do: the augmentation of the
// published method. Each transform is a pure function of explicit parameters,
// written on device ops, so that it runs where the training runs and nothing is
// copied to the host. A Preset draws recipes of transforms from a seeded stream; the
// same stream results in the same recipe, and the same recipe the same image.
//
// An image is a tensor [1 D H W 1]; axes 0, 1, 2 are D, H, W, which are x (to the
// right), y (to the front) and z (up) of a canonical image. Intensities should be
// normalised so that the brain's peak is 1 and the background 0: only Noise depends
// on it, all other transforms commute with a change of scale.
//
// The formulas and where they come from are in docs/augmentation.md. A transform's
// JSON parameters have the names used there.
package augment
