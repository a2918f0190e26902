package devicetest

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"voxgrad/device"
)

// Case is one row of the table.
type Case struct {
	// Name is unique: the method, the shapes and what is special.
	Name string

	// Methods are those of device.Backend or device.Imaging whose behaviour the case
	// checks. It may call others to get there.
	Methods []string

	// Shapes are those of the tensors, in the order of the method's arguments,
	// and FLOPs the multiplications and additions that the definition asks for in one
	// call; zero for operations that only move data.
	Shapes []device.Shape
	FLOPs  float64

	// Imaging says that the case is for a backend that implements device.Imaging, Closes that
	// Check closes the backend.
	Imaging, Closes bool

	check func(b device.Backend, opt Options) (Report, error)
	opt   Options
	trial *trial // nil where the case is more than one call
}

// Report is the worst comparison of a case, the one with the largest error
// beside its bound. All are zero where a case compares no numbers.
type Report struct {
	What    string  // which output, in which variation
	MaxErr  float64 // largest absolute error
	Bound   float64 // what it may be; 0 where the bits must agree
	NMSE    float64 // Σ(error²) / Σ(expected²)
	OfSize  float64 // the largest error of any comparison, in parts of the size of what it is an error of
	Guarded bool    // memory around the tensors was watched by the backend itself
}

// Check runs the case on b. The error, if any, says what went wrong in which
// variation; the report is that of the worst comparison made so far. Everything
// allocated is freed. A panic of the backend comes back as an error.
func (c Case) Check(b device.Backend) (rep Report, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: unexpected panic: %v", c.Name, p)
		}
	}()
	rep, err = c.check(b, c.opt)
	if err != nil {
		err = fmt.Errorf("%s: %w", c.Name, err)
	}
	return rep, err
}

// SameBits reports whether two backends give the same bits for the case, as one
// backend must with any number of threads. Cases of more than one call, such as
// those of Usage, have nothing to compare and pass.
func (c Case) SameBits(b, other device.Backend) error {
	if c.trial == nil {
		return nil
	}
	if err := c.trial.sameBits(b, other); err != nil {
		return fmt.Errorf("%s: %s and %s differ: %w", c.Name, b.Name(), other.Name(), err)
	}
	return nil
}

// Tolerance is how far a result may be from the float64 one. With K rounded
// terms in an output element, and a the largest expected magnitude:
//
//	max |error| ≤ Max · Eps · √K · a     and     Σ error² ≤ NMSE · Σ expected²
type Tolerance struct {
	Eps  float64 // unit roundoff of what is multiplied and stored
	Max  float64
	NMSE float64
	Top  float64 // if not 0, a bound for |error| / a too, however many terms there are
}

// Float32 is the tolerance of float32 arithmetic. TF32 and BFloat16 are those of products on tensor cores, whose operands are
// rounded and whose sums are float32: the normalised error is three times that of two operands rounded
// at random, once or, in CatConv, twice; a border at the wrong voxel makes a thousand times more.
var (
	Float32  = Tolerance{Eps: 0x1p-24, Max: 8, NMSE: 1e-11}
	TF32     = Tolerance{Eps: 0x1p-11, Max: 8, NMSE: 8e-7, Top: 1e-3}
	BFloat16 = Tolerance{Eps: 0x1p-8, Max: 8, NMSE: 2e-5, Top: 1e-2}
)

func (t Tolerance) or(d Tolerance) Tolerance {
	if t == (Tolerance{}) {
		return d
	}
	return t
}

// Options say how to judge a backend. The zero Options are those of a backend
// that computes in float32.
type Options struct {
	// Tolerance holds for everything but the products of convolutions, which have
	// one of their own, for tensor cores; the zero value means Float32.
	Tolerance Tolerance
	Conv      Tolerance

	// Operand is what a convolution may round its operands by, nil for nothing. Results of the methods of device.Conv must then also be
	// those of float32 arithmetic on rounded operands, or of operands as they are where the backend did not round.
	Operand func(float32) float32

	// Stored is how the backend rounds what it stores in a tensor of a shape, nil where it does not (device.Activations). Results are then
	// those of what was stored, to within the Tolerance, rounded once.
	Stored func(s device.Shape) func(float32) float32

	// Large adds cases of a size that fills several tiles, blocks and threads. An
	// interpreter does without.
	Large bool

	// Each is called with what Run found of a case, where it is not nil.
	Each func(Case, Report)

	// Guarded makes Run fail if the backend does not implement Guarded.
	Guarded bool
}

