//go:build cuda && cgo && linux && amd64

package gpu

import (
	"errors"
	"fmt"
	"reflect"

	"voxgrad/cuda/gpu/internal/cudrv"

	"gorgonia.org/cu"
)

var errClosed = errors.New("gpu: the device is closed")

// ofCU is the CUresult in an error of cu, which does not export its type.
func ofCU(err error) (cudrv.Code, bool) {
	if err == nil || reflect.TypeOf(err) != reflect.TypeOf(cu.OutOfMemory) {
		return 0, false
	}
	return cudrv.Code(reflect.ValueOf(err).Int()), true
}

// code is the CUresult in an error; 0 if there is none.
func code(err error) cudrv.Code {
	if c, ok := ofCU(err); ok {
		return c
	}
	var own cudrv.Code
	errors.As(err, &own)
	return own
}

// explain replaces an error of cu by one with the driver's own words.
func explain(err error) error {
	if c, ok := ofCU(err); ok {
		return c
	}
	return err
}

// CUresult codes that cu does not name, or by which a decision is made.
const (
	outOfMemory           = cudrv.Code(2)
	noBinary              = cudrv.Code(209)
	invalidPTX            = cudrv.Code(218)
	noAssembler           = cudrv.Code(221)
	unsupportedPTXVersion = cudrv.Code(222)
)

// argument reports whether a failure is one of the call alone, so that later calls
// can succeed. What is not known to be is the device's.
func argument(c cudrv.Code) bool {
	switch c {
	case 1, // invalid value
		outOfMemory,
		200, // invalid image
		noBinary, invalidPTX, noAssembler, unsupportedPTXVersion,
		400, // invalid handle
		500, // not found
		801: // not supported
		return true
	}
	return false
}

// failure is an error of a call, with the device's number.
func (d *Device) failure(call string, err error) error {
	return fmt.Errorf("GPU %d: %s: %w", d.index, call, explain(err))
}

// lose makes a failure the answer to all later calls.
func (d *Device) lose(err error) error {
	err = fmt.Errorf("%w; the device can no longer be used by this process", err)
	d.lost.CompareAndSwap(nil, &err)
	return *d.lost.Load()
}

// usable is the failure that made the device unusable.
func (d *Device) usable() error {
	if e := d.lost.Load(); e != nil {
		return *e
	}
	return nil
}
