package prepare

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/par"
	"voxgrad/volume"
)

// unbiased is a small phantom without a field of its own.
func unbiased(t *testing.T, seed uint64, spacing [3]float64) *volume.Phantom {
	o := volume.DefaultPhantom(seed)
	o.Spacing = spacing
	o.Size = [3]int{int(96 / spacing[0]), int(112 / spacing[1]), max(24, int(96/spacing[2]))}
	o.Bias = volume.Range{}
	p, err := volume.NewPhantom(o)
	require.NoError(t, err)
	return p
}

// planted is a smooth logarithm of a field with waves as long as the head, of mean 0 and
// standard deviation sd in the mask.
func planted(mask *volume.Mask, sd float64, phase float64) []float64 {
	g := mask.Grid
	out := make([]float64, g.Len())
	sum, square, n := 0.0, 0.0, 0.0
	for i := range out {
		x := [3]float64{float64(i % g.Size[0]), float64(i / g.Size[0] % g.Size[1]), float64(i / g.Size[0] / g.Size[1])}
		for a := range 3 {
			x[a] /= float64(g.Size[a])
		}
		out[i] = math.Sin(3*x[0]+phase) + math.Cos(4*x[1]+2*phase)*x[2] + x[2]*x[2]
		if mask.Data[i] {
			sum += out[i]
			square += out[i] * out[i]
			n++
		}
	}
	mean := sum / n
	scale := sd / math.Sqrt(square/n-mean*mean)
	for i := range out {
		out[i] = (out[i] - mean) * scale
	}
	return out
}

func times(v *volume.Volume, logs []float64) *volume.Volume {
	out := v.Like()
	for i, f := range v.Data {
		out.Data[i] = f * float32(math.Exp(logs[i]))
	}
	return out
}

// off is the standard deviation in the mask of the logarithm of a field over what was planted.
func off(field *volume.Volume, logs []float64, mask *volume.Mask) float64 {
	sum, square, n := 0.0, 0.0, 0.0
	for i, f := range field.Data {
		if mask.Data[i] {
			d := math.Log(float64(f)) - logs[i]
			sum += d
			square += d * d
			n++
		}
	}
	return math.Sqrt(square/n - sum/n*sum/n)
}

// contrast is the mean of the lesions over that of what is within 4 voxels around them.
func lesionContrast(t *testing.T, v *volume.Volume, lesions, brain *volume.Mask) float64 {
	wide, err := volume.Dilate(lesions.Data, v.Size, volume.Voxels, 4)
	require.NoError(t, err)
	near, err := volume.Dilate(lesions.Data, v.Size, volume.Voxels, 2)
	require.NoError(t, err)
	var sum, n [2]float64
	for i, f := range v.Data {
		switch {
		case lesions.Data[i]:
			sum[0] += float64(f)
			n[0]++
		case wide[i] && !near[i] && brain.Data[i]:
			sum[1] += float64(f)
			n[1]++
		}
	}
	return sum[0] / n[0] * n[1] / sum[1]
}

func TestBiasFieldFindsWhatWasPlanted(t *testing.T) {
	for _, spacing := range [][3]float64{{1, 1, 1}, {1.1, 0.9, 4}} {
		p := unbiased(t, 11, spacing)
		before := lesionContrast(t, p.Time1, p.Lesions1, p.BrainMask)
		for _, sd := range []float64{0, 0.1, 0.2} {
			logs := planted(p.BrainMask, sd, 0.7)
			v := times(p.Time1, logs)
			field, err := BiasField(v, p.BrainMask)
			require.NoError(t, err)
			on := field.On(v.Grid)
			require.NoError(t, on.CheckFinite())
			// A phantom without folds looks like a field itself: N4 finds 0.041 in this one where nothing was planted.
			require.Less(t, off(on, logs, p.BrainMask), 0.045+0.05*sd, "%v, %g", spacing, sd)
			for i, f := range on.Data {
				v.Data[i] /= f
			}
			after := lesionContrast(t, v, p.Lesions1, p.BrainMask)
			require.InDelta(t, 1, after/before, 0.03, "lesions: %g, then %g", before, after)
		}
	}
}

// The difference of two scans' fields, with lesions that come and go and another contrast.
func TestRatioField(t *testing.T) {
	p := unbiased(t, 12, [3]float64{1, 1, 1})
	logs := planted(p.BrainMask, 0.12, 1.3)
	second := times(p.Time2, logs)
	for i, f := range second.Data {
		second.Data[i] = 700 * float32(math.Pow(float64(f), 1.1))
	}
	for i := range logs {
		logs[i] *= 1.1
	}
	field, err := RatioField(p.Time1, second, p.BrainMask)
	require.NoError(t, err)
	require.Less(t, off(field.On(second.Grid), logs, p.BrainMask), 0.018)
	back, err := RatioField(second, p.Time1, p.BrainMask)
	require.NoError(t, err)
	for i := range logs {
		logs[i] = -logs[i]
	}
	require.Less(t, off(back.On(second.Grid), logs, p.BrainMask), 0.02)
}

