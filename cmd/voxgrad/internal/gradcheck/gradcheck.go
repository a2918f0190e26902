// Package gradcheck is the command gradcheck.
package gradcheck

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/device"
	"voxgrad/device/bench"
	"voxgrad/device/devicetest"
	"voxgrad/device/ref"
	"voxgrad/models/netcheck"
	"voxgrad/report"
)

// New returns the command.
func New() *cobra.Command {
	var dev string
	var quick, failures bool
	cmd := &cobra.Command{
		Use:   "gradcheck",
		Short: "Check every op and whole networks: finite differences, and a device against the oracle",
		Long: `Checks, in this order: the gradient of every op against finite differences, in float64
on the reference backend, with a random upstream gradient; the gradients of whole small
networks likewise; every op of the device against the reference; outputs, gradients and
losses of whole networks on the device against the reference. Exits with 1 if one
fails.`,
		Example: "  voxgrad gradcheck --device cpu",
		Args:    cli.ExactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := cli.OpenDevice(cmd, dev)
			if err != nil {
				return err
			}
			defer b.Close()
			c := checks{table: &report.Table{Columns: []report.Column{{Name: "check"}, {Name: "what"}, {Name: "error"}, {Name: "bound"}, {Name: ""}}}, failures: failures}
			oracle := ref.New[float64]()
			for _, k := range devicetest.Gradients() {
				r, err := k.Check(oracle)
				c.add("finite differences", k.Name, r.MaxErr, r.Bound, err)
			}
			if _, err := netcheck.Differences(func(r netcheck.Row) { c.row("finite differences", r) }); err != nil {
				return err
			}
			for _, k := range devicetest.Cases(devicetest.Options{Large: !quick}) {
				if k.Closes {
					continue // would close the device under the checks that follow
				}
				r, err := k.Check(b)
				c.add(b.Name()+" against ref", k.Name, r.MaxErr, r.Bound, err)
			}
			if _, err := netcheck.Agreement(b, netcheck.FP32, func(r netcheck.Row) { c.row(b.Name()+" against ref", r) }); err != nil {
				return err
			}
			c.work(b)
			return c.finish()
		},
	}
	cmd.Flags().BoolVar(&quick, "quick", false, "leave out the large shapes")
	cmd.Flags().BoolVar(&failures, "failures", false, "print only what failed")
	cli.DeviceFlag(cmd, &dev)
	return cmd
}

// checks collects rows of the table.
type checks struct {
	table    *report.Table
	failures bool
	n, bad   int
	note     string
}

func (c *checks) row(kind string, r netcheck.Row) {
	var err error
	if !r.OK {
		err = fmt.Errorf("error %.3g is above %.3g", r.Error, r.Bound)
	}
	c.add(kind, r.Name, r.Error, r.Bound, err)
}

func (c *checks) add(kind, name string, value, bound float64, err error) {
	c.n++
	verdict := "ok"
	if err != nil {
		c.bad++
		verdict = "FAILED: " + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	if err != nil || !c.failures {
		c.table.Add(kind, name, fmt.Sprintf("%.2e", value), fmt.Sprintf("%.2e", bound), verdict)
	}
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
	c.note = fmt.Sprintf("%d kernels, %d instructions of a warp executed", kernels, instructions)
}

func (c *checks) finish() error {
	if len(c.table.Rows) > 0 {
		if err := c.table.WriteText(os.Stdout); err != nil {
			return err
		}
	}
	fmt.Printf("\n%d checks, %d failed. %s\n", c.n, c.bad, c.note)
	if c.bad > 0 {
		return fmt.Errorf("%d of %d checks failed", c.bad, c.n)
	}
	return nil
}
