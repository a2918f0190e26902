package main

import "errors"

// errInterrupted ends a run that a signal stopped: saved, but not finished.
var errInterrupted = errors.New("interrupted; everything is saved, and --resume goes on from here")

// stopped is the end of a pipeline by a signal. It counts as errInterrupted, for the
// exit status, but says what to do in the engine's words.
type stopped struct{ error }

func (stopped) Is(target error) bool { return target == errInterrupted }
