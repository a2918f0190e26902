package cli

import (
	"errors"

	"github.com/spf13/cobra"
)

// ErrInterrupted ends a run that a signal stopped: saved, but not finished.
var ErrInterrupted = errors.New("interrupted; everything is saved, and --resume goes on from here")

// stopped is an end by a signal. It counts as ErrInterrupted, for the exit status, but
// says what to do in the words of what was stopped.
type stopped struct{ error }

func (stopped) Is(target error) bool { return target == ErrInterrupted }

// EndsItself reports whether a command ends in its own time after a signal, because it
// has something to save or, for a server, because a signal is the way to end it.
func EndsItself(cmd *cobra.Command) bool { return cmd != nil && cmd.Annotations[endsItself] != "" }

const endsItself = "voxgrad_ends_itself"

// EndItself marks a command as one.
func EndItself(cmd *cobra.Command) {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[endsItself] = "true"
}

// Stopped marks err as the end of a command by a signal.
func Stopped(err error) error { return stopped{err} }
