package main

import (
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"voxgrad/device/cpu"
	"voxgrad/models"
	"voxgrad/prepare"
	"voxgrad/volume"
)

// commonSpace is the folder of scans whose brain masks are in a space that a published transform leads to.
const commonSpace = "single_visits"

// maskOf is the brain mask of a scan on its grid.
func maskOf(mask, scan string, v *volume.Volume, common bool) (*volume.Mask, error) {
	m, err := volume.ReadMask(mask)
	if err != nil || !common {
		return m, err
	}
	t, err := volume.ReadITK(strings.TrimSuffix(scan, ".nii.gz") + "_to_common_space.txt") // points of the common space to points of the scan
	if err != nil {
		return nil, err
	}
	return m.ResampleThrough(v.Grid, t.Inverse()), nil
}

// head is a scan with skull whose brain mask is known.
type head struct{ group, name, scan, mask string }

func (h head) read() (*volume.Volume, *volume.Mask, error) {
	v, err := volume.Read(h.scan)
	if err != nil {
		return nil, nil, err
	}
	truth, err := maskOf(h.mask, h.scan, v, h.group == commonSpace)
	return v, truth, err
}

// heads are all of them in the data.
func heads(data string) (out []head, err error) {
	masks, err := filepath.Glob(filepath.Join(data, "*", "*", "brainmask.nii.gz"))
	if err != nil {
		return nil, err
	}
	common, err := filepath.Glob(filepath.Join(data, commonSpace, "*", "common_brainmask.nii.gz"))
	if err != nil {
		return nil, err
	}
	masks = append(masks, common...)
	slices.Sort(masks)
	for _, m := range masks {
		group, pattern := filepath.Base(filepath.Dir(filepath.Dir(m))), "flair*.nii.gz"
		switch group {
		case "cross_sectional": // stripped scans
			continue
		case commonSpace:
			pattern = "*_FLAIR.nii.gz"
		}
		scans, err := filepath.Glob(filepath.Join(filepath.Dir(m), pattern))
		if err != nil {
			return nil, err
		}
		for _, s := range scans {
			name, _ := filepath.Rel(data, s)
			out = append(out, head{group, name, s, m})
		}
	}
	return out, nil
}

// brain scores brain extraction on all scans that have a brain mask.
func brain(args []string) error {
	f := flag.NewFlagSet("brain", flag.ExitOnError)
	data, file := f.String("data", "", "folder of the shared data"), f.String("weights", "", "weights file; the built-in network if not given")
	save, worse := f.String("save", "", "folder to write the masks to"), f.Bool("worse", false, "score two scans of each group after every change for the worse instead")
	if err := f.Parse(args); err != nil {
		return err
	}
	dev := cpu.New()
	defer dev.Close()
	e, err := extractor(dev, *file)
	if err != nil {
		return err
	}
	defer e.Free()
	list, err := heads(*data)
	if err != nil {
		return err
	}
	if *worse {
		return brainWorse(e, list)
	}
	fmt.Printf("%-44s %6s %7s %6s %7s %7s %6s %6s\n", "scan", "Dice", "95% mm", "rim", "ml", "true", "sure", "s")
	groups, sums := []string{}, map[string][4]float64{}
	for _, h := range list {
		v, truth, err := h.read()
		if err != nil {
			return err
		}
		begin := time.Now()
		b, err := e.Extract(v)
		took := time.Since(begin).Seconds()
		if err != nil {
			fmt.Println(h.name, err)
			continue
		}
		dice, far, err := compare(truth, b.Mask)
		if err != nil {
			return err
		}
		rim, err := bestRim(truth, b.Mask)
		if err != nil {
			return err
		}
		fmt.Printf("%-44s %6.3f %7.2f %6.3f %7.0f %7.0f %6.3f %6.1f\n", h.name, dice, far, rim, b.ML, float64(truth.Count())*truth.VoxelMM3()/1000, b.Certainty, took)
		if !slices.Contains(groups, h.group) {
			groups = append(groups, h.group)
		}
		g := sums[h.group]
		sums[h.group] = [4]float64{g[0] + dice, g[1] + far, g[2] + 1, g[3] + rim}
		if *save != "" {
			if err := volume.WriteMask(filepath.Join(*save, filepath.Base(filepath.Dir(h.scan))+"_"+filepath.Base(h.scan)), b.Mask); err != nil {
				return err
			}
		}
	}
	for _, g := range groups {
		n := sums[g][2]
		fmt.Printf("mean of %-36s %6.3f %7.2f %6.3f\n", g, sums[g][0]/n, sums[g][1]/n, sums[g][3]/n)
	}
	return nil
}

