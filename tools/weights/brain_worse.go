package main

import (
	"fmt"
	"math"

	"voxgrad/internal/rng"
	"voxgrad/prepare"
	"voxgrad/volume"
)

// worse makes a scan one that brain extraction may not know, and its brain mask that of what is left.
type worse struct {
	name  string
	apply func(v *volume.Volume, brain *volume.Mask, s *rng.Stream) (*volume.Volume, *volume.Mask)
}

// worsenings are parts of heads, noise, other intensities, a strong field and air around the head.
func worsenings() (out []worse) {
	for _, parts := range []int{2, 3} {
		for part := range parts {
			out = append(out, worse{fmt.Sprintf("part %d of %d from the feet", part+1, parts), func(v *volume.Volume, brain *volume.Mask, _ *rng.Stream) (*volume.Volume, *volume.Mask) {
				return slab(v, brain, part, parts)
			}})
		}
	}
	alone := func(name string, f func(v *volume.Volume, s *rng.Stream) *volume.Volume) {
		out = append(out, worse{name, func(v *volume.Volume, brain *volume.Mask, s *rng.Stream) (*volume.Volume, *volume.Mask) {
			return f(v, s), brain
		}})
	}
	for _, share := range []float64{0.1, 0.2, 0.3} {
		alone(fmt.Sprintf("noise of %g of the mean", share), func(v *volume.Volume, s *rng.Stream) *volume.Volume { return noisy(v, share, s) })
	}
	alone("bias field of ±0.4", func(v *volume.Volume, s *rng.Stream) *volume.Volume { return biased(v, 0.4, s) })
	// Intensities as shares of the brightest.
	for _, c := range []struct {
		name string
		f    func(share float64) float64
	}{
		{"squared", func(x float64) float64 { return x * x }},
		{"square root", math.Sqrt},
		{"turned over", func(x float64) float64 {
			if x < 0.02 { // air stays dark
				return x
			}
			return 1 - x
		}},
	} {
		alone(c.name, func(v *volume.Volume, _ *rng.Stream) *volume.Volume {
			most := float32(0)
			for _, x := range v.Data {
				most = max(most, x)
			}
			changed := v.Like()
			changed.Data = make([]float32, len(v.Data))
			for i, x := range v.Data {
				changed.Data[i] = float32(c.f(float64(max(x, 0)/most))) * most
			}
			return changed
		})
	}
	out = append(out, worse{"100 mm of air around it", func(v *volume.Volume, brain *volume.Mask, _ *rng.Stream) (*volume.Volume, *volume.Mask) {
		lo, hi := [3]int{}, v.Size
		for a, mm := range v.Spacing() {
			n := int(math.Round(100 / mm))
			lo[a], hi[a] = -n, hi[a]+n
		}
		return boxOf(v, brain, lo, hi)
	}})
	return out
}

// slab is one of so many parts of equal height, counted from the feet.
func slab(v *volume.Volume, brain *volume.Mask, part, parts int) (*volume.Volume, *volume.Mask) {
	axis := 0
	for a := range 3 {
		if math.Abs(v.Affine[2][a])/v.Spacing()[a] > math.Abs(v.Affine[2][axis])/v.Spacing()[axis] {
			axis = a
		}
	}
	if v.Affine[2][axis] < 0 {
		part = parts - 1 - part
	}
	lo, hi := [3]int{}, v.Size
	lo[axis], hi[axis] = part*v.Size[axis]/parts, (part+1)*v.Size[axis]/parts
	return boxOf(v, brain, lo, hi)
}

// boxOf is what lies in a box of voxels, which may reach beyond the grid: 0 there.
func boxOf(v *volume.Volume, brain *volume.Mask, lo, hi [3]int) (*volume.Volume, *volume.Mask) {
	box := v.Box(lo, hi)
	return volume.Resample(v, box, volume.Nearest, 0), brain.Resample(box)
}

// brainWorse scores brain extraction on the first two scans of each group after every change.
func brainWorse(e *prepare.Extractor, list []head) error {
	fmt.Printf("%-30s %-44s %6s %7s %7s %6s\n", "change", "scan", "Dice", "ml", "true", "sure")
	of := map[string]int{}
	var all, refused int
	var sum float64
	for _, h := range list {
		if of[h.group]++; of[h.group] > 2 {
			continue
		}
		v, truth, err := h.read()
		if err != nil {
			return err
		}
		for _, c := range worsenings() {
			all++
			v, truth := c.apply(v, truth, rng.New(1, h.name, c.name))
			b, err := e.Extract(v)
			if err != nil {
				refused++
				fmt.Printf("%-30s %-44s %v\n", c.name, h.name, err)
				continue
			}
			dice, _, err := compare(truth, b.Mask)
			if err != nil {
				return err
			}
			sum += dice
			fmt.Printf("%-30s %-44s %6.3f %7.0f %7.0f %6.3f\n", c.name, h.name, dice, b.ML, float64(truth.Count())*truth.VoxelMM3()/1000, b.Certainty)
		}
	}
	fmt.Printf("mean Dice %.3f; refused: %d of %d\n", sum/float64(all-refused), refused, all)
	return nil
}
