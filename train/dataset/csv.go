package dataset

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

var csvColumns = map[string]string{
	"case": "case", "patient": "patient", "time1": "time1", "flair": "time1",
	"time2": "time2", "mask": "mask", "brainmask": "brainmask", "white_matter": "white_matter",
}

// findCSV reads a table. Its first line names the columns. Paths are relative to
// the table's folder; several raters' masks are separated by semicolons.
func findCSV(path string, opt Options) ([]Case, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "cases.csv")
		if _, err := os.Stat(path); err != nil {
			return nil, nil
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data set: %w", err)
	}
	defer f.Close()
	cases, err := parseCSV(f, filepath.Dir(path), opt)
	if err != nil {
		return nil, fmt.Errorf("data set %s: %w", path, err)
	}
	return cases, nil
}

// parseCSV is findCSV on an open table whose paths are relative to dir.
func parseCSV(r io.Reader, dir string, opt Options) ([]Case, error) {
	cr := csv.NewReader(r)
	cr.TrimLeadingSpace = true
	cr.Comment = '#'
	head, err := cr.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the table is empty; its first line names the columns case, time1, mask and so on")
	}
	if err != nil {
		return nil, err
	}
	col := map[string]int{}
	for i, h := range head {
		name := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(h, "\ufeff")))
		key, ok := csvColumns[name]
		if !ok {
			return nil, fmt.Errorf("unknown column %q; known: case, patient, time1 (or flair), time2, mask, brainmask, white_matter", h)
		}
		if _, twice := col[key]; twice {
			return nil, fmt.Errorf("two columns for %s", key)
		}
		col[key] = i
	}
	for _, need := range []string{"case", "time1", "mask"} {
		if _, ok := col[need]; !ok {
			return nil, fmt.Errorf("column %s is missing", need)
		}
	}
	var cases []Case
	for {
		row, err := cr.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := cr.FieldPos(0)
		get := func(key string) string {
			if i, ok := col[key]; ok {
				return strings.TrimSpace(row[i])
			}
			return ""
		}
		c, err := csvCase(get, dir, opt)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		cases = append(cases, c)
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("the table has no rows")
	}
	return cases, nil
}

func csvCase(get func(string) string, dir string, opt Options) (Case, error) {
	c := Case{ID: get("case"), Patient: get("patient")}
	if c.ID == "" {
		return c, fmt.Errorf("the case has no name")
	}
	if c.Patient == "" {
		c.Patient = c.ID
	}
	file := func(p string) string {
		if p != "" && !filepath.IsAbs(p) {
			p = filepath.Join(dir, p)
		}
		if p != "" {
			if info, err := os.Stat(p); err != nil || info.IsDir() {
				c.Missing = append(c.Missing, p)
			}
		}
		return p
	}
	if get("time1") == "" {
		return c, fmt.Errorf("case %s names no image (column time1 or flair)", c.ID)
	}
	c.Times = append(c.Times, file(get("time1")))
	if p := file(get("time2")); p != "" {
		c.Times = append(c.Times, p)
	}
	c.Brain, c.WhiteMatter = file(get("brainmask")), file(get("white_matter"))
	var masks []string
	for _, m := range strings.Split(get("mask"), ";") {
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
