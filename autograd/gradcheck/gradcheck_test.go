package gradcheck_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/autograd/gradcheck"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/device/ref"
	"voxgrad/internal/rng"
)

var grid = device.Shape{N: 2, D: 3, H: 4, W: 3, C: 2}

func leaf(dev device.Backend, name string, s device.Shape) *autograd.Var {
	v := autograd.Parameter(name, dev.Alloc(s))
	x := make([]float32, s.Len())
	draw := rng.New(1, name)
	for i := range x {
		x[i] = float32(draw.Normal())
		if x[i] < 0 {
			x[i] -= 0.1
		} else {
			x[i] += 0.1 // away from a ReLU's kink
		}
	}
	dev.Upload(v.Tensor, x)
	return v
}

// mistake is what is wrong with an op.
type mistake int

const (
	none mistake = iota
	factor
	sign
	oneElement
	ignoresAdd
	ignoresSet // adds where it should overwrite
	saveTooLittle
	changesInput
	wrongInPlace
)

// product is x·y by elements, made of Blend: ((x+y)² − (x−y)²)/4 would need squares, so the
// host does it. It serves to plant mistakes.
func product(t *autograd.Tape, x, y *autograd.Var, m mistake) *autograd.Var {
	dev := t.Device()
	each := func(to device.Into, a, b device.Tensor, f func(i int, a, b float32) float32) {
		av, bv, out := make([]float32, a.Len()), make([]float32, a.Len()), make([]float32, a.Len())
		dev.Download(av, a)
		dev.Download(bv, b)
		for i := range out {
			out[i] = f(i, av[i], bv[i])
		}
		tmp := dev.Alloc(a.Shape)
		defer dev.Free(tmp)
		dev.Upload(tmp, out)
		dev.Copy(to, tmp)
	}
	times := func(_ int, a, b float32) float32 { return a * b }
	save := []int{0, 1}
	if m == saveTooLittle && !x.WantsGrad() {
		save = []int{1} // forgets that y's gradient reads x
	}
	return t.Apply(autograd.Op{
		Name: "product", In: []*autograd.Var{x, y}, Out: []device.Shape{x.Shape}, SaveIn: save, InPlace: m == wrongInPlace,
		Forward: func(out, in []device.Tensor) {
			if m == wrongInPlace {
				dev.Fill(out[0], 0) // as if it were not the input
			}
			each(device.Into{Tensor: out[0], Mode: device.Set}, in[0], in[1], times)
			if m == changesInput {
				dev.Fill(in[1], 1)
			}
		},
		Reverse: func(s autograd.Saved, dy []device.Tensor, dx []device.Into) {
			if dx[0].Mode != device.Skip {
				to := dx[0]
				switch m {
				case ignoresAdd:
					to.Mode = device.Set
				case ignoresSet:
					to.Mode = device.Add
				}
				each(to, dy[0], s.In[1], func(i int, a, b float32) float32 {
					switch {
					case m == factor:
						return 1.05 * a * b
					case m == sign, m == oneElement && i == 17:
						return -a * b
					}
					return a * b
				})
			}
			if dx[1].Mode != device.Skip {
				x := s.In[0]
				if x.None() {
					x = dy[0]
				}
				each(dx[1], dy[0], x, times)
			}
		},
	})[0]
}

func TestPlantedMistakes(t *testing.T) {
	dev := ref.New[float32]()
	for m, want := range map[mistake]string{
		none:          "",
		factor:        "gradcheck: the gradient of x is wrong in",
		sign:          "gradcheck: the gradient of x is wrong in",
		oneElement:    "most at [0 0 2 2 1] of [2 3 4 3 2]: the gradient says",
		ignoresAdd:    "gradcheck: the gradient of x does not add to what is there (mode Add), at [",
		ignoresSet:    "gradcheck: the gradient of x",
		saveTooLittle: "gradcheck: the gradient of y is another when no other input wants one, at [",
		changesInput:  "gradcheck: y was changed, at [",
		wrongInPlace:  "gradcheck: without recording, element 0 of the result is -0 instead of",
	} {
		x, y := leaf(dev, "x", grid), leaf(dev, "y", grid)
		err := gradcheck.Check(dev, func(t *autograd.Tape) *autograd.Var {
			if m == wrongInPlace { // a result whose memory it may take
				return product(t, t.Concat(x, x), t.Concat(y, y), m)
			}
			return product(t, x, y, m)
		}, []*autograd.Var{x, y}, gradcheck.Options{Elements: 200})
		if want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, want, "mistake %d", m)
		}
		require.True(t, x.Grad().None(), "gradients are cleared")
	}
}

// The same function on the oracle and in float32, where the bounds are wide but a
// wrong term shows.
func TestBackends(t *testing.T) {
	for _, dev := range []device.Backend{ref.New[float64](), ref.New[float32](), cpu.New()} {
		x, w, b := leaf(dev, "x", grid), leaf(dev, "w", device.Weights(3, 2, 3)), leaf(dev, "b", device.Vec(3))
		gamma, beta := leaf(dev, "gamma", device.Vec(3)), leaf(dev, "beta", device.Vec(3))
		inputs := []*autograd.Var{x, w, b, gamma, beta}
		rep, err := gradcheck.Run(dev, func(t *autograd.Tape) *autograd.Var {
			y := t.Conv(x, w, b, device.Conv3x3x3, device.Linear)
			y = t.BatchNormTrain(y, gamma, beta, device.Tensor{}, device.Tensor{}, 1e-5, 0.1)
			return t.Dropout(y, 0.4, t.RandomKey("dropout", "drop"))
		}, inputs, gradcheck.Options{Key: 3})
		require.NoError(t, err, dev.Name())
		require.Equal(t, 24+24+3+3+3+5*3, rep.Slopes)
		require.Positive(t, rep.Bound)
		t.Logf("%s: worst slope, of %s: error %.2g, bound %.2g", dev.Name(), rep.Input, rep.Error, rep.Bound)
	}
}

func TestMisuse(t *testing.T) {
	dev := ref.New[float64]()
	x, y := leaf(dev, "x", grid), leaf(dev, "y", grid)
	identity := func(t *autograd.Tape) *autograd.Var { return t.Concat(x, x) }
	check := func(f func(t *autograd.Tape) *autograd.Var, in ...*autograd.Var) error {
		return gradcheck.Check(dev, f, in, gradcheck.Options{})
	}
	require.EqualError(t, check(identity), "gradcheck: no input to check")
	require.EqualError(t, check(identity, autograd.Input(x.Tensor)), "gradcheck: input 1 wants no gradient: make it a Parameter")
	require.EqualError(t, check(identity, x, y), "gradcheck: no gradient reaches y")
	require.ErrorContains(t, check(func(t *autograd.Tape) *autograd.Var { return t.Upsample(autograd.Input(x.Tensor)) }, x), "does not depend")
	key := uint64(0)
	require.ErrorContains(t, check(func(t *autograd.Tape) *autograd.Var { key++; return t.Dropout(x, 0.5, key) }, x), "differs between two runs")
	x.FreeGrad(dev)
	y.FreeGrad(dev)
	now, _ := dev.Usage()
	require.EqualValues(t, 2*8*grid.Len(), now, "everything else is given back")
}
