package cli

import (
	"log/slog"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"voxgrad/report"
)

// Progress shows how far a long piece of work has come: a bar where standard
// error is a terminal, otherwise a log line every ten seconds.
type Progress struct {
	what  string
	total int
	bar   *progressbar.ProgressBar
	said  time.Time
	begun time.Time
	first int // parts that were done before
}

// NewProgress shows the start of work in total parts.
func NewProgress(what string, total int) *Progress {
	p := &Progress{what: what, total: total, said: time.Now(), begun: time.Now(), first: -1}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
			progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
	}
	return p
}

// Set shows that done of the total are finished; note is added to the bar.
func (p *Progress) Set(done int, note string) {
	if p.bar != nil {
		p.bar.Describe(p.what + note)
		_ = p.bar.Set(done)
		return
	}
	if p.first < 0 {
		p.first = done - 1
	}
	if time.Since(p.said) > 10*time.Second && done < p.total {
		left := time.Since(p.begun).Seconds() / float64(done-p.first) * float64(p.total-done)
		slog.Info(p.what+note, "done", done, "of", p.total, "left", report.Duration(time.Duration(left*float64(time.Second))))
		p.said = time.Now()
	}
}

// Shut removes the bar; a nil progress has none.
func (p *Progress) Shut() {
	if p != nil && p.bar != nil {
		_ = p.bar.Finish()
	}
}
