package view_test

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/report"
	"voxgrad/report/view"
	"voxgrad/volume"
)

// phantomFiles writes a phantom pair with a mask that finds all new lesions but
// one, invents another, and is sure of it all.
func phantomFiles(t *testing.T) view.Files {
	t.Helper()
	o := volume.DefaultPhantom(5)
	o.Size = [3]int{64, 72, 56}
	o.Spacing = [3]float64{2, 2, 2}
	o.New, o.WithoutNew = volume.Range{Min: 3, Max: 3}, 0
	o.LesionMM3 = volume.Range{Min: 400, Max: 900}
	p, err := volume.NewPhantom(o)
	require.NoError(t, err)
	truth := p.NewLesions.Volume()
	labels, comps, err := volume.Components(p.NewLesions.Data, truth.Size, 26)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(comps), 2, "the phantom has too few new lesions for this test")
	mask, prob := truth.Like(), truth.Like()
	for x, l := range labels {
		if l > 1 { // the largest is missed
			mask.Data[x], prob.Data[x] = 1, 0.9
		}
	}
	for k := range 4 {
		for j := range 4 {
			for i := range 4 {
				x := mask.Index(24+i, 30+j, 36+k)
				require.Zero(t, labels[x])
				mask.Data[x], prob.Data[x] = 1, 0.7
			}
		}
	}
	// The files' axes run to the left, up and back.
	g := truth.Grid
	at := g.World(float64(g.Size[0]-1), float64(g.Size[1]-1), 0)
	turned := volume.Grid{Size: [3]int{g.Size[0], g.Size[2], g.Size[1]}}
	for r, row := range g.Affine {
		turned.Affine[r] = [4]float64{-row[0], row[2], -row[1], at[r]}
	}
	dir := t.TempDir()
	write := func(name string, v *volume.Volume, d volume.DType) string {
		path := filepath.Join(dir, name)
		require.NoError(t, volume.Write(path, volume.FromCanonical(v, turned), d))
		return path
	}
	return view.Files{
		Scans: []view.Scan{
			{Label: "time 1", Path: write("flair1.nii.gz", p.Time1, volume.Float32)},
			{Label: "time 2", Path: write("flair2.nii.gz", p.Time2, volume.Float32)},
		},
		Mask:        write("mask.nii.gz", mask, volume.Uint8),
		Truth:       write("truth.nii.gz", truth, volume.Uint8),
		Probability: write("prob.nii.gz", prob, volume.Float32),
	}
}

// start serves files until the test ends.
func start(t *testing.T, f view.Files) (*view.Study, *view.Server) {
	t.Helper()
	study, err := view.Load(f)
	require.NoError(t, err)
	server, err := view.Listen(0, study)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
	})
	return study, server
}

func TestInChromium(t *testing.T) {
	files := phantomFiles(t)
	study, server := start(t, files)
	var scans [2]*volume.Volume
	for n := range scans {
		v, err := volume.Read(files.Scans[n].Path)
		require.NoError(t, err)
		scans[n] = v
	}
	c := openChromium(t)
	c.open(server.URL())

	require.Equal(t, 2.0, number(c, `document.querySelectorAll("canvas").length`))
	require.Contains(t, c.text(`document.getElementById("files").textContent`), "flair2.nii.gz")
	require.Equal(t, len(study.Lesions()), int(number(c, `document.querySelectorAll("tbody tr").length`)))
	shot := c.screenshot()
	for n := range 2 {
		brain := share(shot, paneRect(c, n), func(p color.RGBA) bool { return p.R > 50 && p.R < 250 && p.R == p.G && p.G == p.B })
		require.Greater(t, brain, 0.2, "pane %d shows no brain", n)
		require.Less(t, brain, 0.95, "pane %d shows no background", n)
	}

	// A click in the list moves every pane to the lesion, which has its colour there.
	colors := map[view.Status]color.RGBA{
		view.Found: report.TruePositive, view.Missed: report.FalseNegative, view.False: report.FalsePositive,
	}
	seen := map[view.Status]bool{}
	c.press("h") // without the probabilities over it
	for _, l := range study.Lesions() {
		seen[l.Status] = true
		before := position(c, 0)
		x, y := middle(c, fmt.Sprintf(`document.querySelector("tr[data-number='%d'] button")`, l.Number))
		c.click(x, y)
		c.wait(fmt.Sprintf(`document.body.dataset.lesion === "%d"`, l.Number))
		shot := c.screenshot()
		for n := range 2 {
			at := position(c, n)
			require.InDeltaSlice(t, l.Point[:], at[:], 0.02, "pane %d", n)
			value := scans[n].At(nearest(scans[n], at))
			require.InEpsilon(t, value, number(c, fmt.Sprintf(`Number(panes[%d].value.textContent.split(" ")[1])`, n)), 1e-3)
			require.Greater(t, colored(shot, paneRect(c, n), colors[l.Status]), 0.001, "lesion %d, %s, is not seen in pane %d", l.Number, l.Status, n)
		}
		if l.Number > 1 { // the first is where the page starts
			require.NotEqual(t, before, position(c, 0))
		}
	}
	require.Len(t, seen, 3, "the phantom should have a found, a missed and a false lesion")

	// The mask can be taken away; the probabilities come back.
	last := colors[study.Lesions()[len(study.Lesions())-1].Status]
	c.press("m")
	require.Zero(t, colored(c.screenshot(), paneRect(c, 1), last))
	c.press("h")
	heat := report.Heat(0.7)
	require.Greater(t, colored(c.screenshot(), paneRect(c, 1), heat), 0.001)
	c.eval(`byId("threshold").value = 0.8; byId("threshold").dispatchEvent(new Event("input")); true`, nil)
	require.Zero(t, colored(c.screenshot(), paneRect(c, 1), heat), "0.7 is below the threshold")
	c.press("m")

	testLinks(t, c)
	testPhone(t, c)
	require.Empty(t, c.complaints())
	origin, _, _ := strings.Cut(server.URL(), "?")
	require.NotEmpty(t, c.requested())
	for _, url := range c.requested() {
		require.True(t, strings.HasPrefix(url, origin) || strings.HasPrefix(url, "data:"), "the page asked for %s", url)
	}
}

