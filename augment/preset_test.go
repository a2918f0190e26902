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
	require.EqualError(t, err, `there is no augmentation preset "Default"; known are default, torchio, paper-baseline, none`)
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
	for want, spoil := range map[string]func(p *Preset){
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
		spoil(&p)
		require.ErrorContains(t, p.Check(), want)
	}
}

// near is whether a share of n draws fits a probability.
func near(t *testing.T, p float64, count, n int, what string) {
	t.Helper()
	require.InDelta(t, p, float64(count)/float64(n), 4.5*math.Sqrt(p*(1-p)/float64(n))+1e-12, what)
}

// spread checks that values fill their range and no more; uniform ones have its mean.
func spread(t *testing.T, what string, values []float64, lo, hi float64) {
	t.Helper()
	require.Greater(t, len(values), 200, what)
	least, most, sum := math.Inf(1), math.Inf(-1), 0.0
	for _, v := range values {
		least, most, sum = min(least, v), max(most, v), sum+v
	}
	require.GreaterOrEqual(t, least, lo, what)
	require.LessOrEqual(t, most, hi, what)
	require.InDelta(t, lo, least, 0.03*(hi-lo), what)
	require.InDelta(t, hi, most, 0.03*(hi-lo), what)
	require.InDelta(t, (lo+hi)/2, sum/float64(len(values)), 0.7*(hi-lo)/math.Sqrt(float64(len(values)))*2, what)
}

// drawn is the values of many recipes, by what they are.
type drawn struct {
	n, untouched, changes, resolutions int
	names                              map[string]int
	values                             map[string][]float64
	whole                              map[string]map[int]int
}

func (d *drawn) value(what string, v ...float64) { d.values[what] = append(d.values[what], v...) }
func (d *drawn) int(what string, v int) {
	if d.whole[what] == nil {
		d.whole[what] = map[int]int{}
	}
	d.whole[what][v]++
}

func draws(t *testing.T, p Preset, n int) *drawn {
	d := &drawn{n: n, names: map[string]int{}, values: map[string][]float64{}, whole: map[string]map[int]int{}}
	rank := map[string]int{"bias_field": 1, "motion": 2, "motion_safe": 2, "ghosting": 3, "spike": 4, "spike_fixedmax": 4,
		"blur": 5, "edge": 5, "axial_mean": 5, "anisotropy_clamp": 5, "anisotropy_torchio": 5, "noise": 6}
	for i := range n {
		r := p.Draw(rng.New(3, "draws", i), cube)
		require.NoError(t, r.Check(cube))
		if len(r) == 0 {
			d.untouched++
		}
		d.changes += len(r)
		last := 0
		for _, one := range r {
			require.Greater(t, rank[one.Name()], last, "the order of %v", r)
			last = rank[one.Name()]
			d.names[one.Name()]++
			d.note(one)
		}
	}
	return d
}

func (d *drawn) note(one Transform) {
	switch one := one.(type) {
	case BiasField:
		d.int("order", one.Order)
		d.value("gain", one.Coefficients[0])
		d.value("coefficient", one.Coefficients[1:]...)
	case Motion:
		d.int("movements", len(one.Times))
		for i, at := range one.Times {
			d.value("angle", one.Degrees[i][:]...)
			d.value("shift", one.Translation[i][:]...)
			step := 1 / float64(len(one.Times)+1)
			d.value("time", at/step-float64(i+1))
		}
		d.value("centre", one.Affine[0][3], one.Affine[1][3], one.Affine[2][3])
	case Ghosting:
		d.int("ghosts", one.Num)
		d.int("ghost axis", one.Axis)
		d.value("ghost", one.Intensity)
	case Spike:
		d.int("spikes", len(one.Positions))
		d.value("spike", one.Intensity)
		for _, p := range one.Positions {
			d.value("position", p[:]...)
			bin, near := p.Bin(cube), 0
			for a := range 3 {
				near = max(near, bin[a]-32, 32-bin[a])
			}
			d.value("bins", float64(near))
		}
	case Blur:
		d.value("blur", one.Sigma[:]...)
	case Edge:
		d.value("edge", one.Sigma[0])
		d.value("amount", one.Amount)
	case AxialMean:
		d.int("axial", one.Size)
		d.int("origin", one.Origin)
	case Anisotropy:
		d.int("anisotropy axis", one.Axis)
		d.value("factor", one.Factor)
	case Noise:
		d.value("noise", one.Sigma)
	}
}

