//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/bench"
	"voxgrad/device/cpu"
	"voxgrad/internal/rng"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/train/infer"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

// serve is this program as a contestant: each line of in is a kind of pass, each line of out its answer.
func serve(s settings, c models.Config, in io.Reader, out io.Writer) error {
	dev := cpu.New()
	defer dev.Close()
	net, err := newNetwork(dev, s, c)
	if err != nil {
		return err
	}
	reply := json.NewEncoder(out)
	_, bytes := usage()
	if err := reply.Encode(answer{Name: "voxgrad, " + dev.Name(), Bytes: bytes}); err != nil {
		return err
	}
	var now *made
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		what := lines.Text()
		name, of, single := strings.Cut(what, " ")
		if single && (now == nil || now.name != name) {
			if now != nil {
				now.free()
			}
			if now = findLayer(dev, s, name); now == nil {
				return fmt.Errorf("there is no layer %q", name)
			}
		}
		if single && of == "gradient" {
			now.forward()
		}
		before := dev.Executed()
		a, err := timed(func() (float64, error) {
			switch {
			case what == "peak" || !single:
				return net.pass(what)
			case of == "forward":
				now.forward()
			default:
				now.gradient()
			}
			return 0, dev.Sync()
		})
		if err != nil {
			return err
		}
		a.Flops = dev.Executed() - before
		if what == "peak" {
			if a.Peaks, err = peaks(dev.Lanes()); err != nil {
				return err
			}
		}
		if err := reply.Encode(a); err != nil {
			return err
		}
	}
	return lines.Err()
}

func findLayer(dev device.Backend, s settings, name string) *made {
	for _, l := range layersOf(s) {
		if l.name == name {
			return makeLayer(dev, s, l)
		}
	}
	return nil
}

func timed(f func() (float64, error)) (a answer, err error) {
	cpu, _ := usage()
	start := time.Now()
	if a.Loss, err = f(); err != nil {
		return a, err
	}
	a.Seconds = time.Since(start).Seconds()
	after, bytes := usage()
	a.CPU, a.Bytes = after-cpu, bytes
	return a, nil
}

// usage is the processor time of this process and its largest size so far.
func usage() (seconds float64, bytes int64) {
	var use syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &use))
	return float64(use.Utime.Nano()+use.Stime.Nano()) / 1e9, use.Maxrss << 10
}

// peaks are the rates of multiply-adds with vectors of every width that may be used.
func peaks(widest int) (all []peak, err error) {
	for lanes := min(8, widest); lanes <= widest; lanes *= 2 {
		rate, err := bench.HostFMA(lanes)
		if err != nil {
			return nil, err
		}
		all = append(all, peak{lanes, rate / 1e9})
	}
	return all, nil
}

// network is a network with a batch and its optimiser.
type network struct {
	s      settings
	net    *models.Net
	images []device.Tensor
	target device.Tensor
	adam   *layers.Adam
	steps  uint64

	members map[bool][]infer.Member // of ensembles, by whether they share their encoder
	pair    prep.Prepared
}

func newNetwork(dev device.Backend, s settings, c models.Config) (*network, error) {
	net, err := models.New(dev, c, 1)
	if err != nil {
		return nil, err
	}
	n := &network{s: s, net: net, members: map[bool][]infer.Member{}}
	shape := device.Shape{N: s.Batch, D: s.Patch, H: s.Patch, W: s.Patch, C: 1}
	for i := range net.TimePoints() {
		n.images = append(n.images, upload(dev, shape, noise(shape.Len(), i)))
	}
	n.target = upload(dev, shape.WithC(2), sparse(shape.Len()))
	return n, nil
}

// pass computes; a step returns its loss.
func (n *network) pass(what string) (loss float64, err error) {
	dev := n.net.Device()
	var x []*autograd.Var
	for _, im := range n.images {
		x = append(x, autograd.Input(im))
	}
	switch what {
	case "peak":
	case "forward":
		n.net.SetMode(layers.Eval)
		t := autograd.NewInference(dev)
		defer t.Close()
		n.net.Forward(t, x...)
	case "ensemble", "ensemble-shared":
		return 0, n.ensemble(what == "ensemble-shared", [3]int{n.s.Patch, n.s.Patch, n.s.Patch})
	case "pair":
		return 0, n.ensemble(true, pairGrid)
	case "step":
		if n.adam == nil {
			n.adam = n.net.Adam(1e-4)
		}
		n.net.SetMode(layers.Train)
		t := autograd.New(dev, n.steps)
		defer t.Close()
		n.steps++
		n.net.ClearGrads()
		l, _ := t.DiceLoss(n.net.Forward(t, x...), autograd.Input(n.target), device.DiceOptions{Eps: 0.01})
		t.Backward(l)
		n.adam.Update()
		loss = float64(t.Value(l)[0])
	default:
		return 0, fmt.Errorf("there is no pass %q: forward, step, ensemble, ensemble-shared, pair, or a layer's name with forward or gradient", what)
	}
	return loss, dev.Sync()
}

// pairGrid is the size of a whole pair of scans.
var pairGrid = [3]int{181, 217, 181}

// ensemble is a pair of scans of some size by five detectors, with encoders of their own or one in common. A brain fills the scans,
// as is so for windows of 64 voxels in a head of the usual size: none is skipped.
func (n *network) ensemble(shared bool, size [3]int) error {
	s := n.s
	if n.members[shared] == nil {
		c := n.net.Config
		c.Kind = models.Detector
		dir, err := os.MkdirTemp("", "steptime")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		first := filepath.Join(dir, "first.safetensors")
		for seed := range uint64(5) {
			net, err := models.New(n.net.Device(), c, seed)
			switch {
			case err != nil:
			case seed == 0:
				err = models.Save(net, first, nil)
			case shared:
				err = net.LoadEncoder(first)
			}
			if err != nil {
				return err
			}
			n.members[shared] = append(n.members[shared], infer.Keep(net))
		}
	}
	if n.pair.Images == nil || n.pair.Images[0].Size != size {
		n.pair.Images = nil
		grid := volume.Grid{Size: size, Affine: volume.Affine{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}}
		for i := range 2 {
			v := volume.New(grid)
			copy(v.Data, noise(len(v.Data), i))
			n.pair.Images = append(n.pair.Images, v)
		}
	}
	o := infer.Defaults()
	o.Patch = [3]int{s.Patch, s.Patch, s.Patch}
	o.Stride = windowStride(s)
	_, err := infer.Canonical(context.Background(), n.members[shared], &n.pair, o)
	return err
}

// windowStride is half a window, as inference has it.
func windowStride(s settings) [3]int { return [3]int{s.Patch / 2, s.Patch / 2, s.Patch / 2} }

func upload(dev device.Backend, s device.Shape, v []float32) device.Tensor {
	t := dev.Alloc(s)
	dev.Upload(t, v)
	return t
}

// noise is standard normal, and repeats itself after a while: drawing takes longer than a pass.
func noise(n, stream int) []float32 {
	const period = 1<<16 + 1
	r := rng.New(1, "noise", stream)
	v := make([]float32, n)
	for i := range min(n, period) {
		v[i] = float32(r.Normal())
	}
	for i := period; i < n; i += copy(v[i:], v[:period]) {
	}
	return v
}

// sparse is a target with two lesion voxels in a hundred, background first.
func sparse(voxels int) []float32 {
	r := rng.New(1, "target")
	v := make([]float32, 2*voxels)
	for i := range voxels {
		if r.Bool(0.02) {
			v[2*i+1] = 1
		} else {
			v[2*i] = 1
		}
	}
	return v
}
