package report

import (
	"bytes"
	"image/color"
	"image/png"
	"io"
	"math"
	"strconv"

	"golang.org/x/image/font"
	"gonum.org/v1/plot"
	plotfont "gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	plottext "gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"voxgrad/internal/text"
)

// Chart is a finished drawing of panels one under the other, or of box plots; it
// can be written as PNG or SVG and put on a page.
type Chart struct {
	title  string
	panels []panel
	boxes  *BoxPlot // in place of title and panels
}

// panel is one pair of axes with its lines.
type panel struct {
	title, xlabel string
	lines         []line
	mark          float64 // x of a dashed vertical line; NaN for none
	markName      string
	low           float64 // what the y axis must show at least; NaN for the data alone
	logarithmic   bool
}

// line is one curve: y over x, with gaps where y is not finite.
type line struct {
	name   string
	x, y   []float64
	color  color.RGBA
	width  vg.Length
	dashes []vg.Length
	points bool // dots at the values, the line between them thin
}

// Sizes in points of 1/72 inch.
const (
	chartWidth  = 640
	panelHeight = 190
	stripHeight = 24 // above a panel: its title and legend
	titleHeight = 26
)

func (c *Chart) size() (w, h vg.Length) {
	if c.boxes != nil {
		return boxesWidth, c.boxes.height()
	}
	h = vg.Length(len(c.panels)*(panelHeight+stripHeight)) + 8
	if c.title != "" {
		h += titleHeight
	}
	return chartWidth, h
}

// WritePNG writes the chart at a number of dots per inch: 96 makes it 853
// pixels across, 144 makes it 1280.
func (c *Chart) WritePNG(w io.Writer, dpi int) error {
	cw, ch := c.size()
	canvas := vgimg.NewWith(vgimg.UseWH(cw, ch), vgimg.UseDPI(dpi), vgimg.UseBackgroundColor(paperColor))
	c.draw(draw.New(canvas))
	return png.Encode(w, canvas.Image())
}

// WriteSVG writes the chart as a stand-alone SVG file. Its texts stay texts.
func (c *Chart) WriteSVG(w io.Writer) error {
	cw, ch := c.size()
	canvas := vgsvg.New(cw, ch)
	dc := draw.New(canvas)
	dc.SetColor(paperColor)
	dc.Fill(dc.Path())
	c.draw(dc)
	_, err := canvas.WriteTo(w)
	return err
}

// svg is the chart without a background, for a page.
func (c *Chart) svg() ([]byte, error) {
	cw, ch := c.size()
	canvas := vgsvg.New(cw, ch)
	c.draw(draw.New(canvas))
	var b bytes.Buffer
	_, err := canvas.WriteTo(&b)
	return b.Bytes(), err
}

func textStyle(size vg.Length, c color.RGBA, bold bool) plottext.Style {
	f := plotfont.Font{Typeface: "Liberation", Variant: "Sans"}
	if bold {
		f.Weight = font.WeightBold
	}
	return plottext.Style{Color: c, Font: plotfont.From(f, size), Handler: plot.DefaultTextHandler}
}

func (c *Chart) draw(dc draw.Canvas) {
	if c.boxes != nil {
		c.boxes.draw(dc)
		return
	}
	if c.title != "" {
		style := textStyle(14, inkColor, true)
		style.XAlign, style.YAlign = draw.XCenter, draw.YTop
		dc.FillText(style, vg.Point{X: dc.Center().X, Y: dc.Max.Y - 6}, text.Clean(c.title))
		dc = draw.Crop(dc, 0, 0, 0, -titleHeight)
	}
	dc = draw.Crop(dc, 10, -14, 8, 0)

	rows := make([][]*plot.Plot, len(c.panels))
	for i := range c.panels {
		rows[i] = []*plot.Plot{c.panels[i].plot()}
	}
	tiles := draw.Tiles{Rows: len(rows), Cols: 1, PadTop: stripHeight, PadY: stripHeight}
	for i, row := range plot.Align(rows, tiles, dc) {
		rows[i][0].Draw(row[0])
		c.panels[i].strip(dc, row[0].Max.Y, rows[i][0].DataCanvas(row[0]))
	}
}

// strip writes title and legend above a panel that ends at top, the legend from
// the right.
func (p *panel) strip(dc draw.Canvas, top vg.Length, data draw.Canvas) {
	y := top + 8
	dc.FillText(textStyle(11.5, inkColor, true), vg.Point{X: data.Min.X, Y: y}, p.title)

	style := textStyle(10, inkColor, false)
	x := data.Max.X
	item := func(name string, l draw.LineStyle, dot bool) {
		x -= style.Width(name)
		dc.FillText(style, vg.Point{X: x, Y: y}, name)
		x -= 26
		mid := y + 3.2
		dc.StrokeLine2(l, x, mid, x+20, mid)
		if dot {
			dc.DrawGlyph(draw.GlyphStyle{Color: l.Color, Radius: 2, Shape: draw.CircleGlyph{}}, vg.Point{X: x + 10, Y: mid})
		}
		x -= 14
	}
	if !math.IsNaN(p.mark) {
		item(p.markName, markStyle, false)
	}
	for i := len(p.lines) - 1; i >= 0; i-- {
		if len(p.lines) > 1 || !math.IsNaN(p.mark) {
			item(p.lines[i].name, p.lines[i].style(), p.lines[i].points)
		}
	}
}

var markStyle = draw.LineStyle{Color: mutedColor, Width: 1, Dashes: []vg.Length{2, 3}}

func (l *line) style() draw.LineStyle {
	return draw.LineStyle{Color: l.color, Width: l.width, Dashes: l.dashes}
}

