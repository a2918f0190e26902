package pipeline

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/metrics"
	"voxgrad/train"
)

func stepNames(p *Pipeline) (names []string) {
	for _, s := range p.Steps() {
		names = append(names, s.Name)
	}
	return names
}

// openAblation is an ablation that will not train.
func openAblation(t *testing.T, c Config, out string) *AblationRun {
	t.Helper()
	a, err := OpenAblation(Job{Config: c, Out: out, Version: "test"})
	require.NoError(t, err)
	return a
}

func TestRowsShareTheirSteps(t *testing.T) {
	c := tiny()
	c.Members = 1
	a := openAblation(t, c, t.TempDir())
	require.Len(t, a.Pipelines(), 1)
	require.Equal(t, []string{
		"segmenter", "inpainter", "generator", "detector/fold_0", "finetune/fold_0", "predict", "evaluate", "baseline",
		"rows/100/finetune/fold_0", "rows/100/predict", "rows/100/evaluate",
		"rows/010/detector/fold_0", "rows/010/finetune/fold_0", "rows/010/predict", "rows/010/evaluate",
		"rows/001/finetune/fold_0", "rows/001/predict", "rows/001/evaluate",
		"rows/000/finetune/fold_0", "rows/000/predict", "rows/000/evaluate",
	}, stepNames(a.Pipelines()[0]))

	c.Ablation.Seeds = []uint64{4, 9}
	a = openAblation(t, c, "out")
	require.Equal(t, filepath.Join("out", "seed_9"), a.Pipelines()[1].job.Out)
	require.Equal(t, uint64(9), a.Pipelines()[1].job.Config.Seed)

	for want, change := range map[string]func(*Config){
		"110 stands there twice": func(c *Config) { c.Ablation.Rows = []string{"110", "001", "110"} },
		"4 stands there twice":   func(c *Config) { c.Ablation.Seeds = []uint64{4, 4} },
		"row 100: data.single":   func(c *Config) { c.Method, c.Data.Single.Root, c.Ablation.Rows = Method{}, "", []string{"100"} },
	} {
		c := tiny()
		change(&c)
		_, err := OpenAblation(Job{Config: c, Out: "out"})
		require.ErrorContains(t, err, want)
	}
}

// made writes a row's scores: Dice and lesion F1 of each case, NaN for undefined;
// two more cases have no new lesions.
func made(t *testing.T, p *Pipeline, row string, dice, f1 []float64) {
	m, err := parseMethod(row)
	require.NoError(t, err)
	type entry = map[string]any
	value := func(x float64) any {
		if math.IsNaN(x) {
			return nil
		}
		return x
	}
	cases := []entry{}
	for i := range dice {
		cases = append(cases, entry{"case": fmt.Sprint("c", i), "measures": entry{"dice": value(dice[i]), "lesion_f1": value(f1[i])}})
	}
	for i, n := range []int{0, 3} {
		cases = append(cases, entry{"case": fmt.Sprint("empty", i), "measures": entry{"dice": nil, "lesion_f1": nil, "tested_lesions": n, "tested_volume": 10 * n}})
	}
	dir := p.path(p.job.Config.rowFolder(m))
	require.NoError(t, os.MkdirAll(dir, 0o777))
	require.NoError(t, writeJSON(filepath.Join(dir, "scores.json"), entry{"cases": cases}))
}

func shifted(x []float64, by float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v + by*(1+float64(i)/10)
	}
	return out
}

