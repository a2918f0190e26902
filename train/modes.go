package train

import (
	"fmt"

	"voxgrad/layers"
	"voxgrad/train/sample"
)

// modeBatches is how many of an epoch's last batches are scored in both modes: at most
// that many, and at most one in modeShare.
const (
	modeBatches = 8
	modeShare   = 25
)

// A network whose patches score less than modeRatio of what they scored in training,
// where that was modeDice at least, has lost its answer to the running statistics.
const (
	modeDice  = 0.2
	modeRatio = 0.5
)

// modes compares the same patches in training and in evaluation mode. Batch norm uses the
// batch's own statistics in the one and running ones in the other, which can part for
// good where batches are small; validation then shows a bad score and not why.
type modes struct {
	train, eval sums
	parted      bool
}

// scoresModes reports whether watchModes scores the batch of an epoch's step, from 1.
func (t *trainer) scoresModes(step int) bool {
	return !restores(t.cfg.Task) && t.mode() != layers.Eval && t.cfg.Network.Norm != layers.Instance && t.cfg.Run.Steps-step < max(min(modeBatches, t.cfg.Run.Steps/modeShare), 1)
}

// watchModes scores a batch of an epoch's last ones, r in training, again with running
// statistics, and warns at the end of the epoch.
func (t *trainer) watchModes(b *sample.Batch, r sums) error {
	left, m := t.cfg.Run.Steps-t.state.InEpoch, &t.modes
	if !t.scoresModes(t.state.InEpoch) {
		return nil
	}
	t.net.SetMode(layers.Eval)
	defer t.net.SetMode(t.mode())
	e, err := t.evaluate(b)
	if err != nil {
		return err
	}
	m.train.add(r)
	m.eval.add(e)
	if left > 0 {
		return nil
	}
	train, eval := m.train.dice(), m.eval.dice()
	parts := train >= modeDice && eval < modeRatio*train
	if parts && !m.parted {
		t.on(Warning{fmt.Sprintf("epoch %d: patches that score a soft Dice of %.2f with their batch's statistics score %.2f with the running ones, "+
			"which validation and prediction use. Try a falling learning rate (adam.schedule), averaged weights (adam.average = 0.999), "+
			"a larger batch or a lower rate", t.state.Epoch+1, train, eval)})
	}
	*m = modes{parted: parts}
	return nil
}
