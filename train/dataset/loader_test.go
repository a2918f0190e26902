package dataset

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/train/prep"
	"voxgrad/volume"
)

func open(t testing.TB, kind string) *Set {
	s, err := Open(filepath.Join(phantoms, kind), Options{})
	require.NoError(t, err)
	return s
}

func TestLoadedCase(t *testing.T) {
	set := open(t, "pairs")
	it, err := NewLoader(set, prep.Defaults(), 1<<30).Load(1)
	require.NoError(t, err)
	require.Len(t, it.Images, 2)

	read := func(p string) *volume.Volume {
		v, err := volume.Read(p)
		require.NoError(t, err)
		return volume.Canonical(v)
	}
	truth, raw := read(set.Cases[1].Masks[0]), read(set.Cases[1].Times[1])
	brain := read(set.Cases[1].Brain).NonZero()
	scale, err := volume.KDEScale(raw, brain)
	require.NoError(t, err)
	// Every voxel of the crop against the file, through world coordinates.
	g, lesions, brains := it.Grid(), 0, 0
	for k := range g.Size[2] {
		for j := range g.Size[1] {
			for i := range g.Size[0] {
				p := raw.Voxel(g.World(float64(i), float64(j), float64(k)))
				n := raw.Index(int(p[0]+0.5), int(p[1]+0.5), int(p[2]+0.5))
				l := it.Labels[g.Index(i, j, k)]
				require.Equal(t, brain.Data[n], l&Brain != 0)
				require.Equal(t, brain.Data[n] && truth.Data[n] != 0, l&Lesion != 0)
				want := 0.0
				if l&Brain != 0 {
					brains++
					want = float64(raw.Data[n]) / scale
				}
				if l&Lesion != 0 {
					lesions++
				}
				require.InDelta(t, want, float64(it.Images[1].Data[g.Index(i, j, k)]), 1e-6)
			}
		}
	}
	require.Equal(t, brains, it.BrainVoxels())
	require.Equal(t, brain.Count(), brains, "the crop lost brain")
	for l := range it.Lesions() {
		lesions -= it.LesionVoxels(l)
	}
	require.Zero(t, lesions)

	// Brain voxels are numbered in raster order.
	n := 0
	for i, l := range it.Labels {
		if l&Brain != 0 {
			p := it.BrainVoxel(n)
			require.Equal(t, i, g.Index(p[0], p[1], p[2]))
			n++
		}
	}
	require.Panics(t, func() { it.BrainVoxel(n) })
}

// What is loaded does not depend on how much is kept or on who asks first.
func TestLoaderKeepsWithinItsLimit(t *testing.T) {
	set := open(t, "single")
	big, small := NewLoader(set, prep.Defaults(), 1<<30), NewLoader(set, prep.Defaults(), 1)
	var wg sync.WaitGroup
	for n := range 12 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			a, err := big.Load(n % 3)
			if err != nil {
				panic(err)
			}
			b, err := small.Load((n + 1) % 3)
			if err != nil {
				panic(err)
			}
			c, err := big.Load((n + 1) % 3)
			if err != nil {
				panic(err)
			}
			if string(c.Labels) != string(b.Labels) || c.Images[0].Data[len(c.Labels)/2] != b.Images[0].Data[len(c.Labels)/2] || a.Case.ID == b.Case.ID {
				panic("loaders disagree")
			}
		}()
	}
	wg.Wait()
	require.Zero(t, big.Evicted())
	require.GreaterOrEqual(t, small.Evicted(), 2)
	require.LessOrEqual(t, len(small.items), 1)
	one, err := big.Load(0)
	require.NoError(t, err)
	two, err := big.Load(0)
	require.NoError(t, err)
	require.Same(t, one, two)
}

