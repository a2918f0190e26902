package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"voxgrad/internal/outfile"
	"voxgrad/metrics"
	"voxgrad/report"
	"voxgrad/train"
	"voxgrad/train/dataset"
	"voxgrad/volume"
)

// subject is a real scan or pair with what is marked in it.
type subject struct {
	Set, Name string
	times     []string
	brain     string // "" : the program finds it
	truth     string
	draw      string // file for a picture; "": none
	asWritten bool   // nothing but the mask that the program writes is scored
	worse     bool   // after a change: simple thresholds are not tried
	kinds     string // of a pair, what the published change mask holds, to leave out detections that are right in another sense
}

// subjects lists the marked scans, or pairs, of the shared data, or of a table of cases.
func subjects(data string, pairs bool) (out []subject, err error) {
	if filepath.Ext(data) == ".csv" {
		return tableSubjects(data, pairs)
	}
	sets := []string{"cross_sectional", "thick_slices"}
	if pairs {
		sets = []string{"longitudinal"}
	}
	for _, set := range sets {
		dirs, err := filepath.Glob(filepath.Join(data, set, "*", ""))
		if err != nil {
			return nil, err
		}
		for _, d := range dirs {
			file := func(name string) string { return filepath.Join(d, name) }
			s := subject{Set: set, Name: filepath.Base(d), times: []string{file("flair.nii.gz")}, truth: file("lesions.nii.gz"), brain: file("brainmask.nii.gz")}
			if pairs {
				s.times, s.truth, s.kinds = []string{file("flair_time01.nii.gz"), file("flair_time02.nii.gz")}, file("new_lesions.nii.gz"), file("change_kind.nii.gz")
			}
			if _, err := os.Stat(s.times[0]); err != nil {
				continue // a licence beside the folders
			}
			if _, err := os.Stat(s.brain); err != nil {
				s.brain = ""
			}
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no marked scan in %s", data, strings.Join(sets, ", "))
	}
	return out, nil
}

// tableSubjects lists the cases of a table as training reads it.
func tableSubjects(file string, pairs bool) (out []subject, err error) {
	set, err := dataset.Open(file, dataset.Options{})
	if err != nil {
		return nil, err
	}
	times := 1
	if pairs {
		times = 2
	}
	for _, c := range set.Cases {
		if len(c.Missing) > 0 {
			return nil, fmt.Errorf("%s: %s is missing", file, strings.Join(c.Missing, ", "))
		}
		if len(c.Times) != times || len(c.Masks) != 1 {
			return nil, fmt.Errorf("%s: case %s has %d scans and %d masks; %d and 1 are needed", file, c.ID, len(c.Times), len(c.Masks), times)
		}
		out = append(out, subject{Set: strings.TrimSuffix(filepath.Base(file), ".csv"), Name: c.ID, times: c.Times, brain: c.Brain, truth: c.Masks[0]})
	}
	return out, nil
}

// point is a subject's scores at a threshold and a least lesion size.
type point struct {
	Threshold float64 `json:"threshold"`
	LeastMM3  float64 `json:"least_mm3"` // smaller pieces are taken out of the mask
	// NaN, null in the file, where nothing is marked.
	Dice train.Number `json:"dice"`
	F1   train.Number `json:"lesion_f1"`
	Sens train.Number `json:"lesion_sensitivity"`
	PPV  train.Number `json:"lesion_ppv"`
	// FairF1 leaves out detections on places where the published change mask holds another change.
	FairF1 train.Number `json:"lesion_f1_without_other_changes"`
	Found  int          `json:"found"`
	Truth  int          `json:"lesions"`
	False  int          `json:"false_lesions"`
	// BySize is found and all lesions of the truth of at most sizes[i] mm³, the last of more.
	BySize [][2]int `json:"found_and_lesions_by_size"`
}

// sizes are the upper ends of the groups of lesions, mm³.
var sizes = []float64{10, 30, 100, 1000}

// scored is a subject's scores.
type scored struct {
	Set     string  `json:"set"`
	Name    string  `json:"name"`
	Change  string  `json:"change,omitempty"` // of the scans, for robustness; "nothing new": one scan twice
	Seconds float64 `json:"seconds"`          // of the command, from files to files
	Points  []point `json:"points"`
	// Written is the mask that the program wrote, by the weights' threshold and least size.
	Written *point `json:"as_written,omitempty"`
	// Threshold is the best on this very pair, or scan, of thresholds of the difference, or of the intensity: what they can reach at most.
	Threshold *point `json:"threshold_tuned_on_this,omitempty"`
	// Refused is what the program said where it gave no answer.
	Refused string `json:"refused,omitempty"`
}

// sameScan is the change after which nothing is new.
const sameScan = "nothing new"

// score runs the program on every marked scan or pair and scores its probabilities.
func score(args []string) error {
	f := flag.NewFlagSet("score", flag.ExitOnError)
	data, program := f.String("data", "", "folder of the shared data, or a table of cases, *.csv"), f.String("voxgrad", "bin/voxgrad", "the program")
	models := f.String("models", "", "weights files, separated by commas, one ensemble")
	single := f.Bool("single", false, "all lesions of single scans by segmenters; else new lesions of pairs by detectors")
	only, more := f.String("only", "", "subjects whose set/name holds this"), f.String("more", "", "further options of the command, separated by blanks")
	robust := f.Bool("robust", false, "with thicker slices, noise, bias fields and misregistration too, and of detectors one scan twice: "+sameScan)
	out := f.String("json", "", "file to write all scores to")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *data == "" || *models == "" {
		return errors.New("--data and --models are needed")
	}
	list, err := subjects(*data, !*single)
	if err != nil {
		return err
	}
	tries := []change{{}}
	if *robust {
		if tries = changes(!*single); !*single {
			tries = append(tries, change{sameScan, nothingNew})
		}
	}
	var all []scored
	for _, s := range list {
		if !strings.Contains(s.Set+"/"+s.Name, *only) {
			continue
		}
		for _, c := range tries {
			var r scored
			if c.apply == nil {
				r, err = s.score(*program, strings.Split(*models, ","), strings.Fields(*more))
			} else {
				r, err = s.scoreChanged(c, c.name != sameScan, *program, strings.Split(*models, ","), strings.Fields(*more))
			}
			if err != nil {
				return fmt.Errorf("%s/%s %s: %w", s.Set, s.Name, c.name, err)
			}
			all = append(all, r)
			if err := scoreTable(all[len(all)-1:]).WriteText(os.Stdout); err != nil {
				return err
			}
		}
	}
	if len(all) == 0 {
		return fmt.Errorf("--only %s: no subject is called so", *only)
	}
	for _, c := range tries {
		if err := meanTable(all, c.name).WriteText(os.Stdout); err != nil {
			return err
		}
	}
	if *out == "" {
		return nil
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	return outfile.WriteBytes(*out, append(text, '\n'))
}

// refused is a call of the program without an answer.
type refused struct {
	call, said string
	err        error
}

func (r *refused) Error() string { return fmt.Sprintf("%s: %v: %s", r.call, r.err, r.said) }

// score runs the program on the subject's files.
func (s subject) score(program string, models, more []string) (r scored, err error) {
	r = scored{Set: s.Set, Name: s.Name}
	dir, err := os.MkdirTemp("", "score")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	prob := filepath.Join(dir, "prob.nii.gz")
	args := append([]string{"segment", "--flair", s.times[0]}, more...)
	if len(s.times) > 1 {
		args = append([]string{"predict", "--time1", s.times[0], "--time2", s.times[1]}, more...)
	}
	for _, m := range models {
		args = append(args, "--model", m)
	}
	if s.brain != "" {
		args = append(args, "--brainmask", s.brain)
	}
	written := filepath.Join(dir, "mask.nii.gz")
	args = append(args, "--out", written, "--prob", prob)
	begin := time.Now()
	cmd := exec.Command(program, args...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return r, &refused{strings.Join(args, " "), strings.TrimSpace(string(text)), err}
	}
	r.Seconds = time.Since(begin).Seconds()
	p, err := volume.Read(prob)
	if err != nil {
		return r, err
	}
	truth, err := volume.ReadMask(s.truth)
	if err != nil {
		return r, err
	}
	var kinds *volume.Volume
	if s.kinds != "" {
		if kinds, err = volume.Read(s.kinds); err != nil {
			return r, err
		}
	}
	mask, err := volume.ReadMask(written)
	if err != nil {
		return r, err
	}
	own, err := measure(truth, mask, kinds, 0)
	if err != nil {
		return r, err
	}
	r.Written = &own
	if s.draw != "" {
		if err := s.picture(mask, p, truth); err != nil {
			return r, err
		}
	}
	thresholds := []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9}
	if s.asWritten {
		thresholds = nil
	}
	for _, threshold := range thresholds {
		for _, least := range []float64{3, 10, 20} {
			x, err := measure(truth, p.Above(threshold), kinds, least)
			if err != nil {
				return r, err
			}
			x.Threshold = threshold
			r.Points = append(r.Points, x)
		}
	}
	if s.brain != "" && truth.Count() > 0 && !s.worse {
		err = s.threshold(&r, truth, kinds)
	}
	return r, err
}

// threshold adds the best of the thresholds: of the difference by lesion F1, of a single scan's intensity by Dice.
func (s subject) threshold(r *scored, truth *volume.Mask, kinds *volume.Volume) error {
	brain, err := volume.ReadMask(s.brain)
	if err != nil {
		return err
	}
	var times []*volume.Volume
	for _, path := range s.times {
		v, err := volume.Read(path)
		if err != nil {
			return err
		}
		times = append(times, v)
	}
	try := func(sds float64) (*volume.Mask, error) {
		o := volume.DefaultDifference()
		o.SDs = sds
		return volume.DifferenceBaseline(times[0], times[1], brain, o)
	}
	list, better := []float64{3, 3.5, 4, 4.5, 5, 6, 7, 8, 10}, func(a, b *point) bool { return a.F1 > b.F1 }
	if len(times) == 1 {
		try = func(sds float64) (*volume.Mask, error) { return bright(times[0], brain, sds), nil }
		list, better = []float64{1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 3, 3.5, 4}, func(a, b *point) bool { return a.Dice > b.Dice }
	}
	for _, sds := range list {
		m, err := try(sds)
		if err != nil {
			return err
		}
		x, err := measure(truth, m, kinds, 3)
		if err != nil {
			return err
		}
		if x.Threshold = sds; r.Threshold == nil || better(&x, r.Threshold) {
			r.Threshold = &x
		}
	}
	return nil
}

// bright is what of a brain is so many standard deviations brighter than its mean.
func bright(v *volume.Volume, brain *volume.Mask, sds float64) *volume.Mask {
	var sum, squares, n float64
	for i, in := range brain.Data {
		if in {
			x := float64(v.Data[i])
			sum, squares, n = sum+x, squares+x*x, n+1
		}
	}
	level := sum/n + sds*math.Sqrt(max(0, squares/n-sum/n*sum/n))
	m := volume.NewMask(v.Grid)
	for i, in := range brain.Data {
		m.Data[i] = in && float64(v.Data[i]) > level
	}
	return m
}

// undefined is null in the file.
var undefined = train.Number(math.NaN())

// measure scores a mask without its pieces of least mm³ or less.
func measure(truth, mask *volume.Mask, kinds *volume.Volume, least float64) (p point, err error) {
	p = point{LeastMM3: least, FairF1: undefined}
	if mask, err = without(mask, least, nil); err != nil {
		return p, err
	}
	o := metrics.DefaultOptions()
	o.Groups = metrics.VoxelGroup | metrics.LesionGroup
	r, err := metrics.Evaluate(truth, mask, o)
	if err != nil {
		return p, err
	}
	if r.EmptyTruth() {
		p.Dice, p.F1, p.Sens, p.PPV, p.False = undefined, undefined, undefined, undefined, r.Tested.Lesions
		return p, nil
	}
	p.Dice, p.F1 = train.Number(r.Voxel.Dice), train.Number(r.Lesion.F1)
	p.Sens, p.PPV = train.Number(r.Lesion.Sensitivity), train.Number(r.Lesion.PPV)
	p.Truth, p.BySize = len(r.TruthLesions), make([][2]int, len(sizes)+1)
	for _, l := range r.TruthLesions {
		group := 0
		for group < len(sizes) && l.VolumeMM3 > sizes[group] {
			group++
		}
		p.BySize[group][1]++
		if l.Found {
			p.Found++
			p.BySize[group][0]++
		}
	}
	for _, l := range r.PredLesions {
		if !l.Found {
			p.False++
		}
	}
	if kinds == nil {
		return p, nil
	}
	if mask, err = without(mask, 0, func(i int) bool { return kinds.Data[i] == 2 || kinds.Data[i] == 4 }); err != nil {
		return p, err
	}
	if r, err = metrics.Evaluate(truth, mask, o); err == nil {
		p.FairF1 = train.Number(r.Lesion.F1)
	}
	return p, err
}

// without is a mask without its pieces of at most so many mm³, and without those that lie mostly on left out voxels.
func without(m *volume.Mask, mm3 float64, leftOut func(i int) bool) (*volume.Mask, error) {
	labels, pieces, err := volume.Components(m.Data, m.Size, 6)
	if err != nil {
		return nil, err
	}
	out := m.Like()
	out.Data = make([]bool, len(m.Data))
	drop := make([]bool, len(pieces)+1)
	on := make([]int, len(pieces)+1)
	for i, l := range labels {
		if l > 0 && leftOut != nil && leftOut(i) {
			on[l]++
		}
	}
	for n, p := range pieces {
		drop[n+1] = float64(p.Voxels)*m.VoxelMM3() <= mm3 || 2*on[n+1] > p.Voxels
	}
	for i, l := range labels {
		out.Data[i] = l > 0 && !drop[l]
	}
	return out, nil
}

func scoreColumns(name string) []report.Column {
	return []report.Column{{Name: name}, {Name: "threshold", Unit: report.Probability}, {Name: "Dice", Unit: report.Score}, {Name: "lesion F1", Unit: report.Score}, {Name: "sensitivity", Unit: report.Score}, {Name: "PPV", Unit: report.Score},
		{Name: "F1 without other changes", Unit: report.Score}, {Name: "found"}, {Name: "of"}, {Name: "false"}, {Name: "s"}}
}

// tabled is the least lesion size of the tables; the file has all.
const tabled = 3

func scoreTable(all []scored) *report.Table {
	t := &report.Table{Columns: scoreColumns(fmt.Sprintf("scan, pieces above %d mm³", tabled))}
	add := func(name string, p point, seconds any) {
		t.Add(name, p.Threshold, float64(p.Dice), float64(p.F1), float64(p.Sens), float64(p.PPV), float64(p.FairF1), p.Found, p.Truth, p.False, seconds)
	}
	for _, s := range all {
		for _, p := range s.Points {
			if p.LeastMM3 == tabled {
				add(strings.TrimSpace(s.Set+"/"+s.Name+" "+s.Change), p, s.Seconds)
			}
		}
		if s.Threshold != nil {
			add("best threshold, SDs, of these very scans", *s.Threshold, "")
		}
	}
	return t
}

// meanTable has the means over the scans of each set, at each threshold and least size.
func meanTable(all []scored, of string) *report.Table {
	t := &report.Table{Title: strings.TrimSpace("means " + of), Columns: []report.Column{{Name: "set"}, {Name: "threshold", Unit: report.Probability}, {Name: "pieces above, mm³"}, {Name: "scans"}, {Name: "Dice", Unit: report.Score}, {Name: "lesion F1", Unit: report.Score},
		{Name: "F1 without other changes", Unit: report.Score}, {Name: "false lesions", Unit: report.Unit{Digits: 1}}}}
	var sets []string
	for _, s := range all {
		if !slices.Contains(sets, s.Set) {
			sets = append(sets, s.Set)
		}
	}
	for _, set := range sets {
		for i := range all[0].Points {
			var dice, f1, fair, wrong, n float64
			var p point
			for _, s := range all {
				if s.Set != set || s.Change != of {
					continue
				}
				p = s.Points[i]
				dice, f1, fair, wrong, n = dice+float64(p.Dice), f1+float64(p.F1), fair+float64(p.FairF1), wrong+float64(p.False), n+1
			}
			if n > 0 {
				t.Add(set, p.Threshold, p.LeastMM3, int(n), dice/n, f1/n, fair/n, wrong/n)
			}
		}
	}
	return t
}
