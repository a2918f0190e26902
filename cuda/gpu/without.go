//go:build !(cuda && cgo && linux && amd64)

package gpu

import (
	"errors"

	"voxgrad/cuda/driver"
)

var errWithout = errors.New("this binary was built without CUDA support (build with -tags cuda, with cgo, on linux/amd64)")

// Available reports that there is no CUDA support.
func Available() error { return errWithout }

// List reports that there is no CUDA support.
func List() ([]driver.Info, error) { return nil, errWithout }

// Supported is nil: List names no GPU to ask about.
func Supported(index int, i driver.Info) error { return nil }

// Open reports that there is no CUDA support.
func Open(index int) (driver.Driver, error) { return nil, errWithout }
