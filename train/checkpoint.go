package train

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"voxgrad/device"
	"voxgrad/internal/infile"
	"voxgrad/internal/settings"
	"voxgrad/internal/text"
	"voxgrad/layers"
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

	Data      string `json:"data,omitempty"`      // SHA-256 of the cases
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

// addErrors adds the differences between a restored patch and the true one.
func (s *sums) addErrors(restored, truth []float32, fill []bool) {
	for v, x := range restored {
		d := float64(x) - float64(truth[v])
		s.PatchVoxels++
		s.PatchSquared += d * d
		s.PatchAbsolute += max(d, -d)
		if fill[v] {
			s.FilledVoxels++
			s.FilledSquared += d * d
			s.FilledAbsolute += max(d, -d)
		}
	}
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

// save writes checkpoint_last: the network by PyTorch's names, adam.* and train.*. Before
// the first step there is nothing to save.
func (t *trainer) save() error {
	if t.state.Step == 0 {
		return nil
	}
	b, err := json.Marshal(t.state)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	all := append(models.Tensors(t.net), models.AdamTensors(t.adam)...)
	if t.mean != nil {
		all = append(all, models.AverageTensors(t.mean)...)
	}
	all = append(all, weights.Bytes(stateTensor, b))
	if err := t.dev.Sync(); err != nil {
		return err
	}
	path := filepath.Join(t.dir, LastFile)
	meta := models.Metadata(t.net)
	maps.Copy(meta, t.preparation.Metadata())
	if err := weights.Write(path, all, meta); err != nil {
		return err
	}
	t.on(Saved{path})
	return nil
}

// averaged puts the averages in the network's place, if the run has them, until the
// function that it returns is called.
func (t *trainer) averaged() (restore func()) {
	if t.mean == nil {
		return func() {}
	}
	t.mean.Use()
	return t.mean.Restore
}

// saveWeights writes the network alone, averaged if the run does that.
func (t *trainer) saveWeights(file string) error {
	defer t.averaged()()
	path := filepath.Join(t.dir, file)
	meta := t.preparation.Metadata()
	meta["task"], meta["epoch"], meta["step"] = t.cfg.Task, fmt.Sprint(t.state.Epoch), fmt.Sprint(t.state.Step)
	err := models.Save(t.net, path, meta)
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
	if got, want := f.Meta["model"], t.net.Spec().Name; got != want {
		return fmt.Errorf("%s holds a %s, not a %s", path, text.Clean(got), want)
	}
	if err := models.Restore(t.net, f); err != nil {
		return err
	}
	if err := models.RestoreAdam(t.adam, f); err != nil {
		return err
	}
	if t.mean != nil {
		if err := models.RestoreAverages(t.mean, f); err != nil {
			return err
		}
	}
	s.Config = t.state.Config
	t.state = *s
	return nil
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

// sameRun reports where a checkpoint's run differs from the one asked for.
func sameRun(path string, s *state, t *trainer) error {
	was := Defaults(t.cfg.Task)
	if err := was.ParseTOML([]byte(s.Config)); err != nil {
		return fmt.Errorf("%s: its configuration: %w", path, err)
	}
	var lines []string
	for _, d := range settings.Diff(was.Resolved(), t.cfg.Resolved()) {
		if !slices.Contains(mayDiffer, d.Path) || d.Path == "run.epochs" && t.cfg.Adam.Schedule != Constant {
			lines = append(lines, fmt.Sprintf("%s was %s, is %s", d.Path, d.A, d.B))
		}
	}
	if !slices.Equal(s.Train, t.state.Train) || !slices.Equal(s.Valid, t.state.Valid) {
		lines = append(lines, "the data set's cases are others")
	}
	if s.Data != "" && s.Data != t.state.Data {
		lines = append(lines, "the data set's files hold something else")
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

// openNet builds the network and its optimiser. Initial weights come from the
// seed, a detector's encoder from its file, or all from the file that the run
// starts from; a resumed run's come with the checkpoint.
func (t *trainer) openNet(resumed bool) (err error) {
	if t.build != nil {
		err = t.buildOwn(resumed)
	} else {
		err = t.buildPublished(resumed)
	}
	if err != nil {
		return err
	}
	t.net.SetMode(t.mode())
	a := t.cfg.Adam
	t.adam = layers.NewAdam(t.dev, t.net.Params(), a.LearningRate)
	t.found = t.dev.Alloc(device.Vec(2))
	t.dev.Fill(t.found, 0)
	t.adam.Beta1, t.adam.Beta2, t.adam.Eps, t.adam.WeightDecay, t.adam.MaxNorm = a.Beta1, a.Beta2, a.Eps, a.WeightDecay, a.ClipNorm
	if a.Average > 0 {
		t.mean = layers.NewAverages(t.dev, t.net.Params(), t.net.Buffers(), a.Average)
	}
	return t.dev.Sync()
}

// buildOwn builds a network that is not of package models.
func (t *trainer) buildOwn(resumed bool) (err error) {
	if t.cfg.Encoder != "" || t.cfg.FreezeEncoder {
		return errors.New("config: encoder and freeze_encoder are for the published detector, not for a network of one's own")
	}
	if t.net, err = t.build(t.dev, t.cfg); err != nil {
		return err
	}
	got, want := t.net.Spec(), (&models.Net{Config: models.Default(t.cfg.Task)}).Spec()
	if got.Images != want.Images || got.Cin != want.Cin || got.Cout != want.Cout || got.Head != want.Head {
		return fmt.Errorf("task %s needs a network of %d images with %d channels and an answer of %d channels, %s; %s takes %d with %d and answers with %d, %s",
			t.cfg.Task, want.Images, want.Cin, want.Cout, want.Head, got.Name, got.Images, got.Cin, got.Cout, got.Head)
	}
	for _, n := range t.cfg.Sampler.Patch {
		if got.Multiple > 0 && n%got.Multiple != 0 {
			return fmt.Errorf("config: sampler.patch = %v: %s needs edges that are multiples of %d", t.cfg.Sampler.Patch, got.Name, got.Multiple)
		}
	}
	if resumed || t.cfg.Start == "" {
		return nil
	}
	f, err := weights.Read(t.cfg.Start)
	if err != nil {
		return err
	}
	return models.Restore(t.net, f)
}

// buildPublished builds the configuration's network.
func (t *trainer) buildPublished(resumed bool) (err error) {
	c := models.Default(t.cfg.Task)
	c.Width, c.Up, c.Dropout, c.Norm = t.cfg.Network.Width, t.cfg.Network.Up, t.cfg.Network.Dropout, t.cfg.Network.Norm
	if c.Width == 0 {
		file := t.cfg.widthFile()
		if resumed {
			file = filepath.Join(t.dir, LastFile)
		}
		if c.Width, err = widthOf(file); err != nil {
			return err
		}
		t.cfg.Network.Width = c.Width
	}
	net, err := models.New(t.dev, c, t.cfg.Seed)
	if err != nil {
		return err
	}
	t.net = net
	if !resumed {
		if err := initialWeights(net, t.cfg); err != nil {
			return err
		}
	}
	if t.cfg.FreezeEncoder {
		net.FreezeEncoder()
	}
	return nil
}

// openTask makes the computing half of the task, with the frozen networks of synthesis.
func (t *trainer) openTask() error {
	if t.cfg.Synthesis.On() {
		if err := t.openFilling(); err != nil {
			return err
		}
	}
	t.task = newComputing(t.cfg, t.dev, t.net, t.filling, func(r Restored) {
		r.Epoch = t.state.Epoch + 1
		t.on(r)
	})
	return nil
}

// initialWeights replaces those of the seed by what the configuration names.
func initialWeights(net *models.Net, c Config) error {
	if c.Encoder != "" {
		return net.LoadEncoder(c.Encoder)
	}
	if c.Start == "" {
		return nil
	}
	f, err := weights.Read(c.Start)
	if err != nil {
		return err
	}
	of, err := models.ConfigOf(f)
	if err != nil {
		return err
	}
	if of.Kind != c.Task {
		return fmt.Errorf("%s is of kind %s; task %s cannot start from it", f.Path, of.Kind, c.Task)
	}
	switch {
	case of.Norm == net.Norm:
		return models.Restore(net, f)
	case of.Norm != layers.Batch:
		return fmt.Errorf("%s has %s norm and so no running statistics, which network.norm = %s needs to go on from", f.Path, of.Norm, net.Norm)
	case c.FreezeEncoder:
		return fmt.Errorf("%s has batch norm, and network.norm is %s: a frozen encoder needs the norm it was trained with, freeze_encoder = false trains it on", f.Path, net.Norm)
	}
	return net.RestoreParameters(f)
}

// widthFile is the file that a network of width 0 takes its width from.
func (c Config) widthFile() string {
	if c.Start != "" {
		return c.Start
	}
	return c.Encoder
}

// widthOf is the width of the network in a file.
func widthOf(path string) (int, error) {
	f, err := weights.Read(path)
	if err != nil {
		return 0, err
	}
	c, err := models.ConfigOf(f)
	return c.Width, err
}

// openFilling loads the two frozen networks of synthesis and remembers which they are.
func (t *trainer) openFilling() (err error) {
	for _, w := range []struct {
		net        **models.Net
		hash       *string
		path, kind string
	}{
		{&t.filling.Inpainter, &t.state.Inpainter, t.cfg.Synthesis.Inpainter, models.Inpainter},
		{&t.filling.Generator, &t.state.Generator, t.cfg.Synthesis.Generator, models.Generator},
	} {
		b, err := os.ReadFile(w.path)
		if err != nil {
			return fmt.Errorf("cannot read the %s's weights: %w", w.kind, err)
		}
		sum := sha256.Sum256(b)
		*w.hash = hex.EncodeToString(sum[:])
		if *w.net, err = models.Load(t.dev, w.path, w.kind); err != nil {
			return err
		}
	}
	return t.filling.Check()
}

// prepare notes how the images are prepared and what they are, for the weights files.
func (t *trainer) prepare(ctx context.Context, job Job) (err error) {
	t.preparation = models.Preparation{Normalize: t.cfg.Data.Normalize, Interpolation: t.cfg.Data.Interpolation, Spacing: 1, Axes: "RAS",
		Patch: t.cfg.Sampler.Patch, Version: job.Version, Commit: job.Commit}
	if !restores(t.cfg.Task) {
		t.preparation.Threshold = 0.5
	}
	if t.maps != nil && t.cfg.Labels.Find == FindBrain {
		t.preparation.Normalize, t.preparation.Interpolation, t.preparation.Spacing = "", "", t.cfg.Labels.SpacingMM
	}
	hash := job.HashFile
	if hash == nil {
		hash = infile.SHA256
	}
	t.preparation.Data, err = t.hashData(func(path string) (string, error) {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		return hash(path)
	})
	return err
}
