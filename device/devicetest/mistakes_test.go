package devicetest

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/device/ref"
	"voxgrad/internal/rng"
)

// mistake is a backend that gets one method wrong.
type mistake struct {
	method, name string
	wrap         func(b *oracle) device.Backend
	right        bool // no mistake: the wrapper itself must pass
}

func TestTableFindsMistakes(t *testing.T) {
	cases := Cases(Options{})
	for _, m := range append(networkMistakes(), imagingMistakes()...) {
		t.Run(m.method+"/"+m.name, func(t *testing.T) {
			err := firstError(cases, m.method, func() device.Backend {
				b := ref.New[float32]()
				if m.method == "Upload" || m.method == "Download" {
					return m.wrap(b) // the mistake is that nothing is checked
				}
				return newChecked(m.wrap(b), b)
			})
			if m.right {
				require.NoError(t, err)
			} else {
				require.Error(t, err)
				t.Log(err)
			}
		})
	}
}

// checked refuses wrong calls before they come to a backend that would look into its arguments first.
type checked struct {
	device.Ops
	device.Allocator
	Guarded
}

func newChecked(b device.Backend, o *oracle) *checked {
	own := func(t device.Tensor) (wrong string) {
		defer func() {
			if p := recover(); p != nil {
				wrong = fmt.Sprint(p)
			}
		}()
		o.Data(t)
		return ""
	}
	return &checked{func(c *device.Call) { c.Check("checked", own); c.Run(b) }, b, b.(Guarded)}
}

