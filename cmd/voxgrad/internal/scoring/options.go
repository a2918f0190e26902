package scoring

import (
	"log/slog"
	"math"
	"slices"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/metrics"
	"voxgrad/report"
	"voxgrad/volume"
)

// Flags are the parameters of the measures.
func Flags(cmd *cobra.Command, o *metrics.Options) {
	f := cmd.Flags()
	f.Float64Var(&o.MinLesionMM3, "min-lesion-mm3", o.MinLesionMM3, "lesions of this volume or less are ignored")
	f.Float64Var(&o.Alpha, "alpha", o.Alpha, "share of a lesion that must be covered")
	f.Float64Var(&o.Beta, "beta", o.Beta, "share of a covering lesion that may lie outside")
	f.Float64Var(&o.Gamma, "gamma", o.Gamma, "share of the overlap that is looked at")
	f.BoolVar(&o.AnimaQuirks, "anima-quirks", false, "make average_surface_distance what the challenge's tool prints: a running minimum close to 0")
}

// Score evaluates each case, with a bar where there are several.
func Score(list []Files, opt metrics.Options) ([]metrics.Case, error) {
	var cases []metrics.Case
	bar := cli.NewProgress("scoring", len(list))
	defer func() { bar.Shut() }()
	for n, f := range list {
		r, err := evaluatePair(f.Truth, f.Prediction, opt)
		if err != nil {
			return nil, err
		}
		cases = append(cases, metrics.Case{Name: f.Name, Result: r})
		bar.Set(n+1, "")
	}
	return cases, nil
}

func evaluatePair(truth, pred string, opt metrics.Options) (metrics.Result, error) {
	var masks [2]*volume.Volume
	for n, path := range []string{truth, pred} {
		v, err := volume.Read(path)
		if err != nil {
			return metrics.Result{}, err
		}
		masks[n] = v
	}
	r, err := metrics.Evaluate(masks[0], masks[1], opt)
	if err == nil {
		for _, v := range masks {
			warnWithoutBackground(v)
		}
	}
	return r, err
}

// warnWithoutBackground tells that the smallest value of a mask without zeros is
// its background: the rule of the challenge's tool surprises who meant otherwise.
func warnWithoutBackground(v *volume.Volume) {
	least := slices.Min(v.Data)
	if least >= 1 {
		slog.Warn("a mask without zeros: its smallest value counts as background, as in the challenge's tool",
			"file", v.Name(), "value", math.Trunc(float64(least)))
	}
}

// Facts are the parameters of the measures as facts.
func Facts(o metrics.Options) []report.Fact {
	facts := []report.Fact{
		{Name: "lesions are larger than", Value: report.CubicMillimetres.Text(o.MinLesionMM3)},
		{Name: "connectivity", Value: "6 (voxels that share a face)"},
		{Name: "alpha: covered by more than", Value: report.Percent.Text(o.Alpha)},
		{Name: "beta: outside by at most", Value: report.Percent.Text(o.Beta)},
		{Name: "gamma: overlap looked at", Value: report.Percent.Text(o.Gamma)},
	}
	if o.AnimaQuirks {
		facts = append(facts, report.Fact{Name: "average surface distance", Value: "as the challenge's tool prints it"})
	}
	return facts
}
