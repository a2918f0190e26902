package view_test

import (
	"fmt"
	"image"
	"image/color"
	"math"

	"github.com/stretchr/testify/require"
)

func number(c *chromium, expression string) (f float64) {
	c.t.Helper()
	c.eval(expression, &f)
	return f
}

// position is where a pane's crosshair is, in mm.
func position(c *chromium, pane int) (mm [3]float64) {
	c.t.Helper()
	_, err := fmt.Sscan(c.text(fmt.Sprintf(`panes[%d].element.dataset.position`, pane)), &mm[0], &mm[1], &mm[2])
	require.NoError(c.t, err)
	return mm
}

// middle is the middle of an element in the window.
func middle(c *chromium, element string) (x, y float64) {
	c.t.Helper()
	var p [2]float64
	c.eval(fmt.Sprintf(`(() => { const e = %s; e.scrollIntoView({block: "nearest"}); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()`, element), &p)
	return p[0], p[1]
}

func paneRect(c *chromium, pane int) image.Rectangle {
	c.t.Helper()
	var r [4]float64
	c.eval(fmt.Sprintf(`(() => { const r = panes[%d].canvas.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom] })()`, pane), &r)
	return image.Rect(int(math.Ceil(r[0])), int(math.Ceil(r[1])), int(r[2]), int(r[3]))
}

// share is which part of a rectangle's pixels are so.
func share(img image.Image, r image.Rectangle, is func(color.RGBA) bool) float64 {
	n := 0
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if is(color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)) {
				n++
			}
		}
	}
	return float64(n) / float64(r.Dx()*r.Dy())
}

// colored is the share of pixels in which c is mixed with grey: their difference
// from grey points the way that of c does.
func colored(img image.Image, r image.Rectangle, c color.RGBA) float64 {
	want := chroma(c)
	return share(img, r, func(p color.RGBA) bool {
		got := chroma(p)
		dot := got[0]*want[0] + got[1]*want[1] + got[2]*want[2]
		return length(got) > 25 && dot > 0.97*length(got)*length(want)
	})
}

func chroma(c color.RGBA) [3]float64 {
	mean := (float64(c.R) + float64(c.G) + float64(c.B)) / 3
	return [3]float64{float64(c.R) - mean, float64(c.G) - mean, float64(c.B) - mean}
}

func length(v [3]float64) float64 { return math.Sqrt(v[0]*v[0] + v[1]*v[1] + v[2]*v[2]) }
