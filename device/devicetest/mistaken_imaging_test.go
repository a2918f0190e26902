package devicetest

import (
	"math"

	"voxgrad/device"
	"voxgrad/internal/rng"
)

// imageMistake has another method instead of each that is not nil.
type imageMistake struct {
	*oracle
	blend       func(b *oracle, y, x, z device.Tensor, p, q float64)
	least       func(b *oracle, least, x device.Tensor)
	noise       func(b *oracle, y, x device.Tensor, sd float64, key uint64)
	peak        func(b *oracle, peak, re, im device.Tensor)
	spike       func(b *oracle, re, im, peak device.Tensor, at [3]int, ratio float64)
	wave        func(b *oracle, y, x, peak device.Tensor, at [3]int, ratio float64)
	stats       func(b *oracle, stats, x, mask device.Tensor)
	regionNoise func(b *oracle, y, x, mask, stats device.Tensor, key uint64)
	choose      func(b *oracle, y, mask, p, q device.Tensor)
}

func (b imageMistake) Blend(y, x, z device.Tensor, p, q float64) { b.blend(b.oracle, y, x, z, p, q) }
func (b imageMistake) Min(least, x device.Tensor)                { b.least(b.oracle, least, x) }
func (b imageMistake) Noise(y, x device.Tensor, sd float64, key uint64) {
	b.noise(b.oracle, y, x, sd, key)
}
func (b imageMistake) KSpacePeak(peak, re, im device.Tensor) { b.peak(b.oracle, peak, re, im) }
func (b imageMistake) KSpaceSpike(re, im, peak device.Tensor, at [3]int, ratio float64) {
	b.spike(b.oracle, re, im, peak, at, ratio)
}
func (b imageMistake) SpikeInImage(y, x, peak device.Tensor, at [3]int, ratio float64) {
	b.wave(b.oracle, y, x, peak, at, ratio)
}
func (b imageMistake) RegionStats(stats, x, mask device.Tensor) { b.stats(b.oracle, stats, x, mask) }
func (b imageMistake) RegionNoise(y, x, mask, stats device.Tensor, key uint64) {
	b.regionNoise(b.oracle, y, x, mask, stats, key)
}
func (b imageMistake) Select(y, mask, p, q device.Tensor) { b.choose(b.oracle, y, mask, p, q) }

// minBy takes the least with its own comparison, from its own start.
func minBy(first func(x []float32) float32, less func(a, b float32) bool) func(*oracle, device.Tensor, device.Tensor) {
	return func(b *oracle, least, x device.Tensor) {
		m := first(b.Data(x))
		for _, v := range b.Data(x) {
			if less(v, m) {
				m = v
			}
		}
		b.Data(least)[0] = m
	}
}

// noiseBy draws with its own words and its own distribution.
func noiseBy(word func(key, i uint64) uint32, z func(w uint32) float32) func(*oracle, device.Tensor, device.Tensor, float64, uint64) {
	return func(b *oracle, y, x device.Tensor, sd float64, key uint64) {
		kept := append([]float32(nil), b.Data(x)...)
		b.Noise(y, x, sd, key) // checks the shapes
		for i, v := range kept {
			b.Data(y)[i] = float32(float64(v) + sd*float64(z(word(key, uint64(i)))))
		}
	}
}

// inverseError is the same quantile, rounded at other places.
func inverseError(w uint32) float32 {
	p := (float64(w&math.MaxInt32) + 0.5) * 0x1p-31
	z := float32(math.Sqrt2) * float32(math.Erfinv(1-p))
	if w>>31 != 0 {
		z = -z
	}
	return z
}

// peakBy has its own order.
func peakBy(above func(re, im, r, i float32) bool, r, i float32) func(*oracle, device.Tensor, device.Tensor, device.Tensor) {
	return func(b *oracle, peak, re, im device.Tensor) {
		b.KSpacePeak(peak, re, im) // checks the shapes
		r, i := r, i
		for k, v := range b.Data(re) {
			if w := b.Data(im)[k]; above(v, w, r, i) {
				r, i = v, w
			}
		}
		b.Data(peak)[0], b.Data(peak)[1] = r, i
	}
}

// spikeAt puts the spike elsewhere.
func spikeAt(other func(s device.Shape, at [3]int) [3]int) func(*oracle, device.Tensor, device.Tensor, device.Tensor, [3]int, float64) {
	return func(b *oracle, re, im, peak device.Tensor, at [3]int, ratio float64) {
		b.KSpaceSpike(re, im, peak, other(re.Shape, at), ratio)
	}
}

// waveBy has its own frequencies, precision and sign of the sine.
func waveBy(f func(at, n int) int, phase func(f, i, n int) float64, sign float64) func(*oracle, device.Tensor, device.Tensor, device.Tensor, [3]int, float64) {
	return func(b *oracle, y, x, peak device.Tensor, at [3]int, ratio float64) {
		kept := append([]float32(nil), b.Data(x)...)
		b.SpikeInImage(y, x, peak, at, ratio) // checks the shapes
		g := x.Grid()
		for k, v := range kept {
			p := k / x.C
			s := 0.0
			for a, i := range [3]int{p / (x.H * x.W) % x.D, p / x.W % x.H, p % x.W} {
				s += phase(f(at[a], g[a]), i, g[a])
			}
			sin, cos := math.Sincos(s)
			re, im := float64(b.Data(peak)[0]), float64(b.Data(peak)[1])
			b.Data(y)[k] = float32(float64(v) + ratio/float64(x.Voxels())*(re*cos-sign*im*sin))
		}
	}
}

