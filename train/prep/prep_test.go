package prep

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
	"voxgrad/volume"
)

func random(seed uint64, g volume.Grid) *volume.Volume {
	v := volume.New(g)
	r := rng.New(seed)
	for i := range v.Data {
		v.Data[i] = float32(100 + 10*r.Normal())
	}
	return v
}

var thick = volume.Grid{Size: [3]int{12, 10, 5}, Affine: volume.Affine{{-1, 0, 0, 3}, {0, 1, 0, 0}, {0, 0, 3, 0}}}

// box marks the voxels from lo to below hi along every axis.
func box(g volume.Grid, lo, hi int) *volume.Mask {
	m := volume.NewMask(g)
	for k := lo; k < min(hi, g.Size[2]); k++ {
		for j := lo; j < hi; j++ {
			for i := lo; i < hi; i++ {
				m.Data[g.Index(i, j, k)] = true
			}
		}
	}
	return m
}

func TestImagesAreCanonicalMaskedAndScaled(t *testing.T) {
	times := []*volume.Volume{random(1, thick), random(2, thick)}
	brain := box(thick, 1, 9)
	p, err := Images(Case{Times: times, Brain: brain}, Defaults())
	require.NoError(t, err)
	require.Equal(t, "RAS", p.Grid().Affine.Codes())
	require.Equal(t, [3]int{12, 10, 15}, p.Grid().Size)
	require.Same(t, times[0], p.Aligned[0])
	inside := 0
	for i, b := range p.Brain.Data {
		for n := range times {
			if !b {
				require.Zero(t, p.Images[n].Data[i])
			}
		}
		if b {
			inside++
		}
	}
	require.Equal(t, 8*8*4*3, inside, "half-way between slices, rounded to 1 mm")
	for n := range times { // normalised: the peak of the intensities lies at 1
		scale, err := volume.KDEScale(p.Images[n], nil)
		require.NoError(t, err)
		require.InDelta(t, 1, scale, 1e-6)
	}
	for i, m := range p.Masked.Data {
		require.Equal(t, brain.Data[i], m)
	}

	// Without a mask everything stays.
	s := Defaults()
	s.Normalize = "none"
	p, err = Images(Case{Times: times[:1], NoMask: true}, s)
	require.NoError(t, err)
	require.Nil(t, p.Brain)
	require.Equal(t, times[0].At(11, 4, 2), p.Images[0].At(0, 4, 7), "the middle of a slice keeps its values")
}

// The brain is cut after interpolation: no voxel inside is mixed with the zeros outside.
func TestMaskDoesNotBleed(t *testing.T) {
	v := volume.New(thick)
	for i := range v.Data {
		v.Data[i] = 100 + float32(i%2)
	}
	s := Defaults()
	s.Normalize = "none"
	p, err := Images(Case{Times: []*volume.Volume{v}, Brain: box(thick, 1, 9)}, s)
	require.NoError(t, err)
	for i, b := range p.Brain.Data {
		if b {
			require.GreaterOrEqual(t, p.Images[0].Data[i], float32(100))
		}
	}
}

func TestTimesOnOtherGrids(t *testing.T) {
	a, b := random(1, thick), random(2, thick)
	b.Affine[2][3] += 1.5
	_, err := Images(Case{Times: []*volume.Volume{a, b}, Brain: box(thick, 1, 9)}, Defaults())
	require.ErrorContains(t, err, "1.5 mm apart")
	s := Defaults()
	s.ResampleTimes, s.Normalize = true, "none"
	p, err := Images(Case{Times: []*volume.Volume{a, b}, Brain: box(thick, 1, 9)}, s)
	require.NoError(t, err)
	// Half a slice up: the mean of two slices of b, in the middle of a's slice 2.
	want := (float64(b.At(5, 5, 1)) + float64(b.At(5, 5, 2))) / 2
	require.InDelta(t, want, float64(p.Images[1].At(11-5, 5, 7)), 1e-3)
}

func TestAuto(t *testing.T) {
	g := volume.Grid{Size: [3]int{12, 12, 12}, Affine: volume.Identity}
	a, b := volume.New(g), volume.New(g)
	ma, mb := box(g, 1, 9), box(g, 3, 11)
	for i := range a.Data {
		if ma.Data[i] {
			a.Data[i] = 100 + float32(i%7)
		}
		if mb.Data[i] {
			b.Data[i] = 90 + float32(i%5)
		}
	}
	p, err := Align(Case{Times: []*volume.Volume{a, b}}, Defaults())
	require.NoError(t, err)
	require.Equal(t, box(g, 3, 9).Data, p.Masked.Data)
}

func TestErrorsNameTheFile(t *testing.T) {
	brain := box(thick, 1, 9)
	brain.Path = "brain.nii"
	for want, change := range map[string]func(v *volume.Volume){
		"NaN":      func(v *volume.Volume) { v.Data[thick.Index(4, 4, 2)] = float32(math.NaN()) },
		"non-zero": func(v *volume.Volume) { clear(v.Data) },
		"are 3": func(v *volume.Volume) {
			for i := range v.Data {
				v.Data[i] = 3
			}
		},
	} {
		v := random(1, thick)
		v.Path = "flair.nii"
		change(v)
		_, err := Images(Case{Times: []*volume.Volume{v}, Brain: brain}, Defaults())
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "flair.nii")
	}
	other := volume.NewMask(volume.Grid{Size: [3]int{3, 3, 3}, Affine: volume.Identity})
	other.Path = "small.nii"
	_, err := Images(Case{Times: []*volume.Volume{random(1, thick)}, Brain: other}, Defaults())
	require.ErrorContains(t, err, "small.nii")
	for _, s := range []Settings{{Normalize: "zscore", Interpolation: "linear"}, {Normalize: "kde", Interpolation: "sinc"}} {
		_, err := Images(Case{Times: []*volume.Volume{random(1, thick)}, NoMask: true}, s)
		require.ErrorContains(t, err, "want")
	}
}

// A header in another unit of length is an error, not an empty answer.
func TestFieldsOfViewOfNoHead(t *testing.T) {
	v, _ := stripped(1, millimetre)
	for _, scale := range []float64{1e-3, 1e3} {
		wrong := *v
		wrong.Affine = volume.Affine{{scale}, {0, scale}, {0, 0, scale}}.Mul(v.Affine)
		_, err := Images(Case{Times: []*volume.Volume{&wrong}}, Defaults())
		require.ErrorContains(t, err, "flair1.nii: a field of view of ")
		require.ErrorContains(t, err, "in millimetres?")
	}
}
