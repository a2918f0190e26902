package train

import (
	"errors"
	"fmt"
	"math"

	"voxgrad/augment"
	"voxgrad/device"
	"voxgrad/device/meta"
	"voxgrad/internal/rng"
	"voxgrad/internal/text"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/synth"
	"voxgrad/train/dataset"
	"voxgrad/train/sample"
)

// DryDevice is a backend that computes nothing and counts memory.
type DryDevice struct {
	device.ImagingBackend

	// Taken is the most that the device would have given, in bytes, workspaces and
	// the rounding of sizes included. nil where there is no more to it than tensors.
	Taken func() int64
}

// AllocActivation stores activations as the backend does.
func (d DryDevice) AllocActivation(s device.Shape) device.Tensor {
	return device.AllocActivation(d.ImagingBackend, s)
}

// OpenDry opens a device for planning. Its Sync fails once more than limit bytes
// are wanted; 0 means no limit.
type OpenDry func(limit int64) (DryDevice, error)

// DryTensors counts tensors alone, as every backend's Usage does.
func DryTensors(limit int64) (DryDevice, error) {
	return DryDevice{ImagingBackend: meta.New(limit)}, nil
}

// Memory is what training needs on a device, in bytes.
type Memory struct {
	Batch int   `json:"batch"`
	Peak  int64 `json:"peak_bytes"`  // tensors at the worst moment
	Kept  int64 `json:"kept_bytes"`  // of them between steps: weights, running statistics, gradients, Adam's moments, averages
	Taken int64 `json:"taken_bytes"` // from the device; Peak where nothing comes on top
}

// MemoryPlan describes which batches fit.
type MemoryPlan struct {
	Limit   int64  `json:"limit_bytes"`
	Asked   Memory `json:"asked"`   // at the configuration's batch
	Fits    bool   `json:"fits"`    // that batch
	Largest Memory `json:"largest"` // the largest batch that fits; Batch 0 if none does
	AtLeast bool   `json:"at_least,omitempty"`

	one  Memory
	what string
}

// planVoxels bounds the search for the largest batch: beyond 64 patches of 64³
// voxels the answer is "at least".
const planVoxels = 1 << 24

// MemoryOf runs two steps and a validation of the trainer itself, on a device that
// computes nothing: the peak is exact whatever the graph. The second step matters,
// for it finds all gradients allocated. A detector of width 0 reads the width from
// its encoder's file.
func MemoryOf(c Config, open OpenDry) (Memory, error) {
	m, fits, err := measure(c, nil, open, 0)
	if err == nil && !fits {
		err = errors.New("memory plan: a device without a limit ran out of memory")
	}
	return m, err
}

// PlanMemory finds out whether the configuration's batch fits into limit bytes and
// which is the largest that does. The search goes by tensors first; open then has
// the last word, whose pool, workspaces and rounding take more. Close to the limit
// a pool gives back and asks again in every step: such a batch fits, but slowly.
// What the driver takes for itself comes on top. Call Check on the result.
func PlanMemory(c Config, limit int64, open OpenDry) (*MemoryPlan, error) {
	return plan(c, nil, limit, open)
}

// plan is PlanMemory, also for networks of one's own.
func plan(c Config, build buildFunc, limit int64, open OpenDry) (*MemoryPlan, error) {
	if limit < 1 {
		return nil, fmt.Errorf("memory plan: a limit of %d bytes", limit)
	}
	if err := resolveWidth(&c); err != nil {
		return nil, err
	}
	if err := c.Sampler.Check(); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if err := tooLarge(c, limit); err != nil {
		return nil, err
	}
	p := &MemoryPlan{Limit: limit, what: fmt.Sprintf("%s of width %d on patches of %v", c.Task, c.Network.Width, size3(c.Sampler.Patch))}
	var err error
	if p.Asked, p.Fits, err = measure(c, build, open, limit); err != nil {
		return nil, err
	}
	if !p.Fits {
		if p.Asked, _, err = measure(c, build, open, 0); err != nil {
			return nil, err
		}
	}
	voxels := c.Sampler.Patch[0] * c.Sampler.Patch[1] * c.Sampler.Patch[2]
	most := max(planVoxels/voxels, c.Run.Batch)
	batch, err := largestByTensors(c, build, limit, most)
	if err != nil {
		return nil, err
	}
	for ; batch > 0; batch-- {
		c.Run.Batch = batch
		m, fits, err := measure(c, build, open, limit)
		if err != nil {
			return nil, err
		}
		if fits {
			p.Largest, p.AtLeast = m, batch == most
			return p, nil
		}
	}
	c.Run.Batch = 1
	p.one, _, err = measure(c, build, open, 0)
	return p, err
}

