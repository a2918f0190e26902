package synth

import (
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/internal/rng"
	"voxgrad/models"
	"voxgrad/volume"
)

// phantoms are small heads with lesions at 1 mm, made once.
var phantoms = sync.OnceValue(func() (out []*volume.Phantom) {
	for seed := range uint64(3) {
		o := volume.DefaultPhantom(300 + seed)
		o.Size = [3]int{40, 48, 40}
		o.Unchanged = volume.Range{Min: 5, Max: 8}
		o.LesionMM3 = volume.Range{Min: 5, Max: 120}
		p, err := volume.NewPhantom(o)
		if err != nil {
			panic(err)
		}
		out = append(out, p)
	}
	return out
})

// phantomScan is the first time point of a phantom as a scan on its own grid.
func phantomScan(t *testing.T, n int) *Scan {
	p := phantoms()[n]
	im, err := volume.Normalize(p.Time1, p.BrainMask, volume.KDE)
	require.NoError(t, err)
	scale, err := volume.KDEScale(p.Time1, p.BrainMask)
	require.NoError(t, err)
	brain, lesions := p.BrainMask, p.Lesions1
	require.Equal(t, "RAS", p.Time1.Affine.Codes())
	return &Scan{
		Input: p.Time1, InputBrain: brain, InputLesions: lesions,
		Image: im, Brain: brain, Lesions: lesions, Scale: scale, Case: "a",
	}
}

func phantomPatch(t *testing.T) Patch {
	p := phantomScan(t, 0).Patch()
	require.Greater(t, len(p.lesions()), 4)
	return p
}

// phantomLibrary has the shapes of all phantoms, the first being case a.
func phantomLibrary(t *testing.T, o Options) *Library {
	lib := NewLibrary(o)
	for n, id := range []string{"a", "b", "c"} {
		p := phantomScan(t, n).Patch()
		added, err := lib.Add(id, p.Lesions, p.Size)
		require.NoError(t, err)
		require.Positive(t, added)
	}
	return lib
}

// box is a patch that is brain but for a shell of one voxel, without lesions.
func box(edge int) Patch {
	p := Patch{Size: [3]int{edge, edge, edge}, Brain: make([]bool, edge*edge*edge), Lesions: make([]bool, edge*edge*edge)}
	for i := range p.Brain {
		at := p.at(i)
		p.Brain[i] = min(at[0], at[1], at[2]) > 0 && max(at[0], at[1], at[2]) < edge-1
	}
	return p
}

func (p Patch) mark(at [3]int) Patch { p.Lesions[index(at, p.Size)] = true; return p }

// dot is a library with one shape of one voxel.
func dot(t *testing.T, o Options) *Library {
	o.ShapeMin = 1
	lib := NewLibrary(o)
	_, err := lib.Add("dot", []bool{true}, [3]int{1, 1, 1})
	require.NoError(t, err)
	return lib
}

// networks are tiny and untrained.
func networks(t *testing.T, dev device.Backend) Networks {
	var nets Networks
	for _, k := range []struct {
		kind string
		net  **models.Net
	}{{models.Inpainter, &nets.Inpainter}, {models.Generator, &nets.Generator}} {
		c := models.Default(k.kind)
		c.Width = 2
		net, err := models.New(dev, c, 7)
		require.NoError(t, err)
		t.Cleanup(net.Free)
		*k.net = net
	}
	require.NoError(t, nets.Check())
	return nets
}

func openCPU(t *testing.T) *cpu.Backend {
	dev := cpu.New()
	t.Cleanup(func() { require.NoError(t, dev.Close()) })
	return dev
}

func plan(t *testing.T, o Options, seed uint64, p Patch, lib *Library) *Plan {
	pl, err := o.Plan(rng.New(seed, "synth"), p, lib)
	require.NoError(t, err)
	return pl
}

func count(mask []bool) (n int) {
	for _, m := range mask {
		if m {
			n++
		}
	}
	return n
}

// both is a and b, voxel by voxel.
func both(a, b []bool) []bool {
	out := slices.Clone(a)
	for i := range out {
		out[i] = a[i] && b[i]
	}
	return out
}
