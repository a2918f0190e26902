package ref

import "voxgrad/device"

var (
	_ device.ImagingBackend = (*Backend[float32])(nil)
	_ device.ImagingBackend = (*Backend[float64])(nil)
)
