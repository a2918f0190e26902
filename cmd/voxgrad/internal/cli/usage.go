// Package cli holds what the commands share: wrong usage, the choice of a device, settings
// from file, environment and flags, progress, output as JSON.
package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
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
	hint := ""
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		hint = "; did you mean " + strings.Join(similar, " or ") + "?"
	}
	return Usagef(cmd, "unknown command %q for %q%s", args[0], cmd.CommandPath(), hint)
}

// Must is for what can only fail by a mistake in the program.
func Must(err error) {
	if err != nil {
		panic(err)
	}
}
