// Package synth makes two time points out of one image: lesions of the image are
// taken away from one or both of them by a network that fills them with healthy
// tissue (the inpainter), and lesions are put in by one that generates them (the
// generator), so that the mask of what is new at the second time point is known.
// The method is that of Kamraoui et al. (Frontiers in Neuroimaging 2022), stage 2.
//
// It has two halves. A Plan holds every decision about one pair and is drawn on
// the host from a stream of its own: which lesions stay at which time point, what
// is generated and where, which voxels are filled. Plan.Run then fills on
// the device, on copies of the image that are there already, and brings nothing
// back. The record of a plan says what was done, lesion by lesion.
//
// Arrays are in the network's order: axes D, H, W, W fastest, element (d,h,w) at
// (d·H+h)·W+w. Voxels are 1 mm cubes, as everywhere in training. Lesions are
// connected components of the mask over faces, edges and corners (26 neighbours);
// two voxels touch if they are equal or neighbours in that sense.
package synth
