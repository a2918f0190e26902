package cli

import "errors"

// ErrInterrupted ends a run that a signal stopped: saved, but not finished.
var ErrInterrupted = errors.New("interrupted; everything is saved, and --resume goes on from here")

// stopped is an end by a signal. It counts as ErrInterrupted, for the exit status, but
// says what to do in the words of what was stopped.
type stopped struct{ error }

func (stopped) Is(target error) bool { return target == ErrInterrupted }

// Stopped marks err as the end of a command by a signal.
func Stopped(err error) error { return stopped{err} }