// plot is the panel's axes and lines.
func (p *panel) plot() *plot.Plot {
	out := plot.New()
	out.BackgroundColor = nil
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = gridColor, gridColor
	out.Add(grid)
	for _, a := range []*plot.Axis{&out.X, &out.Y} {
		a.Label.TextStyle = textStyle(10, inkColor, false)
		a.Tick.Label = textStyle(9.5, inkColor, false)
		a.Color, a.Tick.Color = mutedColor, mutedColor
		a.Tick.Length = 4
		a.Padding = 0
	}
	out.X.Tick.Label.XAlign, out.X.Tick.Label.YAlign = draw.XCenter, draw.YTop
	out.X.Label.TextStyle.XAlign, out.X.Label.TextStyle.YAlign = draw.XCenter, draw.YBottom
	out.Y.Tick.Label.XAlign, out.Y.Tick.Label.YAlign = draw.XRight, draw.YCenter
	out.X.Label.Text = p.xlabel

	box := newRange()
	for i := range p.lines {
		p.lines[i].add(out, &box)
	}
	box.settle()
	out.X.Min, out.X.Max = box.xmin, box.xmax
	p.scaleY(out, box)
	out.X.Tick.Marker = ticks{count: 9, least: 1}
	if !math.IsNaN(p.mark) {
		out.Add(&plotter.Line{
			XYs:       plotter.XYs{{X: p.mark, Y: out.Y.Min}, {X: p.mark, Y: out.Y.Max}},
			LineStyle: markStyle,
		})
	}
	return out
}

// scaleY chooses the y axis: a little room above and below the data, the range
// that the panel asks for, and never an empty one.
func (p *panel) scaleY(out *plot.Plot, box span) {
	low, high := box.ymin, box.ymax
	if p.logarithmic {
		if low == high {
			low, high = low/2, high*2
		}
		out.Y.Min, out.Y.Max = low/1.1, high*1.1
		out.Y.Scale, out.Y.Tick.Marker = plot.LogScale{}, decadeTicks{}
		return
	}
	out.Y.Tick.Marker = ticks{count: 6}
	room := 0.05 * (high - low)
	low, high = low-room, high+room
	if !math.IsNaN(p.low) {
		low = min(box.ymin, p.low)
		high = box.ymax + 0.05*(box.ymax-low)
	}
	if !(high > low) { // one value only
		room = max(math.Abs(low)*0.1, 1e-3)
		low, high = low-room, high+room
	}
	out.Y.Min, out.Y.Max = low, high
}

// add draws the curve in runs of finite points and widens the box by it.
func (l *line) add(out *plot.Plot, box *span) {
	var run plotter.XYs
	flush := func() {
		if len(run) == 0 {
			return
		}
		if len(run) > 1 {
			out.Add(&plotter.Line{XYs: run, LineStyle: l.style()})
		}
		// A point without neighbours makes no line; dots stop helping where they touch.
		if len(run) == 1 || l.points && len(l.x) <= 150 {
			out.Add(&plotter.Scatter{XYs: run, GlyphStyle: draw.GlyphStyle{Color: l.color, Radius: max(l.width, 1.8), Shape: draw.CircleGlyph{}}})
		}
		run = nil
	}
	for i, y := range l.y {
		if math.IsNaN(y) || math.IsInf(y, 0) {
			flush()
			continue
		}
		run = append(run, plotter.XY{X: l.x[i], Y: y})
		box.ymin, box.ymax = min(box.ymin, y), max(box.ymax, y)
	}
	flush()
	for _, x := range l.x {
		box.xmin, box.xmax = min(box.xmin, x), max(box.xmax, x)
	}
}

// span is the range of the data of a panel.
type span struct{ xmin, xmax, ymin, ymax float64 }

func newRange() span {
	inf := math.Inf(1)
	return span{inf, -inf, inf, -inf}
}

// settle sets the range of a panel without a single finite point to the unit square, and gives one
// with a single x some room on both sides.
func (s *span) settle() {
	if s.xmin > s.xmax {
		s.xmin, s.xmax = 0, 1
	}
	if s.xmin == s.xmax {
		s.xmin, s.xmax = s.xmin-0.5, s.xmax+0.5
	}
	if s.ymin > s.ymax {
		s.ymin, s.ymax = 0, 1
	}
}

// ticks puts about count labels at multiples of 1, 2 or 5 times a power of ten,
// at least one step apart.
type ticks struct{ count, least float64 }

func (t ticks) Ticks(low, high float64) (out []plot.Tick) {
	step := max(t.least, niceStep((high-low)/t.count))
	digits := int(max(0, -math.Floor(math.Log10(step)+1e-9)))
	first, last := math.Ceil(low/step-1e-9), math.Floor(high/step+1e-9)
	for n := first; n <= last && len(out) < 100; n++ {
		out = append(out, plot.Tick{Value: n * step, Label: Unit{Digits: digits}.Format(n * step)})
	}
	return out
}

// niceStep is the smallest of 1, 2, 5 times a power of ten that is not below x.
func niceStep(x float64) float64 {
	if !(x > 0) {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if m*p >= x*(1-1e-9) {
			return m * p
		}
	}
	return 10 * p
}

// decadeTicks labels 1, 2 and 5 times powers of ten.
type decadeTicks struct{}

func (decadeTicks) Ticks(low, high float64) (ticks []plot.Tick) {
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		for _, m := range []float64{1, 2, 5} {
			if x := m * math.Pow(10, e); x >= low && x <= high {
				ticks = append(ticks, plot.Tick{Value: x, Label: strconv.FormatFloat(x, 'g', 3, 64)})
			}
		}
	}
	return ticks
}
