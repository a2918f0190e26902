package report

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"
	"path/filepath"

	"voxgrad/internal/outfile"
	"voxgrad/volume"
)

// Case is what a picture of lesions is made from. All volumes are on one grid,
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
// brain. The error names the volume that is on another grid.
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
	return WritePNGIn(nil, path, img)
}

// WritePNGIn is WritePNG as one of a set of files; nil: alone.
func WritePNGIn(set *outfile.Set, path string, img image.Image) error {
	return set.Write(path, func(w io.Writer) error { return png.Encode(w, img) })
}

// regions finds what to show, the largest first.
func (c *Case) regions() ([]region, error) {
	inMask := c.Mask.NonZero().Data
	inTruth := make([]bool, len(inMask))
	if c.Truth != nil {
		inTruth = c.Truth.NonZero().Data
	}
	inside := make([]bool, len(inMask))
	for x := range inside {
		inside[x] = inMask[x] || inTruth[x]
	}
	labels, comps, list, err := findLesions(c.Mask, inside, c.Prob, 6)
	if err != nil {
		return nil, err
	}
	out := make([]region, len(list))
	slices := busiest(c.Mask.Grid, labels, comps)
	for n, l := range list {
		out[n] = region{Lesion: l, box: canonicalBox(c.Mask.Grid, comps[n]), slice: slices[n]}
	}
	_, spacing := volume.Place(c.Mask)
	voxel := spacing[0] * spacing[1] * spacing[2]
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

// heights returns the canonical axial slice of the voxel at an offset of g.
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
				frameBox(img, at, s.scan2.vol.Grid, s.view, s.closeupView(&shown[n]).Box)
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
	var items []Swatch
	switch {
	case len(s.regions) == 0:
	case s.c.Truth != nil:
		items = []Swatch{{TruePositive, "true positive"}, {FalseNegative, "false negative"}, {FalsePositive, "false positive"}}
	default:
		items = []Swatch{{Predicted, "predicted"}}
	}
	x := drawLegend(img, items...)
	if s.heat != nil {
		text, y := newLettering(regular(), 15, sheetMuted), img.Bounds().Dy()-margin
		x = text.write(img, x, y, "probability 0") + 6
		const length = 120
		for i := range length {
			c := Heat(float64(i) / (length - 1))
			draw.Draw(img, image.Rect(x+i, y-12, x+i+1, y+2), image.NewUniform(c), image.Point{}, draw.Src)
		}
		text.write(img, x+length+6, y, "1")
	}
}

// drawLegend draws colours and what they stand for in the last line, and returns
// where they end.
func drawLegend(img *image.RGBA, items ...Swatch) int {
	text := newLettering(regular(), 15, sheetMuted)
	x, y := margin, img.Bounds().Dy()-margin
	for _, item := range items {
		draw.Draw(img, image.Rect(x, y-12, x+14, y+2), image.NewUniform(item.Color), image.Point{}, draw.Src)
		x = text.write(img, x+21, y, item.Text) + 24
	}
	return x
}

var closeupFrame = color.RGBA{0xff, 0xff, 0xff, 0xff}

// closeupSide is the side of a close-up in pixels: two fit beside a slice that
// is not very flat.
func (s *sheet) closeupSide() int { return max(80, (s.panel.Y-gap)/2) }

// closeupView is the part of a slice around a lesion, a square of at least 30 mm.
func (s *sheet) closeupView(r *region) View {
	g := s.scan2.vol.Grid
	spacing := g.Affine.Spacing()
	side := 30.0
	for d := range 2 {
		side = max(side, 1.5*float64(r.box.Max[d]-r.box.Min[d])*spacing[d])
	}
	v := s.view
	v.Slice = r.slice
	return v.around(g, [2]int{(r.box.Min[0] + r.box.Max[0]) / 2, (r.box.Min[1] + r.box.Max[1]) / 2}, side, s.closeupSide())
}

// around is the square of side mm around a voxel of a slice, moved to be inside
// the grid and drawn with that many pixels.
func (v View) around(g volume.Grid, centre [2]int, side float64, pixels int) View {
	spacing := g.Affine.Spacing()
	for d := range 2 {
		n := max(1, int(math.Round(side/spacing[d])))
		lo := max(0, min(centre[d]-n/2, g.Size[d]-n))
		v.Box.Min[d], v.Box.Max[d] = lo, min(lo+n, g.Size[d])
	}
	v.Plain, v.PixelsPerMM = true, float64(pixels)/side
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

// frameBox marks a box on the view of a grid that was drawn at p.
func frameBox(img *image.RGBA, p image.Point, g volume.Grid, v View, b Box) {
	f, err := newFrame(g, v)
	if err != nil {
		return // the same view was drawn just before
	}
	x0, y0 := f.pixel(float64(b.Min[0])-0.5, float64(b.Min[1])-0.5)
	x1, y1 := f.pixel(float64(b.Max[0])-0.5, float64(b.Max[1])-0.5)
	box := image.Rect(int(x0), int(y0), int(x1), int(y1)).Intersect(image.Rect(0, 0, f.width, f.height))
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			if x == box.Min.X || x == box.Max.X-1 || y == box.Min.Y || y == box.Max.Y-1 {
				at := p.Add(image.Pt(x, y))
				img.SetRGBA(at.X, at.Y, blend(img.RGBAAt(at.X, at.Y), closeupFrame, 0.6))
			}
		}
	}
}
