package volume

import (
	"fmt"
	"io"

	"voxgrad/internal/outfile"
)

// WriteITKIn writes an affine transform as an ITK text file, which ReadITK, ITK, SimpleITK,
// ANTs and Slicer read, as one of a set of files; nil: alone.
func WriteITKIn(set *outfile.Set, path string, t Transform) error {
	return set.Write(path, func(w io.Writer) error {
		a := t.fromLPS() // changing signs is its own inverse
		_, err := fmt.Fprintf(w, "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\nParameters: %.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g\nFixedParameters: 0 0 0\n",
			a[0][0], a[0][1], a[0][2], a[1][0], a[1][1], a[1][2], a[2][0], a[2][1], a[2][2], a[0][3], a[1][3], a[2][3])
		return err
	})
}
