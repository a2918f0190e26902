package predict

import (
	"context"
	"errors"
	"fmt"

	"voxgrad/device"
	"voxgrad/internal/warn"
	"voxgrad/models"
	"voxgrad/prepare"
	"voxgrad/train/infer"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

// The values of --grid.
const (
	gridTime1    = "time1"
	gridTime2    = "time2"
	gridPrepared = "prepared"
)

// grids are the values of --grid that the command knows.
func (j *predictJob) grids() []string {
	if j.kind == models.Detector {
		return []string{gridTime1, gridTime2, gridPrepared}
	}
	return []string{gridTime1, gridPrepared}
}

// prepared is the case to predict from, prepared where that is asked for or needed, and the scan
// on whose grid the results are wanted; nil where they are on it already. What is doubtful about the preparation is
// in j.doubts.
func (j *predictJob) prepared(ctx context.Context, dev device.Backend, c prep.Case) (prep.Case, *nativeScan, error) {
	in := prepare.Input{Times: c.Times, Brain: c.Brain}
	register, strip := in.Needs()
	register = register && !j.opt.ResampleTimes
	strip = strip && !c.NoMask
	if c.Space == nil && j.prepare == prepare.None && register {
		return c, nil, fmt.Errorf("%w, or have the time points registered: --prepare auto", volume.SameSpace(c.Times[0], c.Times[1]))
	}
	if c.Space != nil || j.prepare == prepare.None || j.prepare == prepare.Auto && !register && !strip {
		j.unmatched = len(c.Times) == 2 && j.prepare != prepare.None
		return c, j.native(c), nil
	}
	if err := in.Check(); err != nil {
		return c, nil, fmt.Errorf("%w; a scan that is prepared already is taken as it is with --prepare none or with its brain mask (--brainmask)", err)
	}
	s := prepare.Defaults()
	if c.NoMask {
		s.Strip = prepare.None
	}
	switch {
	case j.prepare == prepare.All:
		s.Register = prepare.All
	case j.opt.ResampleTimes: // they are in one space
		s.Register = prepare.None
	}
	extract, free := prepare.Found(dev)
	defer free()
	in.Extract = extract
	p, err := prepare.Run(ctx, in, s)
	if failed := (*prepare.AtlasError)(nil); errors.As(err, &failed) { // networks do not need it
		j.doubt(failed.Error() + ", as is done now")
		s.Atlas = prepare.None
		p, err = prepare.Run(ctx, in, s)
	}
	if err != nil {
		return c, nil, j.registerOrNot(err)
	}
	if what, sure := p.Record.Contrast.Unlike(c.Times[0].Name()); sure && j.refuses() {
		return c, nil, otherContrast(what)
	}
	for _, w := range p.Record.Warnings {
		j.doubt(w)
	}
	j.missed = p.Record.Missed
	var to *nativeScan
	if n := j.time(); n >= 0 {
		to = newNative(c.Times[n], n, p.ToScan[n], j.picture != "")
	}
	return prep.Case{Times: p.Times, Brain: p.Brain, NoMask: c.NoMask}, to, nil
}

// registerOrNot adds what to do to the error of two time points that do not match where they are.
func (j *predictJob) registerOrNot(err error) error {
	m := (*prepare.MatchError)(nil)
	switch {
	case errors.As(err, &m) && j.space != "":
		return fmt.Errorf("%w and are the transforms theirs, each its own? without --space and transforms they are registered; --prepare none takes them as they are", err)
	case errors.As(err, &m):
		return fmt.Errorf("%w if so, have them registered (--prepare all) or take them as they are (--prepare none)", err)
	}
	return err
}

// doubt tells of what is doubtful about the scans, and keeps it for the report.
func (j *predictJob) doubt(what string) {
	warn.Once("%s", what)
	j.doubts = append(j.doubts, what)
}

// look tells of what is unlike FLAIR scans in a case that is ready to be searched, and of what of it is not. What is clearly
// another contrast is an error for the built-in networks.
func (j *predictJob) look(p *prep.Prepared) error {
	j.doubts = append(j.doubts, p.Left...)
	if j.unmatched { // taken where they are, or where the transforms of another program put them
		doubt, err := prepare.Matches(p.Aligned[0], p.Aligned[1], p.Masked)
		if err != nil {
			return j.registerOrNot(err)
		}
		if doubt != "" {
			j.doubt(doubt)
		}
	}
	doubts, err := p.Unusual()
	if err != nil {
		return err
	}
	for _, d := range doubts {
		if j.refuses() { // the atlas tells for sure
			v := *p.Images[d.Time]
			v.Path = j.images[d.Time]
			c, err := prepare.Contrast(&v, p.Brain)
			if failed := (*prepare.AtlasError)(nil); errors.As(err, &failed) {
				return otherContrast(d.Text + ", and the scan does not match the atlas")
			}
			if err != nil {
				return err
			}
			if what, sure := c.Unlike(v.Name()); sure {
				return otherContrast(what)
			}
		}
		j.doubt(d.Text + "; the networks know FLAIR scans alone")
	}
	return nil
}

// refuses reports whether scans that are clearly no FLAIR are refused: one's own weights may know them.
func (j *predictJob) refuses() bool { return j.builtIn && !j.anyContrast }

func otherContrast(what string) error {
	return fmt.Errorf("%s; the built-in networks know FLAIR scans alone: give a FLAIR scan, or have this one searched all the same with --any-contrast", what)
}

// time is the number of the time point on whose grid the results are wanted; -1 for none.
func (j *predictJob) time() int {
	switch j.grid {
	case gridTime1:
		return 0
	case gridTime2:
		return 1
	}
	return -1
}

// nativeScan is a scan as it was given, where results are wanted on its grid and are not there.
type nativeScan struct {
	grid    *volume.Volume   // without its voxels
	scan    *volume.Volume   // nil: not wanted in the result
	time    int              // its number
	inverse volume.Transform // to the space of the prediction
}

func newNative(v *volume.Volume, time int, toScan volume.Transform, withScan bool) *nativeScan {
	n := &nativeScan{grid: &volume.Volume{Grid: v.Grid, Source: v.Source, Path: v.Path}, time: time, inverse: toScan.Inverse()}
	if withScan {
		n.scan = v
	}
	return n
}

// native is the way back from a case that is predicted from as it was given.
func (j *predictJob) native(c prep.Case) *nativeScan {
	n := j.time()
	switch {
	case n < 0 || c.Space == nil && n == 0:
		return nil
	case c.Space != nil && c.Transforms[n] != nil:
		return newNative(c.Times[n], n, c.Transforms[n].Transform, j.picture != "")
	}
	return newNative(c.Times[n], n, volume.Identity, j.picture != "")
}

// back moves a result from the space of the prediction to the grid of a scan as it was
// given: the map is interpolated linearly, then thresholded.
func (n *nativeScan) back(r *infer.Result, opt infer.Options) error {
	back := func(v *volume.Volume) *volume.Volume {
		v = volume.ResampleThrough(v, n.grid.Grid, n.inverse, volume.Linear, 0)
		v.Path, v.Source = "", n.grid.Source
		return v
	}
	prob := back(r.Prob)
	for m, v := range r.Members {
		r.Members[m] = back(v)
	}
	r.Prob, r.Mask = prob, prob.Above(opt.Threshold)
	if err := infer.RemoveSmall(r.Mask, opt.Least); err != nil {
		return err
	}
	if n.scan == nil {
		r.Brain = nil
		return nil
	}
	if r.Brain != nil {
		r.Brain = volume.ResampleThrough(r.Brain.Volume(), n.grid.Grid, n.inverse, volume.Linear, 0).Above(0.5)
	}
	for i, v := range r.Aligned {
		if i == n.time {
			r.Aligned[i] = n.scan
			continue
		}
		r.Aligned[i] = volume.ResampleThrough(v, n.grid.Grid, n.inverse, volume.Linear, 0)
		r.Aligned[i].Path = v.Path
	}
	return nil
}
