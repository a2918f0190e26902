package report

import (
	"errors"
	"fmt"
	"image"
	"image/draw"
	"math"

	"voxgrad/volume"
)

// Synthetic is what a picture of a synthetic pair is made from. All volumes are
// on one grid, of any orientation.
type Synthetic struct {
	Title      string
	Source     *volume.Volume    // the scan that the pair was made of
	Times      [2]*volume.Volume // the two time points
	Before     *volume.Volume    // its lesions
	Lesions    [2]*volume.Volume // those of each time point
	Brain      *volume.Volume    // brain mask; nil to find it from Source
	Rows       []SyntheticLesion // what is shown, one a row
	Convention Convention
}

// SyntheticLesion is a row of the picture.
type SyntheticLesion struct {
	Caption string
	Voxel   [3]float64 // its centroid, in voxels of the volumes
	MM3     float64
}

var (
	lesionColor = Predicted
	newColor    = FalseNegative
)

// SyntheticPicture draws each lesion of a list: the axial slice of the second time
// point through its centroid, and close-ups of source, time 1 and time 2, below
// them the same with the outlines of the lesions. All have the grey scale of the
// source. Without a lesion to show it shows a slice through the middle of the
// brain. The error names the volume that is on another grid.
func SyntheticPicture(c *Synthetic) (*image.RGBA, error) {
	for _, v := range []*volume.Volume{c.Times[0], c.Times[1], c.Before, c.Lesions[0], c.Lesions[1]} {
		if v == nil {
			return nil, errors.New("a picture of a synthetic pair needs a source, two time points and their lesions")
		}
		if err := volume.SameSpace(c.Source, v); err != nil {
			return nil, err
		}
	}
	s := &synthSheet{c: c}
	source, err := NewScan(c.Source, c.Brain)
	if err != nil {
		return nil, err
	}
	s.scans[0] = source
	for t, v := range c.Times {
		s.scans[t+1] = &Scan{vol: volume.Canonical(v), low: source.low, high: source.high, box: source.box}
	}
	s.marks = [3]*Overlay{outlines(c.Before, nil), outlines(c.Lesions[0], nil), outlines(c.Lesions[1], c.Lesions[0])}
	return s.draw()
}

// outlines shows the edges of lesions, in another colour where they were not before.
func outlines(mask, before *volume.Volume) *Overlay {
	o := Mask(mask, lesionColor)
	o.Fill, o.Outline = 0, 1
	o.colors = append(o.colors, newColor)
	if before != nil {
		was := volume.Canonical(before).NonZero().Data
		for x, in := range o.class {
			if in == 1 && !was[x] {
				o.class[x] = 2
			}
		}
	}
	return o
}

// synthSheet is a picture of a pair being drawn: source, time 1, time 2.
type synthSheet struct {
	c     *Synthetic
	scans [3]*Scan
	marks [3]*Overlay
}

const synthCell = 200 // side of a close-up in pixels

func (s *synthSheet) draw() (*image.RGBA, error) {
	c, source := s.c, s.scans[0]
	longer, spacing := 0.0, source.vol.Affine.Spacing()
	for d := range 2 {
		longer = max(longer, float64(source.box.Max[d]-source.box.Min[d])*spacing[d])
	}
	whole := View{Plane: Axial, Convention: c.Convention, Box: source.box, PixelsPerMM: panelSide / longer}
	f, err := newFrame(source.vol.Grid, whole)
	if err != nil {
		return nil, err
	}
	rows := c.Rows
	if len(rows) == 0 {
		rows = []SyntheticLesion{{Caption: "no lesion to show", Voxel: s.middle()}}
	}
	top, row := margin+3*lineHeight+6, max(f.height, 2*synthCell+gap)+lineHeight+gap
	x0 := margin + f.width + gap
	img := image.NewRGBA(image.Rect(0, 0, x0+3*(synthCell+gap)-gap+margin, top+len(rows)*row+margin+lineHeight))
	draw.Draw(img, img.Bounds(), image.NewUniform(sheetColor), image.Point{}, draw.Src)
	s.heading(img, x0)
	text := newLettering(regular(), 15, sheetInk)
	for n, l := range rows {
		at := s.canonical(l.Voxel)
		y := top + n*row
		text.write(img, margin, y+18, text.fit(fmt.Sprintf("%s    axial slice %d of %d", l.Caption, at[2]+1, source.vol.Size[2]), img.Bounds().Dx()-2*margin))
		y += lineHeight
		whole.Slice = at[2]
		p, err := s.scans[2].Slice(whole)
		if err != nil {
			return nil, err
		}
		draw.Draw(img, p.Bounds().Add(image.Pt(margin, y)), p, image.Point{}, draw.Src)
		near := whole.around(source.vol.Grid, [2]int{at[0], at[1]}, min(max(30, 4*math.Cbrt(l.MM3)), 90), synthCell)
		frameBox(img, image.Pt(margin, y), source.vol.Grid, whole, near.Box)
		for t, scan := range s.scans {
			for below, over := range [][]*Overlay{nil, {s.marks[t]}} {
				p, err := scan.Slice(near, over...)
				if err != nil {
					return nil, err
				}
				cell := image.Rect(0, 0, synthCell, synthCell).Add(image.Pt(x0+t*(synthCell+gap), y+below*(synthCell+gap)))
				draw.Draw(img, p.Bounds().Add(cell.Min).Intersect(cell), p, image.Point{}, draw.Src)
			}
		}
	}
	drawLegend(img, Swatch{lesionColor, "lesion"}, Swatch{newColor, "new at time 2"})
	return img, nil
}

// middle is the middle of the brain, in voxels of the source as given.
func (s *synthSheet) middle() [3]float64 {
	v, b := s.scans[0].vol, s.scans[0].box
	var m [3]float64
	for a := range m {
		m[a] = float64(b.Min[a]+b.Max[a]-1) / 2
	}
	return s.c.Source.Voxel(v.World(m[0], m[1], m[2]))
}

// canonical is the voxel of the canonical grid at a position of the source.
func (s *synthSheet) canonical(at [3]float64) (v [3]int) {
	g := s.scans[0].vol.Grid
	c := g.Voxel(s.c.Source.World(at[0], at[1], at[2]))
	for a := range v {
		v[a] = min(max(int(math.Round(c[a])), 0), g.Size[a]-1)
	}
	return v
}

func (s *synthSheet) heading(img *image.RGBA, x0 int) {
	width := img.Bounds().Dx() - 2*margin
	title, text := newLettering(bold(), 19, sheetInk), newLettering(regular(), 15, sheetMuted)
	name := s.c.Title
	if name == "" {
		name = "Synthetic pair"
	}
	title.write(img, margin, margin+18, title.fit(name, width))
	side := "right"
	if s.c.Convention == Neurological {
		side = "left"
	}
	text.write(img, margin, margin+lineHeight+16, text.fit(fmt.Sprintf("one grey scale; %s display: the patient's left is on the %s", s.c.Convention, side), width))
	head := newLettering(bold(), 15, sheetMuted)
	y := margin + 2*lineHeight + 20
	head.write(img, margin, y, "time 2")
	for t, name := range []string{"source", "time 1", "time 2"} {
		head.write(img, x0+t*(synthCell+gap), y, name)
	}
}
