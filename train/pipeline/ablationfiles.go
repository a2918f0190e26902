package pipeline

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"voxgrad/internal/outfile"
	"voxgrad/metrics"
	"voxgrad/report"
	"voxgrad/train"
)

// Files of the ablation in its folder.
const (
	AblationText = "ablation.txt"
	AblationCSV  = "ablation.csv"
	AblationJSON = "ablation.json"
)

func seedFolder(out string, seed uint64) string {
	return filepath.Join(out, fmt.Sprintf("seed_%d", seed))
}

// Table is the comparison for people: a star where a score differs from the first
// row's.
func (t *AblationTable) Table() *report.Table {
	out := &report.Table{Title: fmt.Sprintf("ablation: ensembles of %d on %d test pairs with new lesions", t.Members, t.With)}
	heads := []string{"transfer", "synthesis", "augmentation", "Dice", "lesion F1", "mean"}
	if t.Without > 0 {
		heads = append(heads, "false lesions")
	}
	for _, h := range heads {
		out.Columns = append(out.Columns, report.Column{Name: h})
	}
	for _, r := range t.Rows {
		row := []any{yes(r.Transfer), yes(r.Synthesis), yes(r.Augmentation), r.Dice.text(), r.LesionF1.text(), r.Mean.text()}
		if t.Without > 0 {
			row = append(row, report.Unit{Digits: 2}.Text(float64(r.FalseLesions)))
		}
		out.Add(row...)
	}
	out.Note = t.note()
	return out
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// text is the score with its spread over the seeds and its mark.
func (s AblationScore) text() string {
	text := report.Score.Text(float64(s.Value))
	if !math.IsNaN(float64(s.SD)) {
		text += " ± " + report.Score.Text(float64(s.SD))
	}
	if s.Significant() {
		text += " *"
	}
	return text
}

// note says what the marks and the means are.
func (t *AblationTable) note() string {
	lines := []string{fmt.Sprintf("* p < %g against the first row: %s.", significance, t.Test)}
	if n := t.Rows[0].LesionF1.N; n > 0 && math.Exp2(float64(1-n)) >= significance {
		lines = append(lines, fmt.Sprintf("With %d cases the exact test cannot give less than p = %.3g.", n, math.Exp2(float64(1-n))))
	}
	if len(t.Seeds) > 1 {
		lines = append(lines, fmt.Sprintf("Each case's scores are averaged over %d seeds first; ± is the standard deviation of the mean over the seeds.", len(t.Seeds)))
	}
	if t.Without > 0 {
		lines = append(lines, fmt.Sprintf("False lesions: mean number in %s without new lesions.", pairs(t.Without)))
	}
	return strings.Join(append(lines, "Rule of averaging: "+metrics.Rule), " ")
}

// Write writes the table as text, CSV and JSON into the folder.
func (t *AblationTable) Write(out string) error {
	if err := outfile.WriteBytes(filepath.Join(out, AblationText), []byte(t.Table().String())); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(out, AblationJSON), t); err != nil {
		return err
	}
	head := []string{"transfer", "synthesis", "augmentation"}
	for _, m := range []string{"dice", "lesion_f1", "mean"} {
		head = append(head, m, m+"_seeds_sd", m+"_p")
	}
	rows := [][]string{append(head, "cases_with_lesions", "false_lesions", "false_lesion_mm3", "cases_without_lesions")}
	for _, r := range t.Rows {
		line := []string{bit(r.Transfer), bit(r.Synthesis), bit(r.Augmentation)}
		for _, s := range []AblationScore{r.Dice, r.LesionF1, r.Mean} {
			line = append(line, number(s.Value), number(s.SD), number(s.P))
		}
		rows = append(rows, append(line, strconv.Itoa(t.With), number(r.FalseLesions), number(r.FalseMM3), strconv.Itoa(t.Without)))
	}
	var b bytes.Buffer
	if err := csv.NewWriter(&b).WriteAll(rows); err != nil {
		return err
	}
	return outfile.WriteBytes(filepath.Join(out, AblationCSV), b.Bytes())
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// number is empty for NaN.
func number(n train.Number) string {
	if math.IsNaN(float64(n)) {
		return ""
	}
	return strconv.FormatFloat(float64(n), 'g', -1, 64)
}
