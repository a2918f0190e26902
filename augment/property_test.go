package augment

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/device/ref"
	"voxgrad/internal/rng"
	"voxgrad/volume"
)

// silent is a device on which a transform may not wait or read.
type silent struct{ Device }

func (silent) Sync() error                       { panic("a transform waits for the device") }
func (silent) Download([]float32, device.Tensor) { panic("a transform reads from the device") }

// random is an image with values from lo to hi.
func random(seed uint64, size [3]int, lo, hi float64) *volume.Volume {
	v := volume.New(volume.Grid{Size: size, Affine: volume.Identity})
	s := rng.New(seed, "image")
	for i := range v.Data {
		v.Data[i] = float32(s.Uniform(lo, hi))
	}
	return v
}

// runs applies a transform to a small image on a strict device: nothing but y may be written, all of y must be.
func runs(t testing.TB, one Transform) {
	t.Helper()
	dev := ref.New[float32]()
	v := random(1, [3]int{3, 2, 4}, 0, 1)
	x := ToDevice(dev, v)
	g := v.Grid
	g.Size = one.OutSize(g.Size)
	y := dev.Alloc(device.Shape{N: 1, D: g.Size[0], H: g.Size[1], W: g.Size[2], C: 1})
	one.Apply(silent{dev}, y, x)
	require.Zero(t, distance(t, v, FromDevice(dev, x, v.Grid)), "x was changed")
	for i, f := range dev.Data(y) {
		require.False(t, math.IsNaN(float64(f)), "element %d", i)
	}
	dev.Free(x)
	dev.Free(y)
	now, _ := dev.Usage()
	require.Zero(t, now, "memory not given back")
}

func TestTransformsWriteTheirResultOnly(t *testing.T) {
	for _, name := range Transforms() {
		one, err := Parse(name, []byte(good[name]))
		require.NoError(t, err)
		runs(t, one)
	}
}

// aug(c·x) = c·aug(x) for c > 0, noise being counted in units of the image.
func TestTransformsAreHomogeneous(t *testing.T) {
	const c = 37.5
	size := [3]int{9, 10, 7}
	dev := cpu.New()
	defer dev.Close()
	v := random(2, size, -0.3, 1.4)
	big := v.Like()
	for i, x := range v.Data {
		big.Data[i] = c * x
	}
	for _, name := range Transforms() {
		one, err := Parse(name, []byte(good[name]))
		require.NoError(t, err)
		r := Recipe{one}
		want := apply(t, dev, r, v)
		for i := range want.Data {
			want.Data[i] *= c
		}
		d := distance(t, want, apply(t, dev, r.Scaled(c), big))
		require.Less(t, d, 1e-5*c, name)
		require.Equal(t, Recipe{one}, r, "Scaled makes a copy")
	}
}

// A recipe is its transforms one after another; x keeps its memory.
func TestRecipeAppliesInPlace(t *testing.T) {
	size := [3]int{6, 6, 6}
	v := random(3, size, 0, 1)
	for n := range 4 {
		var r Recipe
		for _, name := range []string{"blur", "noise", "rot90"}[:n] {
			one, err := Parse(name, []byte(good[name]))
			require.NoError(t, err)
			r = append(r, one)
		}
		dev := ref.New[float32]()
		x := ToDevice(dev, v)
		r.Apply(silent{dev}, x)
		require.Zero(t, distance(t, apply(t, ref.New[float32](), r, v), FromDevice(dev, x, v.Grid)))
		dev.Free(x)
		now, _ := dev.Usage()
		require.Zero(t, now)
	}
	dev := ref.New[float32]()
	require.Panics(t, func() {
		Recipe{Rot90{K: 1, Axes: [2]int{0, 1}}}.Apply(dev, dev.Alloc(device.Shape{N: 1, D: 2, H: 3, W: 4, C: 1}))
	})
}

func TestNoiseIsItsFormula(t *testing.T) {
	v := random(4, [3]int{5, 7, 3}, 0, 1)
	n := Noise{Sigma: 0.07, Mean: -0.5, Seed: 1<<53 - 1}
	field := v.Like()
	each(v.Size, func(file, tensor int) { field.Data[file] = rng.Normal32(rng.Word(n.Seed, uint64(tensor))) })
	want := v.Like()
	for i, x := range v.Data {
		want.Data[i] = float32(float64(x) + n.Mean + n.Sigma*float64(field.Data[i]))
	}
	for _, dev := range []Device{ref.New[float64](), cpu.New(), onEmulator(t)} {
		require.Less(t, distance(t, want, apply(t, dev, Recipe{n}, v)), 2e-7, dev.Name())
		n := n
		n.Mean = 0
		require.Less(t, distance(t, apply(t, dev, Recipe{given{n, field}}, v), apply(t, dev, Recipe{n}, v)), 2e-7, dev.Name())
	}
}

