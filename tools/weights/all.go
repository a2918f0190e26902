package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image/jpeg"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"voxgrad/internal/infile"
	"voxgrad/internal/outfile"
	"voxgrad/report"
	"voxgrad/train"
	"voxgrad/volume"
	"voxgrad/weights"
)

// sources are whose scans the pictures show.
var sources = map[string]string{
	"longitudinal":    "Lesjak et al., Neuroinformatics 2016, CC-BY",
	"cross_sectional": "Lesjak et al., Neuroinformatics 2017, CC-BY",
	"thick_slices":    "MRI_MS_Insights and MS-DeepBrain-Study of the Tabriz repositories, MIT",
}

// task is a run of the program: a built-in network on a subject after a change.
type task struct {
	network string
	subject
	change change
}

func (t task) name() string {
	return strings.TrimSpace(strings.Join([]string{t.network, t.Set + "/" + t.Name, t.change.name}, " "))
}

// tasks are all of them, what matters most first: detectors on the marked pairs, as they are and after every change, and on scans twice; segmenters on the
// marked scans that they were not trained on, as they are and after every change. Scans that detectors had lesions drawn into are there twice as
// well: the last, and with means of their own.
func tasks(data string, networks []string, robust bool) (out []task, err error) {
	pairs, err := subjects(data, true)
	if err != nil {
		return nil, err
	}
	scans, err := subjects(data, false)
	if err != nil {
		return nil, err
	}
	add := func(network string, list []subject, trained bool, changes ...change) {
		for _, c := range changes {
			for _, s := range list {
				if trained == trainedOn(network, s.Set, s.Name) && slices.Contains(networks, network) {
					s.asWritten = true
					out = append(out, task{network, s, c})
				}
			}
		}
	}
	var visits []subject // of the pairs, each a scan
	for _, p := range pairs {
		for n, path := range p.times {
			v := p
			v.Name, v.times = fmt.Sprintf("%s visit %d", p.Name, n+1), []string{path}
			visits = append(visits, v)
		}
	}
	same := change{sameScan, nothingNew}
	add(weights.Detector, pairs, false, changes(true)[0])
	add(weights.Segmenter, scans, false, changes(false)[0])
	add(weights.Detector, append(visits, scans...), false, same)
	if robust {
		add(weights.Detector, pairs, false, changes(true)[1:]...)
		add(weights.Segmenter, scans, false, changes(false)[1:]...)
	}
	add(weights.Detector, scans, true, same)
	return out, nil
}

// runsFile is what has been scored so far, by one build of the program: weights are part of it.
type runsFile struct {
	Program string            `json:"program_sha256"`
	Runs    map[string]scored `json:"runs"`
}

// all makes the figures of docs/results/builtin.md: with what is written, and no other thresholds.
func all(args []string) error {
	f := flag.NewFlagSet("all", flag.ExitOnError)
	data, program := f.String("data", "", "folder of the shared data"), f.String("voxgrad", "bin/voxgrad", "the program, with the weights to score in it")
	out := f.String("out", "", "folder for tables, pictures and scores; the same folder again goes on")
	robust := f.Bool("robust", true, "with thicker slices, noise, bias fields and misregistration too")
	only := f.String("only", "", "run what has this in its name, as "+weights.Segmenter+" or noise; the tables are of all that has been run")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *data == "" || *out == "" {
		return errors.New("--data and --out are needed")
	}
	if err := os.MkdirAll(*out, 0o777); err != nil {
		return err
	}
	list, err := tasks(*data, weights.Names(), *robust)
	if err != nil {
		return err
	}
	runs, err := readRuns(filepath.Join(*out, "runs.json"), *program)
	if err != nil {
		return err
	}
	for n, t := range list {
		if _, done := runs.Runs[t.name()]; done || !strings.Contains(t.name(), *only) {
			continue
		}
		fmt.Printf("%d of %d: %s\n", n+1, len(list), t.name())
		if t.change.name == "" {
			t.draw = filepath.Join(*out, fmt.Sprintf("builtin-%s-%s.jpg", t.network, t.Name))
		}
		var r scored
		if t.change.apply == nil {
			r, err = t.score(*program, nil, nil)
		} else {
			r, err = t.scoreChanged(t.change, t.change.name != sameScan, *program, nil, nil)
		}
		if no := (*refused)(nil); errors.As(err, &no) && fmt.Sprint(no.err) == "exit status 1" { // an answer too; one that was killed has none
			lines := strings.Split(no.said, "\n")
			r, err = scored{Set: t.Set, Name: t.Name, Change: t.change.name, Refused: lines[len(lines)-1]}, nil
			fmt.Println(r.Refused)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t.name(), err)
		}
		runs.Runs[t.name()] = r
		text, err := json.MarshalIndent(runs, "", " ")
		if err != nil {
			return err
		}
		if err := outfile.WriteBytes(filepath.Join(*out, "runs.json"), append(text, '\n')); err != nil {
			return err
		}
	}
	return outfile.WriteBytes(filepath.Join(*out, "builtin.md"), []byte(markdown(list, runs.Runs)))
}

