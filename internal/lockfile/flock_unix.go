//go:build unix

package lockfile

import (
	"errors"
	"os"
	"syscall"
)

// flock locks a file, or changes its lock; errBusy if others are in the way.
func flock(f *os.File, exclusive bool) error {
	how := syscall.LOCK_SH
	if exclusive {
		how = syscall.LOCK_EX
	}
	err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errBusy
	}
	return err
}
