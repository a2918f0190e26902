package synth

import (
	"context"
	"fmt"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/internal/rng"
	"voxgrad/layers"
	"voxgrad/models"
)

// Networks fill parts of images.
type Networks struct {
	Inpainter *models.Net // healthy tissue
	Generator *models.Net // lesions
}

// Check reports which network is missing or of another kind.
func (n Networks) Check() error {
	for _, w := range []struct {
		net  *models.Net
		kind string
		cin  int
	}{{n.Inpainter, models.Inpainter, 1}, {n.Generator, models.Generator, 2}} {
		switch {
		case w.net == nil:
			return fmt.Errorf("synthesis needs the weights of a trained %s", w.kind)
		case w.net.Kind != w.kind || w.net.Cin != w.cin || w.net.Cout != 1:
			return fmt.Errorf("the %s is a %s with %d input and %d output channels; want %d and 1", w.kind, w.net.Kind, w.net.Cin, w.net.Cout, w.cin)
		}
	}
	return nil
}

// Run carries the plan out on two copies of the image, [1 D H W 1] each, augmented
// already: lesions that are removed first, then those that are generated. A
// network sees the image with noise in the voxels it is to fill, and of its
// answer these voxels are taken; all others keep their bits. The noise has mean
// and standard deviation of the brain without any of the plan's lesions and
// filled voxels, at each time point its own. Nothing is brought back to the host.
//
// The networks are put into layers.Eval.
func (pl *Plan) Run(dev device.ImagingBackend, nets Networks, images [2]device.Tensor) {
	shape := device.Shape{N: 1, D: pl.Size[0], H: pl.Size[1], W: pl.Size[2], C: 1}
	var base device.Tensor
	for t, x := range images {
		if x.Shape != shape {
			panic(fmt.Sprintf("synth: a plan for %v does not fit an image of %v", shape, x.Shape))
		}
		for _, job := range []struct {
			net  *models.Net
			mask []bool
			key  uint64
		}{{nets.Inpainter, pl.remove[t], pl.RemoveKey}, {nets.Generator, pl.put[t], pl.GenerateKey}} {
			if job.mask == nil {
				continue
			}
			if base.None() {
				base = UploadMask(dev, shape, pl.base)
			}
			region := UploadMask(dev, shape, job.mask)
			Fill(dev, job.net, x, base, region, region, job.key)
			dev.Free(region)
		}
	}
	dev.Free(base)
}

// Fill replaces x where take is set by what the network answers to x with noise
// in region (see Corrupt). A network with two input channels is given the region
// as the second one. All tensors are [1 D H W 1]; take is within region, and may
// be it.
func Fill(dev device.ImagingBackend, net *models.Net, x, base, region, take device.Tensor, key uint64) {
	net.SetMode(layers.Eval)
	noisy := dev.Alloc(x.Shape)
	Corrupt(dev, noisy, x, base, region, key)
	in := noisy
	if net.Cin == 2 {
		in = dev.Alloc(x.Shape.WithC(2))
		dev.Concat(in, noisy, region)
		dev.Free(noisy)
	}
	tape := autograd.NewInference(dev)
	answer := net.Forward(tape, autograd.Input(in))
	dev.Select(x, take, answer.Tensor, x)
	tape.Close()
	dev.Free(in)
}

// Corrupt sets y to x with Gaussian noise in the region, of the mean and standard
// deviation that x has in base. All are [1 D H W 1]; y may be x. Training the
// networks and using them go through this one function.
func Corrupt(dev device.Imaging, y, x, base, region device.Tensor, key uint64) {
	stats := dev.Alloc(device.Vec(2))
	dev.RegionStats(stats, x, base)
	dev.RegionNoise(y, x, region, stats, key)
	dev.Free(stats)
}

// UploadMask puts a mask on the device as zeros and ones.
func UploadMask(dev device.Memory, shape device.Shape, mask []bool) device.Tensor {
	v := make([]float32, len(mask))
	for i, m := range mask {
		if m {
			v[i] = 1
		}
	}
	t := dev.Alloc(shape)
	dev.Upload(t, v)
	return t
}

