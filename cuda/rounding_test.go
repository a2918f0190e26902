package cuda

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/cuda/emu"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/volume"
)

// rounding is the processor with the precision BF16: operands of the convolutions that would be on tensor cores are rounded, and so is what is
// written to an activation.
type rounding struct {
	device.Ops
	*cpu.Backend
	stored map[device.Mem]bool
}

func newRounding() *rounding {
	r := &rounding{Backend: cpu.New(), stored: map[device.Mem]bool{}}
	r.Ops = r.run
	return r
}

func (r *rounding) AllocActivation(s device.Shape) device.Tensor {
	t := r.Backend.Alloc(s)
	r.stored[t.Mem] = s.C >= mmaLeast
	return t
}

func (r *rounding) Free(t device.Tensor) {
	delete(r.stored, t.Mem)
	r.Backend.Free(t)
}

// round rounds a tensor where it is.
func (r *rounding) round(t device.Tensor) {
	v := make([]float32, t.Len())
	r.Backend.Download(v, t)
	for i := range v {
		v[i] = toBF16(v[i])
	}
	r.Backend.Upload(t, v)
}

func (r *rounding) run(c *device.Call) {
	if strings.HasPrefix(c.Op, "CatConv") {
		c.Run(folding{r.Backend, r})
		r.stores(c)
		return
	}
	var temporary []device.Tensor
	if slices.Contains(products[:6], c.Op) {
		weights := c.Args[slices.IndexFunc(c.Args, func(a device.Arg) bool { return a.Name == "w" || a.Name == "dw" })].Tensor.Shape
		for _, a := range c.Args {
			if !slices.Contains([]string{"x", "w", "dy"}, a.Name) || !roundsOperands(c.Op, weights.W, weights.C) || r.stored[a.Tensor.Mem] {
				continue
			}
			t := r.Backend.Alloc(a.Tensor.Shape)
			r.Backend.Copy(device.Into{Tensor: t, Mode: device.Set}, *a.Tensor)
			r.round(t)
			*a.Tensor = t
			temporary = append(temporary, t)
		}
	}
	r.Backend.Ops(c)
	for _, t := range temporary {
		r.Backend.Free(t)
	}
	r.stores(c)
}

// roundsOperands reports whether a convolution of 3³ from ci to co channels, or its gradient, has its operands rounded.
func roundsOperands(op string, ci, co int) bool {
	toFew := min(ci, co) <= fewCoresMost && max(ci, co) >= mmaLeast && (co < ci || strings.HasSuffix(op, "GradX"))
	return min(ci, co) >= mmaLeast || toFew
}

// stores rounds what a call has written.
func (r *rounding) stores(c *device.Call) {
	for _, a := range c.Args {
		if a.Role != device.Input && present(a) && r.stored[a.Tensor.Mem] {
			r.round(*a.Tensor)
		}
	}
}

// lesions are the middle, of so many voxels, of heads of 24³ with lesions, standardised, and their masks.
func lesions(t *testing.T, dev device.Backend, of [3]int, first, n uint64) (images, targets []device.Tensor, masks [][]bool) {
	for seed := first; seed < first+n; seed++ {
		o := volume.DefaultPhantom(seed)
		o.Size, o.Spacing, o.Unchanged, o.Artefacts = [3]int{24, 24, 24}, [3]float64{5, 5, 5}, volume.Range{Min: 8, Max: 12}, volume.Range{}
		o.LesionMM3, o.LesionContrast = volume.Range{Min: 500, Max: 4000}, volume.Range{Min: 0.4, Max: 0.8}
		p, err := volume.NewPhantom(o)
		require.NoError(t, err)
		require.NoError(t, volume.NormalizeInPlace(p.Time1, p.BrainMask, volume.Median))
		s := device.Shape{N: 1, D: of[0], H: of[1], W: of[2], C: 1}
		x, g := dev.Alloc(s), dev.Alloc(s.WithC(2))
		image, mask, classes := make([]float32, x.Len()), make([]bool, x.Len()), make([]float32, g.Len())
		for i := range image {
			at := ((i/(s.H*s.W)+(24-s.D)/2)*24+i/s.W%s.H+(24-s.H)/2)*24 + i%s.W + (24-s.W)/2
			image[i], mask[i] = p.Time1.Data[at], p.Lesions1.Data[at]
			if mask[i] {
				classes[2*i+1] = 1
			} else {
				classes[2*i] = 1
			}
		}
		dev.Upload(x, image)
		dev.Upload(g, classes)
		images, targets, masks = append(images, x), append(targets, g), append(masks, mask)
	}
	return images, targets, masks
}

// trained is the Dice, over the voxels of heads first to first + 3 together, of a segmenter that was trained on heads 1 to 6 for so many steps, and the losses of these.
func trained(t *testing.T, dev device.Backend, of [3]int, first, seed uint64, steps int) (dice float64, losses []float64) {
	net, err := models.New(dev, models.Config{Kind: models.Segmenter, Width: 8, Up: layers.Transposed, Cin: 1, Cout: 2}, seed)
	require.NoError(t, err)
	adam := net.Adam(2e-3)
	images, targets, _ := lesions(t, dev, of, 1, 6)
	for i := range steps {
		at := (i*5 + int(seed)) % len(images) // each in turn, another order for each seed
		tape := autograd.New(dev, seed+uint64(i)<<8)
		net.ClearGrads()
		loss, _ := tape.DiceLoss(net.Forward(tape, autograd.Input(images[at])), autograd.Input(targets[at]), device.DiceOptions{Eps: 1})
		losses = append(losses, float64(tape.Value(loss)[0]))
		tape.Backward(loss)
		adam.Update()
		tape.Close()
	}
	net.SetMode(layers.Eval)
	images, _, masks := lesions(t, dev, of, first, 4)
	both, all := 0, 0
	for i, x := range images {
		tape := autograd.NewInference(dev)
		y := tape.Value(net.Forward(tape, autograd.Input(x)))
		for v, m := range masks[i] {
			found := y[2*v+1] > y[2*v]
			if found && m {
				both += 2
			}
			if found {
				all++
			}
			if m {
				all++
			}
		}
		tape.Close()
	}
	return float64(both) / float64(all), losses
}

