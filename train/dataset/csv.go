package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"voxgrad/internal/table"
	"voxgrad/internal/text"
)

var setColumns = []table.Column{
	{Name: "case", Needed: true}, {Name: "patient"}, {Name: "time1", Also: []string{"flair"}, Needed: true}, {Name: "time2"},
	{Name: "mask", Needed: true}, {Name: "brainmask"}, {Name: "white_matter"},
}

// findTable reads a table. Its first line names the columns. Paths are relative to
// the table's folder; several raters' masks are separated by semicolons.
func findTable(root *folder, opt Options, s *Set) error {
	file := root.root
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		file = filepath.Join(file, "cases.csv")
		if _, err := os.Stat(file); err != nil {
			return nil
		}
	}
	rows, err := table.Read(file, setColumns)
	if err == nil {
		s.Cases, err = casesOf(rows, filepath.Dir(file), opt)
		if err != nil {
			err = fmt.Errorf("%s: %w", file, err)
		}
		if !slices.ContainsFunc(rows, func(r table.Row) bool { return r.Get("patient") != "" }) {
			s.Notes = append(s.Notes, ownPatients)
		}
	}
	if err != nil {
		return fmt.Errorf("data set %w", err)
	}
	return nil
}

// casesOf makes cases of a table's rows; paths are relative to dir.
func casesOf(rows []table.Row, dir string, opt Options) (cases []Case, err error) {
	for _, r := range rows {
		c, err := rowCase(r, dir, opt)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", r.Line, err)
		}
		cases = append(cases, c)
	}
	return cases, nil
}

func rowCase(r table.Row, dir string, opt Options) (Case, error) {
	c := Case{ID: r.Get("case"), Patient: r.Get("patient")}
	if c.ID == "" {
		return c, fmt.Errorf("the case has no name")
	}
	if c.Patient == "" {
		c.Patient = c.ID
	}
	file := func(p string) string {
		if p == "" {
			return ""
		}
		if !filepath.IsAbs(p) {
			p = filepath.Join(dir, p)
		}
		p, _ = onDisk(p)
		if info, err := os.Stat(p); err != nil || info.IsDir() {
			c.Missing = append(c.Missing, p)
		}
		return p
	}
	if r.Get("time1") == "" {
		return c, fmt.Errorf("case %s names no image (column time1 or flair)", text.Clean(c.ID))
	}
	c.Times = append(c.Times, file(r.Get("time1")))
	if p := file(r.Get("time2")); p != "" {
		c.Times = append(c.Times, p)
	}
	c.Brain, c.WhiteMatter = file(r.Get("brainmask")), file(r.Get("white_matter"))
	var masks []string
	for m := range strings.SplitSeq(r.Get("mask"), ";") {
		if m = strings.TrimSpace(m); m != "" {
			masks = append(masks, file(m))
		}
	}
	consensus, raters := "", map[int]string{}
	if len(masks) == 1 {
		consensus = masks[0]
	}
	for i, m := range masks {
		raters[i+1] = m
	}
	chooseTruth(&c, opt.Truth, consensus, raters, "column mask")
	return c, nil
}
