package report

import (
	"image"
	"image/color"
	"image/draw"
	"math"
)

var closeupFrame = color.RGBA{0xff, 0xff, 0xff, 0xff}

// closeupSide is the side of a close-up in pixels: two fit beside a slice that
// is not very flat.
func (s *sheet) closeupSide() int { return max(80, (s.panel.Y-gap)/2) }

// closeupView is the part of a slice around a lesion, a square of at least 30 mm,
// moved to lie inside the grid.
func (s *sheet) closeupView(r *region) View {
	g := s.scan2.vol.Grid
	spacing := g.Affine.Spacing()
	side := 30.0
	for d := range 2 {
		side = max(side, 1.5*float64(r.box.Max[d]-r.box.Min[d])*spacing[d])
	}
	v := s.view
	v.Slice, v.Plain = r.slice, true
	for d := range 2 {
		n := max(1, int(math.Round(side/spacing[d])))
		lo := (r.box.Min[d]+r.box.Max[d])/2 - n/2
		lo = max(0, min(lo, g.Size[d]-n))
		v.Box.Min[d], v.Box.Max[d] = lo, min(lo+n, g.Size[d])
	}
	v.PixelsPerMM = float64(s.closeupSide()) / side
	return v
}

func (s *sheet) closeups(img *image.RGBA, at image.Point, r *region) error {
	v := s.closeupView(r)
	edge := *s.found
	edge.Fill, edge.Outline = 0, 1
	upper, lower := s.scan1, s.scan2
	if upper == nil {
		upper = s.scan2
	}
	side := s.closeupSide()
	for n, scan := range []*Scan{upper, lower} {
		var over []*Overlay
		if n == 1 {
			over = []*Overlay{&edge}
		}
		p, err := scan.Slice(v, over...)
		if err != nil {
			return err
		}
		cell := image.Rect(0, 0, side, side).Add(at).Add(image.Pt(0, n*(side+gap)))
		draw.Draw(img, cell, image.NewUniform(color.Black), image.Point{}, draw.Src)
		centre := image.Pt((side-p.Bounds().Dx())/2, (side-p.Bounds().Dy())/2)
		draw.Draw(img, p.Bounds().Add(cell.Min).Add(centre).Intersect(cell), p, image.Point{max(0, -centre.X), max(0, -centre.Y)}, draw.Src)
		if s.scan1 != nil {
			outlined(img, 13, cell.Min.X+5, cell.Min.Y+16, [2]string{"time 1", "time 2"}[n])
		}
	}
	return nil
}

// frameCloseup marks on a whole slice at p what the close-up shows.
func (s *sheet) frameCloseup(img *image.RGBA, p image.Point, r *region) {
	f, err := newFrame(s.scan2.vol.Grid, s.view)
	if err != nil {
		return // the same view was drawn just before
	}
	b := s.closeupView(r).Box
	x0, y0 := f.pixel(float64(b.Min[0])-0.5, float64(b.Min[1])-0.5)
	x1, y1 := f.pixel(float64(b.Max[0])-0.5, float64(b.Max[1])-0.5)
	box := image.Rect(int(x0), int(y0), int(x1), int(y1)).Intersect(image.Rect(0, 0, s.panel.X, s.panel.Y))
	mark := func(x, y int) {
		at := p.Add(image.Pt(x, y))
		img.SetRGBA(at.X, at.Y, blend(img.RGBAAt(at.X, at.Y), closeupFrame, 0.6))
	}
	for x := box.Min.X; x < box.Max.X; x++ {
		mark(x, box.Min.Y)
		mark(x, box.Max.Y-1)
	}
	for y := box.Min.Y + 1; y < box.Max.Y-1; y++ {
		mark(box.Min.X, y)
		mark(box.Max.X-1, y)
	}
}
