// Package prepare brings scans as a scanner writes them, with skull, each
// on a grid and in a position of its own, to what the networks work on: time points in one
// space of 1 mm voxels, oriented as the MNI atlas, with a brain mask.
//
// # Order
//
//	load           a scan is a volume.Volume with its affine; worlds are NIfTI's, in millimetres
//	denoise        Denoise, on the grid of the scan (off by default)
//	brain mask     on the grid of the scan: the user's, what a stripped scan shows, or the Extractor's
//	time points    registration of the time points to one another, rigid, into a space halfway between them
//	atlas          affine registration of that space to prepare/atlas
//	bias field     BiasField, on the grid of the scan inside its brain
//	resample       one cubic interpolation from the scan to 1 mm, through all transforms at once
//	ratio          for a pair, the smooth field by which the two scans still differ: RatioField
//	record         what was done, how well, and a picture
//
// Each step can be left out or replaced by a file of the user's own: see Settings and
// Input. No step draws random numbers, and results have the same bits on any number of cores.
//
// Transforms are volume.Transforms, in the direction of ITK's files: from points of the space
// that is resampled onto to points of the scan.
package prepare
