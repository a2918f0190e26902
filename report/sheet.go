package report

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"path/filepath"
)

// Layout of a lesion picture, in pixels.
const (
	panelSide  = 400 // the longer side of a slice
	gap        = 8
	margin     = 18
	lineHeight = 26
)

var (
	sheetColor = color.RGBA{0x0d, 0x0f, 0x12, 0xff}
	sheetInk   = color.RGBA{0xf0, 0xf3, 0xf6, 0xff}
	sheetMuted = color.RGBA{0xa8, 0xb1, 0xba, 0xff}
)

// sheet is a lesion picture being drawn.
type sheet struct {
	c            *Case
	scan1, scan2 *Scan
	regions      []region // all; the first rows of them are shown
	rows         int
	found        *Overlay // what was found, or its comparison with the truth
	heat         *Overlay
	view         View // of a whole slice
	panel        image.Point
}

func newSheet(c *Case, regions []region) (*sheet, error) {
	s := &sheet{c: c, regions: regions, rows: c.Rows}
	if s.rows <= 0 {
		s.rows = 5
	}
	var err error
	if s.scan2, err = NewScan(c.Time2, c.Brain); err != nil {
		return nil, err
	}
	box := s.scan2.box
	if c.Time1 != nil {
		if s.scan1, err = NewScan(c.Time1, c.Brain); err != nil {
			return nil, err
		}
		box = join(box, s.scan1.box)
	}
	for _, r := range regions {
		box = join(box, r.box) // a lesion outside the brain must be seen too
	}
	s.found = Mask(c.Mask, Predicted)
	if c.Truth != nil {
		if s.found, err = Comparison(c.Mask, c.Truth); err != nil {
			return nil, err
		}
	}
	s.found.Outline = 1
	if c.Prob != nil {
		s.heat = HeatMap(c.Prob, 0.05)
	}
	g := s.scan2.vol.Grid
	spacing := g.Affine.Spacing()
	longer := 0.0
	for d := range 2 {
		longer = max(longer, float64(box.Max[d]-box.Min[d])*spacing[d])
	}
	s.view = View{Plane: Axial, Convention: c.Convention, Box: box, PixelsPerMM: panelSide / longer}
	f, err := newFrame(g, s.view)
	if err != nil {
		return nil, err
	}
	s.panel = image.Pt(f.width, f.height)
	return s, nil
}

func join(a, b Box) Box {
	for d := range 3 {
		a.Min[d], a.Max[d] = min(a.Min[d], b.Min[d]), max(a.Max[d], b.Max[d])
	}
	return a
}

// column is one column of whole slices.
type column struct {
	head     string
	scan     *Scan
	overlays []*Overlay
	framed   bool // shows where the close-up is
}

func (s *sheet) columns() (cols []column) {
	name := "scan"
	if s.scan1 != nil {
		cols, name = append(cols, column{head: "time 1", scan: s.scan1}), "time 2"
	}
	cols = append(cols, column{head: name, scan: s.scan2})
	if len(s.regions) > 0 {
		what := s.noun(2)
		if s.c.Truth != nil {
			what = "prediction against truth"
		}
		cols = append(cols, column{head: name + ", " + what, scan: s.scan2, overlays: []*Overlay{s.found}, framed: true})
	}
	if s.heat != nil {
		cols = append(cols, column{head: name + ", probability", scan: s.scan2, overlays: []*Overlay{s.heat}})
	}
	return cols
}

// noun names n of what is looked for.
func (s *sheet) noun(n int) string {
	w := "lesions"
	if n == 1 {
		w = "lesion"
	}
	if s.scan1 != nil {
		w = "new " + w
	}
	return w
}

