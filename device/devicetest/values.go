package devicetest

import (
	"voxgrad/device"
	"voxgrad/internal/rng"
)

// draw is what the values of an argument may depend on.
type draw struct {
	*rng.Stream
	shape device.Shape
	seen  map[string][]float32 // arguments drawn before
	sizes map[string]device.Shape
}

// values makes the contents of an argument.
type values func(d draw) []float32

func each(f func(d draw, i int) float64) values {
	return func(d draw) []float32 {
		x := make([]float32, d.shape.Len())
		for i := range x {
			x[i] = float32(f(d, i))
		}
		return x
	}
}

func normal(mean, std float64) values {
	return each(func(d draw, _ int) float64 { return mean + std*d.Normal() })
}

func uniform(lo, hi float64) values {
	return each(func(d draw, _ int) float64 { return d.Uniform(lo, hi) })
}

func constant(v float64) values { return each(func(draw, int) float64 { return v }) }

// integers draws whole numbers, so that many are equal.
func integers(lo, hi int) values {
	return each(func(d draw, _ int) float64 { return float64(lo + d.Intn(hi-lo+1)) })
}

// relu is normal with its negative half cut to zero, as after an activation.
func relu() values {
	return each(func(d draw, _ int) float64 { return max(0, d.Normal()) })
}

// away is at least gap away from zero, with either sign.
func away(gap float64) values {
	return each(func(d draw, _ int) float64 {
		v := gap + d.Float64()
		if d.Bool(0.5) {
			return -v
		}
		return v
	})
}

// spaced values are no nearer to each other than gap.
func spaced(gap float64) values {
	return func(d draw) []float32 {
		x := make([]float32, d.shape.Len())
		for i, p := range d.Perm(len(x)) {
			x[i] = float32(gap * float64(p-len(x)/2))
		}
		return x
	}
}

// oneHot gives each row a one in a random channel.
func oneHot() values {
	return func(d draw) []float32 {
		x := make([]float32, d.shape.Len())
		for r := range d.shape.Rows() {
			x[r*d.shape.C+d.Intn(d.shape.C)] = 1
		}
		return x
	}
}

// perChannel draws each channel around a mean of its own.
func perChannel(spread, std float64) values {
	return func(d draw) []float32 {
		mean := make([]float64, d.shape.C)
		for c := range mean {
			mean[c] = spread * d.Normal()
		}
		return each(func(d draw, i int) float64 { return mean[i%d.shape.C] + std*d.Normal() })(d)
	}
}