// even checks that whole numbers lo to hi are equally likely and no other occurs.
func (d *drawn) even(t *testing.T, what string, lo, hi int) {
	t.Helper()
	total := 0
	for v, c := range d.whole[what] {
		require.True(t, lo <= v && v <= hi, "%s %d", what, v)
		total += c
	}
	for v := lo; v <= hi; v++ {
		near(t, 1/float64(hi-lo+1), d.whole[what][v], total, what)
	}
}

// The numbers of the specification's table, written out again.
func TestDefaultDraws(t *testing.T) {
	d := draws(t, named(t, "default"), 20000)
	for name, p := range map[string]float64{"bias_field": 0.3, "motion_safe": 0.15, "ghosting": 0.15, "spike_fixedmax": 0.1,
		"blur": 0.125, "edge": 0.125, "axial_mean": 0.125, "anisotropy_clamp": 0.125, "noise": 0.3} {
		near(t, p, d.names[name], d.n, name)
	}
	require.Len(t, d.names, 9)
	near(t, 0.7*0.85*0.85*0.9*0.5*0.7, d.untouched, d.n, "untouched")
	require.InDelta(t, 1.5, float64(d.changes)/float64(d.n), 0.04)

	d.even(t, "order", 3, 3)
	require.Zero(t, maxAbs(d.values["gain"]))
	spread(t, "coefficient", d.values["coefficient"], -0.2, 0.2)
	d.even(t, "movements", 1, 3)
	spread(t, "angle", d.values["angle"], -5, 5)
	spread(t, "shift", d.values["shift"], -4, 4)
	spread(t, "time", d.values["time"], -0.3, 0.3)
	for _, c := range d.values["centre"] {
		require.Equal(t, -31.5, c)
	}
	d.even(t, "ghosts", 4, 10)
	d.even(t, "ghost axis", 0, 2)
	spread(t, "ghost", d.values["ghost"], 0.5, 1)
	d.even(t, "spikes", 1, 1)
	spread(t, "spike", d.values["spike"], 0.05, 0.3)
	spread(t, "position", d.values["position"], 0, 1)
	for _, b := range d.values["bins"] {
		require.Greater(t, b, 2.0, "within two elements of the zero frequency on all axes")
	}
	spread(t, "blur", d.values["blur"], 0.5, 1.75)
	spread(t, "edge", d.values["edge"], 0.5, 1.75)
	for _, a := range d.values["amount"] {
		require.Equal(t, 1.0, a)
	}
	d.even(t, "axial", 2, 4)
	d.even(t, "origin", 0, 0)
	d.even(t, "anisotropy axis", 0, 2)
	spread(t, "factor", d.values["factor"], 1.5, 4)
	spread(t, "noise", d.values["noise"], 0.02, 0.1)
}

func TestTorchIODraws(t *testing.T) {
	d := draws(t, named(t, "torchio"), 20000)
	require.Contains(t, d.names, "motion")
	require.Contains(t, d.names, "spike")
	require.Contains(t, d.names, "anisotropy_torchio")
	require.Len(t, d.names, 9)
	spread(t, "gain", d.values["gain"], -0.5, 0.5)
	spread(t, "coefficient", d.values["coefficient"], -0.5, 0.5)
	d.even(t, "movements", 2, 2)
	spread(t, "angle", d.values["angle"], -10, 10)
	spread(t, "shift", d.values["shift"], -10, 10)
	require.Zero(t, maxAbs(d.values["centre"]))
	spread(t, "spike", d.values["spike"], 1, 3)
	spread(t, "blur", d.values["blur"], 0, 2)
	spread(t, "factor", d.values["factor"], 1.5, 5)
	for _, f := range d.values["factor"] {
		require.Equal(t, f, float64(float32(f)), "factors are float32")
	}
	spread(t, "noise", d.values["noise"], 0, 0.25)
	p := named(t, "torchio")
	p.Spike.P, p.Blur.P = 1, 0.5
	low := 0
	for i := range 200000 { // the zero frequency is not spared
		if (SpikeDraw{BinsFromZero: 3}).farEnough(p.Spike.draw(rng.New(1, i), cube).(Spike).Positions[0], cube) {
			continue
		}
		low++
	}
	near(t, 125./(64*64*64), low, 200000, "positions within two elements of the zero frequency")
}

func maxAbs(values []float64) (m float64) {
	for _, v := range values {
		m = max(m, math.Abs(v))
	}
	return m
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
