package prepare

import (
	"fmt"

	"voxgrad/volume"
)

// leastToMatch is the volume, ml, of what shows in both scans that Matches needs to tell anything.
const leastToMatch = 200

// Matches holds two scans of one space against each other where they are: the error is for scans that do not show one head
// there, the warning for doubtful ones. brain is on their grid; nil: heads are found. Less than 200 ml tell nothing.
func Matches(a, b *volume.Volume, brain *volume.Mask) (warning string, err error) {
	shown := 0
	for x, f := range a.Data {
		if f != 0 && b.Data[x] != 0 && (brain == nil || brain.Data[x]) {
			shown++
		}
	}
	if s := a.Spacing(); float64(shown)*s[0]*s[1]*s[2] < leastToMatch*1000 {
		return "", nil
	}
	r, err := agreement(a, b, brain)
	switch {
	case err != nil:
		return "", err
	case r < sameHead:
		return "", fmt.Errorf("%s and %s do not match where they are: local correlation %.2f, of one head aligned at two times it is above %.2f, of two heads below: are they of one patient and both FLAIR? if so, have them registered (--prepare all) or take them as they are (--prepare none)",
			a.Name(), b.Name(), r, sameHead)
	case r < sureHead:
		return fmt.Sprintf("%s and %s match less well than scans of one head do: local correlation %.2f, usually above %.2f; --prepare all registers them", a.Name(), b.Name(), r, sureHead), nil
	}
	return "", nil
}

// agreement is the local correlation of two scans where they are, on voxels of 4 mm.
func agreement(a, b *volume.Volume, brain *volume.Mask) (float64, error) {
	levels, err := pyramids(a, b, brain, brain)
	if err != nil {
		return 0, err
	}
	st := timeStages[1]
	l := levels[st.level]
	at := aligner{levels: [2]*level{l[0].normalised(st.window), l[1].normalised(st.window)}}
	_, f := at.move(pose{volume.Identity, volume.Identity})
	return f.correlation, nil
}