// Cases is the table. The Closes cases come last.
func Cases(opt Options) []Case {
	opt.Tolerance = opt.Tolerance.or(Float32)
	opt.Conv = opt.Conv.or(Float32)
	var cases []Case
	for _, f := range families {
		for _, t := range f.trials() {
			if !t.large || opt.Large {
				cases = append(cases, t.asCase())
			}
		}
	}
	cases = append(append(cases, imagingCases()...), memoryCases()...)
	for i := range cases {
		cases[i].opt = opt
		cases[i].Imaging = slices.ContainsFunc(cases[i].Methods, func(m string) bool { return !ofNetworks[m] })
	}
	return cases
}

// families are the trials of all operations, and the gradients of those that have one. A new
// operation is added here and nowhere else in this package.
var families = []struct {
	trials    func() []*trial
	gradients func() []*gradient
}{
	{copyTrials, nil},
	{nonFiniteTrials, nil},
	{convTrials, convGradients},
	{convTTrials, nil}, // gradients: with those of Conv
	{reluTrials, reluGradients},
	{batchNormTrials, batchNormGradients},
	{poolTrials, poolGradients},
	{upTrials, upGradients},
	{catConvTrials, catConvGradients},
	{channelsTrials, channelsGradients},
	{softmaxTrials, nil},
	{diceTrials, lossGradients},
	{mseTrials, nil},
	{adamTrials, nil},
	{totalNormTrials, nil},
	{dropoutTrials, dropoutGradients},
	{alongAxisTrials, nil},
	{orientTrials, nil},
	{resampleTrials, nil},
	{blendTrials, nil},
	{minTrials, nil},
	{biasFieldTrials, nil},
	{noiseTrials, nil},
	{kspacePeakTrials, nil},
	{kspaceSpikeTrials, nil},
	{spikeInImageTrials, nil},
	{regionTrials, nil},
	{batchTrials, nil},
}

// ofNetworks are the methods of device.Backend.
var ofNetworks = methodsOf(reflect.TypeFor[device.Backend]())

func methodsOf(t reflect.Type) map[string]bool {
	set := map[string]bool{}
	for m := range t.Methods() {
		set[m.Name] = true
	}
	return set
}

// imaging is b as what augmentation and synthesis need. Cases that need it say so by their field Imaging.
func imaging(b device.Backend) device.Imaging { return b.(device.Imaging) }

// Run runs the table on a backend, without the cases of device.Imaging if it has none of that. Cases share one backend, one after another,
// as a program's calls would; those that close it open their own. Run closes what it opened.
func Run(t *testing.T, open func(t testing.TB) device.Backend, opt Options) {
	shared := open(t)
	if _, ok := shared.(Guarded); opt.Guarded && !ok {
		t.Errorf("%s does not implement devicetest.Guarded", shared.Name())
	}
	worst := 0.0
	_, images := shared.(device.Imaging)
	for _, c := range Cases(opt) {
		if c.Imaging && !images {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			b := shared
			if c.Closes {
				b = open(t)
			}
			rep, err := c.Check(b)
			if err != nil {
				t.Error(err)
			}
			if opt.Each != nil {
				opt.Each(c, rep)
			}
			if rep.Bound > 0 {
				worst = math.Max(worst, rep.MaxErr/rep.Bound)
			}
		})
	}
	t.Logf("%s: largest error %.2f of its bound", shared.Name(), worst)
	if now, _ := shared.Usage(); now != 0 {
		t.Errorf("%s: %d bytes in use after all cases", shared.Name(), now)
	}
	if err := shared.Close(); err != nil {
		t.Errorf("%s: Close: %v", shared.Name(), err)
	}
}
