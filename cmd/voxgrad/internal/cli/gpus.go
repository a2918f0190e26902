package cli

import (
	"errors"
	"fmt"
	"strings"

	"voxgrad/cuda"
	"voxgrad/cuda/driver"
	"voxgrad/cuda/gpu"
	"voxgrad/cuda/kernels"
	"voxgrad/cuda/memplan"
	"voxgrad/train"
)

// firstGPU is the number of the first GPU that can be used; the error is why none can.
func firstGPU() (int, error) {
	if err := gpu.Available(); err != nil {
		return 0, err
	}
	infos, err := gpu.List()
	if err != nil {
		return 0, err
	}
	return pickGPU(infos)
}

func pickGPU(infos []driver.Info) (int, error) {
	why := "there is none"
	for i, info := range infos {
		if _, err := KernelsFor(i, info); err != nil {
			why = err.Error()
			continue
		}
		return i, nil
	}
	return 0, errors.New(why)
}

// bestVariant is the PTX variants that a card would run, the best first.
func bestVariant(compute int) (string, error) {
	count := map[string]int{}
	var order []string
	names, err := kernels.For(compute)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		_, variant, err := kernels.Source(name, compute)
		if err != nil {
			return "", err
		}
		if count[variant] == 0 {
			order = append(order, variant)
		}
		count[variant]++
	}
	if len(order) == 1 {
		return order[0], nil
	}
	for i, v := range order {
		order[i] = fmt.Sprintf("%s (%d of %d modules)", v, count[v], len(names))
	}
	return strings.Join(order, ", "), nil
}

// DryCUDA opens the CUDA backend on a device like info that does nothing, for
// planning: what it takes is what the card would give.
func DryCUDA(info driver.Info, opts ...cuda.Option) train.OpenDry {
	return func(limit int64) (train.DryDevice, error) {
		i := info
		i.Memory = limit
		d := memplan.New(i)
		b, err := cuda.New(d, opts...)
		if err != nil {
			return train.DryDevice{}, err
		}
		return train.DryDevice{ImagingBackend: b, Taken: d.Peak}, nil
	}
}

// KernelsFor is the PTX that a card would run; the error is why it can run none.
func KernelsFor(index int, i driver.Info) (string, error) {
	variant, err := bestVariant(i.ComputeCapability)
	if err == nil {
		err = gpu.Supported(index, i)
	}
	return variant, err
}
