// Package root puts the commands together and runs a command line.
package root

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/augment"
	"voxgrad/cmd/voxgrad/internal/bench"
	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/cmd/voxgrad/internal/compare"
	"voxgrad/cmd/voxgrad/internal/data"
	"voxgrad/cmd/voxgrad/internal/demo"
	"voxgrad/cmd/voxgrad/internal/devices"
	"voxgrad/cmd/voxgrad/internal/evaluate"
	"voxgrad/cmd/voxgrad/internal/gradcheck"
	"voxgrad/cmd/voxgrad/internal/phantom"
	"voxgrad/cmd/voxgrad/internal/pipeline"
	"voxgrad/cmd/voxgrad/internal/predict"
	"voxgrad/cmd/voxgrad/internal/prepare"
	"voxgrad/cmd/voxgrad/internal/report"
	"voxgrad/cmd/voxgrad/internal/synth"
	"voxgrad/cmd/voxgrad/internal/train"
	"voxgrad/cmd/voxgrad/internal/view"
	"voxgrad/cmd/voxgrad/internal/weights"
	"voxgrad/internal/outfile"
	"voxgrad/internal/par"
	"voxgrad/internal/text"
)

// Run executes one command line and returns the exit status.
func Run(args []string) int {
	err := cli.OutError(execute(args))
	if err == nil {
		return 0
	}
	// Names of files, tensors and cases in it are anybody's: no escape sequence of
	// theirs reaches the terminal, and no text of megabytes.
	fmt.Fprintf(os.Stderr, "voxgrad: %s\n", text.CleanLines(oneLine(err, args)))
	var usage cli.UsageError
	if errors.As(err, &usage) {
		if usage.Cmd != nil {
			fmt.Fprintf(os.Stderr, "Run '%s --help' for how to call it.\n", usage.Cmd.CommandPath())
		}
		return 2
	}
	if errors.Is(err, cli.ErrInterrupted) {
		return 130 // what shells report for a program that SIGINT ended
	}
	return 1
}

// oneLine is the text of an error in which line breaks in names, of the command line or of a file that could not be reached, are
// escapes: a line that a name begins is none of the program's.
func oneLine(err error, args []string) string {
	names := args
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		names = append(slices.Clone(args), p.Path)
	}
	msg := err.Error()
	for _, name := range names {
		for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == filepath.Separator || r == '=' }) {
			if strings.Contains(part, "\n") && strings.TrimSpace(part) != "" {
				msg = strings.ReplaceAll(msg, part, text.CleanTo(part, text.MaxMessage))
			}
		}
	}
	return msg
}

// patience is how long a command that has nothing to save may take to end by itself.
const patience = time.Second

// running is the command that runs, once it does.
var running atomic.Pointer[cobra.Command]

// execute runs a command line. The first signal asks the command to stop: one that saves
// its work takes its time, others are given a moment. A second signal, once the handler is
// gone, ends the process at once. A file is whole or not there whenever the process ends.
func execute(args []string) error {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	context.AfterFunc(ctx, stop)

	root := New()
	root.SetArgs(args)
	type end struct {
		cmd *cobra.Command
		err error
	}
	ended := make(chan end, 1)
	go func() {
		cmd, err := root.ExecuteContextC(ctx)
		ended <- end{cmd, err}
	}()
	var e end
	select {
	case e = <-ended:
	case <-ctx.Done():
		if cli.EndsItself(running.Load()) {
			e = <-ended
			break
		}
		select {
		case e = <-ended:
		case <-time.After(patience):
			outfile.Abandon()
			e.err = context.Canceled
		}
	}
	switch {
	case ctx.Err() == nil, e.err == nil && cli.EndsItself(e.cmd), errors.Is(e.err, cli.ErrInterrupted):
		return e.err
	case e.err == nil:
		return cli.Stopped(errors.New("a signal came, but the work was done by then"))
	case errors.Is(e.err, context.Canceled):
		if n := outfile.Written(); n > 0 {
			return cli.Stopped(fmt.Errorf("interrupted; %s complete, nothing else is written", text.Plural(n, "file is", "files are")))
		}
		return cli.Stopped(errors.New("interrupted, nothing written"))
	}
	return e.err
}

// bounded cuts what a log line says about text from outside; its control characters
// are escaped by the handler.
func bounded(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(text.CleanTo(v, text.MaxMessage))
	case error:
		a.Value = slog.StringValue(text.CleanTo(v.Error(), text.MaxMessage))
	}
	return a
}

// mostThreads bounds what --threads may start.
const mostThreads = 4096

// New returns the program's root command.
func New() *cobra.Command {
	var threads int
	var verbose bool
	root := &cobra.Command{
		Use:   "voxgrad",
		Short: "Find multiple-sclerosis lesions, and new ones between two FLAIR scans",
		Long: `voxgrad trains, applies and scores 3D networks that find multiple-sclerosis
lesions in a FLAIR scan, and lesions that are new between two of them.

Not a medical device: for research only.`,
		Version:           cli.Version(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Args:              cli.OnlyCommands,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmd.ValidateRequiredFlags(); err != nil {
				return cli.Usage(cmd, err) // cobra would check later and call it any error
			}
			if threads < 0 || threads > mostThreads {
				return cli.Usagef(cmd, "--threads %d: a number of cores up to %d, or 0 for all of them", threads, mostThreads)
			}
			par.SetThreads(threads)
			level := slog.LevelInfo
			if verbose {
				level = slog.LevelDebug
			}
			slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level, ReplaceAttr: bounded})))
			running.Store(cmd)
			slog.Debug("running", "command", cmd.CommandPath())
			return cli.CheckPaths(cmd)
		},
	}
	root.SetVersionTemplate("voxgrad {{.Version}}\n")
	root.SetFlagErrorFunc(cli.FlagError)
	root.SetOut(cli.Out)
	root.PersistentFlags().IntVar(&threads, "threads", 0, "cores to use; 0 means all (results do not depend on it)")
	root.PersistentFlags().BoolVar(&verbose, "verbose", false, "log more")
	root.AddCommand(
		demo.New(), phantom.New(), train.New(), data.New(),
		pipeline.New(), pipeline.NewAblate(),
		prepare.New(), predict.NewSegment(), predict.New(), evaluate.New(), compare.New(), report.New(), view.New(),
		augment.New(), synth.New(),
		gradcheck.New(), weights.New(), bench.New(), devices.New(),
	)
	return root
}
