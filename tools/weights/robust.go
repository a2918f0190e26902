package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"

	"voxgrad/internal/rng"
	"voxgrad/volume"
)

// change makes the scans of a subject worse before the program sees them.
type change struct {
	name  string
	apply func(times []*volume.Volume, s *rng.Stream) []*volume.Volume
}

// changes are those of the robustness curves, the scans as they are first.
func changes(pairs bool) []change {
	each := func(f func(v *volume.Volume, s *rng.Stream) *volume.Volume) func([]*volume.Volume, *rng.Stream) []*volume.Volume {
		return func(times []*volume.Volume, s *rng.Stream) (out []*volume.Volume) {
			for _, v := range times {
				out = append(out, f(v, s))
			}
			return out
		}
	}
	out := []change{{name: ""}}
	for _, mm := range []float64{4, 6, 8} {
		out = append(out, change{fmt.Sprintf("slices of %g mm", mm), each(func(v *volume.Volume, _ *rng.Stream) *volume.Volume { return thick(v, mm) })})
	}
	for _, share := range []float64{0.05, 0.1} {
		out = append(out, change{fmt.Sprintf("noise of %g of the brain's mean", share), each(func(v *volume.Volume, s *rng.Stream) *volume.Volume { return noisy(v, share, s) })})
	}
	for _, share := range []float64{0.2, 0.4} {
		out = append(out, change{fmt.Sprintf("bias field of ±%g", share), each(func(v *volume.Volume, s *rng.Stream) *volume.Volume { return biased(v, share, s) })})
	}
	if !pairs {
		return out
	}
	for _, mm := range []float64{0.5, 1, 2} {
		out = append(out, change{fmt.Sprintf("second scan %g mm off", mm), func(times []*volume.Volume, s *rng.Stream) []*volume.Volume {
			return []*volume.Volume{times[0], moved(times[1], mm, s)}
		}})
	}
	return out
}

// nothingNew is a scan twice, through two scanners and 0.3 mm off: whatever is found is false.
func nothingNew(times []*volume.Volume, s *rng.Stream) []*volume.Volume {
	one := times[len(times)-1]
	return []*volume.Volume{noisy(biased(one, 0.1, s), 0.03, s), moved(noisy(biased(one, 0.1, s), 0.03, s), 0.3, s)}
}

// changed is a subject with changed scans, in dir; without truth nothing is marked.
func (s subject) changed(dir string, c change, truth bool) (subject, error) {
	var times []*volume.Volume
	for _, path := range s.times {
		v, err := volume.Read(path)
		if err != nil {
			return s, err
		}
		times = append(times, v)
	}
	out := s
	out.times, out.worse = nil, true
	for t, v := range c.apply(times, rng.New(1, s.Set, s.Name, c.name)) {
		path := filepath.Join(dir, fmt.Sprintf("time%d.nii.gz", t+1))
		if err := volume.Write(path, v, volume.Float32); err != nil {
			return s, err
		}
		out.times = append(out.times, path)
	}
	if truth {
		return out, nil
	}
	out.truth, out.kinds = filepath.Join(dir, "none.nii.gz"), ""
	return out, volume.WriteMask(out.truth, volume.NewMask(times[0].Grid))
}

// scoreChanged scores a subject after a change.
func (s subject) scoreChanged(c change, truth bool, program string, models, more []string) (scored, error) {
	dir, err := os.MkdirTemp("", "robust")
	if err != nil {
		return scored{}, err
	}
	defer os.RemoveAll(dir)
	if s, err = s.changed(dir, c, truth); err != nil {
		return scored{}, err
	}
	r, err := s.score(program, models, more)
	r.Change = c.name
	return r, err
}

// thick has slices of so many mm along the axis of the largest voxels, interpolated back linearly.
func thick(v *volume.Volume, mm float64) *volume.Volume {
	spacing, axis := v.Spacing(), 0
	for a, s := range spacing {
		if s > spacing[axis] {
			axis = a
		}
	}
	stride := [3]int{1, v.Size[0], v.Size[0] * v.Size[1]}[axis]
	n, step := v.Size[axis], mm/spacing[axis]
	out := v.Like()
	out.Data = make([]float32, len(v.Data))
	if step <= 1 {
		copy(out.Data, v.Data)
		return out
	}
	// mean over a slice about position p, by the share of each voxel in it
	mean := func(i int, p float64) float64 {
		sum, weight := 0.0, 0.0
		for k := max(int(p-step/2+0.5), 0); k <= min(int(p+step/2+0.5), n-1); k++ {
			if w := math.Min(float64(k)+0.5, p+step/2) - math.Max(float64(k)-0.5, p-step/2); w > 0 {
				sum, weight = sum+w*float64(v.Data[i+k*stride]), weight+w
			}
		}
		return sum / weight
	}
	for i := range v.Data {
		k := i / stride % n
		line := i - k*stride
		u := (float64(k) + 0.5) / step // in slices
		low := math.Floor(u - 0.5)
		first, last := (low+0.5)*step-0.5, (low+1.5)*step-0.5
		f := u - 0.5 - low
		switch {
		case first < -step/2:
			out.Data[i] = float32(mean(line, last))
		case last > float64(n)-1+step/2:
			out.Data[i] = float32(mean(line, first))
		default:
			out.Data[i] = float32((1-f)*mean(line, first) + f*mean(line, last))
		}
	}
	return out
}

// noisy adds normal noise, a share of the mean of what is not air.
func noisy(v *volume.Volume, share float64, s *rng.Stream) *volume.Volume {
	sum, n := 0.0, 0.0
	for _, x := range v.Data {
		if x > 0 {
			sum, n = sum+float64(x), n+1
		}
	}
	sd := share * sum / n
	out := v.Like()
	out.Data = make([]float32, len(v.Data))
	for i, x := range v.Data {
		if x > 0 { // what is stripped stays so
			out.Data[i] = float32(math.Abs(float64(x) + sd*s.Normal()))
		}
	}
	return out
}

// biased multiplies by a field that is linear along a random direction, 1 ± share at its ends.
func biased(v *volume.Volume, share float64, s *rng.Stream) *volume.Volume {
	d := s.Direction()
	out := v.Like()
	out.Data = make([]float32, len(v.Data))
	for i, x := range v.Data {
		at := 0.0
		for a, k := range [3]int{i % v.Size[0], i / v.Size[0] % v.Size[1], i / v.Size[0] / v.Size[1]} {
			at += d[a] * (2*float64(k)/float64(v.Size[a]-1) - 1)
		}
		out.Data[i] = x * float32(1+share*at)
	}
	return out
}

// moved is so many mm off, in a random direction, its header unchanged.
func moved(v *volume.Volume, mm float64, s *rng.Stream) *volume.Volume {
	t, d := volume.Identity, s.Direction()
	for a := range 3 {
		t[a][3] = mm * d[a]
	}
	out := volume.ResampleThrough(v, v.Grid, t, volume.Cubic, 0)
	out.Source = v.Source
	for i, x := range out.Data {
		out.Data[i] = max(x, 0)
	}
	return out
}