// largestByTensors is the largest batch up to most whose tensors fit; 0 if none does.
func largestByTensors(c Config, build buildFunc, limit int64, most int) (int, error) {
	r, err := newDryRun(c, build, DryTensors, 0)
	if err != nil {
		return 0, err
	}
	defer r.d.Close()
	fits := func(batch int) bool {
		if err == nil {
			err = r.work(batch)
		}
		return err == nil && r.memory().Peak <= limit
	}
	lo, hi := 0, 1 // lo fits, hi does not
	for hi <= most && fits(hi) {
		lo, hi = hi, 2*hi
	}
	for hi = min(hi, most+1); hi-lo > 1; {
		if mid := (lo + hi) / 2; fits(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo, err
}

// Check is nil if the configuration's batch fits, and names otherwise what does.
func (p *MemoryPlan) Check() error {
	if p.Fits {
		return nil
	}
	need := fmt.Sprintf("not enough memory: a %s needs %s at batch %d, there are %s", p.what, text.Bytes(p.Asked.Taken), p.Asked.Batch, text.Bytes(p.Limit))
	if p.Largest.Batch == 0 {
		return fmt.Errorf("%s; even batch 1 needs %s (%s of it for weights, gradients and moments): use a smaller width or smaller patches",
			need, text.Bytes(p.one.Taken), text.Bytes(p.one.Kept))
	}
	return fmt.Errorf("%s; batch %d fits and needs %s: set run.batch = %d (--batch)",
		need, p.Largest.Batch, text.Bytes(p.Largest.Taken), p.Largest.Batch)
}

// String is the plan in one line.
func (p *MemoryPlan) String() string {
	at := ""
	if p.AtLeast {
		at = "at least "
	}
	return fmt.Sprintf("%s at batch %d: %s of tensors at the peak, %s between steps, %s taken from the device; the largest batch in %s is %s%d",
		p.what, p.Asked.Batch, text.Bytes(p.Asked.Peak), text.Bytes(p.Asked.Kept), text.Bytes(p.Asked.Taken), text.Bytes(p.Limit), at, p.Largest.Batch)
}

// resolveWidth does what opening a run does for a width of 0.
func resolveWidth(c *Config) (err error) {
	if c.Network.Width != 0 {
		return nil
	}
	file := c.widthFile()
	if file == "" {
		return errors.New("memory plan: the width of a detector comes from its encoder: give the encoder's file, or a width")
	}
	c.Network.Width, err = widthOf(file)
	return err
}

// measure tells what a configuration needs, and whether the device had that much.
func measure(c Config, build buildFunc, open OpenDry, limit int64) (m Memory, fits bool, err error) {
	r, err := newDryRun(c, build, open, limit)
	if err == nil {
		defer r.d.Close()
		err = r.work(c.Run.Batch)
	}
	if err != nil {
		if r != nil && limit > 0 && r.d.Sync() != nil {
			return m, false, nil
		}
		return m, false, err
	}
	return r.memory(), true, nil
}

func size3(p [3]int) string { return fmt.Sprintf("%d×%d×%d", p[0], p[1], p[2]) }

// buildFunc builds a network of one's own; nil builds the configuration's.
type buildFunc = func(device.Backend, Config) (models.Network, error)

// dryRun is the trainer on a dry device.
type dryRun struct {
	d           DryDevice
	t           *trainer
	full, plain *sample.Sample
	kept        int64
}

// newDryRun builds the network, its optimiser and the frozen networks. The run is
// not nil if that failed for the device's sake.
func newDryRun(c Config, build buildFunc, open OpenDry, limit int64) (*dryRun, error) {
	if build == nil {
		if err := resolveWidth(&c); err != nil {
			return nil, err
		}
	}
	if c.Task == models.Detector && c.Encoder == "" && c.Start == "" && c.FreezeEncoder {
		c.Encoder = "any" // its weights do not matter here
	}
	d, err := open(limit)
	if err != nil {
		return nil, err
	}
	t, err := newTrainer(c, d.ImagingBackend, nil)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	t.build = build
	r := &dryRun{d: d, t: t}
	if r.full, r.plain, err = t.blank(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	// As for a resumed run, whose weights come with the checkpoint.
	if err := t.openNet(true); err != nil {
		return r, err
	}
	return r, t.openTask()
}

// work does two steps and a validation batch.
func (r *dryRun) work(batch int) error {
	r.t.cfg.Run.Batch = batch
	b := blankBatch(r.full, r.plain, batch)
	r.d.ResetPeak()
	for range 2 {
		if _, err := r.t.step(b); err != nil {
			return err
		}
	}
	r.kept, _ = r.d.Usage()
	defer r.t.averaged()()
	r.t.net.SetMode(layers.Eval)
	defer r.t.net.SetMode(r.t.mode())
	_, err := r.t.evaluate(b)
	return err
}

func (r *dryRun) memory() Memory {
	m := Memory{Batch: r.t.cfg.Run.Batch, Kept: r.kept}
	_, m.Peak = r.d.Usage()
	m.Taken = m.Peak
	if r.d.Taken != nil {
		m.Taken = r.d.Taken()
	}
	return m
}

// blankRecipes is how many recipes a blank sample goes through, one after another:
// enough that each of the preset's transforms is among them.
const blankRecipes = 64

// blank is two empty patches. For the first all is done that may be done for a
// patch: augmentation by all transforms, and filling by both networks at both time
// points. The other is left as it is: patches are prepared one by one, so that one of
// the first kind in a batch takes as much memory as many.
func (t *trainer) blank() (full, plain *sample.Sample, err error) {
	size := t.cfg.Sampler.Patch
	voxels := size[0] * size[1] * size[2]
	plain = &sample.Sample{Case: "blank", Size: size, Labels: make([]uint8, voxels), Fill: make([]bool, voxels), Share: make([]float32, voxels)}
	for range t.draw.images() {
		plain.Images = append(plain.Images, make([]float32, voxels))
	}
	for v := range plain.Labels {
		plain.Labels[v] = dataset.Brain
	}
	plain.Labels[0] |= dataset.Lesion
	copied := *plain
	full = &copied
	s := rng.New(0, "blank")
	var all augment.Recipe
	for range blankRecipes {
		all = append(all, t.cfg.Augmentation.Draw(s, size)...)
	}
	full.Recipes = []augment.Recipe{all, all}
	if !t.cfg.Synthesis.On() {
		return full, plain, nil
	}
	o := synth.Defaults()
	o.ShapeMin, o.ErodeMM, o.Tries = 1, 0, 1000
	lib := synth.NewLibrary(o)
	if _, err := lib.Add("shape", []bool{true}, [3]int{1, 1, 1}); err != nil {
		return nil, nil, err
	}
	o.Kept, o.RemovedTime1, o.RemovedTime2, o.RemovedBoth = 1, 0, 0, 0
	o.GeneratedMax = 0
	if plain.Plan, err = o.Plan(s, patchOf(plain, ""), lib); err != nil {
		return nil, nil, err
	}
	o.Kept, o.RemovedBoth = 0, 1
	o.GeneratedMin, o.GeneratedMax = 1, 1
	o.GeneratedTime1, o.GeneratedTime2, o.GeneratedBoth = 0, 0, 1
	full.Plan, err = o.Plan(s, patchOf(full, ""), lib)
	return full, plain, err
}

// blankBatch is one full sample and plain ones.
func blankBatch(full, plain *sample.Sample, batch int) *sample.Batch {
	b := &sample.Batch{Samples: []*sample.Sample{full}}
	for len(b.Samples) < batch {
		b.Samples = append(b.Samples, plain)
	}
	return b
}

// checkMemory refuses a run that its device or the machine cannot hold.
func checkMemory(job Job) error {
	if err := CheckMemory(job.Config, job.Limit, job.HostLimit); err != nil || job.Limit <= 0 || job.OpenDry == nil {
		return err
	}
	if _, fits, err := measure(job.Config, job.Network, job.OpenDry, job.Limit); fits || err != nil {
		return err
	}
	p, err := plan(job.Config, job.Network, job.Limit, job.OpenDry)
	if err != nil {
		return err
	}
	return p.Check()
}

// CheckMemory refuses what is far beyond the memory of the device or the machine, in bytes,
// without a plan, which needs patches of its own. A limit of 0 is none.
func CheckMemory(c Config, limit, host int64) error {
	if need := patchMemory(c); host > 0 && need > float64(host) {
		return fmt.Errorf("not enough memory: the patches of %d batches of %d (run.ahead, run.batch), of %s voxels each, need %s, there are %s",
			c.Run.Ahead+2, c.Run.Batch, size3(c.Sampler.Patch), text.Bytes(int64(min(need, math.MaxInt64/2))), text.Bytes(host))
	}
	if limit > 0 {
		return tooLarge(c, limit)
	}
	return nil
}

// patchMemory is what patches on the host take: those of the batches loaded ahead, of the one
// in use and of the one being made, with images, labels, masks and likelihood.
func patchMemory(c Config) float64 {
	p := c.Sampler.Patch
	return float64(c.Run.Ahead+2) * float64(c.Run.Batch) * float64(p[0]*p[1]*p[2]) * float64(4*newDrawing(c, nil).images()+2+4)
}

// tooLarge refuses a run of which even the first layer's result and its gradient do not fit.
func tooLarge(c Config, limit int64) error {
	voxels := c.Sampler.Patch[0] * c.Sampler.Patch[1] * c.Sampler.Patch[2] // at most sample.MaxVoxels
	least := 2 * 4 * float64(voxels) * float64(max(c.Network.Width, 1)) * float64(c.Run.Batch)
	if least <= float64(limit) {
		return nil
	}
	return fmt.Errorf("not enough memory: a %s of width %d on patches of %s needs more than %s at batch %d, there are %s: use smaller patches (sampler.patch), a smaller width or a smaller batch",
		c.Task, c.Network.Width, size3(c.Sampler.Patch), text.Bytes(int64(min(least, math.MaxInt64/2))), c.Run.Batch, text.Bytes(limit))
}
