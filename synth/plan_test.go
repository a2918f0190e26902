package synth

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

// dilated is the definition: every voxel of the brain with a lesion's voxel among
// its 27.
func dilated(list []int32, p Patch) []bool {
	in := map[[3]int]bool{}
	for _, v := range list {
		in[p.at(int(v))] = true
	}
	out := make([]bool, p.voxels())
	lo, hi := bounds(list, p.Size)[0], bounds(list, p.Size)[1]
	for i := range out {
		at := p.at(i)
		if at[0] < lo[0]-1 || at[1] < lo[1]-1 || at[2] < lo[2]-1 || at[0] > hi[0] || at[1] > hi[1] || at[2] > hi[2] {
			continue
		}
		for n := range 27 {
			if in[[3]int{at[0] + n/9 - 1, at[1] + n/3%3 - 1, at[2] + n%3 - 1}] {
				out[i] = p.Brain[i]
			}
		}
	}
	return out
}

func TestPlanInvariants(t *testing.T) {
	o := Defaults()
	o.GeneratedMin = 1
	p, lib := phantomPatch(t), phantomLibrary(t, o)
	real := p.lesions()
	generated, dropped := 0, 0
	for seed := range uint64(60) {
		pl := plan(t, o, seed, p, lib)
		at1, at2, fresh := pl.Lesions(0), pl.Lesions(1), pl.NewLesions()
		all := make([]bool, p.voxels())
		for i := range all {
			all[i] = at1[i] || at2[i] || p.Lesions[i]
			if (at2[i] && !at1[i]) != fresh[i] || all[i] && !p.Brain[i] {
				t.Fatalf("voxel %v: lesion %v, %v, new %v, brain %v", p.at(i), at1[i], at2[i], fresh[i], p.Brain[i])
			}
		}
		require.Len(t, components(all, p.Size), len(pl.Record.Lesions), "lesions do not touch")
		require.Equal(t, pl.Record.Count(func(l Lesion) bool { return l.New }), len(components(fresh, p.Size)))

		var fill [2][]bool
		for time := range fill {
			fill[time] = make([]bool, p.voxels())
		}
		for n, l := range pl.Record.Lesions {
			require.Equal(t, n+1, l.Number)
			require.Equal(t, l.Time2 && !l.Time1, l.New)
			require.Equal(t, len(pl.lesions[n]), l.Voxels)
			require.Equal(t, float64(l.Voxels), l.MM3)
			want := p.Affine.Apply(l.CentroidVoxel)
			require.Equal(t, &want, l.CentroidMM)
			if l.Origin == Real {
				require.Equal(t, real[n], pl.lesions[n])
			} else {
				require.NotEqual(t, p.Case, l.ShapeOf)
				require.True(t, l.Time1 || l.Time2)
				generated++
			}
			for time, present := range [2]bool{l.Time1, l.Time2} {
				for _, v := range pl.lesions[n] {
					require.Equal(t, present, [2][]bool{at1, at2}[time][v])
				}
				switch {
				case l.Origin == Real && !present:
					for i, in := range dilated(pl.lesions[n], p) {
						fill[time][i] = fill[time][i] || in
					}
				case l.Origin == Generated && present:
					for _, v := range pl.lesions[n] {
						fill[time][v] = true
					}
				}
			}
		}
		for time := range fill {
			require.Equal(t, fill[time], pl.Filled(time))
			kept := both(pl.Lesions(time), p.Lesions)
			require.Zero(t, count(both(kept, fill[time])), "a lesion that stays keeps its voxels")
			require.Zero(t, count(both(pl.base, fill[time])))
		}
		require.Zero(t, count(both(pl.base, all)))
		dropped += len(pl.Record.Dropped)
	}
	require.Greater(t, generated, 60, "most find a place")
	t.Logf("%d generated, %d dropped", generated, dropped)
}

func TestPlanIsAFunctionOfItsStream(t *testing.T) {
	o := Defaults()
	p, lib := phantomPatch(t), phantomLibrary(t, o)
	require.Equal(t, plan(t, o, 5, p, lib), plan(t, o, 5, p, lib))
	require.NotEqual(t, plan(t, o, 5, p, lib).Record, plan(t, o, 6, p, lib).Record)
}

// near asserts that k of n is a plausible count under probability p.
func near(t *testing.T, p float64, k, n int, what string) {
	t.Helper()
	require.InDelta(t, p*float64(n), float64(k), 4.5*math.Sqrt(p*(1-p)*float64(n)), what)
}

