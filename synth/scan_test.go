package synth

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
	"voxgrad/volume"
)

// scanOf prepares a phantom of any grid as training does.
func scanOf(t *testing.T, p *volume.Phantom) *Scan {
	grid, err := volume.Iso(p.Time1.Grid, 1)
	require.NoError(t, err)
	s := &Scan{Input: p.Time1, InputBrain: p.BrainMask, InputLesions: p.Lesions1,
		Brain: p.BrainMask.Resample(grid), Lesions: p.Lesions1.Resample(grid), Case: "a"}
	on := volume.Resample(p.Time1, grid, volume.Linear, 0)
	s.Scale, err = volume.KDEScale(on, s.Brain)
	require.NoError(t, err)
	s.Image, err = volume.Normalize(on, s.Brain, volume.KDE)
	require.NoError(t, err)
	return s
}

// marked are the images of a plan with every filled voxel set to 2 + 3·time.
func marked(s *Scan, pl *Plan) (images [2][]float32) {
	for time := range images {
		images[time] = s.Values()
		for i, in := range pl.Filled(time) {
			if in {
				images[time][i] = float32(2 + 3*time)
			}
		}
	}
	return images
}

// checkPair holds what is true of a pair on any grid.
func checkPair(t *testing.T, s *Scan, pair *Pair) {
	var fromRecord [2]int
	for n, l := range pair.Record.Lesions {
		require.Equal(t, n+1, l.Number)
		require.Positive(t, l.Voxels)
		spacing := s.Input.Spacing()
		require.InDelta(t, float64(l.Voxels)*spacing[0]*spacing[1]*spacing[2], l.MM3, 1e-9)
		require.Equal(t, s.Input.Affine.Apply(l.CentroidVoxel), *l.CentroidMM)
		for time, present := range [2]bool{l.Time1, l.Time2} {
			if present {
				fromRecord[time] += l.Voxels
			}
		}
	}
	newVoxels := 0
	for i := range pair.NewLesions.Data {
		at1, at2 := pair.Lesions[0].Data[i], pair.Lesions[1].Data[i]
		isNew := pair.NewLesions.Data[i]
		if isNew {
			newVoxels++
		}
		if isNew != (at2 && !at1) || (at1 || at2) && !s.InputBrain.Data[i] {
			t.Fatalf("voxel %d: lesion %v, %v, new %v, brain %v", i, at1, at2, isNew, s.InputBrain.Data[i])
		}
		for time, at := range [2]bool{at1, at2} {
			v := pair.Images[time].Data[i]
			source := s.InputLesions.Data[i] && s.InputBrain.Data[i]
			filled := pair.Filled[time][i]
			if !filled && math.Float32bits(v) != math.Float32bits(s.Input.Data[i]) {
				t.Fatalf("voxel %d, time %d: %g became %g", i, time+1, s.Input.Data[i], v)
			}
			if source == at && source && filled || source != at && !filled || filled && !s.InputBrain.Data[i] {
				t.Fatalf("voxel %d, time %d: lesion %v, was %v, filled %v", i, time+1, at, source, filled)
			}
		}
	}
	for time := range 2 {
		require.Equal(t, fromRecord[time], pair.Lesions[time].Count())
	}
	fresh := 0
	for _, l := range pair.Record.Lesions {
		if l.New {
			fresh += l.Voxels
		}
	}
	require.Equal(t, fresh, newVoxels)
}

// On 1 mm voxels in any order of axes the pair is the plan, voxel by voxel.
func TestBackOnOneMillimetre(t *testing.T) {
	p := phantoms()[0]
	flipped := *p
	g := p.Time1.Grid // the same voxels as LSP
	to := volume.Grid{Size: [3]int{g.Size[0], g.Size[2], g.Size[1]}}
	a := g.Affine
	for r := range 3 {
		to.Affine[r] = [4]float64{-a[r][0], a[r][2], -a[r][1], a[r][3] + a[r][0]*float64(g.Size[0]-1) + a[r][1]*float64(g.Size[1]-1)}
	}
	flipped.Time1 = volume.Resample(p.Time1, to, volume.Nearest, 0)
	flipped.BrainMask, flipped.Lesions1 = p.BrainMask.Resample(to), p.Lesions1.Resample(to)
	s := scanOf(t, &flipped)
	require.Equal(t, "LSP", s.Input.Affine.Codes())
	o := busy()
	for seed := range uint64(5) {
		pl := plan(t, o, seed, s.Patch(), phantomLibrary(t, o))
		pair := s.Back(pl, marked(s, pl), [2]bool{})
		checkPair(t, s, pair)
		require.Len(t, pair.Record.Lesions, len(pl.Record.Lesions))
		for n, l := range pl.Record.Lesions {
			got := pair.Record.Lesions[n]
			for a := range 3 {
				require.InDelta(t, l.CentroidMM[a], got.CentroidMM[a], 1e-9)
			}
			got.CentroidVoxel, got.CentroidMM = l.CentroidVoxel, l.CentroidMM
			got.MM3 = math.Round(got.MM3*1e6) / 1e6
			require.Equal(t, l, got)
		}
		for time := range 2 {
			require.Equal(t, count(pl.Filled(time)), count(pair.Filled[time]))
			for i, in := range pair.Filled[time] {
				if in {
					require.InEpsilon(t, float64(2+3*time)*s.Scale, float64(pair.Images[time].Data[i]), 1e-6)
				}
			}
		}
		// Changed everywhere: all intensities come from the images.
		all := marked(s, pl)
		for i := range all[0] {
			all[0][i] = 4
		}
		pair = s.Back(pl, all, [2]bool{true, true})
		for i := range pair.Images[0].Data {
			require.InEpsilon(t, 4*s.Scale, float64(pair.Images[0].Data[i]), 1e-6)
		}
	}
}

