package synth

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/ref"
	"voxgrad/internal/par"
	"voxgrad/internal/rng"
	"voxgrad/layers"
	"voxgrad/models"
)

// cutPatch is the part of the phantom with most lesion voxels, 24³.
func cutPatch(t *testing.T) (Patch, []float32) {
	s := phantomScan(t, 0)
	p, values := s.Patch(), s.Values()
	size, best, at := [3]int{24, 24, 24}, -1, [3]int{}
	for d := 0; d+24 <= p.Size[0]; d += 8 {
		for h := 0; h+24 <= p.Size[1]; h += 8 {
			for w := 0; w+24 <= p.Size[2]; w += 8 {
				start := [3]int{d, h, w}
				if n := len(components(window(p.Lesions, p.Size, start, size), size)); n > best {
					best, at = n, start
				}
			}
		}
	}
	require.Greater(t, best, 1)
	return Patch{Size: size, Brain: window(p.Brain, p.Size, at, size), Lesions: window(p.Lesions, p.Size, at, size), Case: "a"},
		window(values, p.Size, at, size)
}

// busy are options under which nearly every plan uses both networks at both times.
func busy() Options {
	o := Defaults()
	o.Kept, o.RemovedTime1, o.RemovedTime2, o.RemovedBoth = 0.2, 0.25, 0.25, 0.3
	o.GeneratedMin, o.ErodeMM = 2, 1
	return o
}

func upload(dev device.ImagingBackend, size [3]int, values []float32) device.Tensor {
	x := dev.Alloc(device.Shape{N: 1, D: size[0], H: size[1], W: size[2], C: 1})
	dev.Upload(x, values)
	return x
}

func download(dev device.ImagingBackend, x device.Tensor) []float32 {
	out := make([]float32, x.Len())
	dev.Download(out, x)
	return out
}

// paintOn runs a plan on two copies of the image.
func paintOn(t *testing.T, dev device.ImagingBackend, pl *Plan, values []float32) (out [2][]float32) {
	nets := networks(t, dev)
	pair := [2]device.Tensor{upload(dev, pl.Size, values), upload(dev, pl.Size, values)}
	pl.Run(dev, nets, pair)
	for time, x := range pair {
		out[time] = download(dev, x)
		dev.Free(x)
	}
	require.NoError(t, dev.Sync())
	return out
}

// Nothing outside the filled voxels changes a bit, everything inside does.
func TestRunKeepsTheRest(t *testing.T) {
	o := busy()
	p, values := cutPatch(t)
	lib := phantomLibrary(t, o)
	dev := openCPU(t)
	filled := 0
	for seed := range uint64(12) {
		pl := plan(t, o, seed, p, lib)
		out := paintOn(t, dev, pl, values)
		for time := range out {
			mask := pl.Filled(time)
			for i, v := range out[time] {
				if mask[i] == (math.Float32bits(v) == math.Float32bits(values[i])) {
					t.Fatalf("seed %d, time %d, voxel %v: filled %v, %g became %g", seed, time+1, p.at(i), mask[i], values[i], v)
				}
			}
			filled += count(mask)
		}
	}
	require.Greater(t, filled, 1000)
}

