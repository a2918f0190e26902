package augment

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

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
	n, untouched, changes int
	names                 map[string]int
	values                map[string][]float64
	whole                 map[string]map[int]int
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
		d.value("seed", float64(one.Seed))
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
	spread(t, "seed", d.values["seed"], 0, 1<<53-1) // what any reader of JSON keeps
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
