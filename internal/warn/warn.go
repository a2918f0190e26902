// Package warn says what a user should know about a file although the work goes on.
package warn

import (
	"fmt"
	"log/slog"
	"sync"
)

var (
	mu   sync.Mutex
	said = map[string]bool{}
)

// most bounds the memory of what was said; beyond it texts may be repeated.
const most = 10000

// Once logs a warning, the first time in this process that its text comes up: a
// case that is read in every epoch is warned of once.
func Once(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	mu.Lock()
	again := said[text]
	if !again {
		if len(said) >= most {
			clear(said)
		}
		said[text] = true
	}
	mu.Unlock()
	if !again {
		slog.Warn(text)
	}
}

// Forget makes Once say everything again: for tests.
func Forget() {
	mu.Lock()
	defer mu.Unlock()
	clear(said)
}
