// Command weights makes the built-in networks out of training runs and scores them:
//
//	weights half --in checkpoint.safetensors --out weights/files/brain.safetensors   half precision, the network alone
//	weights brain --data ../shared/data [--weights checkpoint.safetensors]           brain extraction against masks of real scans
//	weights score --data ../shared/data --models a.safetensors,b.safetensors [--single] [--robust] --json scores.json   detectors on the real pairs, segmenters on the real scans
//	weights scans --data ../shared/data --out DIR                                    the data sets of single scans that training knows
//	weights all --data ../shared/data --out FOLDER                                   every figure and picture of docs/results/builtin.md, of the networks in bin/voxgrad
//
// brain.sh and its like beside it are the commands that made each network.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"voxgrad/device/cpu"
	"voxgrad/models"
	"voxgrad/models/weights"
	"voxgrad/prepare"
	"voxgrad/volume"
)

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("usage: weights half|brain|score|all|scans; see the package's comment"))
	}
	var err error
	switch os.Args[1] {
	case "half":
		err = half(os.Args[2:])
	case "brain":
		err = brain(os.Args[2:])
	case "score":
		err = score(os.Args[2:])
	case "all":
		err = all(os.Args[2:])
	case "scans":
		err = scans(os.Args[2:])
	default:
		err = fmt.Errorf("there is no %q: half, brain, score, all or scans", os.Args[1])
	}
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// half rounds a network's tensors to half precision and leaves out the state of training.
func half(args []string) error {
	f := flag.NewFlagSet("half", flag.ExitOnError)
	in, out := f.String("in", "", "checkpoint"), f.String("out", "", "file to write")
	set := map[string]*string{ // what prediction does with the network
		"threshold":        f.String("threshold", "", "a voxel is lesion above this probability (default: as the checkpoint says)"),
		"least_lesion_mm3": f.String("least", "", "pieces of so many mm³ or less are no lesions (default: as the checkpoint says)"),
		"patch":            f.String("patch", "", "windows of prediction, as 64x64x64 (default: as the checkpoint says)"),
		"stride":           f.String("stride", "", "distance between windows of prediction, likewise (default: half a window)"),
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	file, err := weights.Read(*in)
	if err != nil {
		return err
	}
	var list []weights.Tensor
	for _, t := range file.Tensors {
		if models.IsState(t.Name) {
			continue
		}
		x, err := t.Float32s()
		if err != nil {
			return err
		}
		h, err := weights.Float16(t.Name, t.Shape, x)
		if err != nil {
			return err
		}
		list = append(list, h)
	}
	meta := maps.Clone(file.Meta)
	for key, value := range set {
		if *value != "" {
			meta[key] = *value
		}
	}
	if _, err := models.PreparationOf(&weights.File{Path: *out, Meta: meta}); err != nil {
		return err
	}
	return weights.Write(*out, list, meta)
}

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

// brain scores brain extraction on all scans that have a brain mask.
func brain(args []string) error {
	f := flag.NewFlagSet("brain", flag.ExitOnError)
	data, file := f.String("data", "", "folder of the shared data"), f.String("weights", "", "weights file; the built-in network if not given")
	save := f.String("save", "", "folder to write the masks to")
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
	masks, err := filepath.Glob(filepath.Join(*data, "*", "*", "brainmask.nii.gz"))
	if err != nil {
		return err
	}
	common, err := filepath.Glob(filepath.Join(*data, commonSpace, "*", "common_brainmask.nii.gz"))
	if err != nil {
		return err
	}
	masks = append(masks, common...)
	slices.Sort(masks)
	fmt.Printf("%-44s %6s %7s %7s %7s %6s %6s\n", "scan", "Dice", "95% mm", "ml", "true", "sure", "s")
	groups, sums := []string{}, map[string][3]float64{}
	for _, m := range masks {
		group := filepath.Base(filepath.Dir(filepath.Dir(m)))
		if group == "cross_sectional" { // stripped scans
			continue
		}
		scans, err := filepath.Glob(filepath.Join(filepath.Dir(m), "flair*.nii.gz"))
		if err != nil {
			return err
		}
		if group == commonSpace {
			if scans, err = filepath.Glob(filepath.Join(filepath.Dir(m), "*_FLAIR.nii.gz")); err != nil {
				return err
			}
		}
		for _, s := range scans {
			v, err := volume.Read(s)
			if err != nil {
				return err
			}
			truth, err := maskOf(m, s, v, group == commonSpace)
			if err != nil {
				return err
			}
			name, _ := filepath.Rel(*data, s)
			begin := time.Now()
			b, err := e.Extract(v)
			took := time.Since(begin).Seconds()
			if err != nil {
				fmt.Println(name, err)
				continue
			}
			dice, far, err := compare(truth, b.Mask)
			if err != nil {
				return err
			}
			fmt.Printf("%-44s %6.3f %7.2f %7.0f %7.0f %6.3f %6.1f\n", name, dice, far, b.ML, float64(truth.Count())*truth.VoxelMM3()/1000, b.Certainty, took)
			if !slices.Contains(groups, group) {
				groups = append(groups, group)
			}
			g := sums[group]
			sums[group] = [3]float64{g[0] + dice, g[1] + far, g[2] + 1}
			if *save != "" {
				if err := volume.WriteMask(filepath.Join(*save, filepath.Base(filepath.Dir(s))+"_"+filepath.Base(s)), b.Mask); err != nil {
					return err
				}
			}
		}
	}
	for _, g := range groups {
		fmt.Printf("mean of %-36s %6.3f %7.2f\n", g, sums[g][0]/sums[g][2], sums[g][1]/sums[g][2])
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
