package dataset

import (
	"fmt"

	"voxgrad/synth"
	"voxgrad/volume"
)

// UseMaps makes items carry their Likelihood: the product of the case's map of
// white matter and of the prior, of those of the two that there are. Call it before
// Load. The prior may be nil; it lies in the space of every case.
func (l *Loader) UseMaps(prior *volume.Volume) { l.likely, l.prior = true, prior }

// readMaps fills in the likelihood.
func (it *Item) readMaps(prior *volume.Volume) error {
	var maps []*volume.Volume
	if it.Case.WhiteMatter != "" {
		m, err := volume.Read(it.Case.WhiteMatter)
		if err != nil {
			return fmt.Errorf("case %s: %w", it.Case.ID, err)
		}
		maps = append(maps, m)
	}
	if prior != nil {
		maps = append(maps, prior)
	}
	brain := make([]bool, len(it.Labels))
	for i, l := range it.Labels {
		brain[i] = l&Brain != 0
	}
	var err error
	if it.Likelihood, err = synth.Likely(brain, it.Grid(), maps...); err != nil {
		return fmt.Errorf("case %s: %w", it.Case.ID, err)
	}
	return nil
}
