package prepare

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/par"
	"voxgrad/internal/rng"
	"voxgrad/volume"
)

// head is a phantom without a residual motion between its time points.
func head(t testing.TB, seed uint64) *volume.Phantom {
	o := volume.DefaultPhantom(seed)
	o.ShiftMM, o.TurnDeg = 0, 0
	p, err := volume.NewPhantom(o)
	require.NoError(t, err)
	return p
}

// moveTo is v moved by m on a grid of its own.
func moveTo(v *volume.Volume, m volume.Transform, size [3]int, spacing [3]float64) *volume.Volume {
	g := volume.Grid{Size: size}
	at := m.Apply(v.Centre())
	for d := range 3 {
		g.Affine[d][d] = spacing[d]
		g.Affine[d][3] = at[d] - spacing[d]*float64(size[d]-1)/2
	}
	out := volume.ResampleThrough(v, g, m.Inverse(), volume.Cubic, 0)
	out.Source = nil
	return out
}

func brainPoints(m *volume.Mask) (points [][3]float64) {
	for x, in := range m.Data {
		if in && x%997 == 0 {
			points = append(points, m.World(float64(x%m.Size[0]), float64(x/m.Size[0]%m.Size[1]), float64(x/m.Size[0]/m.Size[1])))
		}
	}
	return points
}

func TestRegisterPhantoms(t *testing.T) {
	r := rng.New(5)
	p := head(t, 3)
	points := brainPoints(p.BrainMask)
	for n, grid := range []struct {
		size    [3]int
		spacing [3]float64
	}{{[3]int{110, 121, 107}, [3]float64{1, 1, 1}}, {[3]int{150, 151, 40}, [3]float64{0.8, 0.8, 3}}, {[3]int{101, 103, 27}, [3]float64{1.1, 1.1, 5}}} {
		if testing.Short() && n > 0 {
			break
		}
		truth := drawn(r, 30, 40)
		b := moveTo(p.Time2, truth, grid.size, grid.spacing) // with new lesions, noise and a bias of its own
		got, err := Register(p.Time1, b, nil, nil)
		require.NoError(t, err)
		edge := math.Cbrt(grid.spacing[0] * grid.spacing[1] * grid.spacing[2])
		require.Less(t, apart(truth, got.Between(), points), 0.3*max(1, edge), "case %d", n)
		require.Greater(t, apart(volume.Identity, truth, points), 5.0)

		back, err := Register(b, p.Time1, nil, nil)
		require.NoError(t, err)
		require.Less(t, apart(got.Between(), back.Between().Inverse(), points), 0.1, "roles exchanged")
		requireNear(t, got.Half[0], back.Half[1], 0.05)
		require.InDelta(t, degrees(got.Half[0]), degrees(got.Half[1]), 1e-6, "both scans turn by the same angle")
	}
}

func TestRegisterHasTheSameBitsOnAnyNumberOfCores(t *testing.T) {
	p := head(t, 4)
	b := moveTo(p.Time2, drawn(rng.New(7), 20, 20), [3]int{60, 70, 61}, [3]float64{2, 2, 2})
	var first *Registered
	for _, threads := range []int{1, 3} {
		par.SetThreads(threads)
		got, err := Register(p.Time1, b, nil, nil)
		require.NoError(t, err)
		if first == nil {
			first = got
		}
		require.Equal(t, first, got)
	}
	par.SetThreads(0)
}

// Brains that differ in size from the atlas', without their heads, are placed as their headers say, and with front and back exchanged nowhere.
func TestStrippedBrainsFindTheAtlas(t *testing.T) {
	for _, c := range []struct {
		name    string
		least   float64 // local correlation
		degrees float64
	}{{"patient07", 0.25, 10}, {"patient19", 0.3, 15}} {
		dir := filepath.Join("..", "..", "shared", "data", "cross_sectional", c.name)
		if _, err := os.Stat(dir); err != nil {
			t.Skip("the shared data are not here: ", err)
		}
		v, err := volume.Read(filepath.Join(dir, "flair.nii.gz"))
		require.NoError(t, err)
		brain, err := volume.ReadMask(filepath.Join(dir, "brainmask.nii.gz"))
		require.NoError(t, err)
		r, err := RegisterAtlas(v, brain)
		require.NoError(t, err)
		require.Greater(t, r.Correlation, c.least)
		require.Greater(t, r.Overlap, 0.8)
		require.Less(t, degrees(nearestRigid(r.ToScan, [3]float64{})), c.degrees, "it lies in the atlas's space already")
		require.NoError(t, r.judge(v.Name(), true))
		if testing.Short() {
			continue
		}
		turn := volume.Affine{{-1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, 1, 0}}
		v.Affine, brain.Affine = turn.Mul(v.Affine), turn.Mul(brain.Affine)
		r, err = RegisterAtlas(v, brain)
		require.NoError(t, err)
		require.ErrorContains(t, r.judge(v.Name(), true), "does not match the atlas")
	}
}
