package devicetest

import (
	"fmt"
	"math"
	"slices"
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
	for _, m := range slices.Concat(networkMistakes(), catMistakes(), imagingMistakes()) {
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
	norm := func(f func(*oracle, []device.Tensor) float64) func(*oracle) device.Backend {
		return func(b *oracle) device.Backend { return normMistake{b, f} }
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
		{"Adam", "no weight decay", adam(func(s []device.AdamSlot, o device.AdamOptions) ([]device.AdamSlot, device.AdamOptions) {
			o.WeightDecay = 0
			return s, o
		}), false},
		{"Adam", "the last slot left out", adam(func(s []device.AdamSlot, o device.AdamOptions) ([]device.AdamSlot, device.AdamOptions) {
			return s[:max(len(s)-1, 0)], o
		}), false},
		{"Dropout", "right", drop(func(key, i uint64, p float64) bool { return rng.Word(key, i) >= uint32(p*(1<<32)) }), true},
		{"Dropout", "above instead of not below", drop(func(key, i uint64, p float64) bool { return rng.Word(key, i) > uint32(p*(1<<32)) }), false},
		{"Dropout", "a block for each element", drop(func(key, i uint64, p float64) bool { return rng.Philox(key, i)[0] >= uint32(p*(1<<32)) }), false},
		{"Dropout", "half a key", drop(func(key, i uint64, p float64) bool { return rng.Word(key&math.MaxUint32, i) >= uint32(p*(1<<32)) }), false},
		{"Adam", "guard ignored", adam(func(s []device.AdamSlot, o device.AdamOptions) ([]device.AdamSlot, device.AdamOptions) {
			o.Guard = device.Tensor{}
			return s, o
		}), false},
		{"Adam", "norm ignored", adam(func(s []device.AdamSlot, o device.AdamOptions) ([]device.AdamSlot, device.AdamOptions) {
			o.Norm = device.Tensor{}
			return s, o
		}), false},
		{"Adam", "short gradients made longer", func(b *oracle) device.Backend { return stretched{b} }, false},
		{"TotalNorm", "the last tensor left out", norm(func(b *oracle, xs []device.Tensor) float64 { return rootOfSquares(b, xs[:max(len(xs)-1, 0)]) }), false},
		{"TotalNorm", "squares in float32", norm(func(b *oracle, xs []device.Tensor) float64 {
			sum := float32(0)
			for _, x := range xs {
				for _, v := range b.Data(x) {
					sum += v * v
				}
			}
			return math.Sqrt(float64(sum))
		}), false},
		{"TotalNorm", "the largest instead", norm(func(b *oracle, xs []device.Tensor) float64 {
			most := 0.0
			for _, x := range xs {
				most = max(most, rootOfSquares(b, []device.Tensor{x}))
			}
			return most
		}), false},
		{"TotalNorm", "right", norm(rootOfSquares), true},
		{"NonFinite", "what was found before forgotten", func(b *oracle) device.Backend { return forgetful{b} }, false},
		{"NonFinite", "place of the newest", func(b *oracle) device.Backend { return newestPlace{b} }, false},
		{"Fetch", "when it is read", func(b *oracle) device.Backend { return tardy{b} }, false},
		{"AllocWith", "one freed, all freed", func(b *oracle) device.Backend { return together{b, map[device.Mem][]device.Tensor{}} }, false},
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

func imagingMistakes() []mistake {
	along := func(change func(m []float32, rows, cols int)) func(*oracle) device.Backend {
		return func(b *oracle) device.Backend { return alongMistake{b, change} }
	}
	resample := func(point func([4]float64, [3]int) float64, inside func(float64, int) bool, nearest bool) func(*oracle) device.Backend {
		return func(b *oracle) device.Backend { return resampleMistake{b, point, inside, nearest} }
	}
	image := func(m imageMistake) func(*oracle) device.Backend {
		return func(b *oracle) device.Backend { m.oracle = b; return m }
	}
	field := func(m fieldMistake) func(*oracle) device.Backend {
		return func(b *oracle) device.Backend { m.oracle = b; return m }
	}
	first := func(b *oracle) device.Backend { return alwaysFirst{b} }
	half := func(at, n int) int { return at - n/2 }
	higher := func(re, im, r, i float32) bool { return re > r || re == r && im > i }
	below := func(a, b float32) bool { return a < b }
	start := float32(math.Inf(-1))
	return []mistake{
		{"AlongAxis", "right", along(func([]float32, int, int) {}), true},
		{"AlongAxis", "the last column left out", along(lastColumnMissed), false},
		{"AlongAxis", "the first row's band for all", along(firstBand), false},
		{"AlongAxis", "the band ends at the first zero", along(fromOneEnd), false},
		{"AlongAxis", "transposed", along(transposed), false},
		{"AlongAxis", "tails rounded otherwise", func(b *oracle) device.Backend { return otherTails{b} }, false},
		{"Orient", "flips of x's axes", func(b *oracle) device.Backend { return foreignFlips{b} }, false},
		{"Resample", "right", resample(rightPoint, rightInside, false), true},
		{"Resample", "points with fused products", resample(fusedPoint, rightInside, false), false},
		{"Resample", "points in another order", resample(otherOrder, rightInside, false), false},
		{"Resample", "points in float32", resample(singlePoint, rightInside, false), false},
		{"Resample", "the nearest voxel", resample(rightPoint, rightInside, true), false},
		{"Resample", "−½ outside", resample(rightPoint, func(c float64, n int) bool { return -0.5 < c && c < float64(n)-0.5 }, false), false},
		{"Resample", "n − ½ inside", resample(rightPoint, func(c float64, n int) bool { return -0.5 <= c && c <= float64(n)-0.5 }, false), false},
		{"Resample", "only between centres", resample(rightPoint, func(c float64, n int) bool { return 0 <= c && c <= float64(n)-1 }, false), false},
		{"Resample", "never outside", resample(rightPoint, func(float64, int) bool { return true }, false), false},
		{"Blend", "exchanged", image(imageMistake{blend: func(b *oracle, y, x, z device.Tensor, p, q float64) { b.Blend(y, z, x, p, q) }}), false},
		{"Blend", "a sum of one", image(imageMistake{blend: func(b *oracle, y, x, z device.Tensor, p, q float64) { b.Blend(y, x, z, p, 1-p) }}), false},
		{"Min", "NaN passed over", image(imageMistake{least: minBy(func(x []float32) float32 { return x[0] }, below)}), false},
		{"Min", "from zero", image(imageMistake{least: minBy(func([]float32) float32 { return 0 }, func(a, b float32) bool { return a < b || a != a })}), false},
		{"BiasField", "right", field(fieldMistake{at: centred}), true},
		{"BiasField", "off centre", field(fieldMistake{at: offCentre}), false},
		{"BiasField", "−1 where there is one voxel", field(fieldMistake{at: firstOfOne}), false},
		{"BiasField", "p fastest", field(fieldMistake{at: centred, reversed: true}), false},
		{"BiasField", "sum in float32", field(fieldMistake{at: centred, single: true}), false},
		{"Noise", "right", image(imageMistake{noise: noiseBy(rng.Word, rng.Normal32)}), true},
		{"Noise", "a block for each element", image(imageMistake{noise: noiseBy(func(key, i uint64) uint32 { return rng.Philox(key, i)[0] }, rng.Normal32)}), false},
		{"Noise", "half a key", image(imageMistake{noise: noiseBy(func(key, i uint64) uint32 { return rng.Word(key&math.MaxUint32, i) }, rng.Normal32)}), false},
		{"Noise", "other bits of the same numbers", image(imageMistake{noise: noiseBy(rng.Word, inverseError)}), false},
		{"KSpacePeak", "right", image(imageMistake{peak: peakBy(higher, start, start)}), true},
		{"KSpacePeak", "by magnitude", image(imageMistake{peak: peakBy(func(re, im, r, i float32) bool {
			return r == start || re*re+im*im > r*r+i*i
		}, start, start)}), false},
		{"KSpacePeak", "the first of equal real parts", image(imageMistake{peak: peakBy(func(re, _, r, i float32) bool { return re > r || i == start }, start, start)}), false},
		{"KSpacePeak", "from zero", image(imageMistake{peak: peakBy(higher, 0, 0)}), false},
		{"KSpaceSpike", "lowest frequency at the front", image(imageMistake{spike: spikeAt(func(s device.Shape, at [3]int) [3]int {
			return [3]int{(at[0] + (s.D+1)/2) % s.D, (at[1] + (s.H+1)/2) % s.H, (at[2] + (s.W+1)/2) % s.W}
		})}), false},
		{"KSpaceSpike", "once more at the partner", image(imageMistake{spike: func(b *oracle, re, im, peak device.Tensor, at [3]int, ratio float64) {
			b.KSpaceSpike(re, im, peak, at, ratio)
			b.KSpaceSpike(re, im, peak, [3]int{re.D - 1 - at[0], re.H - 1 - at[1], re.W - 1 - at[2]}, ratio)
		}}), false},
		{"SpikeInImage", "right", image(imageMistake{wave: waveBy(half, rightPhase, 1)}), true},
		{"SpikeInImage", "the sine's sign", image(imageMistake{wave: waveBy(half, rightPhase, -1)}), false},
		{"SpikeInImage", "half an extent rounded up", image(imageMistake{wave: waveBy(func(at, n int) int { return at - (n+1)/2 }, rightPhase, 1)}), false},
		{"SpikeInImage", "phases not reduced", image(imageMistake{wave: waveBy(half, roundedPhase, 1)}), false},
		{"RegionStats", "one half inside", image(imageMistake{stats: statsBy(fromHalf, spread)}), false},
		{"RegionStats", "deviation of a sample", image(imageMistake{stats: statsBy(aboveHalf, spreadOfSample)}), false},
		{"RegionStats", "squares in float32", image(imageMistake{stats: statsBy(aboveHalf, spreadInSingle)}), false},
		{"RegionStats", "NaN where it is empty", image(imageMistake{stats: statsBy(aboveHalf, func(sum, squares, n float64) (mean, dev float64) {
			return sum / n, math.Sqrt(squares/n - sum/n*sum/n)
		})}), false},
		{"RegionNoise", "right", image(imageMistake{regionNoise: regionNoiseBy(aboveHalf, false)}), true},
		{"RegionNoise", "one half inside", image(imageMistake{regionNoise: regionNoiseBy(fromHalf, false)}), false},
		{"RegionNoise", "numbers counted inside the mask", image(imageMistake{regionNoise: regionNoiseBy(aboveHalf, true)}), false},
		{"Select", "right", image(imageMistake{choose: selectBy(aboveHalf)}), true},
		{"Select", "one half inside", image(imageMistake{choose: selectBy(fromHalf)}), false},
		{"Select", "all but zero inside", image(imageMistake{choose: selectBy(notZero)}), false},
		{"PutSample", "always the first", first, false},
		{"TakeSample", "always the first", first, false},
	}
}
