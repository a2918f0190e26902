package prepare

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/par"
	"voxgrad/internal/rng"
	"voxgrad/volume"
)

// rician adds the noise of a magnitude image.
func rician(v *volume.Volume, sigma float64, seed uint64) *volume.Volume {
	s := rng.New(seed, "rician")
	out := v.Like()
	for i, f := range v.Data {
		out.Data[i] = float32(math.Hypot(float64(f)+sigma*s.Normal(), sigma*s.Normal()))
	}
	return out
}

// steps is an image of a few flat regions.
func steps(size [3]int) *volume.Volume {
	v := volume.New(volume.Grid{Size: size, Affine: volume.Identity})
	for i := range v.Data {
		x, y, z := i%size[0], i/size[0]%size[1], i/size[0]/size[1]
		v.Data[i] = float32(100 + 60*(x/9%2) + 80*(y/11%2) + 50*(z/7%2))
	}
	return v
}

func rms(a, b *volume.Volume) float64 {
	sum := 0.0
	for i := range a.Data {
		d := float64(a.Data[i] - b.Data[i])
		sum += d * d
	}
	return math.Sqrt(sum / float64(len(a.Data)))
}

func TestDenoise(t *testing.T) {
	for _, size := range [][3]int{{40, 41, 23}, {33, 50, 1}, {1, 35, 40}, {31, 2, 33}} {
		clean := steps(size)
		const sigma = 10
		noisy := rician(clean, sigma, 3)
		level, err := NoiseLevel(noisy)
		require.NoError(t, err)
		require.InDelta(t, sigma, level, 1, size)
		out, err := Denoise(noisy, sigma)
		require.NoError(t, err)
		require.NoError(t, out.CheckFinite())
		least := 0.5
		if size[0] == 1 || size[1] == 2 || size[2] == 1 { // fewer voxels to learn from
			least = 0.75
		}
		require.Less(t, rms(out, clean), least*rms(noisy, clean), size)
	}
}

// Noise raises a dark magnitude image; that is taken off.
func TestDenoiseTakesTheRicianBiasOff(t *testing.T) {
	v := volume.New(volume.Grid{Size: [3]int{24, 24, 24}, Affine: volume.Identity})
	for i := range v.Data {
		v.Data[i] = 20
	}
	noisy := rician(v, 10, 5)
	out, err := Denoise(noisy, 10)
	require.NoError(t, err)
	mean := func(v *volume.Volume) (s float64) {
		for _, f := range v.Data {
			s += float64(f) / float64(len(v.Data))
		}
		return s
	}
	require.Greater(t, mean(noisy), 22.0)
	require.InDelta(t, 20, mean(out), 0.8)
}

// By definition, voxel by voxel.
func TestDenoiseByDefinition(t *testing.T) {
	const sigma = 12.0
	v := rician(steps([3]int{9, 8, 7}), sigma, 7)
	got, err := Denoise(v, sigma)
	require.NoError(t, err)
	at := func(x, y, z int) float64 {
		clamp := func(x, n int) int { return min(max(x, 0), n-1) }
		return float64(v.At(clamp(x, v.Size[0]), clamp(y, v.Size[1]), clamp(z, v.Size[2])))
	}
	for _, p := range [][3]int{{0, 0, 0}, {4, 4, 3}, {8, 7, 6}, {2, 7, 1}} {
		sum, total, most := 0.0, 0.0, 0.0
		for n := range 343 {
			d := [3]int{n%7 - 3, n/7%7 - 3, n/49 - 3}
			q := [3]int{p[0] + d[0], p[1] + d[1], p[2] + d[2]}
			if d == [3]int{} || q[0] < 0 || q[1] < 0 || q[2] < 0 || q[0] >= v.Size[0] || q[1] >= v.Size[1] || q[2] >= v.Size[2] {
				continue
			}
			distance := 0.0
			for m := range 27 {
				// The patch around p, held inside the image, and what is d from there.
				c := [3]int{}
				for a, o := range [3]int{m%3 - 1, m/3%3 - 1, m/9 - 1} {
					c[a] = min(max(p[a]+o, 0), v.Size[a]-1)
				}
				e := at(c[0], c[1], c[2]) - at(c[0]+d[0], c[1]+d[1], c[2]+d[2])
				distance += e * e / 27
			}
			w := math.Exp(-distance / (2 * sigma * sigma * denoiseWidth))
			if distance/(2*sigma*sigma*denoiseWidth) >= weightEnd {
				continue
			}
			x := at(q[0], q[1], q[2])
			sum, total, most = sum+w*x*x, total+w, max(most, w)
		}
		x := at(p[0], p[1], p[2])
		want := math.Sqrt(max(0, (sum+most*x*x)/(total+most)-2*sigma*sigma))
		require.InDelta(t, want, got.At(p[0], p[1], p[2]), 0.05)
	}
}

func TestDenoiseRefuses(t *testing.T) {
	v := steps([3]int{8, 8, 8})
	same, err := Denoise(v, 0)
	require.NoError(t, err)
	require.Equal(t, v.Data, same.Data)
	for _, sigma := range []float64{-1, math.NaN(), math.Inf(1)} {
		_, err := Denoise(v, sigma)
		require.ErrorContains(t, err, "must be a finite number")
	}
	empty := v.Like()
	empty.Path = "empty.nii.gz"
	_, err = NoiseLevel(empty)
	require.ErrorContains(t, err, "empty.nii.gz: next to no voxel is above 0")
	v.Data[3] = float32(math.Inf(1))
	_, err = Denoise(v, 1)
	require.Error(t, err)
	_, err = NoiseLevel(v)
	require.Error(t, err)
}

func TestDenoiseHasTheSameBits(t *testing.T) {
	defer par.SetThreads(par.Threads())
	v := rician(steps([3]int{20, 21, 13}), 9, 1)
	par.SetThreads(1)
	a, err := Denoise(v, 9)
	require.NoError(t, err)
	par.SetThreads(3)
	b, err := Denoise(v, 9)
	require.NoError(t, err)
	require.Equal(t, a.Data, b.Data)
}
