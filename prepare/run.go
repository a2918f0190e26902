package prepare

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"voxgrad/prepare/atlas"
	"voxgrad/volume"
)

// Prepared is scans in the prepared space, and the way there.
type Prepared struct {
	Times  []*volume.Volume   // on one grid of 1 mm, RAS; with skull where they had one
	Brain  *volume.Mask       // on that grid: what is brain in all of them; nil: not known
	ToScan []volume.Transform // from points of the prepared space to points of each scan
	White  *volume.Volume     // on that grid: the atlas' likelihood of white matter in the brain; nil without atlas or brain
	Fields []*volume.Volume   // what each scan was divided by, on that grid; nil where nothing was
	Record Record
}

// job is a preparation under way.
type job struct {
	in      Input
	s       Settings
	rec     Record
	scans   []*volume.Volume // as they are, finite
	brains  []*volume.Mask   // on the grids of the scans; nil: not known
	half    pose             // from the space between to each scan
	toHalf  volume.Transform // from the prepared space to the space between
	toAtlas volume.Transform // from the prepared space to the atlas, where it was registered to it
	fields  []*Field         // of the scans; nil: none was taken out
	since   time.Time
}

// Run prepares the scans of one patient. Errors name the file, what was measured and what to do
// about it; what is doubtful is in Record.Warnings.
func Run(ctx context.Context, in Input, s Settings) (*Prepared, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if err := in.Check(); err != nil {
		return nil, err
	}
	j := &job{in: in, s: s, brains: make([]*volume.Mask, len(in.Times)), rec: Record{Settings: s}, since: time.Now()}
	for _, v := range in.Times {
		j.scans = append(j.scans, finite(v))
		j.rec.Scans = append(j.rec.Scans, ScanRecord{File: v.Path, Grid: gridRecord(v.Grid), Brain: None})
	}
	j.warn(in.Twins())
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"denoise", j.denoise},
		{"brain mask", j.findBrains},
		{"time points", j.registerTimes},
		{"atlas", j.registerAtlas},
	} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := step.do(); err != nil {
			return nil, err
		}
		j.done(step.name)
	}
	if err := j.correct(); err != nil {
		return nil, err
	}
	j.done("bias field")
	p, err := j.resample()
	if err != nil {
		return nil, err
	}
	j.done("resample")
	if err := j.correctRatio(p); err != nil {
		return nil, err
	}
	j.done("ratio")
	for n, v := range in.Times {
		j.warn(j.rec.Scans[n].doubt(v.Name()))
	}
	p.Record = j.rec
	return p, nil
}

// done notes how long a step took.
func (j *job) done(step string) {
	now := time.Now()
	j.rec.Seconds = append(j.rec.Seconds, StepSeconds{step, now.Sub(j.since).Seconds()})
	j.since = now
}

func (j *job) warn(text string) {
	if text != "" {
		j.rec.Warnings = append(j.rec.Warnings, text)
	}
}

// findBrains takes the brain masks that are given, sees in stripped scans, or extracts.
func (j *job) findBrains() error {
	given := -1 // the scan on whose grid the given mask is
	if j.in.Brain != nil {
		var first error
		for n, v := range j.scans {
			m, err := j.in.Brain.On(v)
			if err == nil {
				if m.Count() == 0 {
					return fmt.Errorf("%s: the brain mask is empty", m.Name())
				}
				j.brains[n], given = m, n
				j.rec.Scans[n].Brain, j.rec.Scans[n].BrainML = "given", ml(m)
				break
			}
			if first == nil {
				first = err
			}
		}
		if given < 0 {
			return first
		}
	}
	for n, v := range j.scans {
		if j.brains[n] != nil || given >= 0 && j.s.Strip != All {
			continue
		}
		r := &j.rec.Scans[n]
		if j.s.Strip != All {
			m, err := Stripped(v)
			if err != nil {
				return err
			}
			if m != nil {
				j.brains[n], r.Brain, r.BrainML = m, "stripped", ml(m)
				if why := m.Implausible(); why != "" {
					j.warn(fmt.Sprintf("%s: the brain found in it, all that is not 0, is hardly one: %s; if it is not a whole brain, give a mask (--brainmask)", v.Name(), why))
				}
				continue
			}
		}
		if j.s.Strip == None {
			continue
		}
		if j.in.Extract == nil {
			return fmt.Errorf("%s still has its skull: a brain mask is needed (--brainmask)", v.Name())
		}
		m, certainty, err := j.in.Extract(v)
		if err != nil {
			return err
		}
		j.brains[n], r.Brain, r.BrainML, r.Certainty = m, "extracted", ml(m), certainty
		slog.Info(fmt.Sprintf("%s: brain extracted, %.0f ml, certainty %.2f", v.Name(), r.BrainML, certainty))
	}
	return j.check()
}