func TestAblationTable(t *testing.T) {
	c := tiny()
	c.Ablation.Rows, c.Ablation.Seeds = []string{"111", "001", "000"}, []uint64{1, 2}
	out := t.TempDir()
	a := openAblation(t, c, out)
	dice := []float64{0.5, 0.6, 0.7, 0.4, 0.3, 0.55, 0.65}
	f1 := []float64{0.4, 0.5, 0.6, 0.7, 0.2, 0.3, math.NaN()}
	for s, p := range a.Pipelines() {
		up := 0.02 * float64(2*s-1) // the seeds average to dice and f1
		made(t, p, "111", shifted(dice, up), shifted(f1, up))
		made(t, p, "001", shifted(dice, up-0.1), shifted(f1, up))
		made(t, p, "000", shifted(dice, up+0.1), shifted(f1, 0))
	}
	table, err := a.table()
	require.NoError(t, err)
	require.Equal(t, "111", table.Reference)
	require.Equal(t, 7, table.With)
	require.Equal(t, 2, table.Without)
	full, aug, none := table.Rows[0], table.Rows[1], table.Rows[2]
	require.InDelta(t, 3.7/7, float64(full.Dice.Value), 1e-12)
	require.InDelta(t, 2.7/6, float64(full.LesionF1.Value), 1e-12)
	require.Equal(t, 6, full.LesionF1.N)
	require.Equal(t, 6, full.Mean.N)
	require.InDelta(t, (3.05/6+2.7/6)/2, float64(full.Mean.Value), 1e-12, "over the cases that have both")
	require.Equal(t, 1.5, float64(full.FalseLesions))
	require.Equal(t, 15.0, float64(full.FalseMM3))
	require.True(t, math.IsNaN(float64(full.Dice.P)))

	// The seeds' means lie ±0.02·1.3 about their mean.
	require.InDelta(t, 0.02*1.3*math.Sqrt2, float64(full.Dice.SD), 1e-12)

	// All seven differences have one sign: p = 2/2⁷; six: 2/2⁶. No difference: 1.
	want, err := metrics.WilcoxonSignedRank(shifted(dice, -0.1), dice)
	require.NoError(t, err)
	require.InDelta(t, 2/math.Exp2(7), want.P, 1e-15)
	require.Equal(t, want.P, float64(aug.Dice.P))
	require.True(t, aug.Dice.Significant())
	require.Equal(t, 1.0, float64(aug.LesionF1.P))
	require.False(t, aug.LesionF1.Significant())
	require.True(t, none.Dice.Significant(), "a difference, whichever way")

	require.NoError(t, table.Write(out))
	text, err := os.ReadFile(filepath.Join(out, AblationText))
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	require.Contains(t, lines[0], "7 test pairs with new lesions")
	require.Regexp(t, `^yes\s+yes\s+yes\s+0\.529 ± 0\.037\s+0\.450 ± 0\.03\d\s+0\.4\d\d ± 0\.03\d\s+1\.50$`, strings.TrimSpace(lines[3]))
	require.Regexp(t, `^no\s+no\s+yes\s+0\.399 ± 0\.037 \*\s+0\.450 ± 0\.0\d\d `, lines[4])
	unwrapped := strings.Join(strings.Fields(string(text)), " ")
	require.Contains(t, unwrapped, metrics.Rule)
	require.Contains(t, unwrapped, "not corrected for the number of comparisons")
	require.NotContains(t, string(text), "cannot give less")

	f, err := os.Open(filepath.Join(out, AblationCSV))
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 4)
	require.Equal(t, []string{"transfer", "synthesis", "augmentation", "dice", "dice_seeds_sd", "dice_p"}, rows[0][:6])
	require.Equal(t, []string{"0", "0", "1"}, rows[2][:3])
	require.Equal(t, "0.015625", rows[2][5])
	require.Equal(t, "", rows[1][5])

	b, err := os.ReadFile(filepath.Join(out, AblationJSON))
	require.NoError(t, err)
	var back struct {
		Rows []struct {
			Dice struct {
				Value, P    *float64
				Significant bool
			}
		}
		Rule string
	}
	require.NoError(t, json.Unmarshal(b, &back))
	require.Nil(t, back.Rows[0].Dice.P)
	require.True(t, back.Rows[1].Dice.Significant)
	require.Equal(t, metrics.Rule, back.Rule)

	// Seeds that scored other cases do not go together.
	made(t, a.Pipelines()[1], "001", dice[:3], f1[:3])
	_, err = a.table()
	require.ErrorContains(t, err, "different cases")
}

// With few cases the table says what the test cannot do.
func TestAblationOfFewCases(t *testing.T) {
	c := tiny()
	c.Ablation.Rows = []string{"111", "000"}
	a := openAblation(t, c, t.TempDir())
	made(t, a.Pipelines()[0], "111", []float64{0.5, 0.6, 0.7}, []float64{0.5, 0.6, 0.7})
	made(t, a.Pipelines()[0], "000", []float64{0.4, 0.4, 0.4}, []float64{0.5, 0.5, 0.5})
	table, err := a.table()
	require.NoError(t, err)
	require.Contains(t, table.Table().Note, "With 3 cases the exact test cannot give less than p = 0.25")
	require.True(t, math.IsNaN(float64(table.Rows[0].Dice.SD)))
}

// The pipeline's own row is taken over, the others run, and the table is of what they made.
func TestAblationRuns(t *testing.T) {
	out := t.TempDir()
	c := tiny()
	c.Members = 1
	c.Ablation.Rows = []string{"111", "000"}
	ran(t, c, out)
	var names []string
	dev := cpu.New()
	defer func() { require.NoError(t, dev.Close()) }()
	a, err := OpenAblation(Job{Config: c, Out: out, Device: dev, OpenDry: train.DryTensors, Version: "test", Events: func(e Event) {
		if e, ok := e.(Started); ok {
			names = append(names, e.Step.Name)
		}
	}})
	require.NoError(t, err)
	table, err := a.Run(context.Background())
	require.NoError(t, err)
	require.Equal(t, []string{"rows/000/finetune/fold_0", "rows/000/predict", "rows/000/evaluate"}, names)
	require.Len(t, table.Rows, 2)
	require.Equal(t, 3, table.With+table.Without)
}