// Networks that were trained in bf16 find lesions of heads they have not seen as well as those in fp32, to within the spread of the latter's
// seeds. The emulator would take hours; TestTrainingOnTheEmulator and TestStepInBF16 hold that it computes what is computed here.
func TestTrainingInBF16(t *testing.T) {
	const steps = 48
	mean := func(v []float64) (m float64) {
		for _, x := range v {
			m += x / float64(len(v))
		}
		return m
	}
	var single, half []float64
	for seed := uint64(1); seed <= 3; seed++ {
		of := [3]int{24, 24, 24}
		in32, _ := trained(t, cpu.New(), of, 101, seed, steps)
		in16, _ := trained(t, newRounding(), of, 101, seed, steps)
		single, half = append(single, in32), append(half, in16)
	}
	spread := slices.Max(single) - slices.Min(single)
	t.Logf("Dice of seeds 1 to 3: fp32 %.3f, bf16 %.3f", single, half)
	require.Greater(t, slices.Min(single), 0.5, "the task is learnt")
	require.Positive(t, spread)
	require.GreaterOrEqual(t, mean(half), mean(single)-spread)
	require.NotEqual(t, single, half)
}

// The same through the kernels, storage and all, on patches and for as many steps as the emulator has time for: the losses are at first those of the same
// rounding on the processor, and in the end, as the Dice of what was learnt, within the spread of fp32's seeds or better.
func TestTrainingOnTheEmulator(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	const steps = 30
	of := [3]int{8, 8, 16}
	last := func(losses []float64) (m float64) { // of each head
		for _, l := range losses[steps-6:] {
			m += l / 6
		}
		return m
	}
	var dices, lasts []float64
	for seed := uint64(1); seed <= 3; seed++ {
		dice, losses := trained(t, cpu.New(), of, 1, seed, steps)
		dices, lasts = append(dices, dice), append(lasts, last(losses))
	}
	_, rounded := trained(t, newRounding(), of, 1, 1, steps)
	_, b := onEmulator(t, []emu.Option{emu.SkipRaces(), emu.ComputeCapability(80)}, WithPrecision(BF16))
	dice, losses := trained(t, b, of, 1, 1, steps)
	t.Logf("emulator: Dice %.3f, losses %.4f; on the processor %.4f; fp32: Dice %.3f, last losses %.3f", dice, losses, rounded, dices, lasts)
	for i := range 3 {
		require.InDelta(t, rounded[i], losses[i], 3e-3, "step %d", i+1)
	}
	require.Less(t, last(losses), 0.7*losses[0], "it is learnt")
	require.LessOrEqual(t, last(losses), slices.Max(lasts)+slices.Max(lasts)-slices.Min(lasts))
	require.GreaterOrEqual(t, dice, 2*slices.Min(dices)-slices.Max(dices))
	require.NoError(t, b.Sync())
}

// A step on the emulator: storage, tensor cores and what is left in fp32 together, against the same on the processor.
func TestStepInBF16(t *testing.T) {
	_, emulated := emulatedCores(t, BF16)
	host, exact := newRounding(), cpu.New()
	var losses []float64
	var grads [][]float64
	for _, dev := range []device.Backend{emulated, host, exact} {
		net, err := models.New(dev, models.Config{Kind: models.Segmenter, Width: 8, Up: layers.Transposed, Cin: 1, Cout: 2}, 1)
		require.NoError(t, err)
		s := device.Shape{N: 1, D: 8, H: 8, W: 16, C: 1}
		x, target := dev.Alloc(s), dev.Alloc(s.WithC(2))
		in, classes := make([]float32, s.Len()), make([]float32, 2*s.Len())
		for i := range in {
			in[i] = float32(math.Sin(float64(i * i)))
			classes[2*i+i/3%2] = 1
		}
		dev.Upload(x, in)
		dev.Upload(target, classes)
		tape := autograd.New(dev, 1)
		loss, _ := tape.DiceLoss(net.Forward(tape, autograd.Input(x)), autograd.Input(target), device.DiceOptions{Eps: 1})
		losses = append(losses, float64(tape.Value(loss)[0]))
		tape.Backward(loss)
		var all []float64
		for _, p := range net.Params() {
			g := make([]float32, p.Len())
			dev.Download(g, p.Grad())
			for _, v := range g {
				all = append(all, float64(v))
			}
		}
		grads = append(grads, all)
		tape.Close()
		require.NoError(t, dev.Sync())
	}
	distance := func(a, b []float64) float64 {
		d, n := 0.0, 0.0
		for i := range a {
			d, n = d+(a[i]-b[i])*(a[i]-b[i]), n+b[i]*b[i]
		}
		return math.Sqrt(d / n)
	}
	here, rounded := distance(grads[0], grads[1]), distance(grads[1], grads[2])
	t.Logf("losses %.6f; gradients are %.2g of their norm from the processor's, whose rounding makes %.2g", losses, here, rounded)
	require.InDelta(t, losses[1], losses[0], 1e-3)
	require.Less(t, here, 0.5*rounded, "nearer to the same rounding than to none")
	require.NoError(t, emulated.Close())
}
