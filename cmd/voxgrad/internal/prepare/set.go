package prepare

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/internal/infile"
	"voxgrad/internal/lockfile"
	"voxgrad/internal/outfile"
	"voxgrad/internal/text"
	"voxgrad/prepare"
	"voxgrad/report"
	"voxgrad/train/dataset"
	"voxgrad/volume"
)

// What is in the folder of a prepared data set.
const (
	casesFolder  = "cases"
	casesTable   = "cases.csv"
	summaryFile  = "prepared.json"
	stampFile    = "inputs.json" // in a case's folder
	mostAtOnce   = 64
	mostOfRecord = 1 << 20 // bytes
)

// setJob is the preparation of a data set.
type setJob struct {
	root, out, device string
	opt               dataset.Options
	jobs              int
	overwrite, asJSON bool
	settings          prepare.Settings

	set   *dataset.Set
	ready []*result // one per case
}

// stamp is what a prepared case was made of.
type stamp struct {
	Program  string           `json:"program"`       // its version
	Inputs   string           `json:"inputs_sha256"` // names and contents of the case's files
	Settings prepare.Settings `json:"settings"`
	Lesions  [2]float64       `json:"lesions_ml"` // before and after
}

// result is what became of a case.
type result struct {
	Case   string          `json:"case"`
	State  string          `json:"state"` // prepared, kept (from an earlier run) or failed
	Reason string          `json:"reason,omitempty"`
	Stamp  stamp           `json:"made_of"`
	Record *prepare.Record `json:"record,omitempty"`
}

func (r *result) fail(reason string) {
	r.State, r.Reason, r.Record = "failed", text.CleanTo(reason, text.MaxMessage), nil
}

func (j *setJob) folder(c dataset.Case) string { return filepath.Join(j.out, casesFolder, c.ID) }

func (j *setJob) run(cmd *cobra.Command) error {
	if j.jobs < 1 || j.jobs > mostAtOnce {
		return cli.Usagef(cmd, "--jobs %d: 1 to %d cases are prepared at a time", j.jobs, mostAtOnce)
	}
	if err := cli.CheckPaths(cmd); err != nil {
		return err
	}
	var err error
	if j.set, err = dataset.Open(j.root, j.opt); err != nil {
		return err
	}
	if err := cli.CheckPaths(cmd, j.plan); err != nil {
		return err
	}
	if err := j.fit(); err != nil {
		return err
	}
	lock, err := lockfile.Folder(j.out)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if err := j.look(); err != nil {
		return err
	}
	tidy, err := outfile.Folder(filepath.Join(j.out, casesFolder))
	if err != nil {
		return err
	}
	defer tidy()
	j.set.Warn()
	if err := j.prepareAll(cmd); err != nil {
		return err
	}
	return j.finish()
}

// plan is what is read and written.
func (j *setJob) plan(p *outfile.Plan) {
	for _, c := range j.set.Cases {
		p.Read("--data", append(slices.Concat(c.Times, c.Masks), c.Brain, c.WhiteMatter)...)
	}
	p.Fill("--out", j.out, casesFolder, casesTable, summaryFile)
}

// fit refuses a set that cannot become a data set in the folder, before anything is made.
func (j *setJob) fit() error {
	data, err := os.Stat(j.root)
	if err != nil {
		return err
	}
	abs, err := resolved(j.out)
	if err != nil {
		return err
	}
	for dir := abs; data.IsDir() && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && os.SameFile(info, data) {
			return fmt.Errorf("--out %s is inside the data set %s: choose a folder outside of it", text.Clean(j.out), text.Clean(j.root))
		}
	}
	for _, p := range j.set.Problems {
		if p.Level == dataset.Error {
			return errors.New(p.Text)
		}
	}
	whole := dataset.Set{Root: j.set.Root}
	for _, c := range j.set.Cases {
		if c.ID != path.Base(c.ID) || strings.HasPrefix(c.ID, ".") || strings.ContainsAny(c.ID, `\:`) {
			return fmt.Errorf("%s: case \"%s\" cannot be a folder's name: no /, \\ or : and no dot in front", j.root, text.Clean(c.ID))
		}
		if len(c.Missing) == 0 {
			whole.Cases = append(whole.Cases, c)
		}
	}
	if len(whole.Cases) == 0 {
		return j.set.Complete()
	}
	_, err = whole.TimePoints()
	return err
}

