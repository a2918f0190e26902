// Command voxgrad trains, applies and scores networks that find multiple
// sclerosis lesions in FLAIR scans, and those that are new between two of them.
//
// Results go to standard output, everything else to standard error. The exit
// status is 0 on success, 1 when the input or the machine is at fault, 2 when the
// command line is, 130 when a signal stopped it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"voxgrad/internal/par"
)

func main() { os.Exit(run(os.Args[1:])) }

// run executes one command line and returns the exit status.
func run(args []string) int {
	// The first signal asks the command to save and stop; a second one, once the
	// handler is gone, ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(os.Stderr, "voxgrad: %v\n", err)
		if usage.cmd != nil {
			fmt.Fprintf(os.Stderr, "Run '%s --help' for how to call it.\n", usage.cmd.CommandPath())
		}
		return 2
	}
	fmt.Fprintf(os.Stderr, "voxgrad: %v\n", err)
	if errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled) {
		return 130 // what shells report for a program that SIGINT ended
	}
	return 1
}

func newRoot() *cobra.Command {
	var threads int
	var verbose bool
	root := &cobra.Command{
		Use:   "voxgrad",
		Short: "Find multiple-sclerosis lesions, and new ones between two FLAIR scans",
		Long: `voxgrad trains, applies and scores 3D networks that find multiple-sclerosis
lesions in a FLAIR scan, and lesions that are new between two of them.

Not a medical device: for research only.`,
		Version:                    buildVersion(),
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		CompletionOptions:          cobra.CompletionOptions{HiddenDefaultCmd: true},
		Args:                       onlyCommands,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmd.ValidateRequiredFlags(); err != nil {
				return usageError{err, cmd} // cobra would check later and call it any error
			}
			if threads < 0 {
				return usagef(cmd, "--threads %d: a number of cores, or 0 for all of them", threads)
			}
			par.SetThreads(threads)
			level := slog.LevelInfo
			if verbose {
				level = slog.LevelDebug
			}
			slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
			return nil
		},
	}
	root.SetVersionTemplate("voxgrad {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{err, cmd} })
	root.PersistentFlags().IntVar(&threads, "threads", 0, "cores to use; 0 means all (results do not depend on it)")
	root.PersistentFlags().BoolVar(&verbose, "verbose", false, "log more")
	root.AddCommand(
		newDemo(), newPhantom(), newTrain(), newData(),
		newPipeline(), newAblate(),
		newSegment(), newPredict(), newEvaluate(), newCompare(), newReport(), newView(),
		newAugment(), newSynth(),
		newGradcheck(), newWeights(), newBench(), newDevices(),
	)
	return root
}
