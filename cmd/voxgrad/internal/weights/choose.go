package weights

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/cmd/voxgrad/internal/scoring"
	"voxgrad/metrics"
	"voxgrad/models"
	"voxgrad/models/weights"
	"voxgrad/report"
	"voxgrad/train/dataset"
	"voxgrad/train/infer"
	"voxgrad/volume"
)

// choose is one call of weights choose.
type choose struct {
	files   dataset.Pair
	in, out string
	asJSON  bool
}

// choice is a threshold and a least size with the means over the cases.
type choice struct {
	Threshold float64 `json:"threshold"`
	LeastMM3  float64 `json:"least_lesion_mm3"`
	Dice      float64 `json:"dice"`
	F1        float64 `json:"lesion_f1"`
}

// score is what is made as large as possible.
func (c choice) score() float64 { return (c.Dice + c.F1) / 2 }

// leasts are the least sizes that are tried, mm³.
var leasts = []float64{0, 3, 5, 10, 20, 30, 50}

func newWeightsChoose() *cobra.Command {
	var j choose
	cmd := &cobra.Command{
		Use:   "choose --truth DIR --pred DIR",
		Short: "Choose the threshold and the least size of a lesion by predictions of training patients",
		Long: `Tries thresholds from 0.05 to 0.95 and least sizes from 0 to 50 mm³ on maps of probabilities and
takes the two with the largest mean of Dice and lesion F1 over the cases; where nothing is marked
both count as 1 if nothing is found, else as 0.

The maps must be of patients that the network has not seen, and none of them may be one that
the network is scored on afterwards: predict each training patient by the fold that left it
out ('predict --prob' with the weights of fold_K for its validation cases).

--in and --out write the weights with the choice, which 'predict' and 'segment' then obey.`,
		Example: "  voxgrad weights choose --truth truth/ --pred out_of_fold/ --in detector.safetensors --out chosen.safetensors",
		Args:    cli.ExactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (j.in == "") != (j.out == "") {
				return cli.Usagef(cmd, "--in and --out go together: weights to read, and where to write them with the choice")
			}
			return j.run()
		},
	}
	f := cmd.Flags()
	f.StringVar(&j.files.Truth, "truth", "", "true mask, or folder of them (required)")
	f.StringVar(&j.files.Prediction, "pred", "", "map of probabilities, or folder of them (required)")
	f.StringVar(&j.in, "in", "", "weights file to take over")
	f.StringVar(&j.out, "out", "", "weights file to write, with the choice in it")
	f.BoolVar(&j.asJSON, "json", false, "print all that was tried as JSON")
	cli.Reads(cmd, "truth", "pred", "in")
	cli.Writes(cmd, "out", cli.Weights...)
	cli.Must(cmd.MarkFlagRequired("truth"))
	cli.Must(cmd.MarkFlagRequired("pred"))
	return cmd
}

func (j *choose) run() error {
	list, _, unused, err := j.files.Match()
	if err != nil {
		return err
	}
	scoring.TellUnused(unused)
	tried, err := try(list)
	if err != nil {
		return err
	}
	best := tried[0]
	for _, c := range tried {
		if c.score() > best.score() {
			best = c
		}
	}
	if j.in != "" {
		f, err := weights.Read(j.in)
		if err != nil {
			return err
		}
		if _, err := models.ConfigOf(f); err != nil {
			return err
		}
		meta := maps.Clone(f.Meta)
		meta["threshold"] = strconv.FormatFloat(best.Threshold, 'g', -1, 64)
		delete(meta, "least_lesion_mm3")
		if best.LeastMM3 > 0 {
			meta["least_lesion_mm3"] = strconv.FormatFloat(best.LeastMM3, 'g', -1, 64)
		}
		if err := weights.Write(j.out, f.Tensors, meta); err != nil {
			return err
		}
	}
	if j.asJSON {
		return cli.PrintJSON(map[string]any{"cases": len(list), "best": best, "tried": tried})
	}
	t := &report.Table{Title: fmt.Sprintf("means over %d cases", len(list)), Columns: []report.Column{{Name: "threshold", Unit: report.Probability}, {Name: "least size, mm³"}, {Name: "Dice", Unit: report.Score}, {Name: "lesion F1", Unit: report.Score}},
		Note: fmt.Sprintf("Best: --threshold %g --remove-mm3 %g. Of each threshold the best least size is shown.", best.Threshold, best.LeastMM3)}
	for i := 0; i < len(tried); i += len(leasts) {
		row := tried[i]
		for _, c := range tried[i : i+len(leasts)] {
			if c.score() > row.score() {
				row = c
			}
		}
		t.Add(row.Threshold, row.LeastMM3, row.Dice, row.F1)
	}
	return t.WriteText(cli.Out)
}

// try scores all thresholds, and for each all least sizes.
func try(list []dataset.Pair) ([]choice, error) {
	var tried []choice
	for k := range 19 {
		for _, mm3 := range leasts {
			tried = append(tried, choice{Threshold: float64(k+1) / 20, LeastMM3: mm3})
		}
	}
	o := metrics.DefaultOptions()
	o.Groups = metrics.VoxelGroup | metrics.LesionGroup
	n := float64(len(list))
	bar := cli.NewProgress("trying", len(list))
	defer func() { bar.Shut() }()
	for done, p := range list {
		truth, err := volume.ReadMask(p.Truth)
		if err != nil {
			return nil, err
		}
		prob, err := volume.Read(p.Prediction)
		if err != nil {
			return nil, err
		}
		if err := probabilities(prob); err != nil {
			return nil, err
		}
		for i := range tried {
			c := &tried[i]
			m := prob.Above(c.Threshold)
			if err := infer.RemoveSmall(m, c.LeastMM3); err != nil {
				return nil, err
			}
			r, err := metrics.Evaluate(truth, m, o)
			if err != nil {
				return nil, err
			}
			switch {
			case !r.EmptyTruth():
				c.Dice += r.Voxel.Dice / n
				if f1 := r.Lesion.F1; !math.IsNaN(f1) {
					c.F1 += f1 / n
				}
			case r.Tested.Lesions == 0:
				c.Dice, c.F1 = c.Dice+1/n, c.F1+1/n
			}
		}
		bar.Set(done+1, "")
	}
	return tried, nil
}

// probabilities refuses what is none, and masks, for which there is nothing to choose.
func probabilities(v *volume.Volume) error {
	between := false
	for _, x := range v.Data {
		if !(x >= 0 && x <= 1) {
			return fmt.Errorf("%s: the value %g; a map of probabilities, from 0 to 1, is needed (predict --prob)", v.Name(), x)
		}
		between = between || x > 0 && x < 1
	}
	if !between {
		return errors.New(v.Name() + ": nothing between 0 and 1: a map of probabilities is needed (predict --prob), not a mask")
	}
	return nil
}
