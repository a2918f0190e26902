package main

import (
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"voxgrad/internal/outfile"
	"voxgrad/volume"
	"voxgrad/weights"
)

// aside is a scan that no network is trained on, for scoring.
const aside = "thick_slices/105911"

// trainedOn reports whether a scan takes part in training a network: detectors have lesions drawn into all but the pairs and the scan
// aside; segmenters know those of thick_slices with what is marked in them, so that another scanner's scans are left to score them.
func trainedOn(network, set, name string) bool {
	return set != "longitudinal" && set+"/"+name != aside && (network == weights.Detector || set == "thick_slices")
}

// scans makes the data sets of single scans that training knows (trainedOn): cross_sectional as it is, for it lies in the atlas's space; thick_slices and
// single_visits prepared. cases.csv is the detector's, marked.csv the segmenter's. A scan that cannot be prepared is named and left out.
func scans(args []string) error {
	f := flag.NewFlagSet("scans", flag.ExitOnError)
	data, out, program := f.String("data", "", "folder with cross_sectional, thick_slices and single_visits"), f.String("out", "", "folder to write, with the tables cases.csv and marked.csv"),
		f.String("program", "bin/voxgrad", "the program that prepares")
	if err := f.Parse(args); err != nil {
		return err
	}
	root, err := filepath.Abs(*data)
	if err != nil {
		return err
	}
	head := []string{"case", "patient", "flair", "mask", "brainmask"}
	rows, marked := [][]string{head}, [][]string{head}
	for _, group := range []string{"cross_sectional/patient*", "thick_slices/[0-9]*", "single_visits/patient*"} {
		dirs, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(group)))
		if err != nil || len(dirs) == 0 {
			return fmt.Errorf("%s: nothing there (%v)", filepath.Join(root, group), err)
		}
		for _, dir := range dirs {
			set, of := filepath.Base(filepath.Dir(dir)), filepath.Base(dir)
			if !trainedOn(weights.Detector, set, of) {
				continue
			}
			name := set + "_" + of
			row := []string{name, name, filepath.Join(dir, "flair.nii.gz"), filepath.Join(dir, "lesions.nii.gz"), filepath.Join(dir, "brainmask.nii.gz")}
			if !strings.HasPrefix(group, "cross") {
				if row, err = preparedScan(*program, dir, filepath.Join(*out, name), name); err != nil {
					fmt.Fprintf(os.Stderr, "%s is left out: %v\n", name, err)
					continue
				}
			}
			rows = append(rows, row)
			if trainedOn(weights.Segmenter, set, of) {
				marked = append(marked, row)
			}
		}
	}
	var tables outfile.Set
	defer tables.Discard()
	for name, rows := range map[string][][]string{"cases.csv": rows, "marked.csv": marked} {
		if err := tables.Write(filepath.Join(*out, name), func(w io.Writer) error { return csv.NewWriter(w).WriteAll(rows) }); err != nil {
			return err
		}
	}
	return tables.Commit()
}

// preparedScan prepares the first scan of a folder, with its lesion mask if there is one, else with an empty one.
func preparedScan(program, dir, out, name string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*[Ff][Ll][Aa][Ii][Rr].nii.gz"))
	if err != nil || len(found) == 0 {
		return nil, fmt.Errorf("no FLAIR in %s (%v)", dir, err)
	}
	if out, err = filepath.Abs(out); err != nil {
		return nil, err
	}
	at := func(file string) string { return filepath.Join(out, file) }
	if log, err := exec.Command(program, "prepare", "--flair", found[0], "--out", out).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, log)
	}
	brain, err := volume.ReadMask(at("brainmask.nii.gz"))
	if err != nil {
		return nil, err
	}
	lesions := volume.NewMask(brain.Grid)
	mask := filepath.Join(dir, "lesions.nii.gz")
	if _, err := os.Stat(mask); err == nil {
		of, err := volume.ReadMask(mask)
		if err != nil {
			return nil, err
		}
		to, err := volume.ReadITK(at("prepared_to_scan.txt"))
		if err != nil {
			return nil, err
		}
		lesions = of.ResampleThrough(brain.Grid, to)
	}
	if err := volume.WriteMask(at("lesions.nii.gz"), lesions); err != nil {
		return nil, err
	}
	return []string{name, name, at("flair.nii.gz"), at("lesions.nii.gz"), at("brainmask.nii.gz")}, nil
}
