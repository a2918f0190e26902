// Command weights makes the built-in networks out of training runs and scores them:
//
//	weights half --in checkpoint.safetensors --out weights/files/brain.safetensors   half precision, the network alone
//	weights brain --data ../shared/data [--weights checkpoint.safetensors]           brain extraction against masks of real scans
//	weights score --data ../shared/data --models a.safetensors,b.safetensors [--single] [--robust] --json scores.json   detectors on the real pairs, segmenters on the real scans; --data cases.csv: on those of a table
//	weights scans --data ../shared/data --out DIR                                    the data sets of single scans that training knows
//	weights leftout --dir DIR --beside NAME --of SET                                 ways of training, by patients left out: the table of left_out.sh
//	weights all --data ../shared/data --out FOLDER                                   every figure and picture of docs/results/builtin.md, of the networks in bin/voxgrad
//
// brain.sh and its like beside it are the commands that made each network.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"

	"voxgrad/models"
	"voxgrad/models/weights"
)

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("usage: weights half|brain|score|all|scans|leftout; see the package's comment"))
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
	case "leftout":
		err = leftOut(os.Args[2:])
	default:
		err = fmt.Errorf("there is no %q: half, brain, score, all, scans or leftout", os.Args[1])
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
	for key := range (models.Preparation{Version: "a build's", Commit: "a build's"}).Metadata() {
		delete(meta, key) // so that the same seed makes the same file
	}
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
