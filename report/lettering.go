package report

import (
	"image"
	"image/color"
	"sync"
	"voxgrad/internal/text"

	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
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
