// Package cli holds what the commands share: wrong usage, the choice of a device, settings
// from file, environment and flags, progress, output as JSON.
package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"voxgrad/internal/text"
)

// UsageError is a wrong command line, as opposed to wrong input.
type UsageError struct {
	err error
	Cmd *cobra.Command
}

func (e UsageError) Error() string { return e.err.Error() }

func (e UsageError) Unwrap() error { return e.err }

// Usage marks err as a wrong command line.
func Usage(cmd *cobra.Command, err error) error { return UsageError{err, cmd} }

// Usagef is Usage of a new error.
func Usagef(cmd *cobra.Command, format string, a ...any) error {
	return Usage(cmd, fmt.Errorf(format, a...))
}

// ExactArgs is cobra's check of the number of arguments, reported as wrong usage.
func ExactArgs(n int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			if n == 0 {
				return Usagef(cmd, "unexpected argument %q", args[0])
			}
			return Usagef(cmd, "expected %s, got %d arguments", names, len(args))
		}
		return nil
	}
}

// Group makes a command that only holds others.
func Group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: OnlyCommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	c.AddCommand(subs...)
	return c
}

// OnlyCommands refuses what is not the name of a command below.
func OnlyCommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			known = append(known, c.Name())
		}
	}
	return Usagef(cmd, "unknown command %q for %q%s", args[0], cmd.CommandPath(), text.DidYouMean(args[0], known))
}

// FlagError is an error of the parser of flags, with the flag that may have been meant.
func FlagError(cmd *cobra.Command, err error) error {
	if unknown := (*pflag.NotExistError)(nil); errors.As(err, &unknown) {
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		if near := text.Nearest(unknown.GetSpecifiedName(), known); near != "" {
			err = fmt.Errorf("%w; did you mean --%s?", err, near)
		}
	}
	return Usage(cmd, err)
}

// Must is for what can only fail by a mistake in the program.
func Must(err error) {
	if err != nil {
		panic(err)
	}
}
