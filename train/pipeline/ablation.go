package pipeline

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat"

	"voxgrad/internal/outfile"
	"voxgrad/internal/text"
	"voxgrad/metrics"
	"voxgrad/report"
	"voxgrad/train"
)

// AblationRun is the rows of the ablation table, once per seed.
type AblationRun struct {
	job       Job
	methods   []Method
	seeds     []uint64
	pipelines []*Pipeline // one per seed
}

// OpenAblation checks the configuration and lists the steps of all rows. With
// ablation.seeds the run of each seed is in OUT/seed_N.
func OpenAblation(job Job) (*AblationRun, error) {
	a := &AblationRun{job: job, seeds: job.Config.Ablation.Seeds}
	if job.Out == "" {
		return nil, errNoFolder
	}
	if err := job.Config.Check(); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	for _, name := range job.Config.Ablation.Rows {
		m, err := parseMethod(name)
		if err != nil {
			return nil, err
		}
		m.EqualSteps = job.Config.Method.EqualSteps
		if slices.Contains(a.methods, m) {
			return nil, fmt.Errorf("config: ablation.rows: %s stands there twice", name)
		}
		a.methods = append(a.methods, m)
		c := job.Config
		c.Method = m
		if err := c.Check(); err != nil {
			return nil, fmt.Errorf("config: row %s: %w", name, err)
		}
	}
	each := a.seeds
	if len(each) == 0 {
		each = []uint64{job.Config.Seed}
	}
	for i, seed := range each {
		if slices.Contains(each[:i], seed) {
			return nil, fmt.Errorf("config: ablation.seeds: %d stands there twice", seed)
		}
		j := job
		j.Config.Seed = seed
		if len(a.seeds) > 0 {
			j.Out = seedFolder(job.Out, seed)
		}
		p, err := open(j, a.methods, false)
		if err != nil {
			return nil, err
		}
		a.pipelines = append(a.pipelines, p)
	}
	a.seeds = each
	return a, nil
}

// Pipelines are the plans, one per seed.
func (a *AblationRun) Pipelines() []*Pipeline { return a.pipelines }

// Run does every step that is not done and returns the table.
func (a *AblationRun) Run(ctx context.Context) (*AblationTable, error) {
	for _, p := range a.pipelines {
		if err := p.Run(ctx); err != nil {
			return nil, err
		}
	}
	return a.table()
}

// AblationTable compares methods on the same cases. Scores of a case are averaged
// over the seeds first.
type AblationTable struct {
	Reference string        `json:"reference"` // the method that the others are tested against
	Rows      []AblationRow `json:"rows"`
	Seeds     []uint64      `json:"seeds"`
	Members   int           `json:"members"`
	With      int           `json:"cases_with_lesions"`
	Without   int           `json:"cases_without_lesions"`
	Test      string        `json:"test"`
	Rule      string        `json:"rule"`
}

// AblationRow is one method.
type AblationRow struct {
	Name         string `json:"method"`
	Transfer     bool   `json:"transfer"`
	Synthesis    bool   `json:"synthesis"`
	Augmentation bool   `json:"augmentation"`

	Dice     AblationScore `json:"dice"`
	LesionF1 AblationScore `json:"lesion_f1"`
	Mean     AblationScore `json:"mean"` // of the two, case by case

	FalseLesions train.Number `json:"false_lesions"`    // mean number in cases without lesions; null without such cases
	FalseMM3     train.Number `json:"false_lesion_mm3"` // their volume together
}

// AblationScore is a measure over the cases with lesions.
type AblationScore struct {
	Value train.Number `json:"value"`
	N     int          `json:"n"`        // cases with a value
	SD    train.Number `json:"seeds_sd"` // of the mean over the seeds; null with one
	P     train.Number `json:"p"`        // against the reference; null for itself

	x []float64 // by case, in the order of the scores
}

// Significant reports whether the score differs from the reference's.
func (s AblationScore) Significant() bool { return float64(s.P) < significance }

const significance = 0.05

const testText = "two-sided Wilcoxon signed-rank test, paired by case, against the reference; not corrected for the number of comparisons"

// The measures of a row; the last is the mean of the first two.
const (
	diceKey = "dice"
	f1Key   = "lesion_f1"
)