func networkMistakes() []mistake {
	dice := func(change func(o *device.DiceOptions)) func(*oracle) device.Backend {
		return func(b *oracle) device.Backend { return diceMistake{b, change} }
	}
	conv := func(at func(s device.Shape, d, h, w int) (int, bool)) func(*oracle) device.Backend {
		return func(b *oracle) device.Backend { return convMistake{b, at} }
	}
	adam := func(change func([]device.AdamSlot, device.AdamOptions) ([]device.AdamSlot, device.AdamOptions)) func(*oracle) device.Backend {
		return func(b *oracle) device.Backend { return adamMistake{b, change} }
	}
	drop := func(keep func(key, i uint64, p float64) bool) func(*oracle) device.Backend {
		return func(b *oracle) device.Backend { return dropMistake{b, keep} }
	}
	return []mistake{
		{"Conv", "right", conv(rightBorder), true},
		{"Conv", "border repeats the edge", conv(repeatedBorder), false},
		{"Conv", "rows wrap round", conv(wrappedRows), false},
		{"Conv", "last column left out", conv(shortBorder), false},
		{"Conv", "no activation", func(b *oracle) device.Backend { return noReLU{b} }, false},
		{"ConvGradX", "a tap missed", func(b *oracle) device.Backend { return missedTap{b} }, false},
		{"ConvGradW", "the last voxel forgotten", func(b *oracle) device.Backend { return forgottenRow{b} }, false},
		{"ReLUGrad", "gradient at zero", func(b *oracle) device.Backend { return zeroPasses{b} }, false},
		{"BatchNormStats", "biased running variance", func(b *oracle) device.Backend { return biasedVariance{b} }, false},
		{"BatchNormStats", "momentum the other way round", func(b *oracle) device.Backend { return oldMomentum{b} }, false},
		{"BatchNormStats", "variance in one pass", func(b *oracle) device.Backend { return onePass{b} }, false},
		{"BatchNormGrad", "accumulated sums", func(b *oracle) device.Backend { return addedSums{b} }, false},
		{"BatchNormGrad", "always fixed", func(b *oracle) device.Backend { return alwaysFixed{b} }, false},
		{"MaxPool", "starts at zero", func(b *oracle) device.Backend { return fromZero{b} }, false},
		{"MaxPoolGrad", "the last of equal ones", func(b *oracle) device.Backend { return lastWins{b} }, false},
		{"Upsample", "edge not repeated", func(b *oracle) device.Backend { return unclamped{b} }, false},
		{"Softmax", "maximum not subtracted", func(b *oracle) device.Backend { return bareSoftmax{b} }, false},
		{"DiceLoss", "right", dice(func(*device.DiceOptions) {}), true},
		{"DiceLoss", "no eps", dice(func(o *device.DiceOptions) { o.Eps = 0 }), false},
		{"DiceLoss", "all channels", dice(func(o *device.DiceOptions) { o.ForegroundOnly = false }), false},
		{"DiceLoss", "no cross-entropy", dice(func(o *device.DiceOptions) { o.CrossEntropy = 0 }), false},
		{"DiceLoss", "logarithm of p", func(b *oracle) device.Backend { return logOfP{b} }, false},
		{"DiceLossGrad", "no eps", dice(func(o *device.DiceOptions) { o.Eps = 0 }), false},
		{"DiceLossGrad", "all channels", dice(func(o *device.DiceOptions) { o.ForegroundOnly = false }), false},
		{"DiceLossGrad", "no cross-entropy", dice(func(o *device.DiceOptions) { o.CrossEntropy = 0 }), false},
		{"DiceLossGrad", "upstream gradient ignored", func(b *oracle) device.Backend { return ownSlope{b} }, false},
		{"DiceLossGrad", "one-hot targets only", func(b *oracle) device.Backend { return oneHotOnly{b} }, false},
		{"MSEGrad", "upstream gradient ignored", func(b *oracle) device.Backend { return ownSlope{b} }, false},
		{"Adam", "no bias correction", adam(func(s []device.AdamSlot, o device.AdamOptions) ([]device.AdamSlot, device.AdamOptions) {
			o.Step = math.MaxInt32
			return s, o
		}), false},
		{"Adam", "no eps", adam(func(s []device.AdamSlot, o device.AdamOptions) ([]device.AdamSlot, device.AdamOptions) {
			o.Eps = 0
			return s, o
		}), false},
		{"Adam", "the last slot left out", adam(func(s []device.AdamSlot, o device.AdamOptions) ([]device.AdamSlot, device.AdamOptions) {
			return s[:max(len(s)-1, 0)], o
		}), false},
		{"Dropout", "right", drop(func(key, i uint64, p float64) bool { return rng.Word(key, i) >= uint32(p*(1<<32)) }), true},
		{"Dropout", "above instead of not below", drop(func(key, i uint64, p float64) bool { return rng.Word(key, i) > uint32(p*(1<<32)) }), false},
		{"Dropout", "a block for each element", drop(func(key, i uint64, p float64) bool { return rng.Philox(key, i)[0] >= uint32(p*(1<<32)) }), false},
		{"Dropout", "half a key", drop(func(key, i uint64, p float64) bool { return rng.Word(key&math.MaxUint32, i) >= uint32(p*(1<<32)) }), false},
		{"NonFinite", "NaN only", func(b *oracle) device.Backend { return nanOnly{b} }, false},
		{"Usage", "freed memory counted", func(b *oracle) device.Backend { return leaky{b} }, false},
		{"Name", "none", func(b *oracle) device.Backend { return nameless{b} }, false},
		{"ResetPeak", "does nothing", func(b *oracle) device.Backend { return lastingPeak{b} }, false},
		{"Sync", "fails without reason", func(b *oracle) device.Backend { return failing{b} }, false},
		{"Close", "fails without reason", func(b *oracle) device.Backend { return failing{b} }, false},
		{"Download", "any length", func(b *oracle) device.Backend { return anyLength{b} }, false},
		{"Upload", "any length", func(b *oracle) device.Backend { return anyLength{b} }, false},
		{"Upload", "denormals flushed", func(b *oracle) device.Backend { return flushing{b} }, false},
		{"Free", "twice", func(b *oracle) device.Backend { return forgiving{b} }, false},
		{"Alloc", "memory shared", func(b *oracle) device.Backend { return sharing{b, map[device.Shape]device.Tensor{}} }, false},
	}
}