// readRuns is what an earlier call with this program has scored.
func readRuns(path, program string) (*runsFile, error) {
	hash, err := infile.SHA256(program)
	if err != nil {
		return nil, err
	}
	runs := &runsFile{Program: hash, Runs: map[string]scored{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return runs, nil
	}
	if err != nil {
		return nil, err
	}
	var old runsFile
	if err := json.Unmarshal(text, &old); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if old.Program != hash {
		return nil, fmt.Errorf("%s holds scores of another build of the program: take another folder, or remove it", path)
	}
	if old.Runs != nil {
		runs.Runs = old.Runs
	}
	return runs, nil
}

// picture draws what was found, beside the truth.
func (s subject) picture(mask *volume.Mask, prob *volume.Volume, truth *volume.Mask) error {
	c := &report.Case{Title: s.Name, Mask: mask.Volume(), Prob: prob, Truth: truth.Volume(), Rows: 3}
	var times []*volume.Volume
	for _, path := range s.times {
		v, err := volume.Read(path)
		if err != nil {
			return err
		}
		times = append(times, v)
	}
	c.Time2 = times[len(times)-1]
	if len(times) > 1 {
		c.Time1 = times[0]
	}
	if s.brain != "" {
		brain, err := volume.ReadMask(s.brain)
		if err != nil {
			return err
		}
		c.Brain = brain.Volume()
	}
	img, err := report.LesionPicture(c)
	if err != nil {
		return err
	}
	return outfile.Write(s.draw, func(w io.Writer) error { return jpeg.Encode(w, img, &jpeg.Options{Quality: 85}) })
}

// tables are Markdown.
type tables struct {
	strings.Builder
	runs map[string]scored
}

func (t *tables) row(cells ...any) {
	for _, c := range cells {
		switch c := c.(type) {
		case train.Number:
			t.WriteString("| " + score3(float64(c)) + " ")
		case float64:
			t.WriteString("| " + score3(c) + " ")
		default:
			fmt.Fprintf(t, "| %v ", c)
		}
	}
	t.WriteString("|\n")
}

func (t *tables) head(title string, cells ...any) {
	fmt.Fprintf(t, "\n## %s\n\n", title)
	t.row(cells...)
	t.WriteString(strings.Repeat("|---", len(cells)) + "|\n")
}

// score3 has three digits; a dash where nothing is defined.
func score3(x float64) string {
	if math.IsNaN(x) {
		return "–"
	}
	return fmt.Sprintf("%.3f", x)
}

// markdown is the tables of what has been run.
func markdown(list []task, runs map[string]scored) string {
	t := &tables{runs: runs}
	t.WriteString("Scores of what the program writes with its built-in networks, thresholds and least sizes, of scans that took no part in training (`go run ./tools/weights all`).\n")
	done := filter(list, func(k task) bool { _, ok := runs[k.name()]; return ok })
	if n := len(list) - len(done); n > 0 {
		fmt.Fprintf(t, "\n%d of %d have not been run.\n", n, len(list))
	}
	list = filter(done, func(k task) bool {
		no := runs[k.name()].Refused
		if no != "" {
			fmt.Fprintf(t, "\n%s: no answer: %s\n", k.name(), no)
		}
		return no == ""
	})
	for _, n := range []struct{ network, title string }{{weights.Detector, "Pairs"}, {weights.Segmenter, "Single scans"}} {
		plain := filter(list, func(k task) bool { return k.network == n.network && k.change.name == "" })
		if len(plain) == 0 {
			continue
		}
		t.plain(n.title, plain)
		t.bySize(n.title, plain)
		t.robust(n.title, filter(list, func(k task) bool { return k.network == n.network && k.change.name != sameScan }))
		t.pictures(plain)
	}
	t.same(filter(list, func(k task) bool { return k.change.name == sameScan }))
	return t.String()
}

// same counts what is found in one scan twice.
func (t *tables) same(list []task) {
	if len(list) == 0 {
		return
	}
	t.head("One scan twice, through two scanners and 0.3 mm off: all that is found is false", "scan", "false lesions")
	for _, trained := range []bool{false, true} {
		total, n, mean := 0, 0, "mean"
		if trained {
			mean = "mean of those that lesions were drawn into in training"
		}
		for _, k := range list {
			if trainedOn(k.network, k.Set, k.Name) == trained {
				found := t.of(k).Written.False
				t.row(k.Set+"/"+k.Name, found)
				total, n = total+found, n+1
			}
		}
		if n > 0 {
			t.row(mean, fmt.Sprintf("%.1f", float64(total)/float64(n)))
		}
	}
}

func filter(list []task, keep func(task) bool) (out []task) {
	for _, k := range list {
		if keep(k) {
			out = append(out, k)
		}
	}
	return out
}

func (t *tables) of(k task) scored { return t.runs[k.name()] }

// plain is each subject, and beside it the best threshold of a difference, or of a single scan's intensity.
func (t *tables) plain(title string, list []task) {
	t.head(title, "scans", "method", "Dice", "lesion F1", "sensitivity", "PPV", "F1 without other changes", "found", "false lesions", "s")
	simple := map[string]string{weights.Detector: "difference", weights.Segmenter: "intensity"}[list[0].network]
	var own, other []point
	for _, k := range list {
		r := t.of(k)
		w := *r.Written
		t.row(k.Set+"/"+k.Name, "built in", w.Dice, w.F1, w.Sens, w.PPV, w.FairF1, fmt.Sprintf("%d of %d", w.Found, w.Truth), w.False, fmt.Sprintf("%.0f", r.Seconds))
		own = append(own, w)
		if d := r.Threshold; d != nil {
			t.row("", fmt.Sprintf("%s, %g SDs: the best here", simple, d.Threshold), d.Dice, d.F1, d.Sens, d.PPV, d.FairF1, fmt.Sprintf("%d of %d", d.Found, d.Truth), d.False, "")
			other = append(other, *d)
		}
	}
	for _, m := range []struct {
		name string
		of   []point
	}{{"built in", own}, {simple + ", each at its best", other}} {
		if len(m.of) > 0 {
			p := means(m.of)
			t.row("mean", m.name, p.Dice, p.F1, p.Sens, p.PPV, p.FairF1, fmt.Sprintf("%d of %d", p.Found, p.Truth), fmt.Sprintf("%.1f", float64(p.False)/float64(len(m.of))), "")
		}
	}
}

// means has the means of the measures, where they are defined, and the sums of what is counted.
func means(list []point) (p point) {
	for _, m := range []func(*point) *train.Number{
		func(p *point) *train.Number { return &p.Dice }, func(p *point) *train.Number { return &p.F1 }, func(p *point) *train.Number { return &p.Sens },
		func(p *point) *train.Number { return &p.PPV }, func(p *point) *train.Number { return &p.FairF1 },
	} {
		sum, n := 0.0, 0.0
		for _, q := range list {
			if v := float64(*m(&q)); !math.IsNaN(v) {
				sum, n = sum+v, n+1
			}
		}
		*m(&p) = train.Number(sum / n)
	}
	p.BySize = make([][2]int, len(sizes)+1)
	for _, q := range list {
		p.Found, p.Truth, p.False = p.Found+q.Found, p.Truth+q.Truth, p.False+q.False
		for g, b := range q.BySize {
			p.BySize[g][0], p.BySize[g][1] = p.BySize[g][0]+b[0], p.BySize[g][1]+b[1]
		}
	}
	return p
}

func (t *tables) bySize(title string, list []task) {
	var own []point
	for _, k := range list {
		own = append(own, *t.of(k).Written)
	}
	t.head(title+": lesions found, by size", "mm³", "found", "of")
	for g, b := range means(own).BySize {
		name := "larger"
		if g < len(sizes) {
			name = fmt.Sprintf("up to %g", sizes[g])
		}
		t.row(name, b[0], b[1])
	}
}

// robust is the means after each change, in the order of the changes.
func (t *tables) robust(title string, list []task) {
	var names []string
	of := map[string][]point{}
	for _, k := range list {
		if !slices.Contains(names, k.change.name) {
			names = append(names, k.change.name)
		}
		of[k.change.name] = append(of[k.change.name], *t.of(k).Written)
	}
	if len(names) < 2 {
		return
	}
	t.head(title+": robustness, means", "change", "Dice", "lesion F1", "found", "false lesions")
	for _, n := range names {
		p := means(of[n])
		t.row(cmp.Or(n, "none"), p.Dice, p.F1, fmt.Sprintf("%d of %d", p.Found, p.Truth), fmt.Sprintf("%.1f", float64(p.False)/float64(len(of[n]))))
	}
}

// pictures names the best, the median and the worst by Dice.
func (t *tables) pictures(list []task) {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b task) int {
		return cmp.Compare(float64(t.of(b).Written.Dice), float64(t.of(a).Written.Dice))
	})
	last := -1
	for _, p := range []struct {
		name string
		at   int
	}{{"best", 0}, {"median", (len(list) - 1) / 2}, {"worst", len(list) - 1}} {
		if p.at == last {
			continue
		}
		last = p.at
		k := list[p.at]
		fmt.Fprintf(t, "\n![The %s: %s, Dice %s](builtin-%s-%s.jpg)\n\n*Scan: %s of %s.*\n", p.name, k.Name, score3(float64(t.of(k).Written.Dice)), k.network, k.Name, k.Name, sources[k.Set])
	}
}