// table reads the scores of all rows and seeds.
func (a *AblationRun) table() (*AblationTable, error) {
	t := &AblationTable{Reference: a.methods[0].Name(), Seeds: a.seeds, Members: a.job.Config.Members, Test: testText, Rule: metrics.Rule}
	for i, m := range a.methods {
		row := AblationRow{Name: m.Name(), Transfer: m.Transfer, Synthesis: m.Synthesis, Augmentation: m.Augmentation}
		names, all, err := a.scores(m)
		if err != nil {
			return nil, err
		}
		row.Dice = summarise(names, all, func(c map[string]float64) float64 { return c[diceKey] })
		row.LesionF1 = summarise(names, all, func(c map[string]float64) float64 { return c[f1Key] })
		row.Mean = summarise(names, all, func(c map[string]float64) float64 { return (c[diceKey] + c[f1Key]) / 2 })
		lesions := summarise(names, all, measured("tested_lesions"))
		row.FalseLesions, row.FalseMM3 = lesions.Value, summarise(names, all, measured("tested_volume")).Value
		t.Without, t.With = lesions.N, len(names)-lesions.N
		if i > 0 {
			first := t.Rows[0]
			if err := row.compare(first); err != nil {
				return nil, fmt.Errorf("row %s against %s: %w", row.Name, first.Name, err)
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}

// measured is a measure that only some cases have.
func measured(key string) func(map[string]float64) float64 {
	return func(c map[string]float64) float64 {
		if v, ok := c[key]; ok {
			return v
		}
		return math.NaN()
	}
}

// scores reads a row's scores: the cases' names and, per seed, their measures.
func (a *AblationRun) scores(m Method) (names []string, all []map[string]map[string]float64, err error) {
	for i, p := range a.pipelines {
		n, of, err := readScores(p.path(p.job.Config.rowFolder(m), "scores.json"))
		if err != nil {
			return nil, nil, err
		}
		if i > 0 && !slices.Equal(n, names) {
			return nil, nil, fmt.Errorf("the runs of the seeds scored different cases")
		}
		names, all = n, append(all, of)
	}
	return names, all, nil
}

// summarise averages a measure over the seeds, case by case, then over the cases.
func summarise(names []string, all []map[string]map[string]float64, of func(map[string]float64) float64) AblationScore {
	s := AblationScore{P: train.Number(math.NaN()), SD: train.Number(math.NaN())}
	var defined, means []float64
	for _, name := range names {
		var x []float64
		for _, seed := range all {
			x = append(x, of(seed[name]))
		}
		v := meanOf(x)
		s.x = append(s.x, v)
		if !math.IsNaN(v) {
			defined = append(defined, v)
		}
	}
	for _, seed := range all {
		var x []float64
		for _, name := range names {
			x = append(x, of(seed[name]))
		}
		means = append(means, meanOf(x))
	}
	if len(all) > 1 {
		s.SD = train.Number(stat.StdDev(means, nil))
	}
	s.Value, s.N = train.Number(meanOf(defined)), len(defined)
	return s
}

// meanOf leaves out NaN; NaN if nothing is left.
func meanOf(x []float64) float64 {
	sum, n := 0.0, 0
	for _, v := range x {
		if !math.IsNaN(v) {
			sum += v
			n++
		}
	}
	return sum / float64(n)
}

// compare tests a row against the reference, over the cases where both have a value.
func (r *AblationRow) compare(ref AblationRow) error {
	for _, c := range []struct{ a, b *AblationScore }{{&r.Dice, &ref.Dice}, {&r.LesionF1, &ref.LesionF1}, {&r.Mean, &ref.Mean}} {
		if len(c.a.x) != len(c.b.x) {
			return fmt.Errorf("%d cases against %d", len(c.a.x), len(c.b.x))
		}
		var x, y []float64
		for i := range c.a.x {
			if !math.IsNaN(c.a.x[i]) && !math.IsNaN(c.b.x[i]) {
				x, y = append(x, c.a.x[i]), append(y, c.b.x[i])
			}
		}
		if len(x) == 0 {
			continue
		}
		w, err := metrics.WilcoxonSignedRank(x, y)
		if err != nil {
			return err
		}
		c.a.P = train.Number(w.P)
	}
	return nil
}

// MarshalJSON leaves the values by case to scores.json.
func (s AblationScore) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Value train.Number `json:"value"`
		N     int          `json:"n"`
		SD    train.Number `json:"seeds_sd"`
		P     train.Number `json:"p"`
		Mark  bool         `json:"significant"`
	}{s.Value, s.N, s.SD, s.P, s.Significant()})
}

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

// note reports what the marks and the means are.
func (t *AblationTable) note() string {
	lines := []string{fmt.Sprintf("* p < %g against the first row: %s.", significance, t.Test)}
	if n := t.Rows[0].LesionF1.N; n > 0 && math.Exp2(float64(1-n)) >= significance {
		lines = append(lines, fmt.Sprintf("With %s the exact test cannot give less than p = %.3g.", text.Plural(n, "case"), math.Exp2(float64(1-n))))
	}
	if len(t.Seeds) > 1 {
		lines = append(lines, fmt.Sprintf("Each case's scores are averaged over %d seeds first; ± is the standard deviation of the mean over the seeds.", len(t.Seeds)))
	}
	if t.Without > 0 {
		lines = append(lines, fmt.Sprintf("False lesions: mean number in %s without new lesions.", text.Plural(t.Without, "pair")))
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
