package report

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"voxgrad/internal/text"
)

// BoxPlot is a set of box plots on one axis, one per measure and, side by side,
// per method, each with its values as points.
type BoxPlot struct {
	Title   string
	Unit    Unit // of all values; its symbol is written at the axis
	Methods []string
	Rows    []BoxRow

	// Low and High are what the axis shows at least; both 0 for the data alone.
	Low, High float64
}

// BoxRow is one measure.
type BoxRow struct {
	Name   string
	Values [][]float64 // of each method; NaNs are left out
}

// The colours of methods in box plots.
var methodColors = []color.RGBA{lineBlue, lineOrange, lineGreen, linePurple}

// Sizes in points.
const (
	boxesWidth  = 400
	boxesName   = 112 // the names of the rows
	boxesMargin = 26  // right of the axis: half of its last number
	boxLane     = 22  // one box
	boxRowGap   = 10
	boxesAxis   = 34
	boxesHeader = 26
	boxesLegend = 18 // of several methods, under the title
)

// Boxes is the chart of a BoxPlot: from the first to the third quartile a box with
// the median in it, whiskers to the last values within 1.5 times the box's length
// (J. W. Tukey, "Exploratory Data Analysis", 1977), all values as points, the mean as
// a cross. Quartiles are interpolated linearly. The error is for values that do not fit the
// methods, and for more methods than there are colours.
func Boxes(b *BoxPlot) (*Chart, error) {
	switch {
	case len(b.Rows) == 0:
		return nil, errors.New("box plot: no rows")
	case len(b.Methods) == 0 || len(b.Methods) > len(methodColors):
		return nil, fmt.Errorf("box plot: %d methods: 1 to %d can be shown", len(b.Methods), len(methodColors))
	}
	for _, r := range b.Rows {
		if len(r.Values) != len(b.Methods) {
			return nil, fmt.Errorf("box plot: row %q has the values of %d methods, not of %d", r.Name, len(r.Values), len(b.Methods))
		}
	}
	return &Chart{boxes: b}, nil
}

func (b *BoxPlot) height() vg.Length {
	rows := vg.Length(len(b.Rows)) * (vg.Length(len(b.Methods))*boxLane + boxRowGap)
	return b.header() + rows + boxesAxis
}

func (b *BoxPlot) header() vg.Length {
	if len(b.Methods) > 1 {
		return boxesHeader + boxesLegend
	}
	return boxesHeader
}

// span is the range of the axis.
func (b *BoxPlot) span() (low, high float64) {
	box := newRange()
	if b.Low != b.High {
		box.xmin, box.xmax = b.Low, b.High
	}
	for _, r := range b.Rows {
		for _, values := range r.Values {
			for _, v := range finite(values) {
				box.xmin, box.xmax = min(box.xmin, v), max(box.xmax, v)
			}
		}
	}
	box.settle()
	room := 0.02 * (box.xmax - box.xmin) // whole points at the ends
	return box.xmin - room, box.xmax + room
}

