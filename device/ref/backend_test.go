package ref

import "voxgrad/device"

var (
	_ device.Backend = (*Backend[float32])(nil)
	_ device.Backend = (*Backend[float64])(nil)
)
