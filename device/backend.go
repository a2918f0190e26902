package device

// Backend is what networks need of a device. It is put together from small
// interfaces, a file each, so that a caller can ask for what it needs.
//
// A Backend may be used by several goroutines; calls take effect in the order
// in which they were made by each, and one caller's work is never interleaved
// with another's on the same tensor without both having asked for it.
type Backend interface {
	Memory
	NetworkOps
}

// NetworkOps are the operations of networks and of their training.
type NetworkOps interface {
	Transfer
	Conv
	Activation
	BatchNorm
	Pool
	Up
	Channels
	CatConv
	Loss
	Optimizer
	Random
	Batch
}

// Imaging is what augmentation and synthesis do to images, forward only. A
// Backend need not have it; the backends of this module do.
type Imaging interface {
	Memory
	ImagingOps
}

// ImagingOps are the operations on images. Axis 0 is D, 1 is H, 2 is W. Where x
// has more than one sample or channel, each is treated alike and by itself,
// unless a method states otherwise.
type ImagingOps interface {
	Spatial
	Intensity
	KSpace
	Region
}

// ImagingBackend is a Backend that has Imaging as well: what training with
// augmentation, and networks that change images, ask for.
type ImagingBackend interface {
	Backend
	Imaging
}
