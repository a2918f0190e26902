package devicetest

import (
	"math"

	"voxgrad/device"
	"voxgrad/internal/rng"
)

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
