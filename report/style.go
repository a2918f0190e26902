package report

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"sync"

	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"voxgrad/internal/text"
)

// typeface is a parsed font; the fonts are part of the program, so parsing cannot fail.
func typeface(ttf []byte) func() *opentype.Font {
	return sync.OnceValue(func() *opentype.Font {
		f, err := opentype.Parse(ttf)
		if err != nil {
			panic(err)
		}
		return f
	})
}

var (
	regular = typeface(liberationsansregular.TTF)
	bold    = typeface(liberationsansbold.TTF)
)

// lettering writes text on a picture. It belongs to one goroutine.
type lettering struct {
	face  font.Face
	color color.RGBA
}

func newLettering(f *opentype.Font, pixels float64, c color.RGBA) lettering {
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: pixels, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		panic(err) // only for a size of 0 or less
	}
	return lettering{face, c}
}

// width is that of s in pixels.
func (l lettering) width(s string) int { return font.MeasureString(l.face, text.Clean(s)).Ceil() }

// write puts s with its left end at x and its base line at y, and returns where it ends.
func (l lettering) write(img *image.RGBA, x, y int, s string) int {
	d := font.Drawer{Dst: img, Src: image.NewUniform(l.color), Face: l.face, Dot: fixed.P(x, y)}
	d.DrawString(text.Clean(s))
	return d.Dot.X.Ceil()
}

// fit is s, shortened with … if it is wider than that.
func (l lettering) fit(s string, width int) string {
	if l.width(s) <= width {
		return s
	}
	r := []rune(text.Clean(s))
	for len(r) > 0 && l.width(string(r)+"…") > width {
		r = r[:len(r)-1]
	}
	return string(r) + "…"
}

// outlined writes white text with a dark edge, legible on any grey.
func outlined(img *image.RGBA, pixels float64, x, y int, s string) {
	edge := newLettering(bold(), pixels, color.RGBA{0, 0, 0, 0xff})
	for _, d := range []image.Point{{-1, 0}, {1, 0}, {0, -1}, {0, 1}, {1, 1}, {-1, -1}, {1, -1}, {-1, 1}} {
		edge.write(img, x+d.X, y+d.Y, s)
	}
	newLettering(bold(), pixels, color.RGBA{0xff, 0xff, 0xff, 0xff}).write(img, x, y, s)
}

// letters writes the letters of the sides half way up.
func (f *frame) letters(img *image.RGBA) {
	size := min(max(float64(f.height)/22, 11), 18)
	l := newLettering(bold(), size, color.RGBA{})
	y := f.height/2 + int(size*0.36)
	outlined(img, size, 4, y, f.left)
	outlined(img, size, f.width-4-l.width(f.right), y, f.right)
}

// The colours of an overlay with a truth are those of the paper's Figure 6.
// They differ in lightness too, and every picture that uses them has a legend.
var (
	TruePositive  = color.RGBA{0x2e, 0xcc, 0x40, 0xff} // green: predicted and true
	FalseNegative = color.RGBA{0xff, 0x41, 0x36, 0xff} // red: true, not predicted
	FalsePositive = color.RGBA{0x3d, 0x8b, 0xff, 0xff} // blue: predicted, not true
	Predicted     = color.RGBA{0xff, 0xb0, 0x00, 0xff} // amber: predicted, no truth known
)

// Lines of charts, after Okabe and Ito, "Color Universal Design" (2008): told
// apart with any colour vision, on white and on black.
var (
	lineBlue   = color.RGBA{0x00, 0x72, 0xb2, 0xff}
	lineOrange = color.RGBA{0xd5, 0x5e, 0x00, 0xff}
	lineGreen  = color.RGBA{0x00, 0x9e, 0x73, 0xff}
	linePurple = color.RGBA{0xcc, 0x79, 0xa7, 0xff}
)

// Ink, muted text, rules and paper of charts; a page replaces them by its own (see chartHTML).
var (
	inkColor   = color.RGBA{0x1f, 0x23, 0x28, 0xff}
	mutedColor = color.RGBA{0x59, 0x63, 0x6e, 0xff}
	gridColor  = color.RGBA{0xd8, 0xde, 0xe4, 0xff}
	paperColor = color.RGBA{0xff, 0xff, 0xff, 0xff}
)

// blend is base under over with the given opacity in [0, 1].
func blend(base, over color.RGBA, opacity float64) color.RGBA {
	mix := func(a, b uint8) uint8 {
		return uint8(math.Round(float64(a)*(1-opacity) + float64(b)*opacity))
	}
	return color.RGBA{mix(base.R, over.R), mix(base.G, over.G), mix(base.B, over.B), 0xff}
}

// heatStops goes from dark red over orange to pale yellow: lightness grows
// all the way, so the order is seen with any colour vision.
var heatStops = []color.RGBA{
	{0x5c, 0x00, 0x3a, 0xff}, {0xa8, 0x16, 0x2f, 0xff}, {0xe1, 0x4b, 0x0f, 0xff},
	{0xf9, 0x8e, 0x09, 0xff}, {0xfc, 0xcb, 0x35, 0xff}, {0xfc, 0xff, 0xb5, 0xff},
}

// Heat is the colour of a probability p in [0, 1].
func Heat(p float64) color.RGBA {
	if math.IsNaN(p) {
		return color.RGBA{}
	}
	x := min(max(p, 0), 1) * float64(len(heatStops)-1)
	i := min(int(x), len(heatStops)-2)
	return blend(heatStops[i], heatStops[i+1], x-float64(i))
}

// hexColor is c as SVG writes it.
func hexColor(c color.RGBA) string { return fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B) }