// A large new lesion is no field.
func TestRatioFieldKeepsALesion(t *testing.T) {
	p := unbiased(t, 13, [3]float64{1, 1, 1})
	second := p.Time1.Like()
	copy(second.Data, p.Time1.Data)
	lesion := volume.NewMask(second.Grid)
	lesion.Data[second.Index(34, 60, 52)] = true
	var err error
	lesion.Data, err = volume.Dilate(lesion.Data, lesion.Size, volume.Voxels, 9) // 3 ml
	require.NoError(t, err)
	for i, in := range lesion.Data {
		if in {
			second.Data[i] *= 1.4
		}
	}
	field, err := RatioField(p.Time1, second, p.BrainMask)
	require.NoError(t, err)
	on := field.On(second.Grid)
	for i, in := range lesion.Data {
		if in && math.Abs(float64(on.Data[i])-1) > 0.03 {
			t.Fatalf("the field is %g in the new lesion", on.Data[i])
		}
	}
}

func TestFieldsOfOddImages(t *testing.T) {
	for _, size := range [][3]int{{37, 41, 1}, {1, 40, 39}, {29, 31, 5}} {
		g := volume.Grid{Size: size, Affine: volume.Affine{{2, 0, 0, 0}, {0, 2, 0, 0}, {0, 0, 6, 0}}}
		v, mask := volume.New(g), volume.NewMask(g)
		for i := range v.Data {
			v.Data[i], mask.Data[i] = 100+float32(i%7), true
		}
		field, err := BiasField(v, mask)
		require.NoError(t, err, size)
		require.NoError(t, field.On(g).CheckFinite())
		require.Less(t, off(field.On(g), make([]float64, g.Len()), mask), 0.01)
		ratio, err := RatioField(v, v, mask)
		require.NoError(t, err, size)
		require.InDelta(t, 0, off(ratio.On(g), make([]float64, g.Len()), mask), 1e-6)
		// On another grid the border continues.
		g.Affine[0][3], g.Size[0] = -50, size[0]+60
		require.NoError(t, field.On(g).CheckFinite())
	}
}

func TestFieldsRefuse(t *testing.T) {
	p := unbiased(t, 14, [3]float64{3, 3, 3})
	empty := p.Time1.Like()
	empty.Path = "empty.nii.gz"
	_, err := BiasField(empty, p.BrainMask)
	require.ErrorContains(t, err, "empty.nii.gz: 0 samples of the mask are above 0")
	_, err = BiasField(p.Time1, p.BrainMask.Like())
	require.ErrorContains(t, err, "0 samples of the mask are above 0")
	_, err = RatioField(p.Time1, empty, p.BrainMask)
	require.ErrorContains(t, err, "empty.nii.gz")
	nan := p.Time1.Like()
	nan.Data[5] = float32(math.NaN())
	_, err = BiasField(nan, p.BrainMask)
	require.Error(t, err)
	_, err = RatioField(p.Time1, nan, p.BrainMask)
	require.Error(t, err)
	_, err = BiasField(p.Time1, volume.NewMask(volume.Grid{Size: [3]int{3, 3, 3}, Affine: volume.Identity}))
	require.Error(t, err)
}

func TestFieldsHaveTheSameBits(t *testing.T) {
	defer par.SetThreads(par.Threads())
	p := unbiased(t, 15, [3]float64{2, 2, 2})
	var want []float64
	for _, threads := range []int{1, 3} {
		par.SetThreads(threads)
		field, err := BiasField(p.Time1, p.BrainMask)
		require.NoError(t, err)
		ratio, err := RatioField(p.Time1, p.Time2, p.BrainMask)
		require.NoError(t, err)
		got := append(append([]float64{}, field.coef...), ratio.coef...)
		if want == nil {
			want = got
		}
		require.Equal(t, want, got)
	}
}

// The fit against a dense solution by definition.
func TestSplineFit(t *testing.T) {
	n := [3]int{5, 4, 6}
	var s spline
	for a := range 3 {
		s.axes[a] = knots{0, float64(n[a] - 1), 1 + a%2}.basis(0, 1, n[a])
	}
	_, points := s.size()
	size := points[0] * points[1] * points[2]
	values, w := make([]float64, n[0]*n[1]*n[2]), make([]float64, n[0]*n[1]*n[2])
	for i := range values {
		values[i], w[i] = math.Sin(float64(3*i)), float64(i%3)
	}
	const stiffness = 0.1
	weighted, total := make([]float64, len(values)), 0.0
	for i := range values {
		weighted[i] = values[i] * w[i]
		total += w[i]
	}
	got := s.normal(w, stiffness).solve(s.project(weighted))
	// The gradient of the penalised sum of squares is 0 there: by finite differences, it being quadratic.
	cost := func(c []float64) (sum float64) {
		out := make([]float64, len(values))
		s.evalAll(c, out)
		for i, v := range values {
			sum += w[i] * (v - out[i]) * (v - out[i])
		}
		stride := [3]int{1, points[0], points[0] * points[1]}
		for r := range c {
			at := [3]int{r % points[0], r / points[0] % points[1], r / points[0] / points[1]}
			for a := range 3 {
				if at[a] >= 2 {
					d := c[r] - 2*c[r-stride[a]] + c[r-2*stride[a]]
					sum += stiffness * total / float64(size) * d * d
				}
			}
		}
		return sum
	}
	for r := range got {
		up, down := append([]float64{}, got...), append([]float64{}, got...)
		up[r] += 0.1
		down[r] -= 0.1
		require.InDelta(t, 0, (cost(up)-cost(down))/0.2, 1e-4)
	}
}
