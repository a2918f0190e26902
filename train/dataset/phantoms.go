package dataset

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"

	"voxgrad/internal/outfile"
	"voxgrad/internal/rng"
	"voxgrad/internal/text"
	"voxgrad/volume"
)

// Files of a phantom, in the challenge's layout, and the lesions of each time point beside them.
const (
	PhantomTime1   = "flair_time01_on_middle_space.nii.gz"
	PhantomTime2   = "flair_time02_on_middle_space.nii.gz"
	PhantomTruth   = "ground_truth.nii.gz"
	PhantomBrain   = "brain_mask.nii.gz"
	PhantomLesion1 = "lesions_time01.nii.gz"
	PhantomLesion2 = "lesions_time02.nii.gz"
	PhantomTable   = "single.csv" // of the single time points
)

// Phantoms is a data set of pairs of phantoms to write.
type Phantoms struct {
	Folder, Prefix string
	Count          int
	Seed           uint64
	Size           [3]int
	New            volume.Range // new lesions per pair; the zero Range means the phantom's default
}

// Bytes is the size of the pairs before compression, or 0 where that is beyond all bounds.
func (j Phantoms) Bytes() int64 {
	n := int64(2*4 + 4) // two scans of float32, four masks
	for _, x := range append([]int{j.Count}, j.Size[:]...) {
		if x < 1 || n > math.MaxInt64/int64(x) {
			return 0
		}
		n *= int64(x)
	}
	return n
}

// Write writes the pairs, each a folder whose files appear together, and the table of
// single time points. A folder that holds anything else is refused: with it the made-up
// cases would be one data set. The context ends it between two pairs.
func (j Phantoms) Write(ctx context.Context) error {
	tidy, err := outfile.Folder(j.Folder)
	if err != nil {
		return err
	}
	defer tidy()
	if err := j.alone(); err != nil {
		return err
	}
	rows := [][]string{{"case", "patient", "flair", "mask", "brainmask"}}
	for n := range j.Count {
		if err := ctx.Err(); err != nil {
			return err
		}
		o := volume.DefaultPhantom(rng.Key(j.Seed, "phantom", n))
		o.Size = j.Size
		if j.New != (volume.Range{}) {
			o.New = j.New
		}
		p, err := volume.NewPhantom(o)
		if err != nil {
			return err
		}
		name := j.name(n)
		if err := writePhantom(filepath.Join(j.Folder, name), p); err != nil {
			return err
		}
		for t, files := range [][2]string{{PhantomTime1, PhantomLesion1}, {PhantomTime2, PhantomLesion2}} {
			rows = append(rows, []string{fmt.Sprintf("%s_time%02d", name, t+1), name,
				name + "/" + files[0], name + "/" + files[1], name + "/" + PhantomBrain})
		}
		slog.Debug("phantom written", "case", name, "lesions", len(p.Lesions))
	}
	return outfile.Write(filepath.Join(j.Folder, PhantomTable), func(w io.Writer) error {
		return csv.NewWriter(w).WriteAll(rows)
	})
}

func (j Phantoms) name(n int) string { return fmt.Sprintf("%s%03d", j.Prefix, n+1) }

// alone refuses a folder with other things in it than what is going to be written.
func (j Phantoms) alone() error {
	entries, err := os.ReadDir(j.Folder)
	if err != nil {
		return err
	}
	own := map[string]bool{PhantomTable: true}
	for n := range j.Count {
		own[j.name(n)] = true
	}
	var other []string
	for _, e := range entries {
		if !own[e.Name()] && !strings.HasPrefix(e.Name(), ".") {
			other = append(other, text.Clean(e.Name()))
		}
	}
	if len(other) > 0 {
		return fmt.Errorf("%s holds other files (%s), and phantoms would be cases of one data set with them; choose an empty folder", j.Folder, list(other))
	}
	return nil
}

// writePhantom writes one pair in the challenge's layout.
func writePhantom(dir string, p *volume.Phantom) error {
	tidy, err := outfile.Folder(dir)
	if err != nil {
		return err
	}
	defer tidy()
	var files outfile.Set
	defer files.Discard()
	for _, f := range []struct {
		name string
		v    *volume.Volume
		t    volume.DType
	}{
		{PhantomTime1, p.Time1, volume.Float32},
		{PhantomTime2, p.Time2, volume.Float32},
		{PhantomTruth, p.NewLesions.Volume(), volume.Uint8},
		{PhantomBrain, p.BrainMask.Volume(), volume.Uint8},
		{PhantomLesion1, p.Lesions1.Volume(), volume.Uint8},
		{PhantomLesion2, p.Lesions2.Volume(), volume.Uint8},
	} {
		if err := volume.WriteIn(&files, filepath.Join(dir, f.name), f.v, f.t); err != nil {
			return err
		}
	}
	b, err := json.MarshalIndent(phantomRecord(p), "", "  ")
	if err != nil {
		return err
	}
	if err := files.Write(filepath.Join(dir, "record.json"), func(w io.Writer) error {
		_, err := w.Write(append(b, '\n'))
		return err
	}); err != nil {
		return err
	}
	return files.Commit()
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
