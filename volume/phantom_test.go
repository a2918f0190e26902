package volume

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/par"
)

// smallPhantom has room for lesions and is quick to make.
func smallPhantom(seed uint64) PhantomOptions {
	o := DefaultPhantom(seed)
	o.Size = [3]int{48, 56, 48}
	return o
}

func TestPhantomMasksAgreeWithRecord(t *testing.T) {
	for seed := range uint64(4) {
		o := smallPhantom(seed)
		if seed == 3 {
			o.Size, o.Spacing = [3]int{64, 64, 24}, [3]float64{1, 1, 3}
		}
		p, err := NewPhantom(o)
		require.NoError(t, err)
		require.NotEmpty(t, p.Lesions)
		unit := o.Spacing[0] * o.Spacing[1] * o.Spacing[2]

		var want [3][]int // voxels of each lesion: time 1, time 2, new
		for _, l := range p.Lesions {
			present := map[LesionKind][2]bool{
				Unchanged: {true, true}, Grown: {true, true}, Shrunk: {true, true},
				NewLesion: {false, true}, Vanished: {true, false},
			}[l.Kind]
			for time := range 2 {
				require.Equal(t, present[time], l.Voxels[time] > 0, "%+v", l)
				require.Equal(t, present[time], l.Contrast[time] > 0, "%+v", l)
				require.InDelta(t, float64(l.Voxels[time])*unit, l.MM3[time], 1e-9)
				if present[time] {
					require.Greater(t, l.MM3[time], 3.0)
					want[time] = append(want[time], l.Voxels[time])
				}
			}
			switch l.Kind {
			case NewLesion:
				want[2] = append(want[2], l.Voxels[1])
			case Unchanged:
				require.Equal(t, l.Voxels[0], l.Voxels[1])
			case Grown:
				require.Greater(t, l.Voxels[1], l.Voxels[0])
			case Shrunk:
				require.Less(t, l.Voxels[1], l.Voxels[0])
			}
		}
		// Each lesion is one piece, and no two touch, not even by a corner.
		for n, mask := range []*Mask{p.Lesions1, p.Lesions2, p.NewLesions} {
			for _, connectivity := range []int{6, 26} {
				_, comps, err := Components(mask.Data, mask.Size, connectivity)
				require.NoError(t, err)
				var got []int
				for _, c := range comps {
					got = append(got, c.Voxels)
				}
				require.ElementsMatch(t, want[n], got, "mask %d", n)
			}
		}
		var early, unlisted, outside, dark int
		for x, inside := range p.BrainMask.Data {
			if p.NewLesions.Data[x] && p.Lesions1.Data[x] {
				early++
			}
			if p.NewLesions.Data[x] && !p.Lesions2.Data[x] {
				unlisted++
			}
			if !inside && (p.Lesions1.Data[x] || p.Lesions2.Data[x]) {
				outside++
			}
			if inside != (p.Time1.Data[x] > 0) || inside != (p.Time2.Data[x] > 0) {
				dark++
			}
		}
		require.Zero(t, early, "voxels of new lesions that are lesion at time 1")
		require.Zero(t, unlisted, "voxels of new lesions that are none at time 2")
		require.Zero(t, outside, "voxels of lesions outside the brain")
		require.Zero(t, dark, "the scans are positive inside the brain mask and 0 outside")
		require.NoError(t, p.Time1.CheckFinite())
		require.NoError(t, p.Time2.CheckFinite())
		for _, v := range []Image{p.Time2, p.BrainMask, p.Lesions1, p.Lesions2, p.NewLesions} {
			require.NoError(t, SameSpace(p.Time1, v))
		}
		require.InDeltaSlice(t, o.Spacing[:], []float64{p.Time1.Affine[0][0], p.Time1.Affine[1][1], p.Time1.Affine[2][2]}, 1e-12)
	}
}

func TestPhantomIsFLAIR(t *testing.T) {
	o := smallPhantom(11)
	o.LesionContrast = Range{0.5, 0.8}
	p, err := NewPhantom(o)
	require.NoError(t, err)
	for n, v := range []*Volume{p.Time1, p.Time2} {
		v, err := Normalize(v, p.BrainMask, KDE)
		require.NoError(t, err)
		lesions := []*Mask{p.Lesions1, p.Lesions2}[n]
		var inside, healthy []float32
		for x, f := range v.Data {
			switch {
			case lesions.Data[x]:
				inside = append(inside, f)
			case p.BrainMask.Data[x]:
				healthy = append(healthy, f)
			}
		}
		require.Greater(t, Percentile(inside, 50), 1.15, "lesions are bright")
		require.Less(t, Percentile(healthy, 3), 0.6, "fluid is dark")
		require.InDelta(t, 1, Percentile(healthy, 60), 0.12, "most of the brain is tissue")
		require.Greater(t, Percentile(healthy, 99.5), Percentile(inside, 10), "intensity alone does not separate lesions")
	}
	// The intensity unit is each scan's own.
	a, err := KDEScale(p.Time1, p.BrainMask)
	require.NoError(t, err)
	b, err := KDEScale(p.Time2, p.BrainMask)
	require.NoError(t, err)
	require.Greater(t, math.Abs(a-b)/a, 1e-3)
	// The brain is one piece that fills a good part of the box and has no holes.
	mask, err := BrainMask(p.Time1)
	require.NoError(t, err)
	brain := p.BrainMask.Count()
	require.InEpsilon(t, brain, mask.Count(), 0.01)
	share := float64(brain) / float64(mask.Len())
	require.True(t, share > 0.3 && share < 0.6, "%g", share)
}