// resolved is where a path leads, which need not be there yet: without links, from the root.
func resolved(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for dir := abs; ; dir = filepath.Dir(dir) {
		if to, err := filepath.EvalSymlinks(dir); err == nil {
			return to + strings.TrimPrefix(abs, dir), nil
		}
		if dir == filepath.Dir(dir) {
			return abs, nil
		}
	}
}

// look compares what is in the folder with what is to be made, and finds what is done.
func (j *setJob) look() error {
	byID := map[string]*result{}
	for _, c := range j.set.Cases {
		r := &result{Case: c.ID, Stamp: stamp{Program: cli.Version(), Settings: j.settings}}
		j.ready, byID[c.ID] = append(j.ready, r), r
		if len(c.Missing) > 0 {
			r.fail("missing: " + strings.Join(c.Missing, ", "))
			continue
		}
		one := dataset.Set{Cases: []dataset.Case{c}}
		sum, err := one.Hash(dataset.Images|dataset.Masks|dataset.Maps, infile.SHA256)
		if err != nil {
			r.fail(err.Error())
		}
		r.Stamp.Inputs = sum
	}
	var others []string // versions of the program
	there, err := os.ReadDir(filepath.Join(j.out, casesFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range there {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		dir := filepath.Join(j.out, casesFolder, e.Name())
		var was stamp
		if err := readJSON(filepath.Join(dir, stampFile), &was); err != nil {
			return fmt.Errorf("%s is no case that this command prepared (%w): choose another folder", text.Clean(dir), err)
		}
		r := byID[e.Name()]
		if r == nil {
			return fmt.Errorf("%s is not a case of %s: the two would be one data set; choose another folder", text.Clean(dir), text.Clean(j.root))
		}
		what := ""
		if was.Inputs != r.Stamp.Inputs {
			what = "other files"
		}
		if was.Settings != r.Stamp.Settings {
			what = "other settings"
		}
		if was.Program != cli.Version() && j.overwrite {
			what = "another version of the program"
		}
		if what == "" {
			r.Record = &prepare.Record{}
			if err := readJSON(filepath.Join(dir, prepare.RecordFile), r.Record); err != nil {
				return err
			}
			if r.State, r.Stamp = "kept", was; was.Program != cli.Version() {
				others = append(others, was.Program)
			}
			continue
		}
		if !j.overwrite {
			return fmt.Errorf("%s was prepared from %s: choose another folder, or have it prepared again with --overwrite", text.Clean(dir), what)
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	if len(others) > 0 {
		slog.Warn(fmt.Sprintf("%s: %s kept from another version of the program (%s), this is %s: --overwrite prepares them again",
			text.Clean(j.out), text.Plural(len(others), "case"), text.CleanTo(others[0], text.MaxMessage), cli.Version()))
	}
	return nil
}

// readJSON reads a file that this command wrote.
func readJSON(file string, v any) error {
	b, err := infile.Read(file, mostOfRecord)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", text.Clean(file), err)
	}
	return nil
}

// prepareAll prepares the cases that are left, a few at a time. What fails is in the results; the
// error is the context's, or the device's.
func (j *setJob) prepareAll(cmd *cobra.Command) error {
	var left []int
	for n, r := range j.ready {
		if r.State == "" {
			left = append(left, n)
		}
	}
	if len(left) == 0 {
		return nil
	}
	dev, err := cli.OpenDevice(cmd, j.device)
	if err != nil {
		return err
	}
	defer dev.Close()
	found, free := prepare.Found(dev)
	defer free()
	var network, told sync.Mutex
	extract := func(v *volume.Volume) (*volume.Mask, float64, error) { // one network for all
		network.Lock()
		defer network.Unlock()
		return found(v)
	}
	bar := cli.NewProgress("preparing", len(left))
	defer bar.Shut()
	queue, done := make(chan int), 0
	var workers sync.WaitGroup
	for range min(j.jobs, len(left)) {
		workers.Go(func() {
			for n := range queue {
				r := j.ready[n]
				err := j.prepareCase(cmd.Context(), j.set.Cases[n], r, extract)
				told.Lock()
				if cmd.Context().Err() != nil && err != nil {
					told.Unlock()
					continue
				}
				if done++; err != nil {
					r.fail(err.Error())
				}
				bar.Set(done, "")
				if slog.Info(fmt.Sprintf("%s: %s", text.Clean(r.Case), r.State), "done", done, "of", len(left)); r.Reason != "" {
					slog.Warn(fmt.Sprintf("%s: %s", text.Clean(r.Case), r.Reason))
				}
				told.Unlock()
			}
		})
	}
	for _, n := range left {
		if cmd.Context().Err() != nil {
			break
		}
		queue <- n
	}
	close(queue)
	workers.Wait()
	if cmd.Context().Err() != nil {
		whole := 0
		for _, r := range j.ready {
			if r.Record != nil {
				whole++
			}
		}
		return cli.Stopped(fmt.Errorf("interrupted after %d of %s, which are complete; the same command goes on from here", whole, text.Plural(len(j.ready), "case")))
	}
	return nil
}

// prepareCase prepares one case into its folder, which appears with all that is in it.
func (j *setJob) prepareCase(ctx context.Context, c dataset.Case, r *result, extract func(*volume.Volume) (*volume.Mask, float64, error)) error {
	in := prepare.Input{Extract: extract}
	for _, file := range c.Times {
		v, err := volume.Read(file)
		if err != nil {
			return err
		}
		in.Times = append(in.Times, v)
	}
	var err error
	if c.Brain != "" {
		if in.Brain, err = volume.ReadMask(c.Brain); err != nil {
			return err
		}
	}
	lesions, of, err := lesionsOf(c, in.Times)
	if err != nil {
		return err
	}
	p, err := prepare.Run(ctx, in, j.settings)
	if err != nil {
		return registerOrNot(err)
	}
	g := p.Times[0].Grid
	moved := lesions.ResampleThrough(g, p.ToScan[of])
	moved.Source = nil
	if lesions.Count() > 0 && moved.Count() == 0 {
		return fmt.Errorf("%s: no lesion is left in the prepared space: do the lesion mask and the registration belong to this scan?", lesions.Name())
	}
	for n, m := range []*volume.Mask{lesions, moved} {
		r.Stamp.Lesions[n] = float64(m.Count()) * m.VoxelMM3() / 1000
	}
	part := filepath.Join(j.out, casesFolder, "."+c.ID+".part")
	defer os.RemoveAll(part)
	if err := os.RemoveAll(part); err != nil { // of a run that was killed
		return err
	}
	if err := p.Write(part); err != nil {
		return err
	}
	if err := volume.WriteMask(filepath.Join(part, lesionFile(c)), moved); err != nil {
		return err
	}
	m := p.White // the atlas', for a case that has none of its own
	if c.WhiteMatter != "" {
		if m, err = volume.Read(c.WhiteMatter); err != nil {
			return err
		}
		at := max(0, slices.IndexFunc(in.Times, func(v *volume.Volume) bool { return volume.SpaceDifference(v, m) == "" }))
		m = volume.ResampleThrough(m, g, p.ToScan[at], volume.Linear, 0)
		m.Source = nil
	}
	if m != nil {
		if err := volume.Write(filepath.Join(part, whiteMatterFile), m, volume.Float32); err != nil {
			return err
		}
	}
	if err := cli.WriteJSON(nil, filepath.Join(part, stampFile), r.Stamp); err != nil {
		return err
	}
	if err := os.Rename(part, j.folder(c)); err != nil {
		return err
	}
	r.State, r.Record = "prepared", &p.Record
	return nil
}

// lesionsOf reads a case's lesion mask, on the grid of the time point of, to which it belongs: of two on one grid the
// second, which is the one that shows new lesions.
func lesionsOf(c dataset.Case, times []*volume.Volume) (m *volume.Mask, of int, err error) {
	all, err := dataset.ReadMask(c)
	if err != nil {
		return nil, 0, err
	}
	var first error
	for n, v := range slices.Backward(times) {
		if m, err = all.On(v); err == nil {
			return m, n, nil
		}
		first = err
	}
	return nil, 0, first
}

// The names are those of the layouts longitudinal and cross-sectional.
const whiteMatterFile = "white_matter.nii.gz"

func lesionFile(c dataset.Case) string {
	if len(c.Times) == 1 {
		return "lesions.nii.gz"
	}
	return "new_lesions.nii.gz"
}

// finish writes the table of cases and the summary; cases that failed are an error.
func (j *setJob) finish() error {
	rows, failed := [][]string{{"case", "patient", "time1", "time2", "mask", "brainmask", "white_matter"}}, 0
	for n, c := range j.set.Cases {
		if j.ready[n].State == "failed" {
			failed++
			continue
		}
		at := func(name string) string { // "" where it was not made
			if _, err := os.Stat(filepath.Join(j.folder(c), name)); err != nil {
				return ""
			}
			return path.Join(casesFolder, c.ID, name)
		}
		times := prepare.Files(len(c.Times))[:len(c.Times)]
		second := ""
		if len(times) == 2 {
			second = at(times[1])
		}
		rows = append(rows, []string{c.ID, c.Patient, at(times[0]), second, at(lesionFile(c)), at("brainmask.nii.gz"), at(whiteMatterFile)})
	}
	summary := map[string]any{"data": j.root, "layout": j.set.Layout, "cases": len(j.ready), "failed": failed, "settings": j.settings, "results": j.ready}
	var files outfile.Set
	defer files.Discard()
	if err := files.Write(filepath.Join(j.out, casesTable), func(w io.Writer) error { return csv.NewWriter(w).WriteAll(rows) }); err != nil {
		return err
	}
	if err := cli.WriteJSON(&files, filepath.Join(j.out, summaryFile), summary); err != nil {
		return err
	}
	if err := files.Commit(); err != nil {
		return err
	}
	var err error
	if j.asJSON {
		err = cli.PrintJSON(summary)
	} else {
		err = j.show()
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("%s: %d of %s could not be prepared", j.root, failed, text.Plural(len(j.ready), "case"))
	}
	return err
}

// show prints the measures of each case, the warnings and the failures.
func (j *setJob) show() error {
	t := &report.Table{Title: fmt.Sprintf("%s: layout %s, %s", j.root, j.set.Layout, text.Plural(len(j.ready), "case")), Columns: []report.Column{
		{Name: "case"}, {Name: "state"}, {Name: "brain, ml"}, {Name: "lesions, ml"}, {Name: "between times"}, {Name: "with atlas"}, {Name: "brain seen"}, {Name: "warnings"}}}
	var notes strings.Builder
	for _, r := range j.ready {
		if r.Record == nil {
			t.Add(text.Clean(r.Case), r.State, nil, nil, nil, nil, nil, nil)
			fmt.Fprintf(&notes, "%s: failed: %s\n", text.Clean(r.Case), r.Reason)
			continue
		}
		var between, atlas, seen any
		if m := r.Record.Times; m != nil && m.Correlation > 0 {
			between = fmt.Sprintf("%.3f", m.Correlation)
		}
		if m := r.Record.Atlas; m != nil {
			atlas, seen = fmt.Sprintf("%.3f", m.Correlation), fmt.Sprintf("%.0f %%", 100*m.Seen)
		}
		t.Add(text.Clean(r.Case), r.State, fmt.Sprintf("%.0f", r.Record.BrainML), fmt.Sprintf("%.2f → %.2f", r.Stamp.Lesions[0], r.Stamp.Lesions[1]), between, atlas, seen, len(r.Record.Warnings))
		for _, w := range r.Record.Warnings {
			fmt.Fprintf(&notes, "%s: warning: %s\n", text.Clean(r.Case), text.CleanTo(w, text.MaxMessage))
		}
	}
	if err := t.WriteText(cli.Out); err != nil {
		return err
	}
	_, err := io.WriteString(cli.Out, notes.String())
	return err
}
