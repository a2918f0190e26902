package volume

import "strings"

// Endings are the endings of the names of image files. They are recognised in any
// case: FLAIR.NII.GZ.
var Endings = []string{".nii.gz", ".nii"}

// CutEnding splits the name of an image file before its ending, which is returned as
// it is written; ok is false where the name ends in neither of Endings.
func CutEnding(name string) (base, ending string, ok bool) {
	for _, e := range Endings {
		if n := len(name) - len(e); n >= 0 && strings.EqualFold(name[n:], e) {
			return name[:n], name[n:], true
		}
	}
	return name, "", false
}

// IsImageName reports whether a name has one of Endings.
func IsImageName(name string) bool {
	_, _, ok := CutEnding(name)
	return ok
}
