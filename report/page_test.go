package report

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const evil = `<script src="https://evil.example/x.js">alert(1)</script>"'><img src=x onerror=alert(2)> & {{.CSS}} javascript:alert(3)`

// full is a page with one of everything, each with a malicious text.
func full(t *testing.T) *Page {
	p := NewPage("Run " + evil)
	p.Lead, p.Footer = "lead "+evil, "footer "+evil
	for _, s := range []string{"One", "Two " + evil, "Three"} {
		p.Section(s)
		p.Text("text " + evil)
	}
	p.Facts(Fact{"name " + evil, "value " + evil}, Fact{"learning rate", 0.0001}, Fact{"epochs", 120}, Fact{"best", nil})
	tab := scores()
	tab.Title, tab.Note, tab.Columns[0].Name = evil, evil, evil
	tab.Add(evil, 0.1, 1.0, 4)
	p.Table(tab)
	h := training(20)
	h.Title = evil
	c, err := Curves(h)
	require.NoError(t, err)
	p.Chart(c, "alt "+evil, "caption "+evil)
	p.Image(image.NewRGBA(image.Rect(0, 0, 6, 4)), "alt "+evil, "caption "+evil)
	return p
}

func render(t *testing.T, p *Page) string {
	var b bytes.Buffer
	require.NoError(t, p.WriteHTML(&b))
	return b.String()
}

func TestPageIsWellFormed(t *testing.T) {
	html := render(t, full(t))
	require.True(t, strings.HasPrefix(html, "<!DOCTYPE html>\n"))
	requireXML(t, []byte(html)) // stricter than HTML: every element closed, every text escaped
	requireXML(t, []byte(render(t, NewPage("empty"))))
}

// tag finds elements with their attributes.
var tag = regexp.MustCompile(`<[a-zA-Z][^>]*>`)

func TestPageRefersToNothingOutside(t *testing.T) {
	html := render(t, full(t))
	data := regexp.MustCompile(`data:image/png;base64,[A-Za-z0-9+/=]+`)
	require.Len(t, data.FindAllString(html, -1), 1)
	for _, element := range tag.FindAllString(data.ReplaceAllString(html, ""), -1) {
		for _, attribute := range []string{"src=", "href=", "url(", "xmlns", "onerror", "onload", "action="} {
			if i := strings.Index(element, attribute); i >= 0 {
				ok := strings.HasPrefix(element[i:], `href="#s`) || strings.HasPrefix(element[i:], `src=""`) ||
					strings.Contains(element, "&lt;script src=&#34;") // inside an escaped text: see the next test
				require.True(t, ok, element)
			}
		}
	}
	// A page without texts from outside holds no address at all.
	p := NewPage("Run")
	c, err := Curves(training(5))
	require.NoError(t, err)
	p.Chart(c, "curves", "")
	p.Table(scores())
	quiet := render(t, p)
	require.NotContains(t, strings.ReplaceAll(quiet, "http-equiv", ""), "http")
	require.NotContains(t, quiet, "//")
	require.NotContains(t, quiet, "@import")
}

func TestPageEscapesEverything(t *testing.T) {
	html := render(t, full(t))
	require.NotContains(t, html, "<script")
	require.NotContains(t, html, "<img src=x")
	// Title, lead and footer, sections with their contents list, texts, fact, table,
	// chart, image: each shown as it was given.
	require.GreaterOrEqual(t, strings.Count(html, "&lt;script"), 16)
	require.Contains(t, html, "{{.CSS}}")
	for _, element := range tag.FindAllString(html, -1) {
		require.NotRegexp(t, `\son[a-z]+=["']?alert`, strings.ReplaceAll(element, "&gt;&lt;img src=x onerror=alert(2)", ""))
	}
}

func TestPageShowsWhatWasGiven(t *testing.T) {
	html := render(t, full(t))
	for _, s := range []string{
		"<dt>learning rate</dt><dd>0.0001</dd>", "<dt>epochs</dt><dd>120</dd>", "<dt>best</dt><dd>–</dd>",
		`<a href="#s3">Three</a>`, `<h2 id="s3">Three</h2>`, `<td class="num"><strong>0.500</strong></td>`,
		`<th scope="col" class="num">volume (mm³)</th>`, `<td class="num">–</td>`, "prefers-color-scheme: dark", "@media print",
		`name="viewport"`, "<figcaption>caption ", `width="6" height="4"`,
	} {
		require.Contains(t, html, s)
	}
	encoded := regexp.MustCompile(`src="data:image/png;base64,([^"]+)"`).FindStringSubmatch(html)
	require.NotNil(t, encoded)
	b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(encoded[1], "&#43;", "+"))
	require.NoError(t, err)
	img, err := png.Decode(bytes.NewReader(b))
	require.NoError(t, err)
	require.Equal(t, image.Pt(6, 4), img.Bounds().Size())
}

func TestChartOnAPageTakesThePagesColours(t *testing.T) {
	c, err := Curves(training(5))
	require.NoError(t, err)
	p := NewPage("x")
	p.Chart(c, "curves", "")
	html := render(t, p)
	require.Contains(t, html, "currentColor")
	require.Contains(t, html, "stroke:"+hexColor(lineBlue))
	body := html[strings.Index(html, "<svg"):]
	for _, s := range []string{hexColor(inkColor), hexColor(mutedColor), hexColor(gridColor), hexColor(paperColor), "#000000", "font-family:"} {
		require.NotContains(t, body, s)
	}
}

func TestPageWriteIsDeterministicAndWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.html")
	require.NoError(t, full(t).Write(path))
	first, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, render(t, full(t)), string(first))

	bad := full(t)
	bad.Image(image.NewRGBA(image.Rect(0, 0, 0, 5)), "nothing", "") // PNG has no empty pictures
	require.ErrorContains(t, bad.Write(path), `picture "nothing"`)
	again, _ := os.ReadFile(path)
	require.True(t, bytes.Equal(first, again), "a failed page replaced the old one")
}
