package prepare

import (
	"errors"
	"image"
	"image/color"
	"math"

	"voxgrad/report"
	"voxgrad/volume"
)

const (
	pictureScale = 2   // pixels a voxel
	checkerMM    = 20  // edge of the checkerboard's squares
	fieldMost    = 0.3 // logarithm of the field that has the full colour
)

var outline = color.RGBA{R: 255, G: 200, A: 255}

// Picture shows at a glance whether a preparation went well: rows are axial, coronal and sagittal
// slices through the brain, seen from above, from the front and from the left, the front of axial and
// sagittal ones up and to the left, the left side of the body at the right. Columns are slices at a third, the half and
// two thirds of the brain, squares of the time points in turn, which match along their sides where
// the registration is right, with the outline of the brain mask; and the field that each scan was divided
// by, blue below 1 and red above. All is on one grid whose axes run to the right, to the front and up;
// brain and fields may be nil.
func Picture(times []*volume.Volume, brain *volume.Mask, fields []*volume.Volume) (*image.RGBA, error) {
	if len(times) == 0 {
		return nil, errors.New("a picture of no scan")
	}
	all := append(append([]*volume.Volume{}, times...), fields...)
	for _, v := range all[1:] {
		if v != nil {
			if err := volume.SameSpace(times[0], v); err != nil {
				return nil, err
			}
		}
	}
	g := times[0].Grid
	p := picture{times: times, brain: brain, lo: [3]int{}, hi: g.Size}
	var inside []bool
	if brain != nil && brain.Count() > 0 {
		if err := volume.SameSpace(times[0], brain); err != nil {
			return nil, err
		}
		inside = brain.Data
		p.lo, p.hi = brain.Bounds()
	}
	for _, v := range times {
		black, white := report.GreyScale(v.Data, inside)
		p.window = append(p.window, [2]float64{black, white})
	}
	for _, f := range fields {
		if f != nil {
			p.fields = append(p.fields, f)
		}
	}
	return p.draw(), nil
}

type picture struct {
	times  []*volume.Volume
	brain  *volume.Mask
	fields []*volume.Volume
	window [][2]float64
	lo, hi [3]int // what the slices are taken from
}

// planes are the axes of a slice's columns, its rows and across it.
var planes = [3]struct{ u, v, w int }{{0, 1, 2}, {0, 2, 1}, {1, 2, 0}}

func (p *picture) draw() *image.RGBA {
	size := p.times[0].Size
	columns := 3 + len(p.fields)
	wide, high := max(size[0], size[1]), 0
	for _, pl := range planes {
		high += size[pl.v]
	}
	img := image.NewRGBA(image.Rect(0, 0, columns*wide*pictureScale, high*pictureScale))
	for i := 3; i < len(img.Pix); i += 4 {
		img.Pix[i] = 255
	}
	top := 0
	for _, pl := range planes {
		for c := range columns {
			// Thirds for the scans, the middle for the fields.
			share := [...]int{4, 6, 8}[min(c, 2)]
			if c >= 3 {
				share = 6
			}
			across := p.lo[pl.w] + (p.hi[pl.w]-1-p.lo[pl.w])*share/12
			left := c*wide + (wide-size[pl.u])/2
			for v := range size[pl.v] {
				for u := range size[pl.u] {
					var at [3]int
					// Right is drawn at the left, as radiologists do, and the front at the left.
					at[pl.u], at[pl.v], at[pl.w] = size[pl.u]-1-u, size[pl.v]-1-v, across
					var px color.RGBA
					if c < 3 {
						px = p.grey(at, pl.u, pl.v)
					} else {
						px = tint(p.fields[c-3].At(at[0], at[1], at[2]))
						if p.edge(at, pl.u, pl.v) {
							px = color.RGBA{A: 255}
						}
					}
					for n := range pictureScale * pictureScale {
						img.SetRGBA((left+u)*pictureScale+n%pictureScale, (top+v)*pictureScale+n/pictureScale, px)
					}
				}
			}
		}
		top += size[pl.v]
	}
	return img
}

// grey is the pixel of the scan whose square of the checkerboard it is in.
func (p *picture) grey(at [3]int, u, v int) color.RGBA {
	if p.edge(at, u, v) {
		return outline
	}
	mm := p.times[0].Spacing()
	n := 0
	for _, a := range [2]int{u, v} {
		n += int(float64(at[a]) * mm[a] / checkerMM)
	}
	n %= len(p.times)
	f := (float64(p.times[n].At(at[0], at[1], at[2])) - p.window[n][0]) / (p.window[n][1] - p.window[n][0])
	y := uint8(255 * min(max(f, 0), 1)) // a NaN of a window without width is 0
	return color.RGBA{R: y, G: y, B: y, A: 255}
}

// edge reports whether a voxel is the brain's and a neighbour in the slice is not.
func (p *picture) edge(at [3]int, axes ...int) bool {
	if p.brain == nil || !p.brain.At(at[0], at[1], at[2]) {
		return false
	}
	for _, a := range axes {
		for _, d := range [2]int{-1, 1} {
			q := at
			q[a] += d
			if q[a] < 0 || q[a] >= p.brain.Size[a] || !p.brain.At(q[0], q[1], q[2]) {
				return true
			}
		}
	}
	return false
}

// tint is the colour of a factor.
func tint(factor float32) color.RGBA {
	t := math.Log(float64(factor)) / fieldMost
	t = min(max(t, -1), 1)
	fade := uint8(255 * (1 - math.Abs(t)))
	if t < 0 {
		return color.RGBA{R: fade, G: fade, B: 255, A: 255}
	}
	return color.RGBA{R: 255, G: fade, B: fade, A: 255}
}
