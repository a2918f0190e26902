package augment

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/internal/rng"
)

// typical is each transform with parameters from the middle of the default preset.
var typical = []struct{ name, params string }{
	{"bias_field", `{"order": 3, "coefficients": [0, 0.1, -0.1, 0.1, 0.1, -0.1, 0.1, 0.1, -0.1, 0.1, 0.1, -0.1, 0.1, 0.1, -0.1, 0.1, 0.1, -0.1, 0.1, 0.1]}`},
	{"motion_safe", `{"degrees_lps": [[2, -3, 1], [-2, 1, 3]], "translation_mm_lps": [[1, 2, -2], [-1, 2, 3]], "times": [0.3, 0.7]}`},
	{"ghosting", `{"num_ghosts": 7, "axis": 1, "intensity": 0.75, "restore": null}`},
	{"spike_fixedmax", `{"positions": [[0.31, 0.62, 0.44]], "intensity": 0.2}`},
	{"blur", `{"sigma_vox": 1.1}`},
	{"edge", `{"sigma_vox": 1.1}`},
	{"axial_mean", `{"size": 3}`},
	{"anisotropy_clamp", `{"axis": 1, "factor": 2.7}`},
	{"noise", `{"sigma": 0.06, "seed": 1}`},
	{"flip", `{"axes": [0, 2]}`},
	{"rot90", `{"axes": [0, 2]}`},
}

func benchImage(b *testing.B, dev Device) (x, y device.Tensor) {
	v := random(1, cube, 0, 1.2)
	x = ToDevice(dev, v)
	return x, dev.Alloc(x.Shape)
}

// One patch of 64³ on the processor.
func BenchmarkTransform(b *testing.B) {
	dev := cpu.New()
	defer dev.Close()
	x, y := benchImage(b, dev)
	for _, c := range typical {
		b.Run("name="+c.name, func(b *testing.B) {
			one, err := Parse(c.name, []byte(c.params))
			require.NoError(b, err)
			for b.Loop() {
				one.Apply(dev, y, x)
			}
			require.NoError(b, dev.Sync())
		})
	}
}

// The mean over what the presets draw for one patch of 64³ at one time point, drawing included.
func BenchmarkPreset(b *testing.B) {
	dev := cpu.New()
	defer dev.Close()
	x, _ := benchImage(b, dev)
	keep := dev.Alloc(x.Shape)
	dev.Copy(set(keep), x)
	for _, name := range []string{"default", "torchio"} {
		b.Run("preset="+name, func(b *testing.B) {
			p := named(b, name)
			for i := 0; b.Loop(); i++ {
				if i%64 == 0 {
					dev.Copy(set(x), keep) // or the patch fades away
				}
				p.Draw(rng.New(1, i%64), cube).Apply(dev, x)
			}
			require.NoError(b, dev.Sync())
		})
	}
}