// check refuses scans whose brain is not whole.
func (j *job) check() error {
	for n, m := range j.brains {
		if m == nil {
			continue
		}
		if err := whole(j.in.Times[n], m); err != nil {
			return err
		}
	}
	return nil
}

func ml(m *volume.Mask) float64 { return float64(m.Count()) * m.VoxelMM3() / 1000 }

// Stripped is the brain of a scan whose skull was taken away already, nil for other scans. The error is for a background that is one
// value far from 0: what is not it may be a brain or a head.
func Stripped(v *volume.Volume) (*volume.Mask, error) {
	m, err := volume.BrainMask(finite(v))
	if errors.Is(err, volume.ErrBackground) {
		return nil, err
	}
	if err != nil || m.Oversized() || m.Count() == 0 {
		return nil, nil
	}
	return m, nil
}

// Needs are the steps without which scans cannot be searched: registration of time points on
// different grids, and brain extraction of scans that are not stripped, where no mask is given.
func (in Input) Needs() (register, strip bool) {
	if len(in.Times) == 2 {
		a, b := in.Times[0], in.Times[1]
		register = volume.SpaceDifference(a, b) != "" && !b.Grid.Reordered(a.Grid)
	}
	if in.Brain == nil {
		for _, v := range in.Times {
			m, err := Stripped(v)
			strip = strip || m == nil || err != nil
		}
	}
	return register, strip
}

