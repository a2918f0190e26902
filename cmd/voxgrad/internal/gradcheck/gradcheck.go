// Package gradcheck is the command gradcheck.
package gradcheck

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/device"
	"voxgrad/device/bench"
	"voxgrad/device/devicetest"
	"voxgrad/device/ref"
	"voxgrad/internal/text"
	"voxgrad/models/netcheck"
	"voxgrad/report"
)

// New returns the command.
func New() *cobra.Command {
	var dev string
	var quick, verbose, failures bool
	cmd := &cobra.Command{
		Use:   "gradcheck",
		Short: "Check every op and whole networks: finite differences, and a device against the oracle",
		Long: `Checks, in this order: the gradient of every op against finite differences, in float64
on the reference backend, with a random upstream gradient; the gradients of whole small
networks likewise; every op of the device against the reference; outputs, gradients and
losses of whole networks on the device against the reference. Prints what failed and a
summary, with --verbose every check. Exits with 1 if one fails.`,
		Example: "  voxgrad gradcheck --device cpu",
		Args:    cli.ExactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := cli.OpenDevice(cmd, dev)
			if err != nil {
				return err
			}
			defer b.Close()
			c := checks{ctx: cmd.Context(), verbose: verbose, begun: time.Now(),
				table: &report.Table{Columns: []report.Column{{Name: "check"}, {Name: "what"}, {Name: "error"}, {Name: "bound"}, {Name: ""}}}}
			err = c.all(b, quick)
			c.progress.Shut() // before the table
			if err != nil {
				return err
			}
			c.work(b)
			return c.finish()
		},
	}
	cmd.Flags().BoolVar(&quick, "quick", false, "leave out the large shapes")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "print every check, not only what failed")
	cmd.Flags().BoolVar(&failures, "failures", false, "print only what failed, which is the default")
	cli.Must(cmd.Flags().MarkHidden("failures"))
	cmd.MarkFlagsMutuallyExclusive("verbose", "failures")
	cli.DeviceFlag(cmd, &dev)
	return cmd
}

// checks collects rows of the table.
type checks struct {
	ctx      context.Context
	table    *report.Table
	verbose  bool
	n, bad   int
	note     string
	begun    time.Time
	progress *cli.Progress
}

// all runs every check on b, or stops with the error of the context.
func (c *checks) all(b device.ImagingBackend, quick bool) error {
	oracle := ref.New[float64]()
	gradients := devicetest.Gradients()
	cases := slices.DeleteFunc(devicetest.Cases(devicetest.Options{Large: !quick}), func(k devicetest.Case) bool {
		return k.Closes // would close the device under the checks that follow
	})
	c.progress = cli.NewProgress("checks", len(gradients)+len(cases)+netcheck.Rows())
	for _, k := range gradients {
		r, err := k.Check(oracle)
		if err := c.add("central differences", k.Name, r.MaxErr, r.Bound, err); err != nil {
			return err
		}
	}
	if err := netcheck.Differences(func(r netcheck.Row) error { return c.row("central differences", r) }); err != nil {
		return err
	}
	for _, k := range cases {
		r, err := k.Check(b)
		if err := c.add(b.Name()+" against ref", k.Name, r.MaxErr, r.Bound, err); err != nil {
			return err
		}
	}
	return netcheck.Agreement(b, netcheck.FP32, func(r netcheck.Row) error { return c.row(b.Name()+" against ref", r) })
}

func (c *checks) row(kind string, r netcheck.Row) error {
	var err error
	if !r.OK {
		err = fmt.Errorf("error %.3g is above %.3g", r.Error, r.Bound)
		if r.Worst != "" {
			err = fmt.Errorf("%s: %w", r.Worst, err)
		}
	}
	return c.add(kind, r.Name, r.Error, r.Bound, err)
}

func (c *checks) add(kind, name string, value, bound float64, failed error) error {
	c.n++
	verdict := "ok"
	if failed != nil {
		c.bad++
		verdict = "FAILED: " + strings.ReplaceAll(failed.Error(), "\n", " ")
	}
	if failed != nil || c.verbose {
		c.table.Add(kind, name, fmt.Sprintf("%.2e", value), fmt.Sprintf("%.2e", bound), verdict)
	}
	c.progress.Set(c.n, ": "+name)
	return c.ctx.Err()
}

// work notes what the device counted, if it counts: the emulator does.
func (c *checks) work(b device.Backend) {
	counter, ok := b.(bench.Counter)
	if !ok {
		return
	}
	kernels, instructions := 0, uint64(0)
	for _, n := range counter.Counts() {
		kernels++
		instructions += n["instructions"]
	}
	c.note = fmt.Sprintf("; %d kernels, %d instructions of a warp executed", kernels, instructions)
}

func (c *checks) finish() error {
	if len(c.table.Rows) > 0 {
		if err := c.table.WriteText(cli.Out); err != nil {
			return err
		}
		fmt.Fprintln(cli.Out)
	}
	fmt.Fprintf(cli.Out, "%s, %d failed, in %s%s\n", text.Plural(c.n, "check"), c.bad, time.Since(c.begun).Round(time.Second), c.note)
	if c.bad > 0 {
		return fmt.Errorf("%d of %d checks failed", c.bad, c.n)
	}
	return nil
}
