// Package bench is the command bench.
package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/cuda/driver"
	"voxgrad/cuda/predict"
	"voxgrad/device"
	"voxgrad/device/bench"
	"voxgrad/device/cpu"
	"voxgrad/internal/infile"
	"voxgrad/internal/outfile"
	"voxgrad/internal/strictjson"
	"voxgrad/internal/text"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/models/passes"
)

// benchFlags are the flags of bench.
type benchFlags struct {
	device, filter, step, up string
	asJSON, benchstat        bool
	out, compare, predict    string
	margin                   float64
	shapes                   bench.Shapes
	network                  models.Config // of --step
	runs, cacheMiB           int
	seconds                  float64
}

// New returns the command.
func New() *cobra.Command {
	b := benchFlags{shapes: bench.Published}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure ops and training steps against what the device can do at most",
		Long: `Measures every op at the shapes of the networks' layers, or with --step whole passes of a
network. Caches are flushed before each sample. The table has the median and the quartiles,
the direct-equivalent rate of arithmetic (the operations of a convolution's definition,
whatever the algorithm), the rate of memory traffic (the least that there is to move),
and the share of the roofline: the time that the device's ceilings allow, divided by the
median. The ceilings, of fused multiply-adds and of copying, are measured in the same run.

On the emulator it prints what each kernel did instead of times.

With --predict CARD nothing is measured: it prints how long the launches of the same cases
would take on a GPU that need not be there, from their machine code and the constants of
the card, beside the floor: arithmetic by definition and the least bytes at the rates of
the data sheet.

With --compare it exits with 1 if a median, or a count, is worse by more than --margin.`,
		Example: `  voxgrad bench --filter '^Conv/' --json > before.json
  voxgrad bench --filter '^Conv/' --compare before.json
  voxgrad bench --step segmenter --patch 32
  voxgrad bench --step segmenter --precision bf16 --predict H200`,
		Args: cli.ExactArgs(0, ""),
		RunE: b.run,
	}
	f := cmd.Flags()
	f.StringVar(&b.filter, "filter", "", "only cases whose name matches this regular expression")
	f.StringVar(&b.step, "step", "", "passes of a whole network instead of ops: segmenter or detector")
	f.IntVar(&b.shapes.Width, "width", b.shapes.Width, "width of the networks")
	f.IntVar(&b.shapes.Patch, "patch", b.shapes.Patch, "edge of the patch")
	f.IntVar(&b.shapes.Batch, "batch", b.shapes.Batch, "patches at once")
	f.StringVar(&b.up, "up", layers.Transposed, "with --step: transposed or trilinear")
	f.IntVar(&b.runs, "runs", 50, "samples of a case at most; at least five, or as many if that is less")
	f.Float64Var(&b.seconds, "seconds", 0.5, "time for a case, beyond the least number of samples")
	f.IntVar(&b.cacheMiB, "cache", 0, "MiB of cache to flush between samples; 0: what the device has")
	f.BoolVar(&b.asJSON, "json", false, "print JSON, with all samples")
	f.BoolVar(&b.benchstat, "benchstat", false, "print the samples as Go benchmarks, for benchstat")
	f.StringVar(&b.out, "out", "", "file to write the JSON of --json to, beside what is printed")
	f.StringVar(&b.compare, "compare", "", "JSON of an earlier run to compare with")
	f.StringVar(&b.predict, "predict", "", "predict instead of measuring: "+strings.Join(predict.Names(), ", "))
	f.Float64Var(&b.margin, "margin", 0.10, "with --compare: how much worse is a regression")
	cli.Reads(cmd, "compare")
	cli.Writes(cmd, "out", cli.JSON...)
	cli.DeviceFlag(cmd, &b.device)
	cli.PrecisionFlag(cmd)
	return cmd
}

func (b *benchFlags) run(cmd *cobra.Command, _ []string) error {
	o := bench.Defaults()
	if err := b.shapes.Check(); err != nil {
		return cli.Usagef(cmd, "%v", err)
	}
	if b.asJSON && b.benchstat {
		return cli.Usagef(cmd, "--json and --benchstat: choose one")
	}
	if b.runs < 1 || !(b.seconds >= 0 && b.seconds <= 3600) || b.cacheMiB < 0 || b.cacheMiB > 16<<10 || !(b.margin >= 0) || math.IsInf(b.margin, 0) {
		return cli.Usagef(cmd, "--runs must be at least 1, --seconds from 0 to 3600, --cache from 0 to 16384, --margin a number of at least 0")
	}
	// An empty name is a variable of a script that was never set: no comparison would be a pass.
	for _, x := range [][2]string{{"out", "a file"}, {"compare", "a file"}, {"predict", "a card"}} {
		if f := cmd.Flags().Lookup(x[0]); f.Changed && f.Value.String() == "" {
			return cli.Usagef(cmd, "--%s is empty: give %s", x[0], x[1])
		}
	}
	for _, name := range []string{"device", "benchstat", "compare", "margin", "runs", "seconds", "cache"} {
		if b.predict != "" && cmd.Flags().Changed(name) {
			return cli.Usagef(cmd, "--%s goes with a measurement, --predict measures nothing: leave one out", name)
		}
	}
	if cmd.Flags().Changed("up") && b.step == "" {
		return cli.Usagef(cmd, "--up chooses a network: it goes with --step")
	}
	o.Most, o.Least, o.Budget = b.runs, min(b.runs, o.Least), time.Duration(b.seconds*float64(time.Second))
	if b.filter != "" {
		re, err := regexp.Compile(b.filter)
		if err != nil {
			return cli.Usagef(cmd, "--filter: %v", err)
		}
		o.Filter = re
	}
	// Before minutes of work.
	if b.out != "" {
		if err := outfile.Check(b.out); err != nil {
			return err
		}
	}
	var earlier *bench.Report
	if b.compare != "" {
		var err error
		if earlier, err = readBench(b.compare); err != nil {
			return err
		}
	}
	cases := bench.Ops(b.shapes)
	if b.step != "" {
		if b.step != models.Segmenter && b.step != models.Detector {
			return cli.Usagef(cmd, "--step %q: want segmenter or detector", b.step)
		}
		c := models.Default(b.step)
		c.Width, c.Up = b.shapes.Width, b.up
		if err := c.Validate(); err != nil {
			return cli.Usagef(cmd, "%v", err)
		}
		cases, b.network = passes.Cases(c, b.shapes), c
	}
	if b.predict != "" {
		return b.predicted(cmd, cases, o.Filter)
	}
	dev, err := cli.OpenDevice(cmd, b.device)
	if err != nil {
		return err
	}
	defer dev.Close()
	b.fit(dev, &o)
	b.announce(dev, cases, o)
	bar := cli.NewProgress("measuring", len(cases))
	o.Progress = func(name string, done, of int) { bar.Set(done, " "+name) }
	r, err := bench.Run(cmd.Context(), dev, cases, o)
	bar.Shut()
	if err != nil {
		return err
	}
	r.Note = "voxgrad " + cli.Version()
	return b.print(r, earlier)
}

