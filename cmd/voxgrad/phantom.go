package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"voxgrad/internal/atomicfile"
	"voxgrad/internal/rng"
	"voxgrad/volume"
)

// Files of a phantom beside those of the challenge's layout.
const (
	challengeTime1 = "flair_time01_on_middle_space.nii.gz"
	challengeTime2 = "flair_time02_on_middle_space.nii.gz"
	challengeTruth = "ground_truth.nii.gz"
	challengeBrain = "brain_mask.nii.gz"
	phantomLesion1 = "lesions_time01.nii.gz"
	phantomLesion2 = "lesions_time02.nii.gz"
	singleTable    = "single.csv"
)

// phantomJob says which phantoms to write.
type phantomJob struct {
	dir, prefix string
	count       int
	seed        uint64
	size        [3]int
	fresh       volume.Range // new lesions per pair; the zero Range means the phantom's default
}

func newPhantom() *cobra.Command {
	job := phantomJob{prefix: "phantom"}
	size := "96x112x96"
	cmd := &cobra.Command{
		Use:   "phantom --out DIR",
		Short: "Make pairs of brain-like FLAIR scans with known lesions",
		Long: `Makes pairs of skull-stripped, brain-like FLAIR volumes with lesions that are new,
grown, shrunk, vanished and unchanged between the two time points, scanned with
different contrast, bias field, noise and residual misregistration.

Each pair is a folder in the challenge's layout (flair_time01_on_middle_space.nii.gz,
flair_time02_on_middle_space.nii.gz, ground_truth.nii.gz, brain_mask.nii.gz), with all
lesions of each time point in lesions_time01.nii.gz and lesions_time02.nii.gz and a
record of each lesion in record.json. DIR itself is a data set for the detector;
DIR/single.csv lists every time point as a data set for the segmenter.`,
		Example: "  voxgrad phantom --out phantoms --count 12 --seed 1",
		Args:    exactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if job.count < 1 {
				return usagef(cmd, "--count %d: at least 1", job.count)
			}
			if job.size, err = parseSize(size); err != nil {
				return usagef(cmd, "--size: %v", err)
			}
			return job.run()
		},
	}
	f := cmd.Flags()
	f.StringVar(&job.dir, "out", "", "folder to write to (required)")
	f.IntVar(&job.count, "count", 1, "number of pairs")
	f.Uint64Var(&job.seed, "seed", 1, "the same seed and options give the same files")
	f.StringVar(&size, "size", size, "voxels of 1 mm along x, y, z")
	must(cmd.MarkFlagRequired("out"))
	return cmd
}

// run writes the pairs and the table of single time points.
func (j phantomJob) run() error {
	if err := os.MkdirAll(j.dir, 0o777); err != nil {
		return fmt.Errorf("cannot make the output folder: %w", err)
	}
	rows := [][]string{{"case", "patient", "flair", "mask", "brainmask"}}
	for n := range j.count {
		o := volume.DefaultPhantom(rng.Key(j.seed, "phantom", n))
		o.Size = j.size
		if j.fresh != (volume.Range{}) {
			o.New = j.fresh
		}
		p, err := volume.NewPhantom(o)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%s%03d", j.prefix, n+1)
		if err := writePhantom(filepath.Join(j.dir, name), p); err != nil {
			return err
		}
		for t, files := range [][2]string{{challengeTime1, phantomLesion1}, {challengeTime2, phantomLesion2}} {
			rows = append(rows, []string{fmt.Sprintf("%s_time%02d", name, t+1), name,
				name + "/" + files[0], name + "/" + files[1], name + "/" + challengeBrain})
		}
		slog.Debug("phantom written", "case", name, "lesions", len(p.Lesions))
	}
	err := atomicfile.Write(filepath.Join(j.dir, singleTable), func(w io.Writer) error {
		return csv.NewWriter(w).WriteAll(rows)
	})
	if err == nil {
		slog.Info("phantoms written", "pairs", j.count, "folder", j.dir)
	}
	return err
}

// writePhantom writes one pair in the challenge's layout.
func writePhantom(dir string, p *volume.Phantom) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("cannot make the case's folder: %w", err)
	}
	for _, f := range []struct {
		name string
		v    *volume.Volume
		t    volume.DType
	}{
		{challengeTime1, p.Time1, volume.Float32},
		{challengeTime2, p.Time2, volume.Float32},
		{challengeTruth, p.NewLesions, volume.Uint8},
		{challengeBrain, p.BrainMask, volume.Uint8},
		{phantomLesion1, p.Lesions1, volume.Uint8},
		{phantomLesion2, p.Lesions2, volume.Uint8},
	} {
		if err := volume.Write(filepath.Join(dir, f.name), f.v, f.t); err != nil {
			return err
		}
	}
	return writeJSON(filepath.Join(dir, "record.json"), phantomRecord(p))
}

// phantomLesion is a lesion in record.json.
type phantomLesion struct {
	Kind       volume.LesionKind `json:"kind"`
	Voxels     [2]int            `json:"voxels"`
	MM3        [2]float64        `json:"mm3"`
	CentroidMM [3]float64        `json:"centroid_mm"`
}

func phantomRecord(p *volume.Phantom) any {
	list := []phantomLesion{}
	for _, l := range p.Lesions {
		list = append(list, phantomLesion{l.Kind, l.Voxels, l.MM3, p.Time1.Affine.Apply(l.Centroid)})
	}
	return map[string]any{"lesions": list}
}

// writeJSON writes v indented.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, append(b, '\n'))
}

// must is for what can only fail by a mistake in the program.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