func (s *sheet) draw() (*image.RGBA, error) {
	cols := s.columns()
	shown := s.regions[:min(s.rows, len(s.regions))]
	slices := s.slices(shown)

	width := 2*margin + len(cols)*(s.panel.X+gap) - gap
	if len(shown) > 0 {
		width += gap + s.closeupSide()
	}
	top := margin + 3*lineHeight + 6
	row := s.panel.Y
	if len(shown) > 0 {
		row = max(row, 2*s.closeupSide()+gap)
	}
	row += lineHeight + gap
	img := image.NewRGBA(image.Rect(0, 0, width, top+len(slices)*row+margin+lineHeight))
	draw.Draw(img, img.Bounds(), image.NewUniform(sheetColor), image.Point{}, draw.Src)
	s.heading(img, cols, len(shown))

	for n, k := range slices {
		y := top + n*row
		caption := fmt.Sprintf("axial slice %d of %d", k+1, s.scan2.vol.Size[2])
		if len(shown) > 0 {
			caption = shown[n].caption(s.c, s.scan2.vol.Grid)
		}
		text := newLettering(regular(), 15, sheetInk)
		text.write(img, margin, y+18, text.fit(caption, width-2*margin))
		y += lineHeight
		view := s.view
		view.Slice = k
		for i, c := range cols {
			p, err := c.scan.Slice(view, c.overlays...)
			if err != nil {
				return nil, err
			}
			at := image.Pt(margin+i*(s.panel.X+gap), y)
			draw.Draw(img, p.Bounds().Add(at), p, image.Point{}, draw.Src)
			if c.framed {
				s.frameCloseup(img, at, &shown[n])
			}
		}
		if len(shown) > 0 {
			if err := s.closeups(img, image.Pt(margin+len(cols)*(s.panel.X+gap), y), &shown[n]); err != nil {
				return nil, err
			}
		}
	}
	s.legend(img)
	return img, nil
}

// slices is where to cut: through each lesion shown, or through the brain.
func (s *sheet) slices(shown []region) (out []int) {
	for _, r := range shown {
		out = append(out, r.slice)
	}
	if len(shown) > 0 {
		return out
	}
	lo, hi := s.view.Box.Min[2], s.view.Box.Max[2]
	for _, p := range []float64{0.65, 0.5, 0.35} {
		k := lo + int(p*float64(hi-lo))
		if len(out) == 0 || out[len(out)-1] != k {
			out = append(out, k)
		}
	}
	return out
}

// heading writes title, summary and the heads of the columns.
func (s *sheet) heading(img *image.RGBA, cols []column, shown int) {
	width := img.Bounds().Dx() - 2*margin
	title, text := newLettering(bold(), 19, sheetInk), newLettering(regular(), 15, sheetMuted)
	name := s.c.Title
	if name == "" {
		name = filepath.Base(s.c.Time2.Name())
	}
	title.write(img, margin, margin+18, title.fit(name, width))
	summary := "No " + s.noun(0) + "."
	if n := len(s.regions); n > 0 {
		total, truth := 0.0, 0.0
		for _, r := range s.regions {
			total += r.predictedMM3
			truth += r.trueMM3
		}
		what := s.noun(n)
		if s.c.Truth != nil {
			what = "regions of prediction or truth"
			if n == 1 {
				what = "region of prediction or truth"
			}
		}
		summary = fmt.Sprintf("%d %s", n, what)
		if s.c.Truth != nil {
			summary += fmt.Sprintf(", predicted %s, true %s", CubicMillimetres.Text(total), CubicMillimetres.Text(truth))
		} else {
			summary += ", " + CubicMillimetres.Text(total)
		}
		if n > shown {
			summary += fmt.Sprintf("; the %d largest are shown", shown)
		}
	}
	side := "right"
	if s.c.Convention == Neurological {
		side = "left"
	}
	summary += fmt.Sprintf("    %s display: the patient's left is on the %s", s.c.Convention, side)
	text.write(img, margin, margin+lineHeight+16, text.fit(summary, width))

	head := newLettering(bold(), 15, sheetMuted)
	y := margin + 2*lineHeight + 20
	for i, c := range cols {
		head.write(img, margin+i*(s.panel.X+gap), y, head.fit(c.head, s.panel.X))
	}
	if shown > 0 {
		head.write(img, margin+len(cols)*(s.panel.X+gap), y, head.fit("close-ups", s.closeupSide()))
	}
}

// legend explains the colours in the last line.
func (s *sheet) legend(img *image.RGBA) {
	text := newLettering(regular(), 15, sheetMuted)
	x, y := margin, img.Bounds().Dy()-margin
	item := func(c color.RGBA, name string) {
		draw.Draw(img, image.Rect(x, y-12, x+14, y+2), image.NewUniform(c), image.Point{}, draw.Src)
		x = text.write(img, x+21, y, name) + 24
	}
	switch {
	case len(s.regions) == 0:
	case s.c.Truth != nil:
		item(TruePositive, "true positive")
		item(FalseNegative, "false negative")
		item(FalsePositive, "false positive")
	default:
		item(Predicted, "predicted")
	}
	if s.heat != nil {
		x = text.write(img, x, y, "probability 0") + 6
		const length = 120
		for i := range length {
			c := Heat(float64(i) / (length - 1))
			draw.Draw(img, image.Rect(x+i, y-12, x+i+1, y+2), image.NewUniform(c), image.Point{}, draw.Src)
		}
		text.write(img, x+length+6, y, "1")
	}
}