// What is filled is what the networks answer, computed step by step on the host.
func TestRunIsNoiseThenNetwork(t *testing.T) {
	o := busy()
	p, values := cutPatch(t)
	pl := plan(t, o, 3, p, phantomLibrary(t, o))
	require.NotNil(t, pl.remove[1])
	require.NotNil(t, pl.put[1])
	dev := openCPU(t)
	got := paintOn(t, dev, pl, values)[1]

	nets := networks(t, dev)
	want := append([]float32(nil), values...)
	step := func(net *models.Net, mask []bool, key uint64) {
		var sum, square, n float64
		for i, in := range pl.base {
			if in {
				sum += float64(want[i])
				n++
			}
		}
		mean := sum / n
		for i, in := range pl.base {
			if in {
				square += (float64(want[i]) - mean) * (float64(want[i]) - mean)
			}
		}
		m, sd := float32(mean), float32(math.Sqrt(square/n))
		in := make([]float32, 0, 2*len(want))
		for i, v := range want {
			flag := float32(0)
			if mask[i] {
				v, flag = m+sd*rng.Normal32(rng.Word(key, uint64(i))), 1
			}
			in = append(in, v)
			if net.Cin == 2 {
				in = append(in, flag)
			}
		}
		x := dev.Alloc(device.Shape{N: 1, D: p.Size[0], H: p.Size[1], W: p.Size[2], C: net.Cin})
		dev.Upload(x, in)
		net.SetMode(layers.Eval)
		tape := autograd.NewInference(dev)
		answer := tape.Value(net.Forward(tape, autograd.Input(x)))
		tape.Close()
		dev.Free(x)
		for i, in := range mask {
			if in {
				want[i] = answer[i]
			}
		}
	}
	step(nets.Inpainter, pl.remove[1], pl.RemoveKey)
	step(nets.Generator, pl.put[1], pl.GenerateKey)
	for i, v := range want {
		require.InDelta(t, v, got[i], 2e-5, "voxel %v", p.at(i))
	}
}

// The same plan gives the same bits on one core and on two, and nearly the same on
// the oracle.
func TestRunIsDeterministic(t *testing.T) {
	defer par.SetThreads(par.Threads())
	o := busy()
	p, values := cutPatch(t)
	pl := plan(t, o, 4, p, phantomLibrary(t, o))
	par.SetThreads(1)
	one := paintOn(t, openCPU(t), pl, values)
	par.SetThreads(2)
	two := paintOn(t, openCPU(t), pl, values)
	require.Equal(t, one, two)
	oracle := paintOn(t, ref.New[float64](), pl, values)
	for time := range one {
		for i, v := range oracle[time] {
			require.InDelta(t, v, one[time][i], 2e-4)
		}
	}
}

// counter notes what goes back to the host.
type counter struct {
	device.ImagingBackend
	downloads, syncs int
}

func (c *counter) Download(dst []float32, t device.Tensor) {
	c.downloads++
	c.ImagingBackend.Download(dst, t)
}
func (c *counter) Sync() error { c.syncs++; return c.ImagingBackend.Sync() }

func TestRunStaysOnTheDevice(t *testing.T) {
	o := busy()
	p, values := cutPatch(t)
	pl := plan(t, o, 3, p, phantomLibrary(t, o))
	dev := &counter{ImagingBackend: openCPU(t)}
	nets := networks(t, dev)
	pair := [2]device.Tensor{upload(dev, p.Size, values), upload(dev, p.Size, values)}
	before, _ := dev.Usage()
	dev.downloads, dev.syncs = 0, 0
	pl.Run(dev, nets, pair)
	require.Zero(t, dev.downloads+dev.syncs)
	after, _ := dev.Usage()
	require.Equal(t, before, after, "all memory is given back")
	require.Panics(t, func() { pl.Run(dev, nets, [2]device.Tensor{pair[0], dev.Alloc(device.Vec(8))}) })
}

func TestNetworksCheck(t *testing.T) {
	dev := openCPU(t)
	nets := networks(t, dev)
	require.ErrorContains(t, Networks{Inpainter: nets.Inpainter}.Check(), "trained generator")
	require.ErrorContains(t, Networks{Inpainter: nets.Generator, Generator: nets.Generator}.Check(), "the inpainter is a generator with 2 input")
	require.ErrorContains(t, Networks{Inpainter: nets.Inpainter, Generator: nets.Inpainter}.Check(), "want 2 and 1")
}

func TestUploadMaskAndBase(t *testing.T) {
	dev := openCPU(t)
	m := UploadMask(dev, device.Vec(4), []bool{true, false, false, true})
	require.Equal(t, []float32{1, 0, 0, 1}, download(dev, m))
	require.Equal(t, []bool{true, false, false}, Base([]bool{true, true, false}, []bool{false, true, false}))
}
