package predict

import (
	"encoding/csv"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strconv"
	"strings"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/internal/outfile"
	"voxgrad/internal/text"
	"voxgrad/metrics"
	"voxgrad/models"
	"voxgrad/report"
	"voxgrad/train/infer"
	"voxgrad/volume"
)

// write writes what was asked for and prints the table. What has been written is let go.
func (j *predictJob) write(masked bool, r *infer.Result) error {
	found, err := report.Lesions(r.Mask, r.Prob, j.connectivity, metrics.LesionVoxels(j.minMM3, r.Mask.Spacing()))
	if err != nil {
		return err
	}
	if len(r.Members) > 1 {
		found.AddMembers(r.Members)
		r.Members = nil
	}
	j.plausible(found)
	var files outfile.Set
	defer files.Discard()
	if j.labels != "" {
		if n := len(found.Lesions); n > math.MaxUint16 {
			return fmt.Errorf("cannot write %s: %d lesions are more than a label image holds; see --min-lesion-mm3", j.labels, n)
		}
		if err := volume.WriteLabelsIn(&files, j.labels, r.Mask, found.Labels); err != nil {
			return err
		}
	}
	if j.picture != "" {
		counted := volume.NewMask(r.Mask.Grid) // as the table does
		for x, label := range found.Labels {
			counted.Data[x] = label != 0
		}
		img, err := report.LesionPicture(picture(j.kind, r, counted, masked))
		if err != nil {
			return err
		}
		if err := report.WritePNGIn(&files, j.picture, img); err != nil {
			return err
		}
	}
	r.Aligned, found.Labels = nil, nil
	if j.prob != "" {
		if err := volume.WriteIn(&files, j.prob, r.Prob, volume.Float32); err != nil {
			return err
		}
	}
	if j.table != "" {
		if err := j.writeLesionCSV(&files, j.table, found.Lesions); err != nil {
			return err
		}
	}
	if err := volume.WriteMaskIn(&files, j.out, r.Mask); err != nil {
		return err
	}
	if err := files.Commit(); err != nil {
		return err
	}
	if j.asJSON {
		return cli.PrintJSON(map[string]any{"mask": j.out, "lesions": j.lesionRows(found.Lesions), "unlike_training": j.doubts, "brain_missed": j.missed,
			"threshold": j.opt.Threshold, "min_lesion_mm3": j.minMM3, "connectivity": j.connectivity,
			"smaller_pieces": found.Small, "smaller_pieces_voxels": found.SmallVoxels})
	}
	return j.print(found)
}

// what names what is found.
func (j *predictJob) what() string {
	if j.kind == models.Detector {
		return "new lesions"
	}
	return "lesions"
}

// mostRows is how many lesions a terminal is shown.
const mostRows = 40

func (j *predictJob) print(found *report.Found) error {
	small := ""
	if found.Small > 0 {
		small = fmt.Sprintf("%s of %g mm³ or less (%s) in the mask %s not counted; --min-lesion-mm3 0 counts all.",
			text.Plural(found.Small, "piece"), j.minMM3, text.Plural(found.SmallVoxels, "voxel"), map[bool]string{true: "is", false: "are"}[found.Small == 1])
	}
	if m := j.missed; m != nil {
		small = strings.TrimSpace(small + fmt.Sprintf(" %.0f ml of brain, %.0f %%, are in one of the two scans alone and were not compared.", m.ML, 100*m.Share))
	}
	if len(found.Lesions) == 0 {
		fmt.Fprintf(cli.Out, "no %s\n", j.what())
		if small != "" {
			fmt.Fprintln(cli.Out, small)
		}
		return nil
	}
	t := report.LesionTable(j.what(), found.Lesions, j.opt.Threshold)
	if rest := len(t.Rows) - mostRows; rest > 0 && cli.Terminal() {
		t.Rows = t.Rows[:mostRows]
		t.Note = fmt.Sprintf("The %d largest are shown; --table FILE.csv writes the other %d too. ", mostRows, rest) + t.Note
	}
	if small != "" {
		t.Note += " " + small
	}
	return t.WriteText(cli.Out)
}

// More than that is no patient's: the largest published lesion loads have some 100 ml,
// in up to a few hundred lesions.
const (
	mostLesions   = 500
	mostLesionMM3 = 150e3
)

// plausible warns of an answer that no patient has.
func (j *predictJob) plausible(found *report.Found) {
	mm3 := 0.0
	for _, l := range found.Lesions {
		mm3 += l.VolumeMM3
	}
	if len(found.Lesions) > mostLesions || mm3 > mostLesionMM3 {
		slog.Warn(fmt.Sprintf("%s with %.0f ml are more than a patient has: look at the mask; was the skull removed, is it a FLAIR scan, and do the weights suit it?",
			text.Plural(len(found.Lesions), "lesion"), mm3/1000))
	}
}

// picture is the picture of the lesions that are counted.
func picture(kind string, r *infer.Result, counted *volume.Mask, masked bool) *report.Case {
	c := &report.Case{Title: "Lesions", Time2: r.Aligned[0], Mask: counted.Volume(), Prob: r.Prob}
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

	// Of an ensemble: each member's mean probability, their standard deviation, and how many are above the threshold.
	Members []float64 `json:"member_probabilities,omitempty"`
	Spread  *float64  `json:"members_sd,omitempty"`
	Agree   *int      `json:"members_above_threshold,omitempty"`
}

func (j *predictJob) lesionRows(list []report.Lesion) []lesionRow {
	rows := make([]lesionRow, len(list))
	for i, l := range list {
		rows[i] = lesionRow{Number: l.Number, Centroid: l.World, Volume: l.VolumeMM3, Voxels: l.Voxels, Mean: number(l.MeanProb), Members: l.Members, Spread: number(l.Spread())}
		if l.Members != nil {
			agree := l.Agree(j.opt.Threshold)
			rows[i].Agree = &agree
		}
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

func (j *predictJob) writeLesionCSV(set *outfile.Set, path string, list []report.Lesion) error {
	text := func(x float64) string { return strconv.FormatFloat(x, 'f', 4, 64) }
	rows := [][]string{{"number", "x_mm", "y_mm", "z_mm", "volume_mm3", "voxels", "mean_probability"}}
	members := len(list) > 0 && list[0].Members != nil
	if members {
		rows[0] = append(rows[0], "members", "members_above_threshold", "members_sd")
	}
	for _, l := range list {
		row := []string{strconv.Itoa(l.Number), text(l.World[0]), text(l.World[1]), text(l.World[2]),
			text(l.VolumeMM3), strconv.Itoa(l.Voxels), text(l.MeanProb)}
		if members {
			row = append(row, strconv.Itoa(len(l.Members)), strconv.Itoa(l.Agree(j.opt.Threshold)), text(l.Spread()))
		}
		rows = append(rows, row)
	}
	return set.Write(path, func(w io.Writer) error { return csv.NewWriter(w).WriteAll(rows) })
}