// All probabilities, over many plans of a patch with room for every lesion.
func TestPlanStatistics(t *testing.T) {
	o := Defaults()
	o.ErodeMM = 0
	p := box(20).mark([3]int{3, 3, 3}).mark([3]int{3, 15, 9})
	lib := dot(t, o)
	const n = 4000
	var realAt, putAt [4]int
	var puts [4]int
	reals, put := 0, 0
	for seed := range uint64(n) {
		pl := plan(t, o, seed, p, lib)
		require.Empty(t, pl.Record.Dropped)
		k := 0
		for _, l := range pl.Record.Lesions {
			at := 0
			if l.Time1 {
				at |= 1
			}
			if l.Time2 {
				at |= 2
			}
			if l.Origin == Real {
				realAt[at]++
				reals++
			} else {
				putAt[at]++
				put++
				k++
			}
		}
		puts[k]++
	}
	near(t, 0.15, realAt[0], reals, "removed from both")
	near(t, 0.15, realAt[1], reals, "removed from time 2")
	near(t, 0.30, realAt[2], reals, "removed from time 1")
	near(t, 0.40, realAt[3], reals, "kept")
	require.Zero(t, putAt[0])
	near(t, 0.15, putAt[1], put, "generated at time 1")
	near(t, 0.55, putAt[2], put, "generated at time 2")
	near(t, 0.30, putAt[3], put, "generated at both")
	for k, c := range puts {
		near(t, 0.25, c, n, "number of generated lesions "+string(rune('0'+k)))
	}
}

func TestPlanDrops(t *testing.T) {
	o := Defaults()
	o.GeneratedMin, o.GeneratedMax, o.ErodeMM = 2, 2, 0
	p := box(8)
	big := NewLibrary(o)
	mask := make([]bool, 1000)
	for i := range mask {
		mask[i] = true
	}
	_, err := big.Add("b", mask, [3]int{10, 10, 10})
	require.NoError(t, err)
	pl := plan(t, o, 1, p, big)
	require.Equal(t, Dropped{Reason: "no free place found", Voxels: 1000}, pl.Record.Dropped[1])
	require.Empty(t, pl.Record.Lesions)
	for time := range 2 {
		require.Zero(t, count(pl.Filled(time)))
	}
	p.Case = "b"
	pl = plan(t, o, 1, p, big)
	require.Equal(t, "no shape of another case", pl.Record.Dropped[0].Reason)

	p.Affine = nil
	text, err := json.Marshal(plan(t, o, 1, p.mark([3]int{4, 4, 4}), NewLibrary(o)).Record)
	require.NoError(t, err)
	require.Contains(t, string(text), `"centroid_voxel":[4,4,4],"centroid_mm":null`)
}

func TestPlanErrors(t *testing.T) {
	o := Defaults()
	lib := dot(t, o)
	p := box(8)
	p.Likelihood = make([]float32, p.voxels())
	p.Likelihood[9] = float32(math.NaN())
	_, err := o.Plan(rng.New(1), p, lib)
	require.ErrorContains(t, err, "[0 1 1]")
	_, _, err = o.InpainterRegion(rng.New(1), p, lib)
	require.ErrorContains(t, err, "finite")
	p = box(8)
	p.Brain = p.Brain[1:]
	_, err = o.Plan(rng.New(1), p, lib)
	require.ErrorContains(t, err, "511 of brain mask")
	for want, change := range map[string]func(o *Options){
		"add up to 1":                func(o *Options) { o.Kept = 0.5 },
		"generated_time1, generated": func(o *Options) { o.GeneratedBoth = math.NaN() },
		"generated_min":              func(o *Options) { o.GeneratedMin = 4 },
		"regions_min":                func(o *Options) { o.RegionsMin = 0 },
		"shape_max_voxels":           func(o *Options) { o.ShapeMax = 1 },
		"erode_mm":                   func(o *Options) { o.ErodeMM = -1 },
		"tries":                      func(o *Options) { o.Tries = 0 },
		"dilate":                     func(o *Options) { o.Dilate = 2 },
	} {
		o := Defaults()
		change(&o)
		_, err := o.Plan(rng.New(1), box(8), lib)
		require.ErrorContains(t, err, want)
		_, _, err = o.InpainterRegion(rng.New(1), box(8), lib)
		require.ErrorContains(t, err, want)
	}
}

func BenchmarkPlan(b *testing.B) {
	o := Defaults()
	p := box(64)
	for i := range p.Lesions {
		at := p.at(i)
		p.Lesions[i] = at[0]%16 < 5 && at[1]%16 < 5 && at[2]%16 < 5
	}
	lib := NewLibrary(o)
	if _, err := lib.Add("other", p.Lesions, p.Size); err != nil {
		b.Fatal(err)
	}
	b.Run("patch=64", func(b *testing.B) {
		for i := range b.N {
			if _, err := o.Plan(rng.New(1, i), p, lib); err != nil {
				b.Fatal(err)
			}
		}
	})
}