func TestPhantomSameSeedSameBits(t *testing.T) {
	defer par.SetThreads(par.Threads())
	par.SetThreads(1)
	a, err := NewPhantom(smallPhantom(7))
	require.NoError(t, err)
	par.SetThreads(4)
	b, err := NewPhantom(smallPhantom(7))
	require.NoError(t, err)
	require.Equal(t, a, b)
	c, err := NewPhantom(smallPhantom(8))
	require.NoError(t, err)
	require.NotEqual(t, a.Time1.Data, c.Time1.Data)
	require.NotEqual(t, a.BrainMask.Data, c.BrainMask.Data)
}

// Without anything that differs between the scans, only noise may.
func TestPhantomDifferencesComeFromOptions(t *testing.T) {
	o := smallPhantom(5)
	zero := Range{}
	o.New, o.Grown, o.Shrunk, o.Vanished, o.Artefacts = zero, zero, zero, zero, zero
	o.Bias, o.Noise, o.Atrophy, o.Gamma, o.Blur = zero, zero, zero, Range{1, 1}, zero
	o.ShiftMM, o.TurnDeg = 0, 0
	p, err := NewPhantom(o)
	require.NoError(t, err)
	require.Zero(t, p.Count(NewLesion))
	require.Equal(t, len(p.Lesions), p.Count(Unchanged))
	require.Equal(t, p.Lesions1.Data, p.Lesions2.Data)
	require.NotContains(t, p.NewLesions.Data, true)

	still := correlation(p.Time1, p.Time2, p.BrainMask)
	require.Greater(t, still, 0.97)
	for name, change := range map[string]func(o *PhantomOptions){
		"noise": func(o *PhantomOptions) { o.Noise = Range{0.1, 0.1} },
		"bias":  func(o *PhantomOptions) { o.Bias = Range{0.2, 0.2} },
		"shift": func(o *PhantomOptions) { o.ShiftMM = 2 },
		"turn":  func(o *PhantomOptions) { o.TurnDeg = 8 },
	} {
		c := o
		change(&c)
		p, err := NewPhantom(c)
		require.NoError(t, err)
		require.Less(t, correlation(p.Time1, p.Time2, p.BrainMask), still-0.01, name)
	}
}

func TestPhantomNewLesions(t *testing.T) {
	o := smallPhantom(2)
	o.WithoutNew = 1
	p, err := NewPhantom(o)
	require.NoError(t, err)
	require.Zero(t, p.Count(NewLesion))
	o.WithoutNew, o.New = 0, Range{3, 3}
	p, err = NewPhantom(o)
	require.NoError(t, err)
	require.Equal(t, 3, p.Count(NewLesion))
}

func TestPhantomSmallest(t *testing.T) {
	o := DefaultPhantom(1)
	o.Size = [3]int{24, 24, 24}
	p, err := NewPhantom(o)
	require.NoError(t, err)
	require.Positive(t, p.BrainMask.Count())
}

func TestPhantomRefuses(t *testing.T) {
	_, err := NewPhantom(PhantomOptions{})
	require.ErrorContains(t, err, "at least 24 voxels")
	for want, change := range map[string]func(o *PhantomOptions){
		"at least 24":            func(o *PhantomOptions) { o.Size[1] = 23 },
		"voxel size 0":           func(o *PhantomOptions) { o.Spacing[2] = 0 },
		"voxel size NaN":         func(o *PhantomOptions) { o.Spacing[2] = math.NaN() },
		"between 24 and 400 mm":  func(o *PhantomOptions) { o.Size[0] = 500 },
		"new lesions from 3":     func(o *PhantomOptions) { o.New = Range{3, 2} },
		"new lesions from -1":    func(o *PhantomOptions) { o.New = Range{-1, 2} },
		"a probability from 1.5": func(o *PhantomOptions) { o.WithoutNew = 1.5 },
		"noise from NaN":         func(o *PhantomOptions) { o.Noise = Range{math.NaN(), 1} },
		"lesion volume":          func(o *PhantomOptions) { o.LesionMM3 = Range{1, 10} },
		"shift in mm":            func(o *PhantomOptions) { o.ShiftMM = -1 },
	} {
		o := smallPhantom(1)
		change(&o)
		_, err := NewPhantom(o)
		require.ErrorContains(t, err, want)
	}
}

func TestRangeWithoutWholeNumberIsRefused(t *testing.T) {
	o := smallPhantom(1)
	o.New = Range{1.2, 1.8}
	_, err := NewPhantom(o)
	require.ErrorContains(t, err, "whole number")
}

func BenchmarkPhantom(b *testing.B) {
	for _, size := range [][3]int{{64, 64, 64}, DefaultPhantom(0).Size} {
		b.Run(fmt.Sprintf("size=%dx%dx%d", size[0], size[1], size[2]), func(b *testing.B) {
			o := DefaultPhantom(1)
			o.Size = size
			for b.Loop() {
				if _, err := NewPhantom(o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