func rightPhase(f, i, n int) float64 { return 2 * math.Pi * float64(f*i%n) / float64(n) }

// roundedPhase reduces nothing before it rounds.
func roundedPhase(f, i, n int) float64 {
	return float64(float32(2*math.Pi) * float32(f*i) / float32(n))
}

// statsBy has its own border of the mask, and its own last step.
func statsBy(inside func(m float32) bool, finish func(sum, squares, n float64) (mean, dev float64)) func(*oracle, device.Tensor, device.Tensor, device.Tensor) {
	return func(b *oracle, stats, x, mask device.Tensor) {
		b.RegionStats(stats, x, mask) // checks the shapes
		var sum, squares, n float64
		for i, m := range b.Data(mask) {
			if v := float64(b.Data(x)[i]); inside(m) {
				sum, squares, n = sum+v, squares+v*v, n+1
			}
		}
		mean, dev := finish(sum, squares, n)
		b.Data(stats)[0], b.Data(stats)[1] = float32(mean), float32(dev)
	}
}

func spread(sum, squares, n float64) (mean, dev float64) {
	if n == 0 {
		return 0, 0
	}
	return sum / n, math.Sqrt(max(0, squares/n-sum/n*sum/n))
}

func spreadOfSample(sum, squares, n float64) (mean, dev float64) {
	mean, dev = spread(sum, squares, n)
	return mean, dev * math.Sqrt(n/max(1, n-1))
}

func spreadInSingle(sum, squares, n float64) (mean, dev float64) {
	if n == 0 {
		return 0, 0
	}
	m := float32(sum / n)
	return sum / n, math.Sqrt(float64(max(0, float32(squares/n)-m*m)))
}

func aboveHalf(m float32) bool { return m > 0.5 }
func fromHalf(m float32) bool  { return m >= 0.5 }
func notZero(m float32) bool   { return m != 0 }

// regionNoiseBy has its own border of the mask, and its own count of elements.
func regionNoiseBy(inside func(m float32) bool, ranked bool) func(*oracle, device.Tensor, device.Tensor, device.Tensor, device.Tensor, uint64) {
	return func(b *oracle, y, x, mask, stats device.Tensor, key uint64) {
		kept := append([]float32(nil), b.Data(x)...)
		b.RegionNoise(y, x, mask, stats, key) // checks the shapes
		rank := 0
		for i, v := range kept {
			if inside(b.Data(mask)[i]) {
				at := i
				if ranked {
					at = rank
				}
				v = float32(float64(b.Data(stats)[0]) + float64(b.Data(stats)[1])*float64(rng.Normal32(rng.Word(key, uint64(at)))))
				rank++
			}
			b.Data(y)[i] = v
		}
	}
}

// selectBy has its own border of the mask.
func selectBy(inside func(m float32) bool) func(*oracle, device.Tensor, device.Tensor, device.Tensor, device.Tensor) {
	return func(b *oracle, y, mask, p, q device.Tensor) {
		first, second := append([]float32(nil), b.Data(p)...), append([]float32(nil), b.Data(q)...)
		b.Select(y, mask, p, q) // checks the shapes
		for i, m := range b.Data(mask) {
			b.Data(y)[i] = second[i]
			if inside(m) {
				b.Data(y)[i] = first[i]
			}
		}
	}
}

// fieldMistake has its own positions, order of coefficients and precision.
type fieldMistake struct {
	*oracle
	at       func(i, n int) float64
	reversed bool // p fastest
	single   bool
}

func (b fieldMistake) BiasField(y, x, coef device.Tensor, order int) {
	kept := append([]float32(nil), b.Data(x)...)
	b.oracle.BiasField(y, x, coef, order) // checks the shapes
	for k, v := range kept {
		i := k / x.C
		u := [3]float64{b.at(i/(x.H*x.W)%x.D, x.D), b.at(i/x.W%x.H, x.H), b.at(i%x.W, x.W)}
		if b.reversed {
			u[0], u[2] = u[2], u[0]
		}
		s, t := 0.0, 0
		for p := 0; p <= order; p++ {
			for q := 0; q <= order-p; q++ {
				for r := 0; r <= order-p-q; r++ {
					s += float64(b.Data(coef)[t]) * math.Pow(u[0], float64(p)) * math.Pow(u[1], float64(q)) * math.Pow(u[2], float64(r))
					if t++; b.single {
						s = float64(float32(s))
					}
				}
			}
		}
		b.Data(y)[k] = float32(float64(v) * math.Exp(s))
	}
}

func centred(i, n int) float64 {
	if n == 1 {
		return 0
	}
	return (2*float64(i) - float64(n-1)) / float64(n-1)
}

// offCentre is not symmetric: −1 at the first voxel, below 1 at the last.
func offCentre(i, n int) float64 { return 2*float64(i)/float64(n) - 1 }

func firstOfOne(i, n int) float64 {
	if n == 1 {
		return -1
	}
	return centred(i, n)
}

// alwaysFirst moves the first sample of a batch, whichever was asked for.
type alwaysFirst struct{ *oracle }

func (b alwaysFirst) PutSample(batch device.Tensor, _ int, x device.Tensor) {
	b.oracle.PutSample(batch, 0, x)
}
func (b alwaysFirst) TakeSample(x, batch device.Tensor, _ int) { b.oracle.TakeSample(x, batch, 0) }