func extractor(dev *cpu.Backend, file string) (*prepare.Extractor, error) {
	if file == "" {
		return prepare.NewExtractor(dev)
	}
	net, err := models.Load(dev, file, models.Segmenter)
	if err != nil {
		return nil, err
	}
	return prepare.ExtractorOf(dev, net)
}

// compare is the Dice overlap of two masks and the distance within which 95 % of the voxels of both surfaces
// lie of the other surface, the larger of the two directions, in mm.
func compare(a, b *volume.Mask) (dice, far float64, err error) {
	both := 0
	for i, in := range a.Data {
		if in && b.Data[i] {
			both++
		}
	}
	dice = 2 * float64(both) / float64(a.Count()+b.Count())
	sa, err := surface(a)
	if err != nil {
		return 0, 0, err
	}
	sb, err := surface(b)
	if err != nil {
		return 0, 0, err
	}
	for _, pair := range [2][2][]bool{{sa, sb}, {sb, sa}} {
		d, err := volume.Distance(pair[1], a.Size, a.Spacing())
		if err != nil {
			return 0, 0, err
		}
		var on []float32
		for i, in := range pair[0] {
			if in {
				on = append(on, d[i])
			}
		}
		slices.Sort(on)
		far = max(far, float64(on[int(0.95*float64(len(on)-1))]))
	}
	return dice, far, nil
}

// Distances that bestRim tries, mm.
const (
	mostRimMM = 4.0
	rimStepMM = 0.5
)

// bestRim is the Dice overlap with a mask that is left when the outline of what was found is moved in each slice, across the thickest side of
// the voxels, by the distance that is best for that slice: what another definition of the rim, the same in all of a slice, would reach at most.
func bestRim(truth, found *volume.Mask) (float64, error) {
	spacing, axis := found.Spacing(), 0
	for a := range spacing {
		if spacing[a] > spacing[axis] {
			axis = a
		}
	}
	spacing[axis] *= 1e6
	outside, err := volume.Distance(found.Data, found.Size, spacing)
	if err != nil {
		return 0, err
	}
	rest := make([]bool, len(found.Data))
	for i, in := range found.Data {
		rest[i] = !in
	}
	inside, err := volume.Distance(rest, found.Size, spacing)
	if err != nil {
		return 0, err
	}
	type counts struct{ both, found, truth float64 }
	steps := int(2*mostRimMM/rimStepMM) + 1
	slice := make([]counts, found.Size[axis]*steps)
	for i, in := range truth.Data {
		p := [3]int{i % found.Size[0], i / found.Size[0] % found.Size[1], i / found.Size[0] / found.Size[1]}
		for s := range steps {
			c := &slice[p[axis]*steps+s]
			grown := float64(outside[i]-inside[i]) <= float64(s)*rimStepMM-mostRimMM
			if in {
				c.truth++
			}
			if grown {
				c.found++
			}
			if in && grown {
				c.both++
			}
		}
	}
	var sum counts
	for k := range found.Size[axis] {
		best, most := counts{}, -1.0
		for _, c := range slice[k*steps:][:steps] {
			if dice := 2 * c.both / max(c.truth+c.found, 1); dice > most {
				best, most = c, dice
			}
		}
		sum = counts{sum.both + best.both, sum.found + best.found, sum.truth + best.truth}
	}
	return 2 * sum.both / (sum.found + sum.truth), nil
}

// surface is the voxels of a mask with a face neighbour outside it in the same slice or the next; what the field of view cuts
// is no surface.
func surface(m *volume.Mask) ([]bool, error) {
	out := make([]bool, len(m.Data))
	step := [3]int{1, m.Size[0], m.Size[0] * m.Size[1]}
	for i, in := range m.Data {
		if !in {
			continue
		}
		p := [3]int{i % m.Size[0], i / m.Size[0] % m.Size[1], i / m.Size[0] / m.Size[1]}
		for a := range 3 {
			if p[a] > 0 && !m.Data[i-step[a]] || p[a] < m.Size[a]-1 && !m.Data[i+step[a]] {
				out[i] = true
			}
		}
	}
	return out, nil
}
