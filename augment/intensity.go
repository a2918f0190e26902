package augment

import (
	"fmt"

	"voxgrad/device"
)

// Noise adds independent normal noise: y[i] = x[i] + mean + sigma·z(seed, i), with
// z of rng.Normal32: the same numbers on every device.
type Noise struct {
	same
	Sigma float64 `json:"sigma" need:"yes"` // in units of the image
	Mean  float64 `json:"mean"`
	Seed  uint64  `json:"seed"`
}

// Name implements Transform.
func (Noise) Name() string { return "noise" }

func (n Noise) String() string { return fmt.Sprintf("noise, SD %.3g", n.Sigma) }

// Check implements Transform.
func (n Noise) Check(size [3]int) error { return checked(n, n.valid(), size) }

func (n Noise) valid() error {
	if !(n.Sigma > 0) {
		return fmt.Errorf("sigma %g: must be above 0", n.Sigma)
	}
	return finite("sigma, mean", n.Sigma, n.Mean)
}

// Apply implements Transform.
func (n Noise) Apply(dev Device, y, x device.Tensor) {
	if n.Mean != 0 {
		dev.Fill(y, float32(n.Mean))
		dev.Blend(y, x, y, 1, 1)
		x = y
	}
	dev.Noise(y, x, n.Sigma, n.Seed)
}

// MaxOrder is the highest order of a bias field.
const MaxOrder = 4

// BiasTerms is the number of coefficients of a bias field.
func BiasTerms(order int) int { return (order + 1) * (order + 2) * (order + 3) / 6 }

// BiasField multiplies by exp P(u), P a polynomial with one coefficient for each
// u0^p·u1^q·u2^r, p+q+r ≤ order, p slowest and r fastest, u from −1 to 1 along each
// axis (TorchIO's RandomBiasField; Sudre et al., "Longitudinal segmentation of
// age-related white matter hyperintensities", Medical Image Analysis 2017).
type BiasField struct {
	same
	Order        int       `json:"order" need:"yes"`
	Coefficients []float64 `json:"coefficients" need:"yes"`
}

// Name implements Transform.
func (BiasField) Name() string { return "bias_field" }

func (b BiasField) String() string { return fmt.Sprintf("bias field, order %d", b.Order) }

// Check implements Transform.
func (b BiasField) Check(size [3]int) error { return checked(b, b.valid(), size) }

func (b BiasField) valid() error {
	if b.Order < 0 || b.Order > MaxOrder {
		return fmt.Errorf("order %d: must be from 0 to %d", b.Order, MaxOrder)
	}
	if want := BiasTerms(b.Order); len(b.Coefficients) != want {
		return fmt.Errorf("%d coefficients: order %d has %d", len(b.Coefficients), b.Order, want)
	}
	return finite("coefficients", b.Coefficients...)
}

// Apply implements Transform.
func (b BiasField) Apply(dev Device, y, x device.Tensor) {
	coef := upload(dev, device.Vec(len(b.Coefficients)), b.Coefficients)
	dev.BiasField(y, x, coef, b.Order)
	dev.Free(coef)
}
