package metrics

import (
	"fmt"
	"testing"

	"voxgrad/internal/par"
	"voxgrad/internal/rng"
	"voxgrad/volume"
)

// manyLesions is a pair of masks of side n with ellipsoids all over, those of pred
// displaced by up to two voxels and one in ten left out or added.
func manyLesions(n, lesions int, seed uint64) (truth, pred *volume.Volume) {
	g := volume.Grid{Size: [3]int{n, n, n}, Affine: volume.Affine{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1.2, 0}}}
	truth, pred = volume.New(g), volume.New(g)
	s := rng.New(seed, "lesions")
	ball := func(v *volume.Volume, at [3]int, radius float64) {
		r := int(radius + 1)
		for k := max(at[2]-r, 0); k <= min(at[2]+r, n-1); k++ {
			for j := max(at[1]-r, 0); j <= min(at[1]+r, n-1); j++ {
				for i := max(at[0]-r, 0); i <= min(at[0]+r, n-1); i++ {
					x, y, z := float64(i-at[0]), float64(j-at[1]), float64(k-at[2])
					if x*x+y*y+1.44*z*z <= radius*radius {
						v.Data[v.Index(i, j, k)] = 1
					}
				}
			}
		}
	}
	for range lesions {
		at := [3]int{s.Intn(n), s.Intn(n), s.Intn(n)}
		radius := s.Uniform(1.5, 7)
		if !s.Bool(0.1) {
			ball(truth, at, radius)
		}
		for d := range at {
			at[d] += s.Intn(5) - 2
		}
		if !s.Bool(0.1) {
			ball(pred, at, radius)
		}
	}
	return truth, pred
}

func BenchmarkEvaluate(b *testing.B) {
	par.SetThreads(1)
	defer par.SetThreads(0)
	for _, c := range []struct{ side, lesions int }{{64, 8}, {128, 62}, {256, 500}} {
		truth, pred := manyLesions(c.side, c.lesions, 1)
		for _, g := range []struct {
			name   string
			groups Groups
		}{{"all", AllGroups}, {"voxel", VoxelGroup}, {"surface", SurfaceGroup}, {"lesion", LesionGroup}} {
			b.Run(fmt.Sprintf("side=%d/lesions=%d/groups=%s", c.side, c.lesions, g.name), func(b *testing.B) {
				o := DefaultOptions()
				o.Groups = g.groups
				for b.Loop() {
					if _, err := EvaluateLabels(truth, pred, o); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
