package report

import (
	"image"
	"image/color"
	"math"

	"voxgrad/volume"
)

// Overlay is what is drawn over a scan: a mask, a comparison of two masks, or a
// probability map.
type Overlay struct {
	Fill    float64 // opacity of the inside of a mask, 0 to 1
	Outline int     // width of a mask's edge in pixels, drawn inside the mask

	of     *volume.Volume // canonical; for its grid, name and probabilities
	class  []uint8        // of each voxel: 0 nothing, else colours[class-1]; nil for a probability map
	colors []color.RGBA
	least  float64 // probabilities below it are not drawn
}

// How masks are drawn unless the caller sets something else: the edge in full
// colour and the intensities still visible inside.
const (
	defaultFill    = 0.45
	defaultOutline = 2
)

// Mask shows the non-zero voxels of mask in one colour, for instance Predicted.
func Mask(mask *volume.Volume, c color.RGBA) *Overlay {
	m := volume.Canonical(mask)
	class := make([]uint8, len(m.Data))
	for x, in := range volume.NonZero(m) {
		if in {
			class[x] = 1
		}
	}
	return &Overlay{Fill: defaultFill, Outline: defaultOutline, of: m, class: class, colors: []color.RGBA{c}}
}

// Comparison shows pred against truth in the colours of the paper's Figure 6:
// TruePositive, FalseNegative, FalsePositive. The error is for masks on different
// grids.
func Comparison(pred, truth *volume.Volume) (*Overlay, error) {
	if err := volume.SameSpace(truth, pred); err != nil {
		return nil, err
	}
	p := volume.Canonical(pred)
	inPred, inTruth := volume.NonZero(p), volume.NonZero(volume.Canonical(truth))
	class := make([]uint8, len(p.Data))
	for x := range class {
		switch {
		case inPred[x] && inTruth[x]:
			class[x] = 1
		case inTruth[x]:
			class[x] = 2
		case inPred[x]:
			class[x] = 3
		}
	}
	return &Overlay{
		Fill: defaultFill, Outline: defaultOutline, of: p, class: class,
		colors: []color.RGBA{TruePositive, FalseNegative, FalsePositive},
	}, nil
}

// HeatMap shows probabilities from least up in the colours of Heat, the more opaque the higher.
func HeatMap(prob *volume.Volume, least float64) *Overlay {
	return &Overlay{Fill: 0.85, of: volume.Canonical(prob), least: least}
}

func (o *Overlay) draw(img *image.RGBA, f *frame) {
	if o.class == nil {
		o.drawHeat(img, f)
		return
	}
	class := o.classes(f)
	for y := range f.height {
		for x := range f.width {
			c := class[y*f.width+x]
			if c == 0 {
				continue
			}
			opacity := o.Fill
			if o.edge(class, f, x, y) {
				opacity = 1
			}
			if opacity > 0 {
				img.SetRGBA(x, y, blend(img.RGBAAt(x, y), o.colors[c-1], opacity))
			}
		}
	}
}

// classes is the class of the voxel under each pixel.
func (o *Overlay) classes(f *frame) []uint8 {
	u := make([]int, f.width)
	for x := range u {
		u[x] = nearest(f.column(x), f.lo[0], f.hi[0])
	}
	class := make([]uint8, f.width*f.height)
	for y := range f.height {
		v := nearest(f.row(y), f.lo[1], f.hi[1])
		for x := range f.width {
			class[y*f.width+x] = o.class[f.index(o.of.Grid, u[x], v)]
		}
	}
	return class
}

func nearest(position float64, lo, hi int) int {
	return min(max(int(math.Round(position)), lo), hi-1)
}

// edge tells whether a pixel of another class is less than the outline's width away,
// along the rows and columns. The picture's border is no edge.
func (o *Overlay) edge(class []uint8, f *frame, x, y int) bool {
	c := class[y*f.width+x]
	for d := 1; d <= o.Outline; d++ {
		if x >= d && class[y*f.width+x-d] != c || x+d < f.width && class[y*f.width+x+d] != c ||
			y >= d && class[(y-d)*f.width+x] != c || y+d < f.height && class[(y+d)*f.width+x] != c {
			return true
		}
	}
	return false
}

// drawHeat interpolates the probabilities linearly.
func (o *Overlay) drawHeat(img *image.RGBA, f *frame) {
	for y := range f.height {
		v := f.row(y)
		for x := range f.width {
			p := o.linear(f, f.column(x), v)
			if !(p >= o.least) || p <= 0 {
				continue
			}
			img.SetRGBA(x, y, blend(img.RGBAAt(x, y), Heat(p), o.Fill*min(1, 0.45+0.55*p)))
		}
	}
}

// linear is the probability at voxel position (u, v) of the slice.
func (o *Overlay) linear(f *frame, u, v float64) float64 {
	nu, nv := o.of.Size[f.across], o.of.Size[f.down]
	u, v = min(max(u, 0), float64(nu-1)), min(max(v, 0), float64(nv-1))
	u0, v0 := int(u), int(v)
	u1, v1 := min(u0+1, nu-1), min(v0+1, nv-1)
	at := func(u, v int) float64 { return float64(o.of.Data[f.index(o.of.Grid, u, v)]) }
	fu, fv := u-float64(u0), v-float64(v0)
	return (1-fv)*((1-fu)*at(u0, v0)+fu*at(u1, v0)) + fv*((1-fu)*at(u0, v1)+fu*at(u1, v1))
}