// On thick slices masks are those of the input, and generated lesions are found in
// the slices they reach.
func TestBackOnThickSlices(t *testing.T) {
	po := volume.DefaultPhantom(310)
	po.Size, po.Spacing = [3]int{56, 60, 24}, [3]float64{0.8, 0.8, 2.5}
	po.Unchanged = volume.Range{Min: 6, Max: 8}
	p, err := volume.NewPhantom(po)
	require.NoError(t, err)
	s := scanOf(t, p)
	require.NotEqual(t, s.Input.Size, s.Image.Size)
	o := busy()
	generated, fine, coarse := 0, 0.0, 0.0
	for seed := range uint64(6) {
		pl := plan(t, o, seed, s.Patch(), phantomLibrary(t, o))
		pair := s.Back(pl, marked(s, pl), [2]bool{})
		checkPair(t, s, pair)
		generated += pair.Record.Count(func(l Lesion) bool { return l.Origin == Generated })
		fine += float64(count(pl.Filled(1)))
		coarse += float64(count(pair.Filled[1])) * 0.8 * 0.8 * 2.5
		var peak float32
		for i, in := range pair.Filled[1] {
			if in {
				peak = max(peak, pair.Images[1].Data[i])
			}
		}
		require.InDelta(t, 5*s.Scale, float64(peak), 0.01*s.Scale, "inside a region its own values are all there is")

		// Next to the brain's surface nothing of the zeros outside is mixed in.
		flat := [2][]float32{s.Values(), s.Values()}
		for i, in := range s.Patch().Brain {
			flat[0][i] = 0
			if in {
				flat[0][i] = 3
			}
		}
		pair = s.Back(pl, flat, [2]bool{})
		for i, in := range pair.Filled[0] {
			if in {
				require.InEpsilon(t, 3*s.Scale, float64(pair.Images[0].Data[i]), 1e-6)
			}
		}
	}
	require.Positive(t, generated)
	require.InEpsilon(t, fine, coarse, 0.15, "mm³ filled on either grid")
}

// A lesion too small for the 1 mm grid stays at both time points.
func TestBackKeepsWhatTheFineGridLost(t *testing.T) {
	g := volume.Grid{Size: [3]int{40, 40, 40}, Affine: volume.Affine{{0.5, 0, 0, 0}, {0, 0.5, 0, 0}, {0, 0, 0.5, 0}}}
	image, brain, lesions := volume.New(g), volume.NewMask(g), volume.NewMask(g)
	r := rng.New(1)
	for i := range image.Data {
		image.Data[i], brain.Data[i] = 100+float32(r.Normal()), true
	}
	lesions.Data[g.Index(9, 9, 9)] = true
	for k := range 6 {
		for j := range 6 {
			for i := range 6 {
				lesions.Data[g.Index(20+i, 20+j, 20+k)] = true
			}
		}
	}
	s := scanOf(t, &volume.Phantom{Time1: image, BrainMask: brain, Lesions1: lesions})
	o := Defaults()
	o.Kept, o.RemovedTime1, o.RemovedTime2, o.RemovedBoth, o.GeneratedMax = 0, 0, 0, 1, 0
	pl := plan(t, o, 1, s.Patch(), dot(t, o))
	require.Len(t, pl.Record.Lesions, 1)
	pair := s.Back(pl, marked(s, pl), [2]bool{})
	checkPair(t, s, pair)
	require.Len(t, pair.Record.Lesions, 2)
	require.Equal(t, 216, pair.Record.Lesions[0].Voxels)
	require.Equal(t, Lesion{Number: 2, Origin: Real, Time1: true, Time2: true, Voxels: 1, MM3: 0.125,
		CentroidVoxel: [3]float64{9, 9, 9}, CentroidMM: &[3]float64{4.5, 4.5, 4.5}}, pair.Record.Lesions[1])

	// One that is generated on top of it leaves it alone.
	s.Likelihood = make([]float32, len(s.Image.Data))
	s.Likelihood[s.Image.Index(4, 4, 4)] = 1
	o.GeneratedMin, o.GeneratedMax = 1, 1
	cube := NewLibrary(o)
	_, err := cube.Add("cube", slices.Repeat([]bool{true}, 27), [3]int{3, 3, 3})
	require.NoError(t, err)
	pl = plan(t, o, 1, s.Patch(), cube)
	pair = s.Back(pl, marked(s, pl), [2]bool{})
	checkPair(t, s, pair)
	require.Equal(t, Generated, pair.Record.Lesions[1].Origin)
	require.Greater(t, pair.Record.Lesions[1].Voxels, 100)
	require.Equal(t, 1, pair.Record.Lesions[2].Voxels)
}

func TestOrders(t *testing.T) {
	size := [3]int{2, 3, 4}
	v := volume.New(volume.Grid{Size: size, Affine: volume.Identity})
	for i := range v.Data {
		v.Data[i] = float32(i)
	}
	n := toNetwork(v.Data, size)
	require.Equal(t, v.At(1, 2, 3), n[index([3]int{1, 2, 3}, size)])
	require.Equal(t, v.At(0, 1, 2), n[index([3]int{0, 1, 2}, size)])
	require.Equal(t, v.Data, fromNetwork(n, size))
}