// testLinks: whatever is done to one pane happens to both.
func testLinks(t *testing.T, c *chromium) {
	same := func(what string) {
		t.Helper()
		c.screenshot()
		a, b := position(c, 0), position(c, 1)
		require.InDeltaSlice(t, a[:], b[:], 0.02, what)
		require.Equal(t, c.text(`panes[0].nv.scene.pan2Dxyzmm.join()`), c.text(`panes[1].nv.scene.pan2Dxyzmm.join()`), what)
		require.Equal(t, c.text(`String(panes[0].nv.opts.sliceType)`), c.text(`String(panes[1].nv.opts.sliceType)`), what)
	}
	x, y := middle(c, `panes[1].canvas`)
	before := position(c, 0)
	x, y = math.Round(x-30), math.Round(y-30)
	c.click(x, y)
	same("click")
	line := image.Rect(int(x)-2, paneRect(c, 1).Min.Y, int(x)+3, paneRect(c, 1).Max.Y)
	blue := func(p color.RGBA) bool { return p.B > 200 && p.R < 100 && p.G > 140 }
	require.Greater(t, share(c.screenshot(), line, blue), 0.1, "the crosshair is not where the click was")
	clicked := position(c, 0)
	require.NotEqual(t, before, clicked)
	require.InDelta(t, before[2], clicked[2], 0.02, "a click in an axial slice stays in it")

	c.mouse("mouseWheel", x, y, map[string]any{"deltaX": 0, "deltaY": -120})
	c.wait(fmt.Sprintf(`Number(panes[0].element.dataset.position.split(" ")[2]) > %g`, clicked[2]+1))
	same("wheel")
	require.InDelta(t, clicked[2]+2, position(c, 0)[2], 1.01, "one slice of 2 mm, to its middle")

	// Zooming with the pointer over a place keeps the place there.
	x0, y0 := middle(c, `panes[0].canvas`)
	x0, y0 = math.Round(x0+20), math.Round(y0-40) // events come at whole pixels
	pick := func() (mm []float64) {
		c.eval(fmt.Sprintf(`panes[0].pick(%g, %g).mm`, x0, y0), &mm)
		return mm
	}
	under := pick()
	c.mouse("mouseWheel", x0, y0, map[string]any{"deltaX": 0, "deltaY": -240, "modifiers": 2})
	c.wait(`panes[0].nv.scene.pan2Dxyzmm[3] > 1.5`)
	same("zoom")
	require.InDeltaSlice(t, under, pick(), 0.01)
	shift := map[string]any{"button": "left", "buttons": 1, "clickCount": 1, "modifiers": 8}
	c.mouse("mousePressed", x0, y0, shift)
	x0, y0 = x0+30, y0+20
	c.mouse("mouseMoved", x0, y0, shift)
	c.mouse("mouseReleased", x0, y0, shift)
	same("pan")
	require.InDeltaSlice(t, under, pick(), 0.01, "what is under the pointer goes with it")
	c.press("0")
	c.wait(`panes[0].nv.scene.pan2Dxyzmm[3] === 1`)

	bright := func() float64 {
		return share(c.screenshot(), paneRect(c, 0), func(p color.RGBA) bool { return p.R > 128 })
	}
	normal := bright()
	right := map[string]any{"button": "right", "buttons": 2, "clickCount": 1}
	c.mouse("mousePressed", x, y, right)
	c.mouse("mouseMoved", x, y-60, right)
	c.mouse("mouseReleased", x, y-60, right)
	require.Greater(t, bright(), normal+0.02, "dragged up with the right button: a lower level, a brighter picture")

	for key, plane := range map[string]string{"2": "1", "3": "2", "4": "3", "1": "0"} {
		c.press(key)
		c.wait(`String(panes[0].nv.opts.sliceType) === "` + plane + `"`)
		same("plane " + plane)
	}
	c.press("?")
	c.wait(`document.getElementById("help").open`)
	c.press("Escape")
}

// testPhone: the same page on a phone, in light and dark.
func testPhone(t *testing.T, c *chromium) {
	c.resize(390, 844, 2, true)
	c.wait(`!document.getElementById("settings").open`)
	c.screenshot()
	require.LessOrEqual(t, number(c, `document.documentElement.scrollWidth`), 390.0, "the page is wider than the phone")
	for n := range 2 {
		r := paneRect(c, n)
		require.Greater(t, r.Dx(), 180)
		require.Greater(t, r.Dy(), 280)
	}
	// The first lesions are seen without scrolling.
	require.Less(t, number(c, `document.querySelector("tbody tr").getBoundingClientRect().bottom`), 844.0)

	background := `getComputedStyle(document.body).backgroundColor`
	light := c.text(background)
	c.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": "dark"}}}, nil)
	dark := c.text(background)
	require.Equal(t, "rgb(255, 255, 255)", light)
	require.Equal(t, "rgb(15, 19, 23)", dark)
}

// nearest is the voxel at a point of the world.
func nearest(v *volume.Volume, mm [3]float64) (i, j, k int) {
	p := v.Voxel(mm)
	return int(math.Round(p[0])), int(math.Round(p[1])), int(math.Round(p[2]))
}
