package train

import "fmt"

// The collapse alarm: soft Dice alone is known to end in "no lesion anywhere".
const (
	collapseProbability = 1e-4
	collapseSteps       = 200
)

// watchCollapse counts steps with next to no lesion probability. It warns once in
// a row of them, and with on_collapse = "stop" gives an error.
func (t *trainer) watchCollapse(lesion float64) error {
	if lesion >= collapseProbability {
		t.state.LowSteps = 0
		return nil
	}
	t.state.LowSteps++
	if t.state.LowSteps < collapseSteps {
		return nil
	}
	text := fmt.Sprintf("step %d: the network predicts no lesion: its mean lesion probability was under %g for %d steps in a row. "+
		"Soft Dice can get stuck there. Try a higher sampler.lesion_prob, loss.cross_entropy = 0.1, loss.lesion_only, or another seed",
		t.state.Step, collapseProbability, t.state.LowSteps)
	if t.cfg.Run.OnCollapse == "stop" {
		return fmt.Errorf("%s", text)
	}
	if t.state.LowSteps == collapseSteps {
		t.on(Warning{text})
	}
	return nil
}

// warnCache says once that cases are loaded again and again.
func (t *trainer) warnCache() {
	if n := t.loader.Evicted(); !t.warned && n > len(t.set.Cases) {
		t.warned = true
		t.on(Warning{fmt.Sprintf("the loaded cases do not fit into data.cache_mb = %d and are read again and again (%d times so far); raise it",
			t.cfg.Data.CacheMB, n)})
	}
}