// Windows carries out plans for whole scans, window by window: networks see the size of
// image they were trained on, and memory does not grow with the scan.
type Windows struct {
	Size     [3]int                // D, H, W of a window, multiples of models.Multiple
	Progress func(done, total int) // may be nil
}

// Fill is Plan.Run for a scan on the host: images are its two copies, changed in
// place. Each region to fill is in one window, with room around it, or is cut
// into blocks where it is too large. In a window all voxels to fill hold noise,
// those of other windows too, so that the order of windows does not matter; both
// time points share windows, and with them the noise. It ends early with ctx's error, or
// the device's.
func (w Windows) Fill(ctx context.Context, dev device.ImagingBackend, nets Networks, pl *Plan, images [2][]float32) error {
	if err := models.CheckGrid(w.Size[:]...); err != nil {
		return err
	}
	type job struct {
		tiles []tile
		net   *models.Net
		masks [2][]bool
		key   uint64
	}
	jobs := []job{{net: nets.Inpainter, masks: pl.remove, key: pl.RemoveKey}, {net: nets.Generator, masks: pl.put, key: pl.GenerateKey}}
	total, done := 0, 0
	for n := range jobs {
		jobs[n].tiles = tiles(union(jobs[n].masks), pl.Size, w.Size)
		total += 2 * len(jobs[n].tiles)
	}
	for _, j := range jobs {
		for n, t := range j.tiles {
			for time, mask := range j.masks {
				if err := ctx.Err(); err != nil {
					return err
				}
				if mask != nil {
					w.tile(dev, j.net, pl, images[time], mask, t, rng.Key(j.key, "window", n))
				}
				done++
				if w.Progress != nil {
					w.Progress(done, total)
				}
			}
		}
	}
	return dev.Sync()
}

// tile fills one window of one time point.
func (w Windows) tile(dev device.ImagingBackend, net *models.Net, pl *Plan, image []float32, mask []bool, t tile, key uint64) {
	core := make([]bool, w.Size[0]*w.Size[1]*w.Size[2])
	any := false
	for _, i := range t.core {
		if mask[i] {
			at := unindex(int(i), pl.Size)
			for a := range at {
				at[a] -= t.start[a]
			}
			core[index(at, w.Size)], any = true, true
		}
	}
	if !any {
		return
	}
	shape := device.Shape{N: 1, D: w.Size[0], H: w.Size[1], W: w.Size[2], C: 1}
	x := dev.Alloc(shape)
	values := window(image, pl.Size, t.start, w.Size)
	dev.Upload(x, values)
	base := UploadMask(dev, shape, window(pl.base, pl.Size, t.start, w.Size))
	region := UploadMask(dev, shape, window(mask, pl.Size, t.start, w.Size))
	take := UploadMask(dev, shape, core)
	Fill(dev, net, x, base, region, take, key)
	dev.Download(values, x)
	for _, m := range []device.Tensor{x, base, region, take} {
		dev.Free(m)
	}
	for n, in := range core {
		if in {
			at := unindex(n, w.Size)
			for a := range at {
				at[a] += t.start[a]
			}
			image[index(at, pl.Size)] = values[n]
		}
	}
}

// tile is a window and the voxels (of the scan) that are filled in it.
type tile struct {
	start [3]int
	core  []int32
}

