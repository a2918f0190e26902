package report

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"strconv"
	"strings"

	"voxgrad/internal/outfile"
	"voxgrad/internal/text"
)

// Page is an HTML page in one file: text, tables, charts and pictures in the
// order in which they were added. It refers to nothing outside, needs no script,
// follows the reader's light or dark setting, fits a phone and prints. Every text
// is shown as it is, never taken as HTML.
type Page struct {
	Title  string
	Lead   string // a sentence under the title
	Footer string // how, when and by what it was made

	blocks   []block
	sections []string
	err      error // the first figure that could not be made
}

// NewPage is an empty page.
func NewPage(title string) *Page { return &Page{Title: title} }

// Fact is one line of a list of facts: a setting, a device, a time.
type Fact struct {
	Name  string
	Value any // printed like a cell of a Table, a float64 with up to 6 digits
}

// block is one element of a page; one field is set.
type block struct {
	Section *sectionBlock
	Text    string
	Note    string
	Facts   [][2]string
	Table   *tableBlock
	Figure  *figureBlock
	Legend  []swatchBlock
}

type sectionBlock struct{ ID, Title string }

type tableBlock struct {
	Title, Note string
	Head        []cellBlock
	Body, Sums  [][]cellBlock
}

type cellBlock struct {
	Text        string
	Right, Best bool
}

type figureBlock struct {
	Alt, Caption  string
	Image         template.URL  // data URI of a PNG, or
	SVG           template.HTML // a chart
	Width, Height int
	Narrow        bool // a chart for half a page
	Pictures      []pictureBlock
}

type pictureBlock struct {
	Alt           string
	Image         template.URL
	Width, Height int
}

type swatchBlock struct{ Color, Text string }

// Section starts a section.
func (p *Page) Section(title string) {
	p.sections = append(p.sections, title)
	p.blocks = append(p.blocks, block{Section: &sectionBlock{fmt.Sprintf("s%d", len(p.sections)), title}})
}

// Text adds a paragraph.
func (p *Page) Text(s string) { p.blocks = append(p.blocks, block{Text: s}) }

// note adds an explanation in small print.
func (p *Page) note(s string) { p.blocks = append(p.blocks, block{Note: s}) }

// Facts adds a list of names and values.
func (p *Page) Facts(facts ...Fact) {
	var lines [][2]string
	for _, f := range facts {
		value, _ := Unit{}.cell(f.Value)
		if x, ok := f.Value.(float64); ok && !math.IsNaN(x) {
			value = strconv.FormatFloat(x, 'g', 6, 64)
		}
		lines = append(lines, [2]string{f.Name, text.Clean(value)})
	}
	p.blocks = append(p.blocks, block{Facts: lines})
}

// Table adds a table; the best values of columns that say which they are, are set bold.
func (p *Page) Table(t *Table) {
	in, best := t.print(), t.best()
	out := &tableBlock{Title: t.Title, Note: t.Note}
	row := func(text []string, best []bool) (cells []cellBlock) {
		for i, s := range text {
			cells = append(cells, cellBlock{Text: s, Right: in.right[i], Best: best != nil && best[i]})
		}
		return cells
	}
	out.Head = row(in.head, nil)
	for r, text := range in.body {
		out.Body = append(out.Body, row(text, best[r]))
	}
	for _, text := range in.summary {
		out.Sums = append(out.Sums, row(text, nil))
	}
	p.blocks = append(p.blocks, block{Table: out})
}

// Image adds a picture. alt says what it shows to who cannot see it.
func (p *Page) Image(img image.Image, alt, caption string) {
	url, err := dataURL(img)
	if err != nil {
		p.fail(fmt.Errorf("picture %q: %w", alt, err))
		return
	}
	size := img.Bounds().Size()
	p.blocks = append(p.blocks, block{Figure: &figureBlock{Alt: alt, Caption: caption, Width: size.X, Height: size.Y, Image: url}})
}

// Picture is one of several in a figure.
type Picture struct {
	Image image.Image
	Alt   string
}