// announce reports how long it will take.
func (b *benchFlags) announce(dev device.Backend, cases []bench.Case, o bench.Options) {
	n := 0
	for _, c := range cases {
		if o.Filter == nil || o.Filter.MatchString(c.Name) {
			n++
		}
	}
	if n == 0 {
		return // Run tells
	}
	if _, counts := dev.(bench.Counter); counts {
		slog.Info("counting what the kernels of each case do, which takes seconds to minutes a case", "cases", n)
		return
	}
	slog.Info(fmt.Sprintf("measuring %s for %v each, longer where %s take longer: %v at least, and the ceilings before",
		text.Plural(n, "case"), o.Budget, text.Plural(o.Least, "sample"), (time.Duration(n) * o.Budget).Round(time.Second)))
}

// fit chooses what depends on the device: what to flush, and who knows its
// ceiling of arithmetic.
func (b *benchFlags) fit(dev device.Backend, o *bench.Options) {
	cache := int64(b.cacheMiB) << 20
	if d, ok := dev.(interface{ Info() driver.Info }); ok && cache == 0 {
		cache = int64(d.Info().L2)
	} else if cache == 0 {
		cache = cli.HostCache()
	}
	o.Flush = 2 * cache
	o.CopyBytes = max(8<<20, 4*cache)
	switch d := dev.(type) {
	case *cpu.Backend:
		o.FMA = func() (float64, error) { return bench.HostFMA(d.Lanes()) }
	case interface{ MeasureFMA() (float64, error) }:
		o.FMA = d.MeasureFMA
	}
}

func (b *benchFlags) print(r, earlier *bench.Report) error {
	err := b.write(r)
	if err != nil {
		return err
	}
	switch {
	case b.asJSON:
		err = cli.PrintJSON(r)
	case b.benchstat:
		err = r.WriteBenchstat(cli.Out)
	case r.Counted:
		err = countTable(r).WriteText(cli.Out)
	default:
		err = timeTable(r).WriteText(cli.Out)
	}
	if err != nil || earlier == nil {
		return err
	}
	changes, err := bench.Compare(earlier, r, b.margin)
	if err != nil {
		return fmt.Errorf("%s: %w", b.compare, err)
	}
	to := cli.Out
	if b.asJSON || b.benchstat {
		to = os.Stderr // standard output is for one thing
	}
	fmt.Fprintln(to)
	if err := changeTable(earlier, r, changes, b.margin).WriteText(to); err != nil {
		return err
	}
	if n := len(changes.Regressions()); n > 0 {
		return fmt.Errorf("%d regressions of more than %g %% against %s", n, 100*b.margin, b.compare)
	}
	return nil
}

// write writes --out.
func (b *benchFlags) write(r any) error {
	if b.out == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return outfile.WriteBytes(b.out, append(text, '\n'))
}

// readBench reads what --json wrote.
func readBench(file string) (*bench.Report, error) {
	b, err := infile.Read(file, maxReport)
	if err != nil {
		return nil, fmt.Errorf("cannot read the earlier report: %w", err)
	}
	r, err := parseBench(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// maxReport bounds an earlier report in bytes.
const maxReport = 64 << 20

func parseBench(b []byte) (*bench.Report, error) {
	r := &bench.Report{}
	// Another version's report may say more.
	if err := (strictjson.Decoder{What: "results", Foreign: true}).Decode(b, r); err != nil {
		return nil, fmt.Errorf("not the JSON of a bench: %w", err)
	}
	if len(r.Results) == 0 {
		return nil, errors.New("it has no results")
	}
	seen := map[string]bool{}
	for i, x := range r.Results {
		switch {
		case x.Name == "":
			return nil, fmt.Errorf("result %d has no name", i+1)
		case seen[x.Name]:
			return nil, fmt.Errorf("%s is there twice", text.Clean(x.Name))
		case !r.Counted && x.Median <= 0:
			return nil, fmt.Errorf("%s: a time of %g s", text.Clean(x.Name), x.Median)
		}
		seen[x.Name] = true
	}
	return r, nil
}
