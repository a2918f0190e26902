package pipeline

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Stages, in order. The last five are one step for all members.
const (
	segmenter = "segmenter"
	inpainter = "inpainter"
	generator = "generator"
	detector  = "detector"
	finetune  = "finetune"
	predict   = "predict"
	evaluate  = "evaluate"
	baseline  = "baseline"
	outOfFold = "out_of_fold"
	reporting = "report"
)

// Step is one piece of work of the plan.
type Step struct {
	Name  string // unique, and where its files lie: "finetune/fold_2", "rows/010/predict"
	Stage string // what the command line calls it: "finetune", "rows/010/predict"
	Fold  int    // the member, or -1 where there is one step for all
	Needs []*Step

	work work
}

// inputs is all that a step's result depends on.
type inputs struct {
	hashes map[string]string // of files and data sets, by what they are to the step
	config map[string]string // settings
}

// work is what a kind of step does.
type work interface {
	// inputs hashes what the step reads. The steps it needs are through.
	inputs(p *Pipeline) (*inputs, error)
	// outputs lists the files that the step leaves, relative to the folder.
	outputs(p *Pipeline) ([]string, error)
	// places lists the files and folders to remove before the step starts over.
	places() []string
	// run does the step, going on from what an earlier run with the same inputs left.
	run(ctx context.Context, p *Pipeline, s *Step) (*session, error)
}

// session is how a run of a step went, for the stamp.
type session struct {
	steps   int // training steps of the result
	session int // of them in this session
}

// builder makes the list of steps.
type builder struct {
	c     Config
	steps []*Step
	named map[string]*Step
}

// add appends a step unless there is one of that name.
func (b *builder) add(prefix, stage string, fold int, w work, needs ...*Step) *Step {
	s := &Step{Stage: prefix + stage, Fold: fold, work: w}
	s.Name = s.Stage
	if fold >= 0 {
		s.Name = path.Join(s.Stage, foldName(fold))
	}
	for _, n := range needs {
		if n != nil {
			s.Needs = append(s.Needs, n)
		}
	}
	if old := b.named[s.Name]; old != nil {
		return old
	}
	b.named[s.Name] = s
	b.steps = append(b.steps, s)
	return s
}

func foldName(fold int) string { return fmt.Sprintf("fold_%d", fold) }

// rowFolder is where a method's own steps lie: that of the configuration at the
// top, so that the ablation finds what the pipeline has done.
func (c Config) rowFolder(m Method) string {
	if m == c.Method {
		return ""
	}
	return "rows/" + m.Name() + "/"
}

// build lists the steps of the given methods, each after those it needs.
func build(c Config, methods []Method, report bool) []*Step {
	b := &builder{c: c, named: map[string]*Step{}}
	for _, m := range methods {
		b.method(m, report)
	}
	return b.steps
}

func (b *builder) method(m Method, report bool) {
	var seg, inp, gen *Step
	if m.Transfer {
		seg = b.add("", segmenter, -1, &training{stage: segmenter, method: m})
	}
	if m.Synthesis {
		inp = b.add("", inpainter, -1, &training{stage: inpainter, method: m})
		gen = b.add("", generator, -1, &training{stage: generator, method: m})
	}
	prefix := b.c.rowFolder(m)
	var members []*Step
	for k := range b.c.Members {
		w := &training{prefix: prefix, stage: finetune, method: m, member: k, encoder: seg}
		if m.Synthesis {
			pre := b.add(prefix, detector, k, &training{prefix: prefix, stage: detector, method: m, member: k,
				encoder: seg, inpainter: inp, generator: gen}, seg, inp, gen)
			w.encoder, w.start = nil, pre
		}
		members = append(members, b.add(prefix, finetune, k, w, w.encoder, w.start))
	}
	pred := b.add(prefix, predict, -1, &predicting{prefix: prefix, members: members}, members...)
	eval := b.add(prefix, evaluate, -1, &evaluating{prefix: prefix, predict: pred}, pred)
	base := b.add("", baseline, -1, &thresholding{})
	if report {
		if parts := b.c.pairParts(); b.c.Predict.OutOfFold && parts > 1 {
			w := &leavingOut{prefix, members[:min(parts, len(members))]}
			b.add(prefix, outOfFold, -1, w, w.members...)
		}
		all := append([]*Step{}, b.steps...)
		b.add(prefix, reporting, -1, &pageWork{prefix: prefix, steps: all, evaluate: eval, baseline: base}, all...)
	}
}

// ancestors lists what the given steps need, in order, without themselves.
func ancestors(all, of []*Step) []*Step {
	needed := map[*Step]bool{}
	var mark func(s *Step)
	mark = func(s *Step) {
		for _, n := range s.Needs {
			if !needed[n] {
				needed[n] = true
				mark(n)
			}
		}
	}
	for _, s := range of {
		mark(s)
	}
	for _, s := range of {
		delete(needed, s)
	}
	var out []*Step
	for _, s := range all {
		if needed[s] {
			out = append(out, s)
		}
	}
	return out
}

// needing names the first of the steps that needs another one.
func needing(steps []*Step, other *Step) string {
	for _, s := range steps {
		if slices.Contains(ancestors([]*Step{other}, []*Step{s}), other) {
			return s.Name
		}
	}
	return ""
}

// choose finds the steps of a stage, those of one member if fold is not negative.
func choose(all []*Step, stage string, fold int) ([]*Step, error) {
	var out []*Step
	var stages []string
	folds := 0
	for _, s := range all {
		if n := len(stages); n == 0 || stages[n-1] != s.Stage {
			stages = append(stages, s.Stage)
		}
		if s.Stage != stage {
			continue
		}
		folds = max(folds, s.Fold+1)
		if fold < 0 || s.Fold == fold {
			out = append(out, s)
		}
	}
	switch {
	case len(out) > 0:
		return out, nil
	case folds > 0:
		return nil, fmt.Errorf("there is no member %d of %s: they are 0 to %d", fold, stage, folds-1)
	}
	for _, s := range all {
		if s.Stage == stage {
			return nil, fmt.Errorf("step %s is one for all members: it takes no fold", stage)
		}
	}
	return nil, fmt.Errorf("no step %q in this plan; there are %s", stage, strings.Join(unique(stages), ", "))
}

func unique(list []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}