// registerTimes finds the space between the time points.
func (j *job) registerTimes() error {
	j.half = pose{volume.Identity, volume.Identity}
	if len(j.scans) == 1 {
		return nil
	}
	a, b := j.scans[0], j.scans[1]
	r := &TimesRecord{How: "found"}
	j.rec.Times = r
	oneGrid := volume.SpaceDifference(a, b) == "" || a.Grid.Reordered(b.Grid)
	switch {
	case j.in.Between != nil:
		r.How, j.half = "given", halfway(orthogonal(*j.in.Between))
	case j.s.Register == None:
		r.How = "left out"
	case oneGrid && j.s.Register == Auto:
		r.How = OneGrid
	default:
		found, err := Register(a, b, j.brains[0], j.brains[1])
		if err != nil {
			return err
		}
		doubt, err := found.judge(a, b, func() (*Registered, error) {
			mirror := *b
			mirror.Affine = volume.Affine{{-1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}.Mul(b.Affine)
			mask := j.brains[1]
			if mask != nil {
				mask = &volume.Mask{Grid: mirror.Grid, Data: mask.Data}
			}
			return Register(a, &mirror, j.brains[0], mask)
		})
		if err != nil {
			return err
		}
		j.warn(doubt)
		j.half = found.Half
		r.Correlation, r.Overlap = found.Correlation, found.Overlap
	}
	if r.How != "found" {
		if err := j.agree(); err != nil {
			return err
		}
	}
	between := j.half.between()
	centre := a.Centre()
	r.Degrees, r.MM = degrees(between), distance(centre, between.Apply(centre))
	if r.How == "found" {
		slog.Info(fmt.Sprintf("%s: time points registered: %.1f° and %.1f mm apart; local correlation %.3f; where both scans are, %.0f %% of the heads cover each other", j.scans[0].Name(), r.Degrees, r.MM, r.Correlation, 100*r.Overlap))
	}
	return nil
}

// registerAtlas finds the way from the atlas to the space between.
func (j *job) registerAtlas() error {
	j.toHalf = volume.Identity
	if j.s.Atlas == None {
		return nil
	}
	v, brain := j.mean()
	name := j.scans[0].Name()
	found, err := RegisterAtlas(v, brain)
	if err != nil {
		return err
	}
	if err := found.judge(name, brain != nil); err != nil {
		return err
	}
	if brain != nil {
		doubt, err := found.doubt(j.in.Times)
		if err != nil {
			return err
		}
		j.warn(doubt)
	}
	j.toHalf, j.toAtlas = found.ToScan, volume.Identity
	if j.s.Atlas == Rigid {
		j.toHalf = nearestRigid(found.ToScan, atlas.Brain().Centre())
		j.toAtlas = found.ToScan.Inverse().Mul(j.toHalf)
	}
	r := &AtlasRecord{How: j.s.Atlas, Volume: 1 / found.ToScan.Det(), Correlation: found.Correlation, Overlap: found.Overlap, Seen: 1}
	r.Degrees = degrees(nearestRigid(found.ToScan, [3]float64{}))
	j.rec.Atlas = r
	r.Seen = seen(j.scans, []volume.Transform{j.half[0].Mul(found.ToScan), j.half[1].Mul(found.ToScan)}[:len(j.scans)])
	shown := name + " shows"
	if len(j.scans) == 2 {
		shown = fmt.Sprintf("%s and %s both show", name, j.scans[1].Name())
	}
	if r.Seen < leastBrain {
		return atlasError("%s %.1f %% of a brain: too little to be placed in the atlas, %.0f %% are needed", shown, 100*r.Seen, 100*leastBrain)
	}
	if r.Seen < mostBrain {
		j.warn(fmt.Sprintf("%s %.0f %% of a brain: nothing can be found in the rest", shown, 100*r.Seen))
	}
	j.rec.Contrast = contrast(v, found.ToScan)
	what, _ := j.rec.Contrast.Unlike(j.scans[0].Name())
	j.warn(what)
	slog.Info(fmt.Sprintf("%s: registered to the atlas: turned by %.1f°, volumes × %.2f; local correlation %.2f, %.0f %% of the brain seen", j.scans[0].Name(), r.Degrees, r.Volume, r.Correlation, 100*r.Seen))
	return nil
}

// mean is the time points together, each with its robust maximum as 1, on 1.5 mm voxels of the
// space between, with the brain where it is known.
func (j *job) mean() (*volume.Volume, *volume.Mask) {
	if len(j.scans) == 1 {
		return j.scans[0], j.brains[0]
	}
	g := j.box(1.5)
	out, seen := volume.New(g), make([]float32, g.Len())
	for n, v := range j.scans {
		unit := float32(1 / max(1e-9, volume.Percentile(v.Data, 99)))
		moved := volume.ResampleThrough(v, g, j.half[n], volume.Linear, float32(math.NaN()))
		for x, f := range moved.Data {
			if f-f == 0 {
				out.Data[x] += f * unit
				seen[x]++
			}
		}
	}
	for x, n := range seen {
		if n > 0 {
			out.Data[x] /= n
		}
	}
	out.Path = j.scans[0].Path
	return out, j.brain(g, volume.Identity)
}

// brain is what is brain in all scans whose brain is known, on a grid of a space that t leads from to
// the space between; nil where none is known.
func (j *job) brain(g volume.Grid, t volume.Transform) *volume.Mask {
	all, _ := j.brainIn(g, t)
	return all
}

// brainIn is also what is brain in any of the scans.
func (j *job) brainIn(g volume.Grid, t volume.Transform) (all, some *volume.Mask) {
	for n, m := range j.brains {
		if m == nil {
			continue
		}
		moved := m.ResampleThrough(g, j.half[n].Mul(t))
		moved.Path, moved.Source = "", nil
		if all == nil {
			all, some = moved, moved.Like()
			copy(some.Data, moved.Data)
			continue
		}
		for x, in := range moved.Data {
			all.Data[x] = all.Data[x] && in
			some.Data[x] = some.Data[x] || in
		}
	}
	if all == nil {
		return nil, nil
	}
	for n, v := range j.scans { // a mask of one scan may reach beyond the other
		if j.brains[n] == nil {
			shown := shownOf(v, g, j.half[n].Mul(t))
			for x, in := range all.Data {
				all.Data[x] = in && shown(x)
			}
		}
	}
	return all, some
}

// box is the grid of voxels of mm along the axes of the space between that holds all scans.
func (j *job) box(mm float64) (g volume.Grid) {
	lo, hi := [3]float64{1e9, 1e9, 1e9}, [3]float64{-1e9, -1e9, -1e9}
	for n, v := range j.scans {
		to := j.half[n].Inverse().Mul(v.Affine)
		for c := range 8 {
			p := to.Apply([3]float64{pick(c&1, 0, v.Size[0]-1), pick(c>>1&1, 0, v.Size[1]-1), pick(c>>2, 0, v.Size[2]-1)})
			for d := range 3 {
				lo[d], hi[d] = min(lo[d], p[d]), max(hi[d], p[d])
			}
		}
	}
	for d := range 3 {
		g.Size[d] = int(math.Ceil((hi[d]-lo[d])/mm)) + 1
		g.Affine[d][d] = mm
		g.Affine[d][3] = (lo[d]+hi[d])/2 - mm*float64(g.Size[d]-1)/2
	}
	return g
}

// grid is that of the prepared space.
func (j *job) grid() (volume.Grid, error) {
	switch {
	case j.s.Atlas != None:
		return volume.Iso(atlas.Brain().Grid, 1)
	case len(j.scans) == 1 || j.half == pose{volume.Identity, volume.Identity}:
		return volume.Iso(j.scans[0].Grid, 1)
	}
	return j.box(1), nil
}

// resample brings everything to the prepared space, by one interpolation.
func (j *job) resample() (*Prepared, error) {
	g, err := j.grid()
	if err != nil {
		return nil, err
	}
	p := &Prepared{}
	brain, some := j.brainIn(g, j.toHalf)
	p.Brain = brain
	for n, v := range j.scans {
		t := j.half[n].Mul(j.toHalf)
		out := volume.ResampleThrough(v, g, t, volume.Cubic, 0)
		out.Source = nil
		out.Path = v.Path
		if low := volume.Percentile(v.Data, 0); low >= 0 { // the spline overshoots at edges
			for x, f := range out.Data {
				out.Data[x] = max(0, f)
			}
		}
		p.Times, p.ToScan = append(p.Times, out), append(p.ToScan, t)
		j.rec.Scans[n].ToScan = t
		var field *volume.Volume
		if f := j.fields[n]; f != nil {
			field = extended(f.On(v.Grid), g, t)
		}
		p.Fields = append(p.Fields, field)
	}
	j.rec.Grid = gridRecord(g)
	if p.Brain != nil && j.s.Atlas != None {
		p.White = whiteMatter(p.Brain, j.toAtlas)
	}
	if p.Brain != nil {
		j.rec.BrainML = ml(p.Brain)
		if p.Brain.Count() == 0 {
			return nil, fmt.Errorf("%s: no brain is left in the prepared space: do the brain mask and the registration belong to this scan?", j.scans[0].Name())
		}
		if m := j.missed(some, j.toHalf); m != nil {
			j.rec.Missed = m
			j.warn(fmt.Sprintf("%s and %s: %.0f ml of brain (%.0f %% of what either shows) are in one of them alone: nothing can be found there", j.scans[0].Name(), j.scans[len(j.scans)-1].Name(), m.ML, 100*m.Share))
		}
	}
	return p, nil
}
