//go:build !(cuda && cgo && linux && amd64)

package hw

import (
	"errors"

	"voxgrad/cuda/driver"
)

var errWithout = errors.New("this binary was built without CUDA support (build with -tags cuda, with cgo, on linux/amd64)")

// Available says that there is no CUDA support.
func Available() error { return errWithout }

// List says that there is no CUDA support.
func List() ([]driver.Info, error) { return nil, errWithout }

// Open says that there is no CUDA support.
func Open(index int) (driver.Driver, error) { return nil, errWithout }