// The acceptance of the specification: |mean| < 4σ/√M and |SD/σ − 1| < 4/√(2M), on all
// voxels, background included; other seeds give other noise.
func TestNoiseMoments(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	v := volume.New(volume.Grid{Size: [3]int{40, 41, 42}, Affine: volume.Identity})
	m := float64(len(v.Data))
	const sd = 0.06
	draw := func(seed uint64) []float32 { return apply(t, dev, Recipe{Noise{Sigma: sd, Seed: seed}}, v).Data }
	a, b := draw(1), draw(2)
	var s, ss, cross float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		s, ss, cross = s+x, ss+x*x, cross+x*y
	}
	require.Less(t, math.Abs(s/m), 4*sd/math.Sqrt(m))
	require.Less(t, math.Abs(math.Sqrt(ss/m)/sd-1), 4/math.Sqrt(2*m))
	require.Less(t, math.Abs(cross/m), 4*sd*sd/math.Sqrt(m))
}

// The field of the vectors is that of an image of ones.
func TestBiasFieldVector(t *testing.T) {
	m := readManifest(t)
	for _, c := range m.Cases {
		if c.ID != "bias_a_o3" {
			continue
		}
		ones := random(1, c.Shape, 1, 1)
		d := distance(t, readVector(t, "bias_field_a_o3.f32", c.Shape), apply(t, ref.New[float64](), c.recipe(t, c.Shape), ones))
		require.Less(t, d, 5e-6)
		return
	}
	t.Fatal("bias_a_o3 is not in the manifest")
}

// Odd and tiny sizes, both presets: every drawn recipe suits and runs everywhere, alike.
func TestDrawnRecipesRunOnEveryDevice(t *testing.T) {
	kinds := map[string]int{}
	emulated := onEmulator(t)
	for n, size := range [][3]int{{5, 7, 9}, {8, 8, 8}, {1, 6, 5}, {11, 1, 4}, {3, 4, 1}, {1, 1, 1}, {13, 5, 6}, {6, 12, 2}} {
		v := random(uint64(n), size, 0, 1.5)
		for _, name := range []string{"default", "torchio"} {
			p, err := Named(name)
			require.NoError(t, err)
			for _, one := range p.Each() {
				r := one.Draw(rng.New(5, name, n), size)
				require.Len(t, r, 1)
				kinds[r[0].Name()]++
				want := apply(t, ref.New[float64](), r, v)
				for _, dev := range []Device{cpu.New(), emulated} {
					require.Less(t, distance(t, want, apply(t, dev, r, v)), 2e-5, "%v %s %v", size, r[0], dev.Name())
				}
			}
		}
	}
	require.Len(t, kinds, 12, fmt.Sprint(kinds))
}

// numpy.rot90 by its definition, for every plane and number of turns.
func TestRot90IsNumpys(t *testing.T) {
	v := random(7, [3]int{3, 4, 5}, 0, 1)
	quarter := func(x *volume.Volume, a, b int) *volume.Volume { // y[p at a, q at b] = x[q at a, N_b−1−p at b]
		g := x.Grid
		g.Size[a], g.Size[b] = x.Size[b], x.Size[a]
		y := volume.New(g)
		for i := range g.Size[0] {
			for j := range g.Size[1] {
				for k := range g.Size[2] {
					at := [3]int{i, j, k}
					from := at
					from[a], from[b] = at[b], x.Size[b]-1-at[a]
					y.Data[g.Index(i, j, k)] = x.At(from[0], from[1], from[2])
				}
			}
		}
		return y
	}
	for a := range 3 {
		for b := range 3 {
			if a == b {
				continue
			}
			for k := -5; k <= 5; k++ {
				want := v
				for range modulo(k, 4) {
					want = quarter(want, a, b)
				}
				require.Zero(t, distance(t, want, apply(t, ref.New[float32](), Recipe{Rot90{K: k, Axes: [2]int{a, b}}}, v)), "%d %d %d", k, a, b)
			}
		}
	}
	flipped := apply(t, ref.New[float32](), Recipe{Flip{Axes: []int{1}}}, v)
	require.Equal(t, v.At(2, 3, 4), flipped.At(2, 0, 4))
}
