package dataset

import (
	"fmt"
	"slices"

	"voxgrad/synth"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

// UseMaps makes items carry their Likelihood: the product of the case's map of
// white matter and of the prior, of those of the two that there are. Call it before
// Load. The prior may be nil; it lies in the space of every case.
func (l *Loader) UseMaps(prior *volume.Volume) { l.likely, l.prior = true, prior }

// CheckMaps reads the prior, "" for none, and tries it and the maps of white matter
// on one case: the first that has such a map, else the first. A map in another space
// shows so without the work of loading every case.
func (s *Set) CheckMaps(settings prep.Settings, prior string) error {
	first := slices.IndexFunc(s.Cases, func(c Case) bool { return c.WhiteMatter != "" })
	if prior == "" && first < 0 {
		return nil
	}
	var m *volume.Volume
	if prior != "" {
		var err error
		if m, err = volume.Read(prior); err != nil {
			return err
		}
	}
	l := NewLoader(s, settings, 0)
	l.UseMaps(m)
	_, err := l.Load(max(first, 0))
	return err
}

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
