package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"

	"voxgrad/internal/rng"
	"voxgrad/volume"
)

// pair is two scans with the motion between them that is known.
type pair struct {
	name  string
	a, b  *volume.Volume
	truth volume.Transform // from points of a to points of b
	brain [][3]float64     // points of a's brain, over which errors are taken
	voxel float64          // the edge, mm, of a cube as large as a voxel of the coarser scan
}

// subject is a real scan with points of its brain.
type subject struct {
	name  string
	scan  *volume.Volume
	space volume.Transform // as published, from points of the common space
	mask  *volume.Mask     // the published brain, in the common space; nil for none
	brain [][3]float64
}

// published reads the raw scans that have a published transform.
func published(data string) (list []subject, err error) {
	for _, f := range [][3]string{
		{"patient01 study1", "raw/patient01/study1_FLAIR", "longitudinal/patient01/brainmask.nii.gz"},
		{"patient01 study2", "raw/patient01/study2_FLAIR", "longitudinal/patient01/brainmask.nii.gz"},
		{"patient04 study1", "single_visits/patient04/study1_FLAIR", "single_visits/patient04/common_brainmask.nii.gz"},
		{"patient09 study2", "single_visits/patient09/study2_FLAIR", "single_visits/patient09/common_brainmask.nii.gz"},
		{"patient20 study2", "single_visits/patient20/study2_FLAIR", "single_visits/patient20/common_brainmask.nii.gz"},
	} {
		s := subject{name: f[0]}
		if s.scan, err = volume.Read(filepath.Join(data, f[1]+".nii.gz")); err != nil {
			return nil, err
		}
		if s.space, err = volume.ReadITK(filepath.Join(data, f[1]+"_to_common_space.txt")); err != nil {
			return nil, err
		}
		if s.mask, err = volume.ReadMask(filepath.Join(data, f[2])); err != nil {
			return nil, err
		}
		s.brain = inside(s.mask, s.space)
		list = append(list, s)
	}
	return list, nil
}