func TestRatersAreMerged(t *testing.T) {
	g := volume.Grid{Size: [3]int{2, 2, 1}, Affine: volume.Identity}
	dir := t.TempDir()
	var paths []string
	for i, data := range [][]float32{{1, 1, 1, 0}, {1, 1, 0, 0}, {1, 0, 0, 0}} {
		v := volume.New(g)
		copy(v.Data, data)
		paths = append(paths, filepath.Join(dir, string(rune('a'+i))+".nii"))
		require.NoError(t, volume.Write(paths[i], v, volume.Uint8))
	}
	for _, c := range []struct {
		n     int
		merge Merge
		want  []float32
	}{
		{3, Majority, []float32{1, 1, 0, 0}},
		{2, Majority, []float32{1, 1, 0, 0}},
		{3, Any, []float32{1, 1, 1, 0}},
		{1, Majority, []float32{1, 1, 1, 0}},
	} {
		m, err := ReadMask(Case{ID: "x", Masks: paths[:c.n], Merge: c.merge})
		require.NoError(t, err)
		require.Equal(t, c.want, m.Volume().Data)
	}
	other := volume.New(volume.Grid{Size: [3]int{2, 2, 2}, Affine: volume.Identity})
	require.NoError(t, volume.Write(paths[1], other, volume.Uint8))
	_, err := ReadMask(Case{ID: "x", Masks: paths, Merge: Any})
	require.ErrorContains(t, err, paths[1])
}

func TestLoadErrorsNameCaseAndFile(t *testing.T) {
	set := open(t, "single")
	c := set.Cases[0]
	c.Masks = []string{set.Cases[0].Times[0] + "x"}
	bad := &Set{Root: "r", Cases: []Case{c}}
	_, err := NewLoader(bad, prep.Defaults(), 1<<30).Load(0)
	require.ErrorContains(t, err, c.Masks[0])
	_, err = NewLoader(bad, prep.Defaults(), 1<<30).View([]int{0}).HasLesions(0)
	require.ErrorContains(t, err, c.Masks[0])
}

// Items carry the product of the case's white matter and the prior, cropped like
// all else; a map in another space is refused.
func TestLikelihoodOfACase(t *testing.T) {
	set := open(t, "single")
	image, err := volume.Read(set.Cases[0].Times[0])
	require.NoError(t, err)
	brain, err := volume.Read(set.Cases[0].Brain)
	require.NoError(t, err)
	prior, white := image.Like(), image.Like()
	for i, b := range brain.Data {
		prior.Data[i], white.Data[i] = b*float32(i%7), b*float32(i%5)
	}
	path := filepath.Join(t.TempDir(), "white.nii.gz")
	require.NoError(t, volume.Write(path, white, volume.Float32))

	load := func(file string, prior *volume.Volume) (*Item, error) {
		set.Cases[0].WhiteMatter = file
		l := NewLoader(set, prep.Defaults(), 1<<30)
		l.UseMaps(prior)
		return l.Load(0)
	}
	want := map[string]func(n int) float32{
		"":   func(n int) float32 { return prior.Data[n] },
		path: func(n int) float32 { return prior.Data[n] * white.Data[n] },
	}
	for file, of := range want {
		it, err := load(file, prior)
		require.NoError(t, err)
		require.Len(t, it.Likelihood, len(it.Labels))
		g := it.Grid()
		for i := range it.Likelihood {
			x, y, z := i%g.Size[0], i/g.Size[0]%g.Size[1], i/g.Size[0]/g.Size[1]
			p := image.Voxel(g.World(float64(x), float64(y), float64(z)))
			n := image.Index(int(p[0]+0.5), int(p[1]+0.5), int(p[2]+0.5))
			require.InDelta(t, of(n), it.Likelihood[i], 1e-4)
		}
	}
	it, err := load("", nil)
	require.NoError(t, err)
	require.Nil(t, it.Likelihood)

	far := *prior
	far.Affine[0][3] += 500
	_, err = load("", &far)
	require.ErrorContains(t, err, set.Cases[0].ID)
	require.ErrorContains(t, err, "another space")
	_, err = load(filepath.Join(t.TempDir(), "none.nii.gz"), nil)
	require.ErrorContains(t, err, "none.nii.gz")
}
