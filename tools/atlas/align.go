package main

import (
	"errors"
	"math"

	"voxgrad/internal/par"
	"voxgrad/prepare/atlas"
	"voxgrad/volume"
)

// reference is what the maps are brought to: the likelihood of brain tissue and that of
// its white matter, on the grid of the atlas.
type reference struct {
	grid     volume.Grid
	channels [2]*volume.Volume
}

func readReference(grey, white string) (*reference, error) {
	g, err := volume.Read(grey)
	if err != nil {
		return nil, err
	}
	w, err := volume.Read(white)
	if err != nil {
		return nil, err
	}
	if err := volume.SameSpace(g, w); err != nil {
		return nil, err
	}
	for i := range g.Data {
		g.Data[i] += w.Data[i]
	}
	ref := &reference{}
	if ref.grid, err = volume.Iso(g.Grid, atlas.SpacingMM); err != nil {
		return nil, err
	}
	for c, v := range []*volume.Volume{g, w} {
		// The files hold 0 to 255.
		for i := range v.Data {
			v.Data[i] /= 255
		}
		ref.channels[c] = coarse(v, ref.grid)
	}
	return ref, nil
}

// coarse is v on a coarser grid.
func coarse(v *volume.Volume, to volume.Grid) *volume.Volume {
	const sigma = atlas.SpacingMM / 2
	v.Smooth([3]float64{sigma, sigma, sigma})
	return volume.Resample(v, to, volume.Linear, 0)
}

// channels are those of a map: brain tissue and white matter.
func (m labelMap) channels() (out [2]*volume.Volume, err error) {
	grid, err := volume.Iso(m.Grid, atlas.SpacingMM)
	if err != nil {
		return out, err
	}
	for c := range out {
		v := volume.New(m.Grid)
		for i, t := range m.tissue {
			t := atlas.Tissue(t)
			if t == atlas.WhiteMatter || c == 0 && (t == atlas.Cortex || t == atlas.DeepGrey) {
				v.Data[i] = 1
			}
		}
		out[c] = coarse(v, grid)
	}
	return out, nil
}

// align is the affine transform from the reference to a map with the least squared
// difference of both channels, smoothed less and less, and the root of its mean where
// either has brain. It is found by Gauss and Newton's method from where the centroids
// of the brains meet.
func (ref *reference) align(m labelMap) (t volume.Transform, left float64, err error) {
	moving, err := m.channels()
	if err != nil {
		return t, 0, err
	}
	c0, c1 := centroid(ref.channels[0]), centroid(moving[0])
	t = volume.Identity
	for a := range c0 {
		t[a][3] = c1[a] - c0[a]
	}
	for _, sigma := range []float64{8, 4, 2} {
		var f, v [2]*volume.Volume
		for c := range f {
			f[c], v[c] = smooth(ref.channels[c], sigma), smooth(moving[c], sigma)
		}
		for range 12 {
			var step [12]float64
			if step, left, err = gaussNewton(f, v, t, c0); err != nil {
				return t, 0, err
			}
			for r := range 3 {
				for k := range 3 {
					t[r][k] += step[4*r+k]
					t[r][3] -= step[4*r+k] * c0[k]
				}
				t[r][3] += step[4*r+3]
			}
		}
	}
	return t, left, nil
}

func smooth(v *volume.Volume, sigma float64) *volume.Volume {
	s := v.Like()
	copy(s.Data, v.Data)
	s.Smooth([3]float64{sigma, sigma, sigma})
	return s
}

func centroid(v *volume.Volume) (c [3]float64) {
	total := 0.0
	for k := range v.Size[2] {
		for j := range v.Size[1] {
			for i := range v.Size[0] {
				w := float64(v.At(i, j, k))
				total += w
				for a, x := range v.World(float64(i), float64(j), float64(k)) {
					c[a] += w * x
				}
			}
		}
	}
	for a := range c {
		c[a] /= total
	}
	return c
}

// normal is the normal equations of one slice.
type normal struct {
	ata     [12][12]float64
	atb     [12]float64
	squares float64
	n       int
}