// others reads scans of further heads, some without a brain mask.
func others(data string) (list []subject, err error) {
	folders, err := filepath.Glob(filepath.Join(data, "thick_slices", "*", "flair.nii.gz"))
	if err != nil {
		return nil, err
	}
	for _, f := range folders {
		s := subject{name: filepath.Base(filepath.Dir(f)), space: volume.Identity}
		if s.scan, err = volume.Read(f); err != nil {
			return nil, err
		}
		if s.mask, err = volume.ReadMask(filepath.Join(filepath.Dir(f), "brainmask.nii.gz")); err == nil {
			s.brain = inside(s.mask, volume.Identity)
		} else if !os.IsNotExist(err) {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// inside is some of the points of a mask, moved.
func inside(m *volume.Mask, t volume.Transform) (points [][3]float64) {
	step := 1 + m.Count()/4000
	n := 0
	for x, in := range m.Data {
		if !in {
			continue
		}
		if n++; n%step == 0 {
			points = append(points, t.Apply(m.World(float64(x%m.Size[0]), float64(x/m.Size[0]%m.Size[1]), float64(x/m.Size[0]/m.Size[1]))))
		}
	}
	return points
}

// draw is a rigid motion of a random turn of up to deg degrees about a random axis through
// a centre, and a random shift of up to mm.
func draw(r *rng.Stream, centre [3]float64, deg, mm float64) volume.Transform {
	axis, shift := r.Direction(), r.Direction()
	angle, far := deg*math.Pi/180*r.Float64(), mm*r.Float64()
	var to volume.Transform
	// Rodrigues' formula.
	s, c := math.Sincos(angle)
	k := [3][3]float64{{0, -axis[2], axis[1]}, {axis[2], 0, -axis[0]}, {-axis[1], axis[0], 0}}
	for i := range 3 {
		for j := range 3 {
			to[i][j] = s*k[i][j] + (1-c)*axis[i]*axis[j]
			if i == j {
				to[i][j] += c
			}
		}
	}
	moved := to.Apply(centre)
	for i := range 3 {
		to[i][3] = centre[i] - moved[i] + far*shift[i]
	}
	return to
}

func voxelEdge(vs ...*volume.Volume) (edge float64) {
	for _, v := range vs {
		s := v.Affine.Spacing()
		edge = max(edge, math.Cbrt(s[0]*s[1]*s[2]))
	}
	return edge
}

// middle is the centre of a cloud of points.
func middle(points [][3]float64) (c [3]float64) {
	for _, p := range points {
		for i := range 3 {
			c[i] += p[i] / float64(len(points))
		}
	}
	return c
}

// visits is the two visits of one head, the second moved by its header alone.
func visits(one, two subject, seed uint64, n int) pair {
	r := rng.New(seed, "visits", n)
	move := draw(r, middle(one.brain), 30, 40)
	b := *two.scan
	b.Affine = move.Mul(b.Affine)
	b.Source = nil
	return pair{
		name: fmt.Sprintf("visits %d", n), a: one.scan, b: &b, brain: one.brain, voxel: voxelEdge(one.scan, &b),
		truth: move.Mul(two.space).Mul(one.space.Inverse()),
	}
}

// rescan is a scan and what another scanner would have made of the same head: moved, on other
// voxels, with another field of view, contrast, bias field and noise.
func rescan(s subject, seed uint64, n int) pair {
	r := rng.New(seed, "rescan", s.name, n)
	centre := middle(s.brain)
	move := draw(r, centre, 30, 40)
	thick := []int{1, 3, 4, 5}[r.Intn(4)]
	inplane := 0.8 + 0.4*r.Float64()
	g := volume.Grid{Size: [3]int{int(230 / inplane), int(240 / inplane), (170 - r.Intn(40)) / thick * thick}}
	at := move.Apply(centre)
	for d := range 3 {
		edge := []float64{inplane, inplane, 1}[d]
		g.Affine[d][d] = edge
		off := 0.0
		if d == 2 {
			off = 15 * (2*r.Float64() - 1)
		}
		g.Affine[d][3] = at[d] + off - edge*float64(g.Size[d]-1)/2
	}
	fine := volume.ResampleThrough(s.scan, g, move.Inverse(), volume.Cubic, 0)
	out := volume.New(volume.Grid{Size: [3]int{g.Size[0], g.Size[1], g.Size[2] / thick}, Affine: g.Affine})
	out.Affine[2][2] = float64(thick)
	out.Affine[2][3] += float64(thick-1) / 2
	slice := g.Size[0] * g.Size[1]
	white := volume.Percentile(s.scan.Data, 98)
	gamma := math.Exp(0.25 * (2*r.Float64() - 1))
	way, depth := r.Direction(), 0.3*r.Float64()
	key := rng.Key(seed, "noise", s.name, n)
	for x := range out.Data {
		sum := 0.0
		for k := range thick {
			sum += float64(fine.Data[(x/slice*thick+k)*slice+x%slice])
		}
		q := out.World(float64(x%g.Size[0]), float64(x/g.Size[0]%g.Size[1]), float64(x/slice))
		along := 0.0
		for d := range 3 {
			along += way[d] * (q[d] - at[d]) / 80
		}
		f := math.Pow(max(0, sum/float64(thick)/white), gamma) * math.Exp(depth*along*(1+along/2))
		re, im := 0.03*float64(rng.Normal32(rng.Word(key, uint64(2*x)))), 0.03*float64(rng.Normal32(rng.Word(key, uint64(2*x+1))))
		out.Data[x] = float32(1000 * math.Hypot(f+re, im))
	}
	return pair{name: fmt.Sprintf("%s %d", s.name, n), a: s.scan, b: out, truth: move, brain: s.brain, voxel: voxelEdge(s.scan, out)}
}

// common is a scan and itself in the common space of its database, by the published transform,
// which is not quite rigid.
func common(s subject) pair {
	b := volume.ResampleThrough(s.scan, s.mask.Grid, s.space, volume.Cubic, 0)
	b.Source = nil
	return pair{name: s.name + " to its common space", a: s.scan, b: b, truth: s.space.Inverse(), brain: s.brain, voxel: voxelEdge(s.scan, b)}
}
