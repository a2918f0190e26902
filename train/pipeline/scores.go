package pipeline

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"

	"voxgrad/internal/outfile"
	"voxgrad/internal/text"
	"voxgrad/metrics"
	"voxgrad/report"
	"voxgrad/train"
	"voxgrad/train/dataset"
	"voxgrad/volume"
)

// scoreKeys are the columns of scores.csv.
var scoreKeys = []string{"dice", "lesion_sensitivity", "lesion_ppv", "lesion_f1",
	"truth_lesions", "pred_lesions", "tested_lesions", "tested_volume", "jaccard", "sensitivity", "ppv"}

// score measures a mask against a case's truth.
func score(c dataset.Case, found *volume.Mask) (metrics.Case, error) {
	truth, err := dataset.ReadMask(c)
	if err != nil {
		return metrics.Case{}, err
	}
	o := metrics.DefaultOptions()
	o.Groups = metrics.VoxelGroup | metrics.LesionGroup
	r, err := metrics.Evaluate(truth, found, o)
	if err != nil {
		return metrics.Case{}, fmt.Errorf("case %s: %w", c.ID, err)
	}
	return metrics.Case{Name: c.ID, Result: r}, nil
}

// scoresFile is scores.json.
type scoresFile struct {
	Cases []struct {
		Case     string              `json:"case"`
		Measures map[string]*float64 `json:"measures"` // null: undefined
	} `json:"cases"`
}

// writeScores writes the cases as JSON, with their summary and other facts, and as CSV.
func writeScores(jsonPath, csvPath string, cases []metrics.Case, more map[string]any) error {
	sum, err := metrics.Summarize(cases, metrics.DefaultBootstrap())
	if err != nil {
		return err
	}
	rows := []any{}
	table := [][]string{append([]string{"case"}, scoreKeys...)}
	for _, c := range cases {
		rows = append(rows, map[string]any{"case": c.Name, "measures": c.Result})
		line := []string{c.Name}
		for _, k := range scoreKeys {
			text := ""
			if v, ok := c.Result.Value(k); ok && !math.IsNaN(v) {
				text = strconv.FormatFloat(v, 'g', -1, 64)
			}
			line = append(line, text)
		}
		table = append(table, line)
	}
	all := map[string]any{"cases": rows, "summary": sum}
	for k, v := range more {
		all[k] = v
	}
	var b bytes.Buffer
	if err := csv.NewWriter(&b).WriteAll(table); err != nil {
		return err
	}
	if err := outfile.WriteBytes(csvPath, b.Bytes()); err != nil {
		return err
	}
	return writeJSON(jsonPath, all)
}

// readScores reads scores.json: measures by case, in the order of the file.
func readScores(path string) (names []string, of map[string]map[string]float64, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	var f scoresFile
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	of = map[string]map[string]float64{}
	for _, c := range f.Cases {
		m := map[string]float64{}
		for k, v := range c.Measures {
			m[k] = math.NaN()
			if v != nil {
				m[k] = *v
			}
		}
		names = append(names, c.Case)
		of[c.Case] = m
	}
	return names, of, nil
}

// Result is what the ensemble and the method to beat reach on the test pairs.
type Result struct {
	Ensemble  Means   `json:"ensemble"`
	Threshold Means   `json:"difference_threshold"`
	SDs       float64 `json:"difference_threshold_sds"` // chosen on the training pairs
	Rule      string  `json:"rule"`
}

// Means are the means of measures over cases, by metrics.Rule.
type Means struct {
	With    int                     `json:"cases_with_lesions"`
	Without int                     `json:"cases_without_lesions"`
	Mean    map[string]train.Number `json:"mean"`
}

// Result reads the scores of a pipeline that is through.
func (p *Pipeline) Result() (*Result, error) {
	var eval, base *Step
	for _, s := range p.steps {
		switch s.Stage {
		case evaluate:
			eval = s
		case baseline:
			base = s
		}
	}
	return p.result(eval, base)
}

func (p *Pipeline) result(eval, base *Step) (*Result, error) {
	r := &Result{Rule: metrics.Rule}
	var err error
	if r.Ensemble, err = meansOf(p.path(eval.work.(*evaluating).json())); err != nil {
		return nil, err
	}
	file := p.path(base.work.(*thresholding).json())
	if r.Threshold, err = meansOf(file); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var chosen struct {
		SDs float64 `json:"threshold_sds"`
	}
	if err := json.Unmarshal(b, &chosen); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	r.SDs = chosen.SDs
	return r, nil
}

// meansOf averages a scores.json.
func meansOf(path string) (Means, error) {
	names, of, err := readScores(path)
	if err != nil {
		return Means{}, err
	}
	m := Means{Mean: map[string]train.Number{}}
	for _, n := range names {
		if _, empty := of[n]["tested_lesions"]; empty {
			m.Without++
		} else {
			m.With++
		}
	}
	for _, k := range compareKeys {
		var x []float64
		for _, n := range names {
			x = append(x, measured(k.key)(of[n]))
		}
		m.Mean[k.key] = train.Number(meanOf(x))
	}
	return m, nil
}

// compareKeys are the columns of the comparison.
var compareKeys = []struct {
	key, head string
	unit      report.Unit
	better    report.Direction
}{
	{"dice", "Dice", report.Score, report.Higher},
	{"lesion_sensitivity", "lesion sens.", report.Score, report.Higher},
	{"lesion_ppv", "lesion PPV", report.Score, report.Higher},
	{"lesion_f1", "lesion F1", report.Score, report.Higher},
	{"tested_lesions", "false lesions", report.Unit{Digits: 2}, report.Lower},
}

// Table sets the two side by side.
func (r *Result) Table() *report.Table {
	t := &report.Table{Title: "mean over the test pairs", Columns: []report.Column{{Name: "method"}}}
	rows := [][]any{{"ensemble"}, {fmt.Sprintf("difference threshold (%g robust SDs)", r.SDs)}}
	for _, k := range compareKeys {
		if k.key == "tested_lesions" && r.Ensemble.Without == 0 {
			continue
		}
		t.Columns = append(t.Columns, report.Column{Name: k.head, Unit: k.unit, Better: k.better})
		for i, m := range []Means{r.Ensemble, r.Threshold} {
			x := float64(m.Mean[k.key])
			if math.IsNaN(x) {
				rows[i] = append(rows[i], nil)
			} else {
				rows[i] = append(rows[i], x)
			}
		}
	}
	for _, row := range rows {
		t.Add(row...)
	}
	t.Note = fmt.Sprintf("%s with new lesions; the threshold was chosen for the best lesion F1 on the training pairs.", text.Plural(r.Ensemble.With, "pair"))
	if n := r.Ensemble.Without; n > 0 {
		t.Note += fmt.Sprintf(" False lesions: mean number in %s without new lesions.", text.Plural(n, "pair"))
	}
	return t
}
