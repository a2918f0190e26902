package train

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"strconv"

	"voxgrad/internal/outfile"
	"voxgrad/train/tensorboard"
)

// Number is a float64 whose NaN is null in JSON and empty in a CSV table.
type Number float64

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) {
	if f := float64(n); !math.IsNaN(f) && !math.IsInf(f, 0) {
		return json.Marshal(f)
	}
	return []byte("null"), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *Number) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	return json.Unmarshal(b, (*float64)(n))
}

func (n Number) csv() string {
	if math.IsNaN(float64(n)) {
		return ""
	}
	return strconv.FormatFloat(float64(n), 'g', -1, 64)
}

// Record is one epoch of a run. Nothing in it depends on the clock.
type Record struct {
	Epoch     int    `json:"epoch"` // from 1
	Step      int    `json:"step"`  // steps done
	TrainLoss Number `json:"train_loss"`
	TrainDice Number `json:"train_dice"` // soft Dice of the lesion channel over the epoch's patches
	Lesion    Number `json:"mean_lesion_probability"`
	ValidLoss Number `json:"valid_loss"` // mean over the batches of validation patches
	ValidDice Number `json:"valid_dice"` // soft Dice of the lesion channel over them
	Best      bool   `json:"best"`       // lowest validation loss so far
	FullDice  Number `json:"full_dice"`  // mean over whole validation images; null if not computed
	FullF1    Number `json:"full_lesion_f1"`

	// Of restored validation patches; null for networks that segment. Errors are in
	// units of normalised intensity, where tissue peaks at 1.
	FilledPSNR Number `json:"valid_filled_psnr"` // dB, inside the filled regions
	FilledMAE  Number `json:"valid_filled_mae"`  // mean absolute error
	PatchPSNR  Number `json:"valid_patch_psnr"`  // over whole patches
	PatchMAE   Number `json:"valid_patch_mae"`
}

// column is a number of a record.
type column struct {
	name string
	of   func(r *Record) *Number
}

// columns are the columns of metrics.csv after epoch, step and best, in two sets: of
// networks that segment and of those that restore.
func columns(task string) []column {
	train := column{"train_loss", func(r *Record) *Number { return &r.TrainLoss }}
	valid := column{"valid_loss", func(r *Record) *Number { return &r.ValidLoss }}
	if restores(task) {
		return []column{train, valid,
			{"valid_filled_psnr", func(r *Record) *Number { return &r.FilledPSNR }},
			{"valid_filled_mae", func(r *Record) *Number { return &r.FilledMAE }},
			{"valid_patch_psnr", func(r *Record) *Number { return &r.PatchPSNR }},
			{"valid_patch_mae", func(r *Record) *Number { return &r.PatchMAE }},
		}
	}
	return []column{train,
		{"train_dice", func(r *Record) *Number { return &r.TrainDice }},
		{"mean_lesion_probability", func(r *Record) *Number { return &r.Lesion }},
		valid,
		{"valid_dice", func(r *Record) *Number { return &r.ValidDice }},
		{"full_dice", func(r *Record) *Number { return &r.FullDice }},
		{"full_lesion_f1", func(r *Record) *Number { return &r.FullF1 }},
	}
}

// writeMetrics writes the history as metrics.csv.
func writeMetrics(dir, task string, history []Record) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	head := []string{"epoch", "step", "best"}
	for _, m := range columns(task) {
		head = append(head, m.name)
	}
	rows := [][]string{head}
	for _, r := range history {
		row := []string{strconv.Itoa(r.Epoch), strconv.Itoa(r.Step), strconv.FormatBool(r.Best)}
		for _, m := range columns(task) {
			row = append(row, m.of(&r).csv())
		}
		rows = append(rows, row)
	}
	if err := w.WriteAll(rows); err != nil {
		return err
	}
	return outfile.WriteBytes(filepath.Join(dir, "metrics.csv"), b.Bytes())
}

// scalars is a record as TensorBoard's curves.
func (r Record) scalars(task string) []tensorboard.Scalar {
	var out []tensorboard.Scalar
	for _, m := range columns(task) {
		if n := float64(*m.of(&r)); !math.IsNaN(n) {
			out = append(out, tensorboard.Scalar{Tag: "epoch/" + m.name, Value: n})
		}
	}
	return out
}

