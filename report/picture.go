package report

import (
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"

	"voxgrad/internal/atomicfile"
	"voxgrad/volume"
)

// Case is what a picture of lesions is made from. All volumes lie on one grid,
// of any orientation.
type Case struct {
	Title      string
	Time1      *volume.Volume // nil for lesions found in one scan
	Time2      *volume.Volume // the (second) scan
	Mask       *volume.Volume // what was found
	Prob       *volume.Volume // its probabilities; may be nil
	Truth      *volume.Volume // what should have been found; may be nil
	Brain      *volume.Volume // brain mask; nil to find it from Time2
	Convention Convention
	Rows       int // lesions shown at most; 0 means 5
}

// region is a lesion to show: a component of the mask, or with a truth of both
// masks together.
type region struct {
	Lesion
	slice                 int     // axial, on the canonical grid: the one with most of its voxels
	box                   Box     // on the canonical grid
	predictedMM3, trueMM3 float64 // volume of the mask and of the truth in it
}

// LesionPicture draws the axial slices with the largest lesions, one a row: the
// first scan, the second, the second with what was found, the probabilities where
// given, and close-ups. With a truth, the regions of both masks together are shown, in the
// colours of Comparison. Without any lesion it shows slices through the
// brain. The error says which volume is on another grid.
func LesionPicture(c *Case) (*image.RGBA, error) {
	if c.Time2 == nil || c.Mask == nil {
		return nil, errors.New("a picture of lesions needs a scan and a mask")
	}
	for _, v := range []*volume.Volume{c.Time1, c.Mask, c.Prob, c.Truth, c.Brain} {
		if v != nil {
			if err := volume.SameSpace(c.Time2, v); err != nil {
				return nil, err
			}
		}
	}
	regions, err := c.regions()
	if err != nil {
		return nil, err
	}
	s, err := newSheet(c, regions)
	if err != nil {
		return nil, err
	}
	return s.draw()
}

// WritePNG writes a picture to a file, whole or not at all.
func WritePNG(path string, img image.Image) error {
	return atomicfile.Write(path, func(w io.Writer) error { return png.Encode(w, img) })
}

// regions finds what to show, the largest first.
func (c *Case) regions() ([]region, error) {
	inMask := volume.NonZero(c.Mask)
	inTruth := make([]bool, len(inMask))
	if c.Truth != nil {
		inTruth = volume.NonZero(c.Truth)
	}
	inside := make([]bool, len(inMask))
	for x := range inside {
		inside[x] = inMask[x] || inTruth[x]
	}
	labels, comps, list, err := findLesions(c.Mask, inside, c.Prob)
	if err != nil {
		return nil, err
	}
	out := make([]region, len(list))
	slices := busiest(c.Mask.Grid, labels, comps)
	for n, l := range list {
		out[n] = region{Lesion: l, box: canonicalBox(c.Mask.Grid, comps[n]), slice: slices[n]}
	}
	voxel := math.Abs(c.Mask.Affine.Det())
	for x, l := range labels {
		if l == 0 {
			continue
		}
		if inMask[x] {
			out[l-1].predictedMM3 += voxel
		}
		if inTruth[x] {
			out[l-1].trueMM3 += voxel
		}
	}
	return out, nil
}

// heights tells the canonical axial slice of the voxel at an offset of g.
func heights(g volume.Grid) func(offset int) int {
	o := g.Affine.Orientation()
	stride := 1
	for a, w := range o.World {
		if w == 2 {
			n, down := g.Size[a], o.Flip[a]
			return func(offset int) int {
				k := offset / stride % n
				if down {
					k = n - 1 - k
				}
				return k
			}
		}
		stride *= g.Size[a]
	}
	panic("report: an orientation without an axis up") // World is a permutation
}

// canonicalBox is the box of a component of g on g's canonical grid.
func canonicalBox(g volume.Grid, c volume.Component) Box {
	var b Box
	o := g.Affine.Orientation()
	for a, w := range o.World {
		b.Min[w], b.Max[w] = c.Min[a], c.Max[a]+1
		if o.Flip[a] {
			b.Min[w], b.Max[w] = g.Size[a]-c.Max[a]-1, g.Size[a]-c.Min[a]
		}
	}
	return b
}

// caption describes a region in one line.
func (r *region) caption(c *Case, grid volume.Grid) string {
	s := fmt.Sprintf("%d    centroid %s, %s, %s mm", r.Number,
		Millimetres.Format(r.World[0]), Millimetres.Format(r.World[1]), Millimetres.Format(r.World[2]))
	if c.Truth == nil {
		s += "    " + CubicMillimetres.Text(r.VolumeMM3)
	} else {
		s += fmt.Sprintf("    predicted %s, true %s", CubicMillimetres.Text(r.predictedMM3), CubicMillimetres.Text(r.trueMM3))
		switch {
		case r.trueMM3 == 0:
			s += " (false positive)"
		case r.predictedMM3 == 0:
			s += " (missed)"
		}
	}
	if !math.IsNaN(r.MeanProb) {
		s += "    mean probability " + Probability.Format(r.MeanProb)
	}
	return s + fmt.Sprintf("    axial slice %d of %d", r.slice+1, grid.Size[2])
}
