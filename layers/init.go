package layers

import "math"

// Init writes the initial values of a tensor, in the device's order. Its random
// numbers depend on the seed given to Net.Init and on the tensor's name: adding a
// layer changes no other layer's.
type Init func(v []float32, random Random)

// Random is a stream of independent random numbers.
type Random interface {
	Normal() float64  // standard normal
	Float64() float64 // uniform in [0, 1)
}

// Constant is c everywhere.
func Constant(c float32) Init {
	return func(v []float32, _ Random) {
		for i := range v {
			v[i] = c
		}
	}
}

// Normal is normally distributed with mean 0.
func Normal(std float64) Init {
	return func(v []float32, random Random) {
		for i := range v {
			v[i] = float32(std * random.Normal())
		}
	}
}

// HeNormal keeps the variance of activations through a layer of fanIn inputs per
// output: normal with variance 2/fanIn where a ReLU follows, which drops half of it
// (He et al., "Delving deep into rectifiers", ICCV 2015), and 1/fanIn elsewhere.
func HeNormal(fanIn int, relu bool) Init {
	gain := 1.0
	if relu {
		gain = 2
	}
	return Normal(math.Sqrt(gain / float64(fanIn)))
}
