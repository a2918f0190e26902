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
	"voxgrad/metrics"
	"voxgrad/train/dataset"
	"voxgrad/volume"
)

// scoreKeys are the columns of scores.csv.
var scoreKeys = []string{"dice", "lesion_sensitivity", "lesion_ppv", "lesion_f1",
	"truth_lesions", "pred_lesions", "tested_lesions", "tested_volume", "jaccard", "sensitivity", "ppv"}

// score measures a mask against a case's truth.
func score(c dataset.Case, found *volume.Volume) (metrics.Case, error) {
	truth, err := dataset.ReadMask(c)
	if err != nil {
		return metrics.Case{}, err
	}
	o := metrics.DefaultOptions()
	o.Groups = metrics.VoxelGroup | metrics.LesionGroup
	r, err := metrics.Evaluate(binary(truth), found, o)
	if err != nil {
		return metrics.Case{}, fmt.Errorf("case %s: %w", c.ID, err)
	}
	return metrics.Case{Name: c.ID, Result: r}, nil
}

// binary is a mask with 1 where it is above ½.
func binary(m *volume.Volume) *volume.Volume {
	out := m.Like()
	out.Path = m.Path
	for i, x := range m.Data {
		if x > 0.5 {
			out.Data[i] = 1
		}
	}
	return out
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
