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
	"voxgrad/train/prep"
	"voxgrad/volume"
)

// read loads the scans, the brain mask and the transforms.
func (j *predictJob) read() (c prep.Case, err error) {
	given := false
	for _, t := range j.transforms {
		given = given || t != ""
	}
	switch {
	case given && j.space == "":
		return c, fmt.Errorf("transforms need --space: an image on the grid of the common space")
	case !given && j.space != "":
		return c, fmt.Errorf("--space is for scans with --transform1 or --transform2")
	}
	for _, path := range j.images {
		v, err := volume.Read(path)
		if err != nil {
			return c, err
		}
		c.Times = append(c.Times, v)
	}
	switch j.brain {
	case "none":
		c.NoMask = true
	case "":
	default:
		if c.Brain, err = volume.ReadMask(j.brain); err != nil {
			return c, err
		}
	}
	if !given {
		return c, nil
	}
	if c.Space, err = volume.Read(j.space); err != nil {
		return c, err
	}
	c.Space.Data = nil // its grid is all that is needed
	for _, path := range j.transforms {
		var t *prep.Transform
		if path != "" {
			t = &prep.Transform{Path: path}
			if t.Transform, err = volume.ReadITK(path); err != nil {
				return c, err
			}
		}
		c.Transforms = append(c.Transforms, t)
	}
	return c, nil
}

// back moves a result from the common space to the grid of the first scan as it was
// given: the map is interpolated linearly, then thresholded.
func back(c prep.Case, r *infer.Result, threshold float64) {
	if c.Space == nil {
		return
	}
	first, inverse := c.Times[0], volume.Identity
	if t := c.Transforms[0]; t != nil {
		inverse = t.Transform.Inverse()
	}
	prob := volume.ResampleThrough(r.Prob, first.Grid, inverse, volume.Linear, 0)
	prob.Path, prob.Source = "", first.Source
	r.Prob, r.Mask = prob, prob.Above(threshold)
	for n := range r.Aligned[1:] {
		r.Aligned[n+1] = volume.ResampleThrough(r.Aligned[n+1], first.Grid, inverse, volume.Linear, 0)
	}
	r.Aligned[0], r.Brain = first, nil
}

// picture is the picture of what was found.
func picture(kind string, r *infer.Result, masked bool) *report.Case {
	c := &report.Case{Title: "Lesions", Time2: r.Aligned[0], Mask: r.Mask.Volume(), Prob: r.Prob}
	if masked {
		c.Brain = r.Brain.Volume()
	}
	if kind == models.Detector {
		c.Title, c.Time1, c.Time2 = "New lesions", r.Aligned[0], r.Aligned[1]
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

func writeLesionCSV(set *outfile.Set, path string, list []report.Lesion) error {
	text := func(x float64) string { return strconv.FormatFloat(x, 'f', 4, 64) }
	rows := [][]string{{"number", "x_mm", "y_mm", "z_mm", "volume_mm3", "voxels", "mean_probability"}}
	for _, l := range list {
		rows = append(rows, []string{strconv.Itoa(l.Number), text(l.World[0]), text(l.World[1]), text(l.World[2]),
			text(l.VolumeMM3), strconv.Itoa(l.Voxels), text(l.MeanProb)})
	}
	return set.Write(path, func(w io.Writer) error { return csv.NewWriter(w).WriteAll(rows) })
}
