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
func box(g volume.Grid, lo, hi int) *volume.Volume {
	m := volume.New(g)
	for k := lo; k < min(hi, g.Size[2]); k++ {
		for j := lo; j < hi; j++ {
			for i := lo; i < hi; i++ {
				m.Data[g.Index(i, j, k)] = 1
			}
		}
	}
	return m
}

func TestImagesAreCanonicalMaskedAndScaled(t *testing.T) {
	times := []*volume.Volume{random(1, thick), random(2, thick)}
	brain := box(thick, 1, 9)
	p, err := Images(times, brain, Defaults())
	require.NoError(t, err)
	require.Equal(t, "RAS", p.Grid().Affine.Codes())
	require.Equal(t, [3]int{12, 10, 15}, p.Grid().Size)
	require.Same(t, times[0], p.Input)
	inside := 0
	for i, b := range p.Brain {
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
	for i, m := range p.Masked {
		require.Equal(t, brain.Data[i] == 1, m)
	}

	// Without a mask everything stays.
	s := Defaults()
	s.Normalize = "none"
	p, err = Images(times[:1], nil, s)
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
	p, err := Images([]*volume.Volume{v}, box(thick, 1, 9), s)
	require.NoError(t, err)
	for i, b := range p.Brain {
		if b {
			require.GreaterOrEqual(t, p.Images[0].Data[i], float32(100))
		}
	}
}

func TestTimesOnOtherGrids(t *testing.T) {
	a, b := random(1, thick), random(2, thick)
	b.Affine[2][3] += 1.5
	_, err := Images([]*volume.Volume{a, b}, box(thick, 1, 9), Defaults())
	require.ErrorContains(t, err, "1.5 mm apart")
	s := Defaults()
	s.ResampleTimes, s.Normalize = true, "none"
	p, err := Images([]*volume.Volume{a, b}, box(thick, 1, 9), s)
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
		a.Data[i], b.Data[i] = ma.Data[i]*(100+float32(i%7)), mb.Data[i]*(90+float32(i%5))
	}
	m, err := Auto([]*volume.Volume{a, b}, Defaults())
	require.NoError(t, err)
	require.Equal(t, box(g, 3, 9).Data, m.Data)
}

func TestErrorsNameTheFile(t *testing.T) {
	brain := box(thick, 1, 9)
	brain.Path = "brain.nii"
	for want, change := range map[string]func(v *volume.Volume){
		"NaN":      func(v *volume.Volume) { v.Data[9] = float32(math.NaN()) },
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
		_, err := Images([]*volume.Volume{v}, brain, Defaults())
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "flair.nii")
	}
	other := volume.New(volume.Grid{Size: [3]int{3, 3, 3}, Affine: volume.Identity})
	other.Path = "small.nii"
	_, err := Images([]*volume.Volume{random(1, thick)}, other, Defaults())
	require.ErrorContains(t, err, "small.nii")
	for _, s := range []Settings{{Normalize: "zscore", Interpolation: "linear"}, {Normalize: "kde", Interpolation: "sinc"}} {
		_, err := Images([]*volume.Volume{random(1, thick)}, nil, s)
		require.ErrorContains(t, err, "want")
	}
}
