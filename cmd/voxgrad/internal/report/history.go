package report

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"voxgrad/internal/table"
	"voxgrad/internal/text"
	"voxgrad/report"
)

// runColumn is a column of metrics.csv.
type runColumn struct {
	key, name string
	digits    int
}

// runColumns are the columns of metrics.csv that a page shows as numbers.
var runColumns = []runColumn{
	{"train_loss", "train. loss", 4},
	{"valid_loss", "valid. loss", 4},
	{"valid_dice", "patches: Dice", 3},
	{"valid_patch_psnr", "valid. PSNR (dB)", 2},
	{"valid_filled_psnr", "filled PSNR (dB)", 2},
	{"full_dice", "whole: Dice", 3},
	{"full_lesion_f1", "whole: lesion F1", 3},
}

// runHistory is a run's metrics.csv: numbers by column, one per epoch, NaN where
// there is none.
type runHistory struct {
	columns map[string][]float64
	best    int // number of the best epoch; 0 for none
}

// maxEpochs bounds what a table may make the program draw.
const maxEpochs = 1_000_000

// parseRunHistory reads metrics.csv. Columns that are not known are left out.
func parseRunHistory(b []byte) (*runHistory, error) {
	rows, lines, err := table.Records(b)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errors.New("the table is empty")
	}
	head := rows[0]
	if !slices.Contains(head, "epoch") {
		return nil, errors.New(`no column "epoch": is this the table of a training run?`)
	}
	h := &runHistory{columns: map[string][]float64{}}
	if len(rows)-1 > maxEpochs {
		return nil, fmt.Errorf("more than %d epochs", maxEpochs)
	}
	for n, row := range rows[1:] {
		if len(row) != len(head) {
			return nil, fmt.Errorf("line %d: it has %s, the first line %d", lines[n+1], text.Plural(len(row), "column"), len(head))
		}
		if err := h.add(head, row, n+1); err != nil {
			return nil, fmt.Errorf("line %d: %w", lines[n+1], err)
		}
	}
	return h, nil
}

// add appends one epoch.
func (h *runHistory) add(head, row []string, epoch int) error {
	for n, name := range head {
		switch name {
		case "epoch":
			if got, err := strconv.Atoi(row[n]); err != nil || got != epoch {
				return fmt.Errorf("epoch is %q where %d follows", row[n], epoch)
			}
		case "best":
			best, err := strconv.ParseBool(row[n])
			if err != nil {
				return fmt.Errorf("best is %q, not true or false", row[n])
			}
			if best {
				h.best = epoch
			}
		default:
			if !slices.ContainsFunc(runColumns, func(c runColumn) bool { return c.key == name }) {
				continue
			}
			value := math.NaN()
			if row[n] != "" {
				var err error
				if value, err = strconv.ParseFloat(row[n], 64); err != nil {
					return fmt.Errorf("%s is %q, not a number", name, row[n])
				}
			}
			if len(h.columns[name]) >= epoch {
				return fmt.Errorf("column %q is there twice", name)
			}
			h.columns[name] = append(h.columns[name], value)
		}
	}
	return nil
}

func (h *runHistory) epochs() int {
	n := h.best
	for _, c := range h.columns {
		n = max(n, len(c))
	}
	return n
}

// atBest is a column's value at the best epoch.
func (h *runHistory) atBest(key string) float64 {
	if h.best == 0 || h.columns[key] == nil {
		return math.NaN()
	}
	return h.columns[key][h.best-1]
}

// curves are the columns that Curves draws.
func (h *runHistory) curves() *report.History {
	c := &report.History{
		TrainLoss: h.columns["train_loss"], ValLoss: h.columns["valid_loss"], ValDice: h.columns["valid_dice"],
		FullDice: h.columns["full_dice"], FullF1: h.columns["full_lesion_f1"],
		ValPSNR: h.columns["valid_patch_psnr"], Best: h.best,
	}
	if n, err := c.Epochs(); err != nil || n < h.best { // nothing to mark it in
		c.Best = 0
	}
	return c
}
