package predict

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"

	"voxgrad/internal/outfile"
	"voxgrad/models"
	"voxgrad/report"
	"voxgrad/train/infer"
	"voxgrad/volume"
)

// inputs are the scans of a prediction, in the space it is made in.
type inputs struct {
	times []*volume.Volume
	brain *volume.Volume // nil: none given

	native    *volume.Volume    // the first scan as it was, if it was moved
	transform *volume.Transform // that moved it
}

// read loads the scans and the brain mask, and moves the scans into the common
// space if there are transforms.
func (j *predictJob) read() (*inputs, error) {
	in := &inputs{}
	for _, path := range j.images {
		v, err := volume.Read(path)
		if err != nil {
			return nil, err
		}
		if err := v.CheckFinite(); err != nil {
			return nil, err
		}
		in.times = append(in.times, v)
	}
	if err := j.move(in); err != nil {
		return nil, err
	}
	if j.brain != "" && j.brain != "none" {
		brain, err := volume.Read(j.brain)
		if err != nil {
			return nil, err
		}
		in.brain = brain
	}
	return in, nil
}

// move applies the transforms.
func (j *predictJob) move(in *inputs) error {
	given := false
	for _, t := range j.transforms {
		given = given || t != ""
	}
	switch {
	case !given && j.space == "":
		return nil
	case !given:
		return fmt.Errorf("--space is for scans with --transform1 or --transform2")
	case j.space == "":
		return fmt.Errorf("transforms need --space: an image on the grid of the common space")
	}
	space, err := volume.Read(j.space)
	if err != nil {
		return err
	}
	in.native = in.times[0]
	for n, path := range j.transforms {
		t := volume.Identity
		if path != "" {
			if t, err = volume.ReadITK(path); err != nil {
				return err
			}
		}
		if n == 0 {
			in.transform = &t
		}
		v := in.times[n]
		in.times[n] = volume.ResampleThrough(v, space.Grid, t, volume.Cubic, 0)
		in.times[n].Path, in.times[n].Source = v.Path, space.Source
	}
	return nil
}

// back moves a result to the grid of the first scan as it was given: the map is
// interpolated linearly, then thresholded.
func (in *inputs) back(r *infer.Result) error {
	if in.native == nil {
		return nil
	}
	prob := volume.ResampleThrough(r.Prob, in.native.Grid, in.transform.Inverse(), volume.Linear, 0)
	r.Prob, r.Mask = in.native.Like(), in.native.Like()
	for i, p := range prob.Data {
		r.Prob.Data[i] = p
		if p > 0.5 {
			r.Mask.Data[i] = 1
		}
	}
	in.times[1] = volume.ResampleThrough(in.times[1], in.native.Grid, in.transform.Inverse(), volume.Linear, 0)
	in.times[0], in.brain = in.native, nil
	return nil
}

// picture is the picture of what was found.
func (in *inputs) picture(kind string, r *infer.Result) *report.Case {
	c := &report.Case{Title: "Lesions", Time2: in.times[0], Mask: r.Mask, Prob: r.Prob, Brain: in.brain}
	if kind == models.Detector {
		c.Title, c.Time1, c.Time2 = "New lesions", in.times[0], in.times[1]
	}
	return c
}

// lesionRow is a lesion as JSON.
type lesionRow struct {
	Number   int        `json:"number"`
	Centroid [3]float64 `json:"centroid_mm"`
	Volume   float64    `json:"volume_mm3"`
	Voxels   int        `json:"voxels"`
	Mean     *float64   `json:"mean_probability"`
}

func lesionRows(list []report.Lesion) []lesionRow {
	rows := make([]lesionRow, len(list))
	for i, l := range list {
		rows[i] = lesionRow{l.Number, l.World, l.VolumeMM3, l.Voxels, number(l.MeanProb)}
	}
	return rows
}

// number is null in JSON for NaN.
func number(x float64) *float64 {
	if math.IsNaN(x) {
		return nil
	}
	return &x
}

func writeLesionCSV(path string, list []report.Lesion) error {
	text := func(x float64) string { return strconv.FormatFloat(x, 'f', 4, 64) }
	rows := [][]string{{"number", "x_mm", "y_mm", "z_mm", "volume_mm3", "voxels", "mean_probability"}}
	for _, l := range list {
		rows = append(rows, []string{strconv.Itoa(l.Number), text(l.World[0]), text(l.World[1]), text(l.World[2]),
			text(l.VolumeMM3), strconv.Itoa(l.Voxels), text(l.MeanProb)})
	}
	return outfile.Write(path, func(w io.Writer) error { return csv.NewWriter(w).WriteAll(rows) })
}
