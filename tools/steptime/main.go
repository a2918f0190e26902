//go:build linux

// Command steptime compares this program with PyTorch on the same cores of one machine: the forward pass of
// evaluation, a whole training step (forward, backward, Adam), or, with -layers, each layer by itself. Every
// contestant is a process of its own with the same network, sizes and optimiser, pinned to the same cores; they
// compute in turn, one pass each, so that a drift of the machine's speed hits all. The peak of fused multiply-adds
// is measured in the same run.
//
//	steptime -python .../bin/python [-model detector] [-up trilinear] [-rounds 7] [-avx2] [-layers] [-json FILE]
//
// The Python needs PyTorch; make bench-peers makes one. The table goes to standard output.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"voxgrad/internal/outfile"
	"voxgrad/internal/par"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/train/infer"
)

// settings are what all contestants are told.
type settings struct {
	Model   string `json:"model"`
	Up      string `json:"up"`
	Width   int    `json:"width"`
	Patch   int    `json:"patch"`
	Batch   int    `json:"batch"`
	Threads int    `json:"threads"`
	AVX2    bool   `json:"avx2_only"`
}

// report is the JSON of a run.
type report struct {
	settings
	When     time.Time  `json:"when"`
	Commit   string     `json:"commit"`
	CPU      string     `json:"cpu"`
	Rounds   int        `json:"rounds"`
	Layers   bool       `json:"layers"`
	Peaks    []peak     `json:"fma_peaks"`
	Notes    []string   `json:"notes,omitempty"`
	Measured []measured `json:"measured"`
}

// measured is what one contestant took for one kind of pass.
type measured struct {
	Who     string    `json:"who"`
	What    string    `json:"what"`  // "forward", "step", "conv10 gradient"
	Flops   int64     `json:"flops"` // of the convolutions as they are defined
	Done    int64     `json:"executed_flops,omitempty"`
	Seconds []float64 `json:"seconds"`            // in order
	CPU     []float64 `json:"processor_seconds"`  // of all threads
	Bytes   int64     `json:"peak_bytes"`         // of the process's memory so far
	Before  int64     `json:"bytes_at_the_start"` // with its libraries, before the first pass
	Loss    float64   `json:"last_loss,omitempty"`
}

func (m measured) least() float64  { return slices.Min(m.Seconds) }
func (m measured) median() float64 { return median(m.Seconds) }

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}

func main() {
	log.SetFlags(log.Ltime)
	log.SetPrefix("steptime: ")
	var s settings
	flag.StringVar(&s.Model, "model", models.Segmenter, "segmenter or detector")
	flag.StringVar(&s.Up, "up", layers.Transposed, "transposed or trilinear")
	flag.IntVar(&s.Width, "width", 24, "channels of the first level")
	flag.IntVar(&s.Patch, "patch", 64, "edge of the patch")
	flag.IntVar(&s.Batch, "batch", 1, "patches at once")
	flag.IntVar(&s.Threads, "threads", 0, "cores; 0: all that this process may use")
	flag.BoolVar(&s.AVX2, "avx2", false, "no contestant may use AVX-512")
	python := flag.String("python", "", "a Python with PyTorch; without one this program is measured alone")
	peers := flag.String("peers", strings.Join(formats, ","), "which of PyTorch's ways")
	what := flag.String("what", "forward,step", "kinds of passes; ensemble is a window of a pair by five detectors, ensemble-shared by five with one encoder, pair a whole pair by these, of this program alone and once")
	perLayer := flag.Bool("layers", false, "each layer's forward and reverse pass instead of the network's")
	rounds := flag.Int("rounds", 7, "passes of each contestant, after one that is not timed")
	to := flag.String("json", "", "file for all samples")
	serving := flag.Bool("serve", false, "be a contestant")
	flag.Parse()
	if flag.NArg() > 0 || *rounds < 1 {
		log.Fatal("there are no arguments but the flags, and -rounds is at least 1")
	}
	c := models.Default(models.Segmenter)
	c.Kind, c.Up, c.Width = s.Model, s.Up, s.Width
	must(c.Validate())
	must(models.CheckGrid(s.Patch))
	if *serving {
		par.SetThreads(s.Threads)
		must(serve(s, c, os.Stdin, os.Stdout))
		return
	}
	if *to != "" {
		must(outfile.Check(*to))
	}
	cores, err := pin(s.Threads)
	must(err)
	s.Threads = cores
	r := &report{settings: s, When: time.Now().UTC().Truncate(time.Second), Commit: commit(), CPU: processor(), Rounds: *rounds, Layers: *perLayer}
	all := []contestant{ours(s)}
	if *python != "" {
		for _, f := range strings.Split(*peers, ",") {
			if !slices.Contains(formats, f) {
				log.Fatalf("-peers %q: PyTorch's ways are %s", f, strings.Join(formats, ", "))
			}
			all = append(all, pytorch(s, *python, f))
		}
	}
	passes := strings.Split(*what, ",")
	if *perLayer {
		passes = nil
		for _, l := range layersOf(s) {
			passes = append(passes, l.name+" forward", l.name+" gradient")
		}
	}
	must(r.measure(all, passes))
	r.print(os.Stdout)
	if *to != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		must(err)
		must(outfile.WriteBytes(*to, append(text, '\n')))
	}
}

// measure starts everybody and lets them compute in turn, one kind of pass after the other.
func (r *report) measure(all []contestant, passes []string) error {
	var running []*process
	defer func() {
		for _, p := range running {
			p.stop()
		}
	}()
	for _, c := range all {
		p, err := start(c)
		var skip skipped
		if errors.As(err, &skip) {
			r.Notes = append(r.Notes, c.name+" left out: "+string(skip))
			log.Print(r.Notes[len(r.Notes)-1])
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		log.Print(p.name, " is ready")
		running = append(running, p)
	}
	first, err := running[0].ask("peak")
	if err != nil {
		return err
	}
	flops := r.flops()
	for _, what := range passes {
		log.Print(what, " …")
		compete, from, to := running, -1, r.Rounds
		if what == "pair" { // many windows: one of them is no warm-up
			compete, from, to = running[:1], 0, 1
			windows := len(infer.Windows(pairGrid, [3]int{r.Patch, r.Patch, r.Patch}, windowStride(r.settings)))
			r.Notes = append(r.Notes, fmt.Sprintf("pair: %v voxels, %d windows, five detectors with one encoder", pairGrid, windows))
		}
		results := make([]measured, len(compete))
		for round := from; round < to; round++ {
			for i, p := range compete {
				a, err := p.ask(what)
				if err != nil {
					return fmt.Errorf("%s: %w", p.name, err)
				}
				m := &results[i]
				*m = measured{Who: p.name, What: what, Flops: flops[what], Before: p.before, Seconds: m.Seconds, CPU: m.CPU}
				if round < 0 { // warm-up, and torch.compile
					continue
				}
				m.Seconds, m.CPU = append(m.Seconds, a.Seconds), append(m.CPU, a.CPU)
				m.Bytes, m.Loss, m.Done = a.Bytes, a.Loss, a.Flops
			}
		}
		r.Measured = append(r.Measured, results...)
	}
	last, err := running[0].ask("peak")
	if err != nil {
		return err
	}
	for i, p := range first.Peaks {
		r.Peaks = append(r.Peaks, peak{p.Lanes, max(p.GFlops, last.Peaks[i].GFlops)})
	}
	return nil
}

// commit is the state of the tree, if git knows it.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=8").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// processor is the first core's name by Linux.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