// gaussNewton is one step for the twelve numbers of t about the centre, and the residual
// before it.
func gaussNewton(f, v [2]*volume.Volume, t volume.Transform, centre [3]float64) (step [12]float64, rms float64, err error) {
	g := f[0].Grid
	slices := make([]normal, g.Size[2])
	toVoxel := v[0].Affine.Inverse().Mul(t)
	world := v[0].Affine.Inverse() // its rows turn a gradient per voxel into one per mm
	par.For(g.Size[2], func(k int) {
		s := &slices[k]
		for j := range g.Size[1] {
			for i := range g.Size[0] {
				p := g.World(float64(i), float64(j), float64(k))
				q := toVoxel.Apply(p)
				for c := range f {
					have, slope := sample(v[c], q)
					want := float64(f[c].At(i, j, k))
					if have < 0.01 && want < 0.01 {
						continue
					}
					d := want - have
					s.squares += d * d
					s.n++
					var row [12]float64
					for r := range 3 {
						mm := slope[0]*world[0][r] + slope[1]*world[1][r] + slope[2]*world[2][r]
						for a := range 3 {
							row[4*r+a] = mm * (p[a] - centre[a])
						}
						row[4*r+3] = mm
					}
					for a := range row {
						for b := range a + 1 {
							s.ata[a][b] += row[a] * row[b]
						}
						s.atb[a] += row[a] * d
					}
				}
			}
		}
	})
	var sum normal
	for _, s := range slices {
		for a := range s.ata {
			for b := range a + 1 {
				sum.ata[a][b] += s.ata[a][b]
			}
			sum.atb[a] += s.atb[a]
		}
		sum.squares += s.squares
		sum.n += s.n
	}
	if sum.n == 0 {
		return step, 0, errors.New("it does not overlap the reference")
	}
	step, ok := cholesky(sum.ata, sum.atb)
	if !ok {
		return step, 0, errors.New("its brain has no extent")
	}
	return step, math.Sqrt(sum.squares / float64(sum.n)), nil
}

// sample is the trilinear value and gradient per voxel at a voxel position; 0 outside.
func sample(v *volume.Volume, q [3]float64) (value float64, slope [3]float64) {
	var at [3]int
	var f [3]float64
	for a := range q {
		lo := math.Floor(q[a])
		if lo < 0 || int(lo) >= v.Size[a]-1 {
			return 0, slope
		}
		at[a], f[a] = int(lo), q[a]-lo
	}
	for n := range 8 {
		w, d := [3]float64{}, [3]float64{}
		corner := at
		for a := range 3 {
			w[a], d[a] = 1-f[a], -1
			if n>>a&1 == 1 {
				w[a], d[a] = f[a], 1
				corner[a]++
			}
		}
		x := float64(v.At(corner[0], corner[1], corner[2]))
		value += x * w[0] * w[1] * w[2]
		slope[0] += x * d[0] * w[1] * w[2]
		slope[1] += x * w[0] * d[1] * w[2]
		slope[2] += x * w[0] * w[1] * d[2]
	}
	return value, slope
}

// cholesky solves a x = b, a being symmetric with its lower half given; ok is false where
// it is not positive definite.
func cholesky(a [12][12]float64, b [12]float64) (x [12]float64, ok bool) {
	for i := range a {
		for j := range i + 1 {
			s := a[i][j]
			for k := range j {
				s -= a[i][k] * a[j][k]
			}
			switch {
			case i != j:
				a[i][j] = s / a[j][j]
			case s > 0:
				a[i][i] = math.Sqrt(s)
			default:
				return x, false
			}
		}
	}
	for i := range x {
		s := b[i]
		for k := range i {
			s -= a[i][k] * x[k]
		}
		x[i] = s / a[i][i]
	}
	for i := len(x) - 1; i >= 0; i-- {
		s := x[i]
		for k := i + 1; k < len(x); k++ {
			s -= a[k][i] * x[k]
		}
		x[i] = s / a[i][i]
	}
	return x, true
}