// Reason is why a run ended.
type Reason string

// Reasons.
const (
	EarlyStop   Reason = "early stop"    // no better validation loss for patience epochs
	AllEpochs   Reason = "all epochs"    // the most epochs are done
	Interrupted Reason = "interrupted"   // by the context; can be resumed
	Collapsed   Reason = "collapsed"     // no lesion is predicted any more
	NotFinite   Reason = "not finite"    // a NaN or infinity turned up
	Failed      Reason = "another error" // an image or the device failed
)

// Summary is how a run went: summary.json.
type Summary struct {
	Task       string   `json:"task"`
	Folder     string   `json:"folder"`
	Device     string   `json:"device"`
	Reason     Reason   `json:"reason"`
	Error      string   `json:"error,omitempty"`
	Fold       int      `json:"fold"`
	Folds      int      `json:"folds"`
	Train      []string `json:"train_cases"`
	Valid      []string `json:"valid_cases"`
	Parameters int      `json:"trained_parameters"`
	Epochs     int      `json:"epochs"`
	Steps      int      `json:"steps"`
	Best       *Record  `json:"best"`
	Last       *Record  `json:"last"`
	// The rest is of this session alone, not of those it resumed.
	Seconds         float64 `json:"seconds"`
	SessionSteps    int     `json:"session_steps"`
	StepSeconds     Number  `json:"median_step_seconds"`
	PatchesASecond  Number  `json:"patches_per_second"`
	WaitingFraction Number  `json:"waiting_for_patches"` // share of the steps' time
}

func (s *Summary) write(dir string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("summary: %w", err)
	}
	return outfile.WriteBytes(filepath.Join(dir, "summary.json"), append(b, '\n'))
}

// Event is something that a run tells whoever watches it.
type Event interface{ event() }

// Loading comes before Started, while the lesions of the training cases are read to
// use their shapes.
type Loading struct{ Done, Total int }

// Started comes when all is prepared, before the first step.
type Started struct {
	Folder     string   // RUN/fold_K
	Config     Config   // as resolved
	Device     string   // the backend's name
	Train      []string // case IDs
	Valid      []string
	Layout     string
	Parameters int  // values that are trained
	Resumed    bool // from checkpoint_last
	Step       int  // steps done before
	Epoch      int  // epochs done before
	History    []Record
}

// StepDone comes after each training step.
type StepDone struct {
	Epoch, Steps int     // the current epoch from 1, its steps
	Epochs       int     // at most so many
	InEpoch      int     // steps done in it
	Step         int     // steps done in the run
	Loss         float64 // of this step
	Lesion       float64 // mean lesion probability; NaN for networks that restore
	Seconds      float64 // waiting for the patches included
}

// Validating comes after each batch or image of a validation.
type Validating struct {
	Epoch       int
	Full        bool // whole images, not patches
	Done, Total int
}

// EpochDone comes after each validation.
type EpochDone struct {
	Record
	Epochs  int      // at most so many
	Seconds float64  // training and validation
	History []Record // of the run, this epoch last
}

// Saved comes after a file was written.
type Saved struct{ Path string }

// Warning is something the user should know about; the run goes on.
type Warning struct{ Text string }

// FullCase is the score of one whole validation image.
type FullCase struct {
	Case     string
	Dice, F1 Number // NaN where the truth is empty
}

// Restored is one of the first validation patches of an inpainter or a generator,
// the same ones each epoch. Arrays have element (d,h,w) at (d·H+h)·W+w, D, H, W the
// canonical grid's x, y, z.
type Restored struct {
	Epoch, Number            int
	Case                     string
	Size                     [3]int    // D, H, W
	Before, Corrupted, After []float32 // the patch, with noise, and the network's answer
	Filled                   []bool    // where the noise is
}

func (Loading) event()    {}
func (Started) event()    {}
func (StepDone) event()   {}
func (Validating) event() {}
func (EpochDone) event()  {}
func (Saved) event()      {}
func (Warning) event()    {}
func (FullCase) event()   {}
func (Restored) event()   {}
