package augment

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda"
	"voxgrad/cuda/emu"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/device/ref"
	"voxgrad/volume"
)

const vectorDir = "../../shared/vectors/augment"

// vectorCase is one line of the manifest.
type vectorCase struct {
	ID, Transform, Input, File string
	Params                     json.RawMessage
	Shape                      [3]int
	Tol                        float64 `json:"tol_abs"`
	Change                     float64 `json:"max_abs_change"`
}

type manifest struct {
	Inputs map[string]struct {
		File  string
		Shape [3]int
	}
	Cases []vectorCase
}

func readManifest(t testing.TB) (m manifest) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectorDir, "manifest.json"))
	if os.IsNotExist(err) {
		t.Skip("needs ../shared/vectors/augment beside the project")
	}
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &m))
	require.Equal(t, 41, len(m.Cases))
	return m
}

// readVector reads float32 values, axis 0 fastest.
func readVector(t testing.TB, file string, size [3]int) *volume.Volume {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectorDir, file))
	require.NoError(t, err)
	v := volume.New(volume.Grid{Size: size, Affine: volume.Identity})
	require.Equal(t, 4*len(v.Data), len(b))
	for i := range v.Data {
		v.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

// given adds a normal field that was drawn elsewhere, by the formula of Noise (see TestNoiseIsItsFormula).
type given struct {
	Noise
	field *volume.Volume
}

func (g given) Apply(dev Device, y, x device.Tensor) {
	n := ToDevice(dev, g.field)
	dev.Blend(y, x, n, 1, g.Sigma)
	dev.Free(n)
}

// recipe makes what a case of the manifest asks for.
func (c vectorCase) recipe(t testing.TB, size [3]int) Recipe {
	t.Helper()
	switch c.Transform {
	case "noise":
		return Recipe{noiseOf(t, c.Params, size)}
	case "compose":
		var p struct{ Steps []map[string]json.RawMessage }
		require.NoError(t, json.Unmarshal(c.Params, &p))
		var r Recipe
		for _, step := range p.Steps {
			for name, params := range step {
				r = append(r, vectorCase{Transform: name, Params: params}.recipe(t, size)...)
			}
		}
		require.Len(t, r, 4)
		return r
	}
	one, err := Parse(c.Transform, c.Params)
	require.NoError(t, err)
	return Recipe{one}
}

func noiseOf(t testing.TB, params []byte, size [3]int) Transform {
	var p struct {
		Sigma, Mean float64
		Field       string `json:"standard_normal_field"`
	}
	require.NoError(t, json.Unmarshal(params, &p))
	require.Zero(t, p.Mean)
	return given{Noise{Sigma: p.Sigma}, readVector(t, p.Field, size)}
}

// apply runs a recipe that may change the shape.
func apply(t testing.TB, dev Device, r Recipe, v *volume.Volume) *volume.Volume {
	t.Helper()
	require.NoError(t, r.Check(v.Size))
	x := ToDevice(dev, v)
	g := v.Grid
	for _, step := range r {
		g.Size = step.OutSize(g.Size)
		y := dev.Alloc(device.Shape{N: 1, D: g.Size[0], H: g.Size[1], W: g.Size[2], C: 1})
		step.Apply(dev, y, x)
		dev.Free(x)
		x = y
	}
	out := FromDevice(dev, x, g)
	dev.Free(x)
	require.NoError(t, dev.Sync())
	now, _ := dev.Usage()
	require.Zero(t, now, "memory not given back")
	return out
}

// distance is the largest absolute difference; NaN counts as infinite.
func distance(t testing.TB, a, b *volume.Volume) float64 {
	t.Helper()
	require.Equal(t, a.Size, b.Size)
	worst := 0.0
	for i := range a.Data {
		d := math.Abs(float64(a.Data[i]) - float64(b.Data[i]))
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		worst = max(worst, d)
	}
	return worst
}

func testVectors(t *testing.T, open func(t testing.TB) Device) {
	m := readManifest(t)
	for _, c := range m.Cases {
		t.Run(c.ID, func(t *testing.T) {
			in := m.Inputs[c.Input]
			x := readVector(t, in.File, in.Shape)
			want := readVector(t, c.File, c.Shape)
			got := apply(t, open(t), c.recipe(t, in.Shape), x)
			d := distance(t, want, got)
			t.Logf("largest difference %.2g, tolerance %g", d, c.Tol)
			require.LessOrEqual(t, d, c.Tol)
		})
	}
}

func TestVectorsRef64(t *testing.T) {
	testVectors(t, func(testing.TB) Device { return ref.New[float64]() })
}

func TestVectorsRef32(t *testing.T) {
	testVectors(t, func(testing.TB) Device { return ref.New[float32]() })
}

func TestVectorsCPU(t *testing.T) {
	testVectors(t, func(testing.TB) Device { return cpu.New() })
}

// The kernels that run on a GPU, interpreted.
func TestVectorsCUDA(t *testing.T) {
	testVectors(t, onEmulator)
}

func onEmulator(t testing.TB) Device {
	t.Helper()
	b, err := cuda.New(emu.New())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}
