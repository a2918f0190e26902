package report

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"path/filepath"
	"strings"

	"voxgrad/volume"
)

// Panel is one image of a montage.
type Panel struct {
	Name   string // its label; lines are separated by \n
	Volume *volume.Volume
}

// Montage is the same slice of several versions of one scan, side by side.
type Montage struct {
	Title      string  // "" for the name of the first image
	Panels     []Panel // the original first
	Brain      *volume.Volume
	Lesions    *volume.Volume // decide which slice is shown; may be nil
	Convention Convention
	Columns    int // 0 for a layout about as wide as a page
}

// Side of a panel and size of its label, in pixels.
const (
	montageSide = 300
	labelHeight = 20
)

// MontagePicture draws one axial slice of each panel: the one with most of the
// lesions, or without any the middle of the brain. All have the grey scale of the first, so
// that changes of brightness and contrast show. A panel with another number of slices,
// such as a rotated image, shows its middle one. Errors: no panel, a mask on another
// grid than the first panel.
func MontagePicture(m *Montage) (*image.RGBA, error) {
	if len(m.Panels) == 0 {
		return nil, errors.New("a montage needs an image")
	}
	first, err := NewScan(m.Panels[0].Volume, m.Brain)
	if err != nil {
		return nil, err
	}
	view, err := m.view(first)
	if err != nil {
		return nil, err
	}
	cells := make([]*image.RGBA, len(m.Panels))
	var cell image.Point
	columns := m.columns()
	labels := make([]int, (len(cells)+columns-1)/columns) // heights, by rows
	for n, p := range m.Panels {
		if cells[n], err = m.panel(first, p.Volume, view, n > 0); err != nil {
			return nil, err
		}
		size := cells[n].Bounds().Size()
		cell.X, cell.Y = max(cell.X, size.X), max(cell.Y, size.Y)
		labels[n/columns] = max(labels[n/columns], labelHeight*(1+strings.Count(p.Name, "\n"))+8)
	}
	top := margin + 2*lineHeight + 8
	height := top + margin
	for _, l := range labels {
		height += l + cell.Y + gap
	}
	img := image.NewRGBA(image.Rect(0, 0, 2*margin+columns*(cell.X+gap)-gap, height-gap))
	draw.Draw(img, img.Bounds(), image.NewUniform(sheetColor), image.Point{}, draw.Src)
	m.heading(img, first, view)
	for n, p := range m.Panels {
		if n > 0 && n%columns == 0 {
			top += labels[n/columns-1] + cell.Y + gap
		}
		at := image.Pt(margin+n%columns*(cell.X+gap), top)
		names(img, at, cell.X, p.Name)
		at.Y += labels[n/columns]
		box := image.Rectangle{Max: cell}.Add(at)
		draw.Draw(img, box, image.NewUniform(color.Black), image.Point{}, draw.Src)
		inset := cell.Sub(cells[n].Bounds().Size()).Div(2)
		draw.Draw(img, cells[n].Bounds().Add(at).Add(inset), cells[n], image.Point{}, draw.Src)
	}
	return img, nil
}

func (m *Montage) columns() int {
	n := len(m.Panels)
	if m.Columns > 0 {
		return min(m.Columns, n)
	}
	if n <= 4 {
		return n
	}
	best, empty := 0, n
	for _, c := range []int{4, 5, 3} { // the first that leaves the fewest gaps
		if e := (c - n%c) % c; e < empty {
			best, empty = c, e
		}
	}
	return best
}

// view is the slice of the first panel.
func (m *Montage) view(first *Scan) (View, error) {
	b, g := first.box, first.vol.Grid
	longer, spacing := 0.0, g.Affine.Spacing()
	for d := range 2 {
		longer = max(longer, float64(b.Max[d]-b.Min[d])*spacing[d])
	}
	v := View{Plane: Axial, Convention: m.Convention, Box: b, PixelsPerMM: montageSide / longer, Slice: (b.Min[2] + b.Max[2]) / 2}
	if m.Lesions == nil {
		return v, nil
	}
	if err := volume.SameSpace(m.Panels[0].Volume, m.Lesions); err != nil {
		return v, err
	}
	in := volume.Canonical(m.Lesions).NonZero().Data
	most, plane := 0, g.Size[0]*g.Size[1]
	for k := range g.Size[2] {
		count := 0
		for _, lesion := range in[k*plane : (k+1)*plane] {
			if lesion {
				count++
			}
		}
		if count > most {
			most, v.Slice = count, k
		}
	}
	return v, nil
}

// panel is the slice of an image in the grey scale of the first one.
func (m *Montage) panel(first *Scan, v *volume.Volume, view View, plain bool) (*image.RGBA, error) {
	s := &Scan{vol: volume.Canonical(v), low: first.low, high: first.high}
	view.Plain = plain
	if s.vol.Size != first.vol.Size {
		view.Box = Box{}
	}
	if s.vol.Size[2] != first.vol.Size[2] {
		view.Slice = s.vol.Size[2] / 2
	}
	return s.Slice(view)
}

func (m *Montage) heading(img *image.RGBA, first *Scan, view View) {
	width := img.Bounds().Dx() - 2*margin
	name := m.Title
	if name == "" {
		name = filepath.Base(m.Panels[0].Volume.Name())
	}
	title, text := newLettering(bold(), 19, sheetInk), newLettering(regular(), 15, sheetMuted)
	title.write(img, margin, margin+18, title.fit(name, width))
	text.write(img, margin, margin+lineHeight+16, text.fit(fmt.Sprintf(
		"axial slice %d of %d, one grey scale, %s display", view.Slice+1, first.vol.Size[2], m.Convention), width))
}

// names writes the lines of a label.
func names(img *image.RGBA, at image.Point, width int, label string) {
	head, text := newLettering(bold(), 15, sheetInk), newLettering(regular(), 14, sheetMuted)
	for n, line := range strings.Split(label, "\n") {
		l := text
		if n == 0 {
			l = head
		}
		l.write(img, at.X, at.Y+(n+1)*labelHeight-4, l.fit(line, width))
	}
}
