package lockfile

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// place is the byte that is locked, far behind what the file says, for Windows keeps
// other processes from reading what is locked.
const place = 1 << 30

// flock locks a file, or changes its lock; errBusy if others are in the way.
func flock(f *os.File, exclusive bool) error {
	h, at := windows.Handle(f.Fd()), &windows.Overlapped{Offset: place}
	_ = windows.UnlockFileEx(h, 0, 1, 0, at) // fails where nothing is locked yet
	flags := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if exclusive {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	err := windows.LockFileEx(h, flags, 0, 1, 0, at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return errBusy
	}
	return err
}