// Pictures adds a figure of several pictures: beside each other where there is
// room, else one under the other.
func (p *Page) Pictures(caption string, pictures ...Picture) {
	f := &figureBlock{Caption: caption}
	for _, pic := range pictures {
		url, err := dataURL(pic.Image)
		if err != nil {
			p.fail(fmt.Errorf("picture %q: %w", pic.Alt, err))
			return
		}
		size := pic.Image.Bounds().Size()
		f.Pictures = append(f.Pictures, pictureBlock{pic.Alt, url, size.X, size.Y})
	}
	p.blocks = append(p.blocks, block{Figure: f})
}

// dataURL is img as a PNG within the page.
func dataURL(img image.Image) (template.URL, error) {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return "", err
	}
	// base64 of a PNG that was made here: nothing in it needs escaping.
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())), nil
}

// Swatch is a colour and what it stands for.
type Swatch struct {
	Color color.RGBA
	Text  string
}

// Legend adds a line of colours and what they stand for.
func (p *Page) Legend(swatches ...Swatch) {
	var b []swatchBlock
	for _, s := range swatches {
		b = append(b, swatchBlock{hexColor(s.Color), s.Text})
	}
	p.blocks = append(p.blocks, block{Legend: b})
}

// Chart adds a chart in the page's own colours.
func (p *Page) Chart(c *Chart, alt, caption string) {
	svg, err := c.svg()
	if err != nil {
		p.fail(fmt.Errorf("chart %q: %w", alt, err))
		return
	}
	html, err := inlineSVG(svg, alt)
	if err != nil {
		p.fail(fmt.Errorf("chart %q: %w", alt, err))
		return
	}
	p.blocks = append(p.blocks, block{Figure: &figureBlock{Alt: alt, Caption: caption, SVG: html, Narrow: c.boxes != nil}})
}

func (p *Page) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// inlineSVG makes a chart part of a page: without the prolog and the fixed size,
// and with ink, muted text and rules in colours that the page's style sets. The texts in it were
// escaped by the SVG writer.
func inlineSVG(svg []byte, alt string) (template.HTML, error) {
	s := string(svg)
	start := strings.Index(s, "<svg")
	end := start + strings.IndexByte(s[max(start, 0):], '>')
	box := strings.Index(s, `viewBox="`)
	if start < 0 || end < start || box < start || box > end {
		return "", fmt.Errorf("not the SVG this program writes")
	}
	viewBox, _, _ := strings.Cut(s[box+len(`viewBox="`):end], `"`)
	body := s[end+1:]
	for _, c := range []struct {
		from string
		to   string
	}{
		{hexColor(inkColor), "currentColor"},
		{hexColor(mutedColor), "var(--muted)"},
		{hexColor(gridColor), "var(--line)"},
		{"font-family:Liberation Sans;", ""},
	} {
		body = strings.ReplaceAll(body, c.from, c.to)
	}
	return template.HTML(fmt.Sprintf(`<svg role="img" aria-label="%s" viewBox="%s">`,
		template.HTMLEscapeString(alt), viewBox) + body), nil
}

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// WriteHTML writes the page. The error is also for a figure that could not be made.
func (p *Page) WriteHTML(w io.Writer) error {
	if p.err != nil {
		return p.err
	}
	var contents []sectionBlock
	if len(p.sections) > 2 {
		for _, b := range p.blocks {
			if b.Section != nil {
				contents = append(contents, *b.Section)
			}
		}
	}
	return pageTemplate.Execute(w, struct {
		*Page
		CSS      template.CSS
		Contents []sectionBlock
		Blocks   []block
	}{p, template.CSS(pageCSS), contents, p.blocks})
}

// Write writes the page to a file, whole or not at all.
func (p *Page) Write(path string) error { return p.WriteIn(nil, path) }

// WriteIn is Write as one of a set of files; nil: alone.
func (p *Page) WriteIn(set *outfile.Set, path string) error { return set.Write(path, p.WriteHTML) }
