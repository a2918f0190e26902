package augment

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

var cube = [3]int{64, 64, 64}

func named(t testing.TB, name string) Preset {
	t.Helper()
	p, err := Named(name)
	require.NoError(t, err)
	require.NoError(t, p.Check())
	return p
}

func TestNames(t *testing.T) {
	for _, name := range Names() {
		p := named(t, name)
		b, err := toml.Marshal(p)
		require.NoError(t, err)
		var back Preset
		require.NoError(t, toml.Unmarshal(b, &back))
		require.Equal(t, p, back)
	}
	_, err := Named("Default")
	require.EqualError(t, err, `there is no augmentation preset "Default"; known are default, torchio, paper-baseline, none; did you mean default?`)
	for _, name := range []string{"paper-baseline", "none"} {
		require.Empty(t, named(t, name).Each())
		s := rng.New(1)
		for range 100 {
			require.Empty(t, named(t, name).Draw(s, cube))
		}
	}
}

// Every setting has a text for --help and the config file.
func TestSettingsAreExplained(t *testing.T) {
	var walk func(v reflect.Type)
	walk = func(v reflect.Type) {
		for i := range v.NumField() {
			f := v.Field(i)
			require.NotEmpty(t, f.Tag.Get("toml"), f.Name)
			if f.Type.Kind() == reflect.Struct {
				walk(f.Type)
			} else {
				require.NotEmpty(t, f.Tag.Get("comment"), f.Name)
			}
		}
	}
	walk(reflect.TypeFor[Preset]())
}

func TestPresetCheckNamesTheSetting(t *testing.T) {
	for want, mistake := range map[string]func(p *Preset){
		`augmentation: orientation = "some": want all or mirror or none`: func(p *Preset) { p.Orientation = "some" },
		"bias.p = 1.5: must be from 0 to 1":                              func(p *Preset) { p.Bias.P = 1.5 },
		"bias.order = 5":                                                 func(p *Preset) { p.Bias.Order = 5 },
		"bias.coefficient = NaN":                                         func(p *Preset) { p.Bias.Coefficient = math.NaN() },
		"motion.movements_min = 0":                                       func(p *Preset) { p.Motion.MovementsMin = 0 },
		`motion.rule = ""`:                                               func(p *Preset) { p.Motion.Rule = "" },
		`motion.centre = "middle"`:                                       func(p *Preset) { p.Motion.Centre = "middle" },
		"ghosting.num_min = 11 is above":                                 func(p *Preset) { p.Ghosting.NumMin = 11 },
		"ghosting.intensity_max":                                         func(p *Preset) { p.Ghosting.IntensityMax = math.NaN() },
		"spike.num_max = 101":                                            func(p *Preset) { p.Spike.NumMax = 101 },
		`spike.maximum = "twice"`:                                        func(p *Preset) { p.Spike.Maximum = "twice" },
		"spike.bins_from_zero = -1":                                      func(p *Preset) { p.Spike.BinsFromZero = -1 },
		"blur.sd_min = 2 is above":                                       func(p *Preset) { p.Blur.SDMin = 2 },
		"blur.sd_max = 0: must be above 0":                               func(p *Preset) { p.Blur.SDMin, p.Blur.SDMax = 0, 0 },
		"edge.amount_min = -1":                                           func(p *Preset) { p.Edge.AmountMin = -1 },
		"axial_mean.size_min = 0":                                        func(p *Preset) { p.AxialMean.SizeMin = 0 },
		"anisotropy.factor_min = 0.5":                                    func(p *Preset) { p.Anisotropy.FactorMin = 0.5 },
		`there is no kind "zooms"`:                                       func(p *Preset) { p.Anisotropy.Kind = "zooms" },
		`up "cubic"`:                                                     func(p *Preset) { p.Anisotropy.Up = "cubic" },
		"noise.sd_min = -0.1":                                            func(p *Preset) { p.Noise.SDMin = -0.1 },
		"the sum of their p is 1.3":                                      func(p *Preset) { p.Blur.P, p.Edge.P = 0.55, 0.5 },
		"augmentation: ghosting.p = NaN: must ":                          func(p *Preset) { p.Ghosting.P = math.NaN() },
	} {
		p := named(t, "default")
		mistake(&p)
		require.ErrorContains(t, p.Check(), want)
	}
}

