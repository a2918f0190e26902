package infer

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/internal/rng"
	"voxgrad/models"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

// network is a tiny network with random weights; its last layer is scaled so that
// probabilities spread over both sides of ½.
func network(t testing.TB, dev device.Backend, kind string, seed uint64) *models.Net {
	c := models.Default(kind)
	c.Width = 2
	net, err := models.New(dev, c, seed)
	require.NoError(t, err)
	for _, p := range net.Params() {
		if p.Name == "conv_out.weight" {
			w := make([]float32, p.Len())
			dev.Download(w, p.Tensor)
			for i := range w {
				w[i] *= 6
			}
			dev.Upload(p.Tensor, w)
		}
	}
	return net
}

// noise is an image on a grid of 1 mm, with values in every voxel.
func noise(seed uint64, size [3]int) *volume.Volume {
	v := volume.New(volume.Grid{Size: size, Affine: volume.Affine{{1, 0, 0, -5}, {0, 1, 0, 7}, {0, 0, 1, 3}}})
	r := rng.New(seed, "image")
	for i := range v.Data {
		v.Data[i] = float32(0.2 + r.Float64())
	}
	return v
}

// one is a case of images with a brain mask; without one nothing is masked.
func one(brain *volume.Mask, times ...*volume.Volume) prep.Case {
	return prep.Case{Times: times, Brain: brain, NoMask: brain == nil}
}

// bit is 1 for true.
func bit(b bool) float32 {
	if b {
		return 1
	}
	return 0
}

// ball is a mask within the radius of a centre.
func ball(g volume.Grid, centre [3]float64, radius float64) *volume.Mask {
	m := volume.NewMask(g)
	for k := range g.Size[2] {
		for j := range g.Size[1] {
			for i := range g.Size[0] {
				x, y, z := float64(i)-centre[0], float64(j)-centre[1], float64(k)-centre[2]
				if x*x+y*y+z*z <= radius*radius {
					m.Data[g.Index(i, j, k)] = true
				}
			}
		}
	}
	return m
}

func small() Options {
	o := Defaults()
	o.Patch, o.Stride = [3]int{16, 16, 16}, [3]int{8, 8, 8}
	o.Normalize = "none"
	return o
}
