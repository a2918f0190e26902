package train

import "math"

// Schedules of the learning rate.
const (
	Constant   = "constant"   // the paper's
	Polynomial = "polynomial" // nnU-Net's: (1 − p)^0.9
	Cosine     = "cosine"     // half a cosine: (1 + cos πp)/2
)

// polynomialPower is nnU-Net's exponent.
const polynomialPower = 0.9

// rate is the learning rate of a step, from 0: LearningRate, times (step+1)/Warmup in the
// first Warmup steps and times the schedule's factor of p afterwards, the part of the
// remaining steps that is done, 0 ≤ p < 1.
func (c Config) rate(step int) float64 {
	a, done := c.Adam, step-c.Adam.Warmup
	if done < 0 {
		return a.LearningRate * float64(step+1) / float64(a.Warmup)
	}
	p := min(float64(done)/float64(max(c.Run.Steps*c.Run.Epochs-a.Warmup, 1)), 1)
	switch a.Schedule {
	case Polynomial:
		return a.LearningRate * math.Pow(1-p, polynomialPower)
	case Cosine:
		return a.LearningRate * (1 + math.Cos(math.Pi*p)) / 2
	}
	return a.LearningRate
}