// Same stream, same recipe, to the bit, and its JSON gives it back; another index gives
// another one; two time points have nothing to do with each other.
func TestDrawsReplayAndAreIndependent(t *testing.T) {
	for _, name := range []string{"default", "torchio"} {
		p := named(t, name)
		both, first, second, n := 0, 0, 0, 8000
		seen := map[string]bool{}
		for i := range n {
			a, b := p.Draw(rng.New(1, "sample", i, "time", 1), cube), p.Draw(rng.New(1, "sample", i, "time", 2), cube)
			has := func(r Recipe) bool { return len(r) > 0 && r[0].Name() == "bias_field" }
			if has(a) {
				first++
			}
			if has(b) {
				second++
			}
			if has(a) && has(b) {
				both++
				require.NotEqual(t, a[0], b[0])
			}
			text, err := json.Marshal(a)
			require.NoError(t, err)
			again, err := json.Marshal(p.Draw(rng.New(1, "sample", i, "time", 1), cube))
			require.NoError(t, err)
			require.Equal(t, string(text), string(again))
			if i < 500 {
				var back Recipe
				require.NoError(t, json.Unmarshal(text, &back))
				require.Equal(t, a, back)
			}
			if has(a) { // others may well recur: a mean of two voxels
				require.False(t, seen[string(text)])
				seen[string(text)] = true
			}
		}
		near(t, 0.3, first, n, "time 1")
		near(t, 0.3, second, n, "time 2")
		near(t, 0.09, both, n, "both")
	}
}

// Draw takes from its stream alone, so that what is drawn behind it does not depend on anything else.
func TestDrawTakesTheSameNumbersEachTime(t *testing.T) {
	p := named(t, "default")
	for i := range 200 {
		s := rng.New(9, i)
		a := p.Draw(s, cube)
		b := p.Draw(s, cube)
		again := rng.New(9, i)
		require.Equal(t, a, p.Draw(again, cube))
		require.Equal(t, b, p.Draw(again, cube))
		require.Equal(t, s.Pos(), again.Pos())
	}
}

func TestDrawOrientation(t *testing.T) {
	type key struct {
		perm [3]int
		flip [3]bool
	}
	count := func(p Preset, size [3]int, n int) map[key]int {
		seen := map[key]int{}
		for i := range n {
			perm, flip := p.DrawOrientation(rng.New(4, i), size)
			o := Orient{perm, flip}
			require.NoError(t, o.Check(size))
			require.Equal(t, size, o.OutSize(size))
			seen[key{perm, flip}]++
		}
		return seen
	}
	p := named(t, "default")
	for size, want := range map[[3]int]int{cube: 48, {64, 64, 32}: 16, {64, 32, 16}: 8} {
		seen := count(p, size, 24000)
		require.Len(t, seen, want)
		for _, c := range seen {
			near(t, 1/float64(want), c, 24000, "orientation")
		}
	}
	mirror := count(named(t, "torchio"), [3]int{64, 32, 16}, 4000)
	require.Len(t, mirror, 2)
	near(t, 0.5, mirror[key{[3]int{0, 1, 2}, [3]bool{true, false, false}}], 4000, "mirrored")
	require.Equal(t, map[key]int{{perm: [3]int{0, 1, 2}}: 50}, count(named(t, "none"), cube, 50))
}

// In millimetres: thick slices are blurred less along their axis, and motion turns a body and not its voxels.
func TestDrawSpaced(t *testing.T) {
	p := named(t, "default")
	spacing := [3]float64{1, 0.5, 3}
	motions, blurs := 0, 0
	for i := range 300 {
		a, b := p.Draw(rng.New(6, i), cube), p.DrawSpaced(rng.New(6, i), cube, spacing)
		require.Equal(t, len(a), len(b))
		for n := range a {
			switch one := a[n].(type) {
			case Blur:
				blurs++
				require.InDelta(t, one.Sigma[2]/3, b[n].(Blur).Sigma[2], 1e-12)
				require.InDelta(t, one.Sigma[1]*2, b[n].(Blur).Sigma[1], 1e-12)
			case Motion:
				motions++
				require.Equal(t, Centred(cube, spacing), *b[n].(Motion).Affine)
			}
		}
	}
	require.NotZero(t, motions*blurs)
}

func TestSpikesOfSmallImages(t *testing.T) {
	d := SpikeDraw{NumMin: 2, NumMax: 2, IntensityMin: 1, IntensityMax: 1, BinsFromZero: 3}
	for i := range 200 {
		for _, size := range [][3]int{{1, 1, 1}, {2, 3, 1}, {5, 5, 5}, {7, 2, 2}} {
			require.NoError(t, d.draw(rng.New(1, i), size).Check(size))
		}
	}
}