// tiles covers a region: every voxel of it is in the core of one tile. Components
// are taken in order of size; one that fits into a window's inside, an eighth of the
// window away from its faces, is put into the middle, and takes along all others
// that lie inside too.
func tiles(region []bool, size, window [3]int) (out []tile) {
	if region == nil {
		return nil
	}
	comps := components(region, size)
	boxes := make([][2][3]int, len(comps))
	for n, list := range comps {
		boxes[n] = bounds(list, size)
	}
	done := make([]bool, len(comps))
	for n, list := range comps {
		if done[n] {
			continue
		}
		lo, hi := boxes[n][0], boxes[n][1]
		if room := innerSize(size, window); hi[0]-lo[0] > room[0] || hi[1]-lo[1] > room[1] || hi[2]-lo[2] > room[2] {
			out = append(out, split(list, lo, size, window)...)
			continue
		}
		t := tile{start: around(lo, hi, size, window)}
		for m := n; m < len(comps); m++ {
			if !done[m] && (m == n || t.holds(boxes[m], size, window)) {
				t.core = append(t.core, comps[m]...)
				done[m] = true
			}
		}
		out = append(out, t)
	}
	return out
}

// innerSize is the extent of a window's inside: all but an eighth of the window at
// each face, or the whole scan where that is no larger than a window.
func innerSize(size, window [3]int) [3]int {
	full := window
	for a := range window {
		window[a] -= 2 * (window[a] / 8)
		if size[a] <= full[a] {
			window[a] = size[a]
		}
	}
	return window
}

// holds reports whether a box (hi excluded) is in the tile's inside, which reaches
// up to the scan's faces.
func (t tile) holds(box [2][3]int, size, window [3]int) bool {
	for a, start := range t.start {
		lo, hi := start, start+window[a]
		if lo > 0 {
			lo += window[a] / 8
		}
		if hi < size[a] {
			hi -= window[a] / 8
		}
		if box[0][a] < lo || box[1][a] > hi {
			return false
		}
	}
	return true
}

// around is the start of a window with the box in its middle, moved into the scan
// where it would stick out and the scan is large enough.
func around(lo, hi, size, window [3]int) (start [3]int) {
	for a := range start {
		start[a] = (lo[a]+hi[a])/2 - window[a]/2
		if size[a] >= window[a] {
			start[a] = min(max(start[a], 0), size[a]-window[a])
		}
	}
	return start
}

// split cuts a large component into blocks of the size of a window's inside.
func split(list []int32, lo, size, window [3]int) (out []tile) {
	blocks := map[[3]int]int{}
	edge := innerSize(size, window)
	for _, i := range list {
		block := unindex(int(i), size)
		for a := range block {
			block[a] = (block[a] - lo[a]) / edge[a]
		}
		n, ok := blocks[block]
		if !ok {
			n = len(out)
			blocks[block] = n
			out = append(out, tile{})
		}
		out[n].core = append(out[n].core, i)
	}
	for n := range out {
		box := bounds(out[n].core, size)
		out[n].start = around(box[0], box[1], size, window)
	}
	return out
}

// bounds is the box of a list of voxels, the upper end excluded.
func bounds(list []int32, size [3]int) [2][3]int {
	lo, hi := size, [3]int{}
	for _, i := range list {
		for a, x := range unindex(int(i), size) {
			lo[a], hi[a] = min(lo[a], x), max(hi[a], x+1)
		}
	}
	return [2][3]int{lo, hi}
}

// window copies a box of a scan; zeros where it sticks out.
func window[T any](src []T, size, start, box [3]int) []T {
	out := make([]T, box[0]*box[1]*box[2])
	lo, hi := max(0, -start[2]), min(box[2], size[2]-start[2])
	for d := max(0, -start[0]); d < min(box[0], size[0]-start[0]); d++ {
		for h := max(0, -start[1]); h < min(box[1], size[1]-start[1]); h++ {
			from := ((start[0]+d)*size[1] + start[1] + h) * size[2]
			to := (d*box[1] + h) * box[2]
			if lo < hi {
				copy(out[to+lo:to+hi], src[from+start[2]+lo:from+start[2]+hi])
			}
		}
	}
	return out
}

// union is the mask of what is in either; nil where both are.
func union(masks [2][]bool) []bool {
	var out []bool
	for _, m := range masks {
		if m == nil {
			continue
		}
		if out == nil {
			out = make([]bool, len(m))
		}
		for i, v := range m {
			out[i] = out[i] || v
		}
	}
	return out
}
