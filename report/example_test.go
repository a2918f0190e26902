package report_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"voxgrad/metrics"
	"voxgrad/report"
	"voxgrad/volume"
)

func ExampleTable() {
	t := &report.Table{Columns: []report.Column{
		{Name: "case"},
		{Name: "Dice", Unit: report.Score, Better: report.Higher},
		{Name: "true volume", Unit: report.CubicMillimetres},
	}}
	t.Add("patient01", 0.612, 2475.0)
	t.Add("patient03", math.NaN(), 439.6) // not defined
	fmt.Print(t)
	// Output:
	// case        Dice  true volume (mm³)
	// ───────────────────────────────────
	// patient01  0.612             2475.0
	// patient03      –              439.6
}

func ExampleLesions() {
	mask := volume.NewMask(volume.Grid{
		Size:   [3]int{20, 20, 10},
		Affine: volume.Affine{{-1, 0, 0, 10}, {0, 1, 0, -10}, {0, 0, 3, 0}},
	})
	mask.Data[mask.Index(4, 12, 5)] = true
	mask.Data[mask.Index(5, 12, 5)] = true
	found, err := report.Lesions(mask, nil, 6, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d lesion of %s at %v mm\n", len(found.Lesions), report.CubicMillimetres.Text(found.Lesions[0].VolumeMM3), found.Lesions[0].World)
	// Output: 1 lesion of 6.0 mm³ at [5.5 2 15] mm
}

func ExamplePage() {
	dir, err := os.MkdirTemp("", "report")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	curves, err := report.Curves(&report.History{
		TrainLoss: []float64{0.9, 0.6, 0.4},
		ValDice:   []float64{0.1, 0.3, 0.5},
		Best:      3,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := report.NewPage("Segmenter")
	p.Section("Run")
	p.Facts(report.Fact{Name: "device", Value: "cpu"}, report.Fact{Name: "epochs", Value: 3})
	p.Section("Training")
	p.Chart(curves, "Loss and Dice over three epochs", "Loss and validation Dice.")
	path := filepath.Join(dir, "index.html")
	if err := p.Write(path); err != nil {
		fmt.Println(err)
		return
	}
	html, _ := os.ReadFile(path)
	fmt.Println(strings.Count(string(html), "<h2"), "sections,", strings.Count(string(html), "<svg"), "chart")
	// Output: 2 sections, 1 chart
}

func ExampleScoreTables() {
	mask := func(from, to int) *volume.Volume {
		v := volume.New(volume.Grid{Size: [3]int{20, 1, 1}, Affine: volume.Affine{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}})
		for x := from; x < to; x++ {
			v.Data[x] = 1
		}
		return v
	}
	var cases []metrics.Case
	for n, pred := range []*volume.Volume{mask(2, 10), mask(6, 14)} {
		r, err := metrics.EvaluateLabels(mask(2, 10), pred, metrics.DefaultOptions())
		if err != nil {
			fmt.Println(err)
			return
		}
		cases = append(cases, metrics.Case{Name: fmt.Sprintf("patient%02d", n+1), Result: r})
	}
	sum, err := metrics.Summarize(cases, metrics.DefaultBootstrap())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(report.ScoreTables(cases, sum)[0])
	p := report.NewPage("Evaluation") // the same, with means, intervals and box plots
	p.Scores(cases, sum)
	// Output:
	// Detection and Dice
	// case        Dice  lesion sens.  lesion PPV  lesion F1  true lesions  pred. lesions
	// ──────────────────────────────────────────────────────────────────────────────────
	// patient01  1.000         1.000       1.000      1.000             1              1
	// patient02  0.500         1.000       1.000      1.000             1              1
	// ──────────────────────────────────────────────────────────────────────────────────
	// mean of 2  0.750         1.000       1.000      1.000
}
