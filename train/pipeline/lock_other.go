//go:build !unix

package pipeline

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// lock keeps other processes off a step by a file that only one of them can make.
// After a crash it has to be removed by hand; the error names it.
func lock(path, step string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, os.ErrExist) {
		who, _ := os.ReadFile(path)
		return nil, fmt.Errorf("step %s is being run by %s: wait for it or end it; if it is gone, remove %s", step, strings.TrimSpace(string(who)), path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot lock step %s: %w", step, err)
	}
	defer f.Close()
	host, _ := os.Hostname()
	fmt.Fprintf(f, "process %d on %s since %s\n", os.Getpid(), host, time.Now().Format(time.DateTime))
	return func() { os.Remove(path) }, nil
}
