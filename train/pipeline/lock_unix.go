//go:build unix

package pipeline

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// lock keeps other processes off a step, also those on other machines where the
// file system is shared. The system takes it back when the process ends, however
// that happens; the file stays and says who had it last.
func lock(path, step string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("cannot lock step %s: %w", step, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		who, _ := os.ReadFile(path)
		f.Close()
		return nil, fmt.Errorf("step %s is being run by %s: wait for it or end it; nothing was changed", step, strings.TrimSpace(string(who)))
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot lock step %s: %s: %w (does the file system support locks?)", step, path, err)
	}
	host, _ := os.Hostname()
	if err := f.Truncate(0); err == nil {
		fmt.Fprintf(f, "process %d on %s since %s\n", os.Getpid(), host, time.Now().Format(time.DateTime))
	}
	return func() { f.Close() }, nil
}
