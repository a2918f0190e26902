package train

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"voxgrad/models"
	"voxgrad/models/weights"
)

// Files of a run folder.
const (
	LastFile  = "checkpoint_last.safetensors"
	BestFile  = "checkpoint_best.safetensors"
	FinalFile = "checkpoint_final.safetensors"
)

// stateTensor holds the state as JSON beside the network and Adam's moments.
const stateTensor = models.TrainPrefix + "state"

// state is where a run is, beyond weights and moments. The random numbers of a
// step are functions of the seed and the step, the patches of the seed and the
// sample's number, so the two counters are all that there is to save of them.
type state struct {
	Config string `json:"config"` // TOML

	Inpainter string `json:"inpainter,omitempty"` // SHA-256 of the frozen networks' files
	Generator string `json:"generator,omitempty"`

	Train    []string `json:"train_cases"`
	Valid    []string `json:"valid_cases"`
	Step     int      `json:"step"`    // steps done; also the counter of the dropout keys
	Sample   int      `json:"sample"`  // number of the next sample
	Epoch    int      `json:"epoch"`   // epochs done
	InEpoch  int      `json:"inEpoch"` // steps done in the current one
	Sums     sums     `json:"sums"`    // over them
	BestLoss Number   `json:"best_loss"`
	BestAt   int      `json:"best_epoch"` // 0: none yet
	LowSteps int      `json:"low_steps"`  // steps in a row with next to no lesion probability
	History  []Record `json:"history"`
}

// sums collects what an epoch's record is made of, in float64 in the order of
// the steps.
type sums struct {
	Loss         float64 `json:"loss"`
	Batches      int     `json:"batches"`
	Intersection float64 `json:"intersection"` // of the lesion channel, as Predicted and Truth
	Predicted    float64 `json:"predicted"`
	Truth        float64 `json:"truth"`
	Voxels       float64 `json:"voxels"`

	// Of restored patches, and of their filled voxels: the number of voxels, and the
	// sums of the squared and of the absolute errors.
	PatchVoxels    float64 `json:"patch_voxels"`
	PatchSquared   float64 `json:"patch_squared"`
	PatchAbsolute  float64 `json:"patch_absolute"`
	FilledVoxels   float64 `json:"filled_voxels"`
	FilledSquared  float64 `json:"filled_squared"`
	FilledAbsolute float64 `json:"filled_absolute"`
}

func (s *sums) add(r sums) {
	s.Loss += r.Loss
	s.Batches += r.Batches
	s.Intersection += r.Intersection
	s.Predicted += r.Predicted
	s.Truth += r.Truth
	s.Voxels += r.Voxels
	s.PatchVoxels += r.PatchVoxels
	s.PatchSquared += r.PatchSquared
	s.PatchAbsolute += r.PatchAbsolute
	s.FilledVoxels += r.FilledVoxels
	s.FilledSquared += r.FilledSquared
	s.FilledAbsolute += r.FilledAbsolute
}

// Measures that were not taken are NaN, 0/0.
func (s sums) meanLoss() Number { return Number(s.Loss / float64(s.Batches)) }
func (s sums) dice() Number     { return Number(2 * s.Intersection / (s.Predicted + s.Truth)) }
func (s sums) lesion() Number   { return Number(s.Predicted / s.Voxels) }

func (s sums) patchPSNR() Number  { return psnr(s.PatchSquared / s.PatchVoxels) }
func (s sums) patchMAE() Number   { return Number(s.PatchAbsolute / s.PatchVoxels) }
func (s sums) filledPSNR() Number { return psnr(s.FilledSquared / s.FilledVoxels) }
func (s sums) filledMAE() Number  { return Number(s.FilledAbsolute / s.FilledVoxels) }

// psnr is the peak signal-to-noise ratio in dB of a mean squared error. The peak is
// 1, where the tissue's intensities lie after normalisation.
func psnr(mse float64) Number { return Number(-10 * math.Log10(mse)) }

