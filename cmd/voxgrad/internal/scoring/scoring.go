// Package scoring holds what evaluate and compare share: how masks are read and
// measured, the measures' flags, the table of all measures.
package scoring

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/internal/text"
	"voxgrad/metrics"
	"voxgrad/report"
	"voxgrad/train/dataset"
	"voxgrad/volume"
)

// Options are the parameters of the measures, and how images become masks.
type Options struct {
	metrics.Options
	Labels         bool     // images hold several labels, compared label by label
	Threshold      *float64 // any image is a prediction: its voxels above this; nil: it must be a mask
	TruthThreshold *float64
}

// Defaults are the challenge's.
func Defaults() Options { return Options{Options: metrics.DefaultOptions()} }

// Flags are the options as flags.
func (o *Options) Flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Float64Var(&o.MinLesionMM3, "min-lesion-mm3", o.MinLesionMM3, "lesions of this volume or less are ignored")
	f.Float64Var(&o.Alpha, "alpha", o.Alpha, "share of a lesion that must be covered")
	f.Float64Var(&o.Beta, "beta", o.Beta, "share of a covering lesion that may lie outside")
	f.Float64Var(&o.Gamma, "gamma", o.Gamma, "share of the overlap that is looked at")
	f.BoolVar(&o.AnimaQuirks, "anima-quirks", false,
		"be the challenge's tool: images are read as it does (0.9 is 0, several labels), and average_surface_distance is what it prints, a running minimum close to 0")
	f.BoolVar(&o.Labels, "labels", false, "masks may hold several labels, which are compared label by label")
	f.Var(optional{&o.Threshold}, "threshold", "a prediction may be a map of probabilities, or any image: its voxels above this are the mask")
	f.Var(optional{&o.TruthThreshold}, "truth-threshold", "a truth may be a map of probabilities, or any image: its voxels above this are the mask")
}

// Check refuses options that make no sense.
func (o *Options) Check(cmd *cobra.Command) error {
	if err := o.Validate(); err != nil {
		return cli.Usagef(cmd, "%v", err)
	}
	if o.Labels && (o.Threshold != nil || o.TruthThreshold != nil) {
		return cli.Usagef(cmd, "--labels and a threshold exclude each other")
	}
	return nil
}

// optional is a flag for a number that may be absent.
type optional struct{ to **float64 }

func (o optional) Set(s string) error {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || x != x || math.IsInf(x, 0) { // above or below infinity everything would be one
		return fmt.Errorf("%q is not a number", s)
	}
	*o.to = &x
	return nil
}

func (o optional) String() string {
	if o.to == nil || *o.to == nil {
		return ""
	}
	return strconv.FormatFloat(**o.to, 'g', -1, 64)
}

func (optional) Type() string { return "float" }

// Image is a mask to measure, or an image of several labels.
type Image struct {
	mask   *volume.Mask
	labels *volume.Volume
}

// Truth reads a truth.
func (o *Options) Truth(path string) (Image, error) { return o.read(path, o.TruthThreshold) }

// Prediction reads a prediction.
func (o *Options) Prediction(path string) (Image, error) { return o.read(path, o.Threshold) }

func (o *Options) read(path string, threshold *float64) (Image, error) {
	if threshold == nil && (o.Labels || o.AnimaQuirks) {
		v, err := volume.Read(path)
		if err != nil {
			return Image{}, err
		}
		if !o.AnimaQuirks {
			whole, err := v.Labels()
			if err != nil {
				return Image{}, err
			}
			for x, l := range whole {
				v.Data[x] = float32(l)
			}
		}
		if least := slices.Min(v.Data); least >= 1 {
			warnWithoutBackground(v.Name(), math.Trunc(float64(least)))
		}
		return Image{labels: v}, nil
	}
	m, err := volume.ReadMaskAbove(path, threshold)
	if err != nil {
		if threshold == nil && strings.Contains(err.Error(), "not a binary mask") {
			how := "--threshold 0.5 (or --truth-threshold) takes the voxels above one half"
			if strings.Contains(err.Error(), "it holds the labels") {
				how = "--threshold 0 (or --truth-threshold) takes every label as lesion, --labels compares label by label"
			}
			err = fmt.Errorf("%w; %s", err, how)
		}
		return Image{}, err
	}
	if !slices.Contains(m.Data, false) {
		warnWithoutBackground(m.Name(), 1)
	}
	return Image{mask: m}, nil
}