// finite is the numbers of x in ascending order.
func finite(x []float64) []float64 {
	var out []float64
	for _, v := range x {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return out
}

// draw draws the header, the axis with its grid, and the rows from the top.
func (b *BoxPlot) draw(dc draw.Canvas) {
	low, high := b.span()
	left, right := dc.Min.X+boxesName, dc.Max.X-boxesMargin
	at := func(v float64) vg.Length { return left + (right-left)*vg.Length((v-low)/(high-low)) }
	top, bottom := dc.Max.Y-b.header(), dc.Min.Y+boxesAxis

	dc.FillText(textStyle(12, inkColor, true), vg.Point{X: dc.Min.X + 4, Y: dc.Max.Y - boxesHeader + 9}, text.Clean(b.title()))
	if len(b.Methods) > 1 {
		b.legend(dc, dc.Min.X+4, top+9)
	}
	label := textStyle(11, inkColor, false)
	label.XAlign, label.YAlign = draw.XCenter, draw.YTop
	thin := draw.LineStyle{Color: gridColor, Width: 0.8}
	for _, t := range (ticks{count: 6}).Ticks(low*b.scale(), high*b.scale()) {
		x := at(t.Value / b.scale())
		dc.StrokeLine2(thin, x, bottom, x, top)
		dc.FillText(label, vg.Point{X: x, Y: bottom - 5}, t.Label)
	}
	dc.StrokeLine2(draw.LineStyle{Color: mutedColor, Width: 0.8}, left, bottom, right, bottom)

	// Set flush left: a page's font may be wider than the one measured here.
	name := textStyle(11.5, inkColor, false)
	name.YAlign = draw.YCenter
	y := top - boxRowGap/2
	for _, r := range b.Rows {
		height := vg.Length(len(b.Methods)) * boxLane
		dc.FillText(name, vg.Point{X: dc.Min.X + 4, Y: y - height/2}, text.Clean(r.Name))
		for m, values := range r.Values {
			drawBox(dc, at, finite(values), y-boxLane*(vg.Length(m)+0.5), methodColors[m])
		}
		y -= height + boxRowGap
	}
}

func (b *BoxPlot) scale() float64 {
	if b.Unit.Scale == 0 {
		return 1
	}
	return b.Unit.Scale
}

func (b *BoxPlot) title() string {
	if b.Unit.Symbol == "" {
		return b.Title
	}
	return b.Title + " (" + b.Unit.Symbol + ")"
}

// legend names the methods, each in its share of the width.
func (b *BoxPlot) legend(dc draw.Canvas, x, y vg.Length) {
	style := textStyle(11, inkColor, false)
	room := (dc.Max.X - x) / vg.Length(len(b.Methods))
	for m, name := range b.Methods {
		dc.FillPolygon(methodColors[m], rectangle(x, y, x+9, y+9))
		r := []rune(text.Clean(name))
		for len(r) > 1 && 1.15*style.Width(string(r)) > room-24 { // a page's font may be wider
			r = append(r[:len(r)-2], '…')
		}
		dc.FillText(style, vg.Point{X: x + 14, Y: y}, string(r))
		x += min(room, 1.15*style.Width(string(r))+30)
	}
}

func rectangle(x0, y0, x1, y1 vg.Length) []vg.Point {
	return []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}}
}

// drawBox draws the sorted values around height y.
func drawBox(dc draw.Canvas, at func(float64) vg.Length, v []float64, y vg.Length, c color.RGBA) {
	if len(v) == 0 {
		style := textStyle(10, mutedColor, false)
		style.YAlign = draw.YCenter
		dc.FillText(style, vg.Point{X: dc.Min.X + boxesName + 4, Y: y}, "not defined in any case")
		return
	}
	const half = 6.5
	line := draw.LineStyle{Color: c, Width: 1.1}
	if len(v) > 2 { // a box of two values would only repeat them
		q1, q2, q3 := quartile(v, 0.25), quartile(v, 0.5), quartile(v, 0.75)
		from, to := whiskers(v, q1, q3)
		dc.FillPolygon(color.NRGBA{c.R, c.G, c.B, 0x38}, rectangle(at(q1), y-half, at(q3), y+half))
		dc.StrokeLines(line, closed(rectangle(at(q1), y-half, at(q3), y+half)))
		dc.StrokeLine2(line, at(from), y, at(q1), y)
		dc.StrokeLine2(line, at(q3), y, at(to), y)
		for _, w := range []float64{from, to} {
			dc.StrokeLine2(line, at(w), y-half/2, at(w), y+half/2)
		}
		dc.StrokeLine2(draw.LineStyle{Color: c, Width: 2.4}, at(q2), y-half, at(q2), y+half)
	}
	sum := 0.0
	for n, x := range v {
		sum += x
		// Neighbours in order of size lie on different heights, so that equal values
		// do not hide each other.
		lane := vg.Length(n%5-2) * half / 3.2
		dc.DrawGlyph(draw.GlyphStyle{Color: c, Radius: 1.7, Shape: draw.CircleGlyph{}}, vg.Point{X: at(x), Y: y + lane})
	}
	if len(v) > 1 {
		m := at(sum / float64(len(v)))
		cross := draw.LineStyle{Color: inkColor, Width: 1.3}
		dc.StrokeLine2(cross, m-3, y-3, m+3, y+3)
		dc.StrokeLine2(cross, m-3, y+3, m+3, y-3)
	}
}

func closed(p []vg.Point) []vg.Point { return append(p, p[0]) }

// quartile interpolates between sorted values.
func quartile(v []float64, p float64) float64 {
	x := p * float64(len(v)-1)
	n := min(int(x), len(v)-1)
	if n+1 == len(v) {
		return v[n]
	}
	return v[n] + (x-float64(n))*(v[n+1]-v[n])
}

// whiskers are the outermost values within 1.5 times the box's length of it.
func whiskers(v []float64, q1, q3 float64) (from, to float64) {
	reach := 1.5 * (q3 - q1)
	from, to = q1, q3
	for _, x := range v {
		if x >= q1-reach {
			from = min(from, x)
		}
		if x <= q3+reach {
			to = max(to, x)
		}
	}
	return from, to
}
