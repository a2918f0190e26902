// Command predict writes the tables of docs/results/gpu.md anew: training steps of the published networks on every card, their
// layers and kernels on one, and the main loops of the kernels of convolutions. All of it is predicted, nothing measured.
//
//	go run ./tools/predict
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
	"strings"

	"voxgrad/cuda"
	"voxgrad/cuda/kernels"
	"voxgrad/cuda/launches"
	"voxgrad/cuda/predict"
	"voxgrad/cuda/ptx"
	"voxgrad/device/bench"
	"voxgrad/internal/outfile"
	"voxgrad/models"
	"voxgrad/models/passes"
)

// Between these lines of the page stands what is written here.
const begin, end = "<!-- predictions: go run ./tools/predict -->\n", "<!-- end of the predictions -->\n"

var precisions = []cuda.Precision{cuda.FP32, cuda.TF32, cuda.BF16}

func main() {
	log.SetFlags(0)
	log.SetPrefix("predict: ")
	page := flag.String("page", "docs/results/gpu.md", "page to write the tables into")
	flag.Parse()
	if err := run(*page); err != nil {
		log.Fatal(err)
	}
}

func run(page string) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(old), begin)
	_, after, ends := strings.Cut(rest, end)
	if !ok || !ends {
		return fmt.Errorf("%s has no lines %q and %q", page, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	var b bytes.Buffer
	if err := tables(&b); err != nil {
		return err
	}
	return outfile.WriteBytes(page, []byte(before+begin+b.String()+end+after))
}

// cards are those that there are constants of.
func cards() (all []predict.Card, err error) {
	for _, name := range predict.Names() {
		c, err := predict.CardOf(name)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

func tables(b *bytes.Buffer) error {
	all, err := cards()
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "\n## Training steps\n\nPredicted ms, the floor in brackets; the columns at the end are for figures of hardware.\n\n| step, patches of 64³, width 24 |")
	for _, c := range all {
		fmt.Fprintf(b, " %s, predicted |", c.Name)
	}
	for _, c := range all {
		fmt.Fprintf(b, " %s, measured |", c.Name)
	}
	fmt.Fprintf(b, "\n|%s\n", strings.Repeat("---|", 1+2*len(all)))
	var detailed []*predict.Prediction
	for _, kind := range []string{models.Segmenter, models.Detector} {
		for _, batch := range []int{1, 2, 8} {
			for _, p := range precisions {
				steps, err := predictions(kind, batch, p, all)
				if err != nil {
					return err
				}
				fmt.Fprintf(b, "| %s, batch %d, %v |", kind, batch, p)
				for _, s := range steps {
					fmt.Fprintf(b, " %.2f (%.2f) |", 1e3*s.Seconds, 1e3*s.Floor)
				}
				fmt.Fprintf(b, "%s\n", strings.Repeat(" |", len(all)))
				if kind == models.Segmenter && batch == 1 {
					detailed = append(detailed, steps[0])
				}
			}
		}
	}
	groups(b, "Layers", "layer, or operation without parameters", detailed, func(p *predict.Prediction) []predict.Group { return p.Layers }, 1e9)
	groups(b, "Kernels", "kernel", detailed, func(p *predict.Prediction) []predict.Group { return p.Kernels }, 20)
	tensor, err := loops(b, all[0])
	if err != nil {
		return err
	}
	return onTensorCores(b, tensor, detailed)
}

func predictions(kind string, batch int, p cuda.Precision, on []predict.Card) (all []*predict.Prediction, err error) {
	dry, err := predict.NewDry(on[0], p)
	if err != nil {
		return nil, err
	}
	defer dry.Close()
	s := bench.Published
	s.Batch = batch
	n, err := passes.Open(dry, models.Default(kind), s)
	if err != nil {
		return nil, err
	}
	defer n.Close()
	dry.Names = n.Layer
	if _, err := dry.Predict(n.Pass("Step")); err != nil {
		return nil, err
	}
	for _, c := range on {
		s, err := dry.On(c)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// groups has a row for each name of any precision, at most so many.
func groups(b *bytes.Buffer, title, what string, steps []*predict.Prediction, of func(*predict.Prediction) []predict.Group, most int) {
	fmt.Fprintf(b, "\n## %s\n\nOf the segmenter's step at batch 1 on the %s, predicted µs and, in brackets, launches.\n\n| %s |", title, steps[0].Card, what)
	var names []string
	at := map[string]map[string]predict.Group{}
	for i := len(steps) - 1; i >= 0; i-- {
		for _, g := range of(steps[i]) {
			if at[g.Name] == nil {
				at[g.Name] = map[string]predict.Group{}
				names = append(names, g.Name)
			}
			at[g.Name][steps[i].Precision] = g
		}
	}
	for _, s := range steps {
		fmt.Fprintf(b, " %s |", s.Precision)
	}
	fmt.Fprintf(b, "\n|%s\n", strings.Repeat("---|", 1+len(steps)))
	for _, name := range names[:min(most, len(names))] {
		fmt.Fprintf(b, "| %s |", name)
		for _, s := range steps {
			g, ok := at[name][s.Precision]
			if !ok {
				fmt.Fprint(b, " |")
				continue
			}
			fmt.Fprintf(b, " %.0f (%d) |", 1e6*g.Seconds, g.Launches)
		}
		fmt.Fprintln(b)
	}
}

// loops are the main loops of the products. It returns the names of the kernels on tensor cores.
func loops(b *bytes.Buffer, c predict.Card) (tensor []string, err error) {
	fmt.Fprintf(b, "\n## Main loops\n\nCounted in the machine code for sm_%d (%s), of a warp.\n\n| kernel | registers | instructions | MMA | FFMA | a product | loads and stores of shared memory | of global memory |\n|---|---|---|---|---|---|---|---|\n",
		c.Compute, predict.Compiler())
	for _, name := range kernels.Names() {
		text, _, err := kernels.Source(name, c.Compute)
		if err != nil {
			return nil, err
		}
		m, err := ptx.Parse(text)
		if err != nil {
			return nil, err
		}
		for _, e := range m.Entries() {
			if !(launches.Launch{Kernel: e.Name}).Product() {
				continue
			}
			k, err := predict.KernelOn(c.Compute, e.Name)
			if err != nil {
				return nil, err
			}
			l := k.Loop
			if l.MMA > 0 {
				tensor = append(tensor, e.Name)
			}
			fmt.Fprintf(b, "| %s | %d | %d | %d | %d | %.2f | %d | %d |\n", e.Name, k.Registers, l.Instructions, l.MMA, l.FFMA, k.PerProduct(),
				l.LDS+l.STS, l.LDG+l.STG+l.LDGSTS)
		}
	}
	return tensor, nil
}

// onTensorCores has a row for each kernel on tensor cores, with the numbers of every architecture; the last column is how often conv10 has it in a step.
func onTensorCores(b *bytes.Buffer, kernels []string, steps []*predict.Prediction) error {
	archs := predict.Architectures()
	var names []string
	for _, a := range archs {
		names = append(names, fmt.Sprintf("sm_%d", a))
	}
	all := strings.Join(names, ", ")
	fmt.Fprintf(b, "\n## Tensor cores\n\nInstructions of the main loop for each MMA, and registers, on %s.\n\n| kernel | instructions for each MMA | registers | launches of conv10 |\n|---|---|---|---|\n", all)
	for _, name := range kernels {
		var loops, registers []string
		for _, a := range archs {
			k, err := predict.KernelOn(a, name)
			if err != nil {
				return err
			}
			loops, registers = append(loops, fmt.Sprintf("%.2f", k.PerProduct())), append(registers, fmt.Sprint(k.Registers))
		}
		ops := map[string]int{}
		for _, s := range steps {
			for _, l := range s.Launches {
				if l.Layer == "conv10" && l.Kernel == name {
					ops[l.Op]++
				}
			}
		}
		var in []string
		for _, op := range slices.Sorted(maps.Keys(ops)) {
			in = append(in, fmt.Sprintf("%s %d", op, ops[op]))
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", name, strings.Join(loops, ", "), strings.Join(registers, ", "), strings.Join(in, ", "))
	}
	return nil
}