// save writes checkpoint_last: the network by PyTorch's names, adam.* and train.*.
func (t *trainer) save() error {
	b, err := json.Marshal(t.state)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	all := append(t.net.Tensors(), t.net.AdamTensors(t.adam)...)
	all = append(all, weights.Bytes(stateTensor, b))
	if err := t.dev.Sync(); err != nil {
		return err
	}
	path := filepath.Join(t.dir, LastFile)
	if err := weights.Write(path, all, t.net.Metadata()); err != nil {
		return err
	}
	t.on(Saved{path})
	return nil
}

// saveWeights writes the network alone.
func (t *trainer) saveWeights(file string) error {
	path := filepath.Join(t.dir, file)
	err := t.net.Save(path, map[string]string{
		"task": t.cfg.Task, "epoch": fmt.Sprint(t.state.Epoch), "step": fmt.Sprint(t.state.Step),
	})
	if err == nil {
		t.on(Saved{path})
	}
	return err
}

// restore reads checkpoint_last into the network, the optimiser and the state.
func (t *trainer) restore(path string) error {
	f, err := weights.Read(path)
	if err != nil {
		return fmt.Errorf("%w; training cannot go on from it: remove it to start again", err)
	}
	s, err := readState(f)
	if err != nil {
		return err
	}
	if err := sameRun(path, s, t); err != nil {
		return err
	}
	if c, err := models.ConfigOf(f); err != nil {
		return err
	} else if c.Kind != t.cfg.Task {
		return fmt.Errorf("%s holds a %s, not a %s", path, c.Kind, t.cfg.Task)
	}
	if err := t.net.SetTensors(f); err != nil {
		return err
	}
	if err := t.net.SetAdam(t.adam, f); err != nil {
		return err
	}
	s.Config = t.state.Config
	t.state = *s
	return nil
}

// readLast is the state in a checkpoint_last.
func readLast(path string) (*state, error) {
	f, err := weights.Read(path)
	if err != nil {
		return nil, err
	}
	return readState(f)
}

func readState(f *weights.File) (*state, error) {
	x, ok := f.Get(stateTensor)
	if !ok {
		return nil, fmt.Errorf("%s has no training state: it is a plain weights file, training cannot go on from it", f.Path)
	}
	s := &state{}
	if err := json.Unmarshal(x.Data, s); err != nil {
		return nil, fmt.Errorf("%s: training state: %w", f.Path, err)
	}
	if s.Step < 0 || s.Sample < 0 || s.InEpoch < 0 || s.InEpoch > s.Step || s.LowSteps < 0 ||
		s.Epoch != len(s.History) || s.BestAt < 0 || s.BestAt > s.Epoch {
		return nil, fmt.Errorf("%s: training state is inconsistent", f.Path)
	}
	return s, nil
}

// mayDiffer lists the settings that a resumed run may change: they do not touch
// what a step computes.
var mayDiffer = []string{"encoder", "start", "synthesis.inpainter", "synthesis.generator", "data.root", "data.cache_mb", "run.epochs", "run.patience",
	"run.save_every", "run.ahead", "run.on_collapse", "run.full_every"}

// sameRun says where a checkpoint's run differs from the one asked for.
func sameRun(path string, s *state, t *trainer) error {
	was := Defaults(t.cfg.Task)
	if err := was.ParseTOML([]byte(s.Config)); err != nil {
		return fmt.Errorf("%s: its configuration: %w", path, err)
	}
	var lines []string
	for _, d := range was.diff(t.cfg) {
		if !slices.Contains(mayDiffer, d.key) {
			lines = append(lines, fmt.Sprintf("%s was %s, is %s", d.key, d.a, d.b))
		}
	}
	if !slices.Equal(s.Train, t.state.Train) || !slices.Equal(s.Valid, t.state.Valid) {
		lines = append(lines, "the data set's cases are others")
	}
	if s.Inpainter != t.state.Inpainter {
		lines = append(lines, fmt.Sprintf("the inpainter's file %s holds something else", t.cfg.Synthesis.Inpainter))
	}
	if s.Generator != t.state.Generator {
		lines = append(lines, fmt.Sprintf("the generator's file %s holds something else", t.cfg.Synthesis.Generator))
	}
	if len(lines) > 0 {
		return fmt.Errorf("%s is from a run with other settings, going on would mix two runs: %s; use the old settings or another folder",
			path, strings.Join(lines, "; "))
	}
	return nil
}
