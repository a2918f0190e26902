package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// Out is standard output. Everything that a command prints goes through it, so that a
// result that did not arrive, on a full disk say, is an error of the command: see
// OutError.
var Out io.Writer = output{}

type output struct{}

var failed struct {
	sync.Mutex
	err error
}

func (output) Write(b []byte) (int, error) {
	n, err := os.Stdout.Write(b)
	if err != nil {
		failed.Lock()
		if failed.err == nil {
			failed.err = err
		}
		failed.Unlock()
	}
	return n, err
}

// Terminal reports whether standard output is one.
func Terminal() bool { return term.IsTerminal(int(os.Stdout.Fd())) }

// OutError is the error of a command: err, or where it has none, or none but this one, the
// first error of a write to Out.
func OutError(err error) error {
	failed.Lock()
	defer failed.Unlock()
	if failed.err != nil && (err == nil || errors.Is(err, failed.err)) {
		return fmt.Errorf("cannot write to standard output: %w", failed.err)
	}
	return err
}
