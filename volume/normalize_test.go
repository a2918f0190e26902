package volume

import (
	"math"
	"sort"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

// brainLike fills a volume with background and two tissues.
func brainLike(n int, seed uint64) *Volume {
	v := New(Grid{Size: [3]int{n, n + 1, n - 1}})
	v.Path = "subject.nii.gz"
	s := rng.New(seed, "brainlike")
	for x := range v.Data {
		switch u := s.Float64(); {
		case u < 0.3:
		case u < 0.75:
			v.Data[x] = float32(420 + 30*s.Normal())
		default:
			v.Data[x] = float32(510 + 60*s.Normal())
		}
	}
	return v
}

// slowScale is the definition in plain float64: sort for the percentile and, for
// each voxel, its two shares of a kernel at every grid point.
func slowScale(v *Volume) float64 {
	var all []float64
	for _, f := range v.Data {
		if f != 0 {
			all = append(all, float64(f))
		}
	}
	sort.Float64s(all)
	at := 0.99 * float64(len(all)-1)
	n := int(math.Floor(at))
	q := all[n]
	if n+1 < len(all) {
		q += (at - float64(n)) * (all[n+1] - all[n])
	}
	kept := all[:sort.Search(len(all), func(i int) bool { return all[i] > q })]
	h := q / 80
	a, b := kept[0]-3*h, kept[len(kept)-1]+3*h
	var grid, f [128]float64
	var kernel [128][128]float64
	for g := range grid {
		grid[g] = a + (b-a)*float64(g)/127
	}
	for g := range grid {
		for c := range grid {
			kernel[c][g] = math.Exp(-0.5 * math.Pow((grid[g]-grid[c])/h, 2))
		}
	}
	for _, x := range kept {
		left := sort.SearchFloat64s(grid[:], x) - 1
		w := (grid[left+1] - x) / (grid[left+1] - grid[left])
		for g := range grid {
			f[g] += w*kernel[left][g] + (1-w)*kernel[left+1][g]
		}
	}
	best := 0
	for g := 1; g < 127; g++ {
		if f[g] > f[g-1] && f[g] > f[g+1] && (best == 0 || f[g] > f[best]) {
			best = g
		}
	}
	return grid[best]
}

func TestKDEScaleAgainstDefinition(t *testing.T) {
	for seed := range uint64(5) {
		v := brainLike(14, seed)
		got, err := KDEScale(v, nil)
		require.NoError(t, err)
		require.InEpsilon(t, slowScale(v), got, 1e-12)
		require.InDelta(t, 420, got, 25)
	}
}

func TestKDEScaleOfRealImages(t *testing.T) {
	for _, c := range [][]string{
		{"cross_sectional", "patient07", "flair.nii.gz"},
		{"cross_sectional", "patient19", "flair.nii.gz"},
		{"longitudinal", "patient01", "flair_time01.nii.gz"},
	} {
		v := mustRead(t, shared(t, c...))
		mask := mustReadMask(t, shared(t, c[0], c[1], "brainmask.nii.gz"))
		got, err := KDEScale(v, mask)
		require.NoError(t, err)
		brain := v.Like()
		for x, f := range v.Data {
			if mask.Data[x] {
				brain.Data[x] = f
			}
		}
		require.InEpsilon(t, slowScale(brain), got, 1e-9, "%v", c)
		// The peak is tissue: near the median of the brain.
		require.InEpsilon(t, Percentile(values(t, brain), 55), got, 0.1, "%v", c)
	}
}

func TestNormalize(t *testing.T) {
	v := brainLike(14, 1)
	mask := NewMask(v.Grid)
	for x := range mask.Data {
		if x%3 != 0 {
			mask.Data[x] = true
		}
	}
	scale, err := KDEScale(v, mask)
	require.NoError(t, err)
	out, err := Normalize(v, mask, KDE)
	require.NoError(t, err)
	require.Equal(t, v.Path, out.Path)
	for x, f := range v.Data {
		want := float32(0)
		if x%3 != 0 {
			want = float32(float64(f) / scale)
		}
		require.Equal(t, want, out.Data[x])
	}
	// The tissue peak of what was normalised is at 1, whatever the gain before.
	for x := range v.Data {
		v.Data[x] *= 37.25
	}
	again, err := Normalize(v, mask, KDE)
	require.NoError(t, err)
	require.InDeltaSlice(t, out.Data, again.Data, 1e-5)
	one, err := KDEScale(again, nil)
	require.NoError(t, err)
	require.InDelta(t, 1, one, 1e-5)

	out, err = Normalize(v, nil, Median)
	require.NoError(t, err)
	require.InDelta(t, 1, Percentile(values(t, out), 50), 1e-6)
	out, err = Normalize(v, nil, NoScale)
	require.NoError(t, err)
	require.Equal(t, v.Data, out.Data)
}

func values(t *testing.T, v *Volume) []float32 {
	f, err := brainValues(v, nil)
	require.NoError(t, err)
	return f
}

func TestNormalizeRefuses(t *testing.T) {
	g := Grid{Size: [3]int{3, 3, 3}}
	with := func(fill func(x int) float32) *Volume {
		v := New(g)
		v.Path = "bad.nii"
		for x := range v.Data {
			v.Data[x] = fill(x)
		}
		return v
	}
	for name, c := range map[string]struct {
		v    *Volume
		want string
	}{
		"empty":    {with(func(int) float32 { return 0 }), "no non-zero voxels"},
		"constant": {with(func(int) float32 { return 4 }), "all 27 non-zero voxels are 4"},
		"nan":      {with(func(x int) float32 { return []float32{1, float32(math.NaN())}[x/5%2] }), "voxel (2, 1, 0) is NaN"},
		"inf":      {with(func(x int) float32 { return []float32{1, float32(math.Inf(-1))}[x/26] }), "voxel (2, 2, 2) is -Inf"},
		"negative": {with(func(x int) float32 { return -float32(x) - 1 }), "99th percentile"},
	} {
		_, err := Normalize(c.v, nil, KDE)
		require.ErrorContains(t, err, "bad.nii", name)
		require.ErrorContains(t, err, c.want, name)
	}
	v := brainLike(6, 1)
	_, err := Normalize(v, NewMask(Grid{Size: [3]int{6, 7, 6}}), KDE)
	require.ErrorContains(t, err, "give a mask on the image's grid")
	_, err = Normalize(v, NewMask(v.Grid), KDE)
	require.ErrorContains(t, err, "inside the brain mask")
	_, err = Normalize(v, nil, "zscore")
	require.ErrorContains(t, err, `unknown normalisation "zscore"`)
	v.Data = v.Data[1:]
	_, err = Normalize(v, nil, KDE)
	require.ErrorContains(t, err, "do not fill")
	// Peak below zero, tail above.
	_, err = Normalize(with(func(x int) float32 { return []float32{-3, -3.1, 9}[max(0, x-24)] }), nil, KDE)
	require.ErrorContains(t, err, "they must be positive")
	_, err = Normalize(with(func(x int) float32 { return -float32(x) }), nil, Median)
	require.ErrorContains(t, err, "median")
}

func TestHighestPeakIsStrict(t *testing.T) {
	require.Equal(t, 2, highestPeak([]float64{9, 0, 1, 0, 1, 0, 9}))
	require.Equal(t, 4, highestPeak([]float64{0, 1, 2, 2, 3, 1}))
	require.Equal(t, -1, highestPeak([]float64{0, 2, 2, 0}), "a plateau is not a peak")
	require.Equal(t, -1, highestPeak([]float64{0, 1, 2, 3}))

	// Two values, equally frequent, less than the step of the grid apart: the
	// density is a plateau of its two middle points.
	v := New(Grid{Size: [3]int{4, 4, 4}})
	v.Path = "flat.nii"
	for x := range v.Data {
		v.Data[x] = 64 + float32(x%2)/1024
	}
	_, err := KDEScale(v, nil)
	require.ErrorContains(t, err, "flat.nii: the intensities of the brain have no peak")
	require.ErrorContains(t, err, `choose the normalisation "median"`)
}

func TestPercentile(t *testing.T) {
	// numpy.percentile([1, 2, 4, 8], p)
	for p, want := range map[float64]float64{0: 1, 25: 1.75, 50: 3, 75: 5, 90: 6.8, 99: 7.88, 100: 8} {
		require.InDelta(t, want, Percentile([]float32{8, 1, 4, 2}, p), 1e-12)
	}
	require.Equal(t, 5.0, Percentile([]float32{5}, 99))
	s := rng.New(3, "percentile")
	for n := 1; n < 60; n++ {
		v := make([]float32, n)
		sorted := make([]float64, n)
		for x := range v {
			v[x] = float32(s.Intn(12)) // many ties
			sorted[x] = float64(v[x])
		}
		sort.Float64s(sorted)
		for p := 0.0; p <= 100; p += 12.5 {
			at := p / 100 * float64(n-1)
			i := int(at)
			want := sorted[i] + (at-float64(i))*(sorted[min(i+1, n-1)]-sorted[i])
			require.InDelta(t, want, Percentile(v, p), 1e-12)
		}
	}
}

func BenchmarkKDEScale(b *testing.B) {
	v := brainLike(160, 1)
	b.SetBytes(int64(4 * v.Len()))
	for b.Loop() {
		if _, err := KDEScale(v, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// Centred intensities have no typical one to divide by; a little ringing below 0 does no harm.
func TestCentredIntensitiesAreRefused(t *testing.T) {
	v := New(Grid{Size: [3]int{20, 20, 20}, Affine: Identity})
	v.Path = "z.nii"
	r := rng.New(5, "centred")
	for _, mean := range []float64{0.4, 1, 5} { // of values with a standard deviation of 1
		for x := range v.Data {
			v.Data[x] = float32(mean + r.Normal())
		}
		for _, method := range []Method{KDE, Median} {
			_, err := Scale(v, nil, method)
			if mean == 5 {
				require.NoError(t, err)
				continue
			}
			require.ErrorContains(t, err, "z.nii: ", "%g %s", mean, method)
			require.ErrorContains(t, err, "of the brain's voxels are negative, as where intensities were centred (z-scores)")
		}
		_, err := Scale(v, nil, NoScale)
		require.NoError(t, err)
	}
	for x := range v.Data { // two thirds of it background that rings
		if v.Data[x] *= 100; x%3 > 0 {
			v.Data[x] = float32(r.Normal())
		}
	}
	_, err := Scale(v, nil, Median)
	require.NoError(t, err)
}
