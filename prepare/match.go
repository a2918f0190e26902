package prepare

import (
	"fmt"

	"voxgrad/volume"
)

// leastToMatch is the volume, ml, of what counts in both scans that tells whether they are of one head.
const leastToMatch = 200

// MatchError is the error of two scans that do not show one head where they are.
type MatchError struct{ text string }

func (e *MatchError) Error() string { return e.text }

// Matches holds two scans of one space against each other where they are: the error, a *MatchError, is for scans that do not show one head
// there, the warning for doubtful ones. brain is on their grid; nil: heads are found. Less than 200 ml tell nothing.
func Matches(a, b *volume.Volume, brain *volume.Mask) (warning string, err error) {
	f, err := agreement(a, b, brain, brain, pose{volume.Identity, volume.Identity})
	if err != nil {
		return "", err
	}
	return f[0].matches(a, b)
}

// matches is Matches of scans whose fit is known.
func (f fit) matches(a, b *volume.Volume) (warning string, err error) {
	switch {
	case f.ml() < leastToMatch:
		return "", nil
	case f.correlation < sameHead:
		return "", &MatchError{fmt.Sprintf("%s and %s do not match where they are: local correlation %.2f, of one head aligned at two times it is above %.2f, of two heads below: are they of one patient and both FLAIR?",
			a.Name(), b.Name(), f.correlation, sameHead)}
	case f.correlation < sureHead:
		return fmt.Sprintf("%s and %s match less well than scans of one head do where they are: local correlation %.2f, usually above %.2f", a.Name(), b.Name(), f.correlation, sureHead), nil
	}
	return "", nil
}

// ml is what counts in both scans, of a fit of agreement.
func (f fit) ml() float64 {
	const mm = 2 * finest
	return f.voxels * mm * mm * mm / 1000
}

// agreement is how well two scans fit in each of some poses, on voxels of 2 finest; nil masks: heads are found.
func agreement(a, b *volume.Volume, maskA, maskB *volume.Mask, poses ...pose) (fits []fit, err error) {
	levels, err := pyramids(a, b, maskA, maskB)
	if err != nil {
		return nil, err
	}
	st := timeStages[1]
	l := levels[st.level]
	at := aligner{levels: [2]*level{l[0].normalised(st.window), l[1].normalised(st.window)}}
	for _, p := range poses {
		_, f := at.move(p)
		fits = append(fits, f)
	}
	return fits, nil
}

// agree looks at time points that were not registered here: whether they show one head where they are, or where the transform that was given
// puts them. Registration left out, or given, is a user's choice: then a warning is all.
func (j *job) agree() error {
	a, b, r := j.scans[0], j.scans[1], j.rec.Times
	poses := []pose{j.half}
	if j.in.Between != nil {
		poses = append(poses, halfway(orthogonal(j.in.Between.Inverse())))
	}
	maskA, maskB := j.brains[0], j.brains[1]
	if maskA == nil || maskB == nil { // a brain is held against a brain, a head against a head
		maskA, maskB = nil, nil
	}
	fits, err := agreement(a, b, maskA, maskB, poses...)
	if err != nil {
		return err
	}
	r.Correlation, r.Overlap = fits[0].correlation, fits[0].overlap
	doubt, err := fits[0].matches(a, b)
	switch {
	case j.in.Between != nil && fits[0].correlation < sameHead && fits[1].ml() >= leastToMatch && fits[1].correlation > max(sameHead, fits[0].correlation):
		return fmt.Errorf("%s and %s match with the inverse of the transform between them (local correlation %.2f) and not with itself (%.2f): it must map points of the first scan to points of the second",
			a.Name(), b.Name(), fits[1].correlation, fits[0].correlation)
	case err != nil && r.How == OneGrid:
		return err
	case err != nil:
		doubt = err.Error()
	case fits[0].ml() < leastToMatch:
		doubt = fmt.Sprintf("%s and %s have %.0f ml of head in common where they are: too little to tell whether they match", a.Name(), b.Name(), fits[0].ml())
	}
	j.warn(doubt)
	return nil
}