// warnWithoutBackground tells that the smallest value of a mask without zeros is
// its background: the rule of the challenge's tool surprises who meant otherwise.
func warnWithoutBackground(name string, value float64) {
	slog.Warn("a mask without zeros: its smallest value counts as background, as in the challenge's tool", "file", name, "value", value)
}

// Measure measures a prediction against a truth.
func Measure(truth, pred Image, o metrics.Options) (metrics.Result, error) {
	if truth.mask != nil && pred.mask != nil {
		return metrics.Evaluate(truth.mask, pred.mask, o)
	}
	return metrics.EvaluateLabels(truth.image(), pred.image(), o)
}

func (i Image) image() *volume.Volume {
	if i.mask != nil {
		return i.mask.Volume()
	}
	return i.labels
}

// Marked is what counts as marked, as zeros and ones.
func (i Image) Marked() (*volume.Volume, error) {
	if i.mask != nil {
		v := i.mask.Volume()
		if !slices.Contains(i.mask.Data, false) {
			clear(v.Data)
		}
		return v, nil
	}
	inside, err := metrics.Foreground(i.labels)
	if err != nil {
		return nil, err
	}
	return (&volume.Mask{Grid: i.labels.Grid, Data: inside, Path: i.labels.Path, Source: i.labels.Source}).Volume(), nil
}

// Score measures each case, with a bar where there are several.
func (o *Options) Score(ctx context.Context, list []dataset.Pair) ([]metrics.Case, error) {
	var cases []metrics.Case
	bar := cli.NewProgress("scoring", len(list))
	defer func() { bar.Shut() }()
	for n, p := range list {
		if err := Stopped(ctx, n, len(list)); err != nil {
			return nil, err
		}
		if a, err := os.Stat(p.Truth); err == nil {
			if b, err := os.Stat(p.Prediction); err == nil && os.SameFile(a, b) {
				slog.Warn("the prediction is the truth itself, the same file", "case", text.Clean(p.Name), "file", p.Prediction)
			}
		}
		truth, err := o.Truth(p.Truth)
		if err != nil {
			return nil, err
		}
		pred, err := o.Prediction(p.Prediction)
		if err != nil {
			return nil, err
		}
		r, err := Measure(truth, pred, o.Options)
		if err != nil {
			return nil, err
		}
		cases = append(cases, metrics.Case{Name: p.Name, Result: r})
		bar.Set(n+1, "")
	}
	return cases, Stopped(ctx, len(list), len(list))
}

// Stopped is the error where a signal came after some of the cases.
func Stopped(ctx context.Context, done, all int) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("stopped after %d of %s, nothing written: %w", done, text.Plural(all, "case"), err)
	}
	return nil
}

// TellUnused reports which files beside the predictions were not used.
func TellUnused(unused []dataset.Unused) {
	set := dataset.Set{Unused: unused}
	for _, g := range set.NotUsed() {
		slog.Info("not scored: " + g.String())
	}
}

// Facts are the options as facts.
func (o *Options) Facts() []report.Fact {
	facts := []report.Fact{
		{Name: "lesions are larger than", Value: report.CubicMillimetres.Text(o.MinLesionMM3)},
		{Name: "connectivity", Value: "6 (voxels that share a face)"},
		{Name: "alpha: covered by more than", Value: report.Percent.Text(o.Alpha)},
		{Name: "beta: outside by at most", Value: report.Percent.Text(o.Beta)},
		{Name: "gamma: overlap looked at", Value: report.Percent.Text(o.Gamma)},
	}
	if o.AnimaQuirks {
		facts = append(facts, report.Fact{Name: "images, average surface distance", Value: "as the challenge's tool reads and prints them"})
	}
	if o.Labels {
		facts = append(facts, report.Fact{Name: "labels", Value: "compared label by label"})
	}
	if o.Threshold != nil {
		facts = append(facts, report.Fact{Name: "prediction", Value: fmt.Sprintf("the voxels above %g", *o.Threshold)})
	}
	if o.TruthThreshold != nil {
		facts = append(facts, report.Fact{Name: "truth", Value: fmt.Sprintf("the voxels above %g", *o.TruthThreshold)})
	}
	return facts
}
