package scoring

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// pairColumns are the columns that a table of pairs may have.
var pairColumns = []string{"prediction", "truth", "case", "flair1", "flair2", "brainmask", "probability", "members"}

// ReadPairs reads a table of pairs and checks that its files exist.
func ReadPairs(path string) ([]Files, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cases, err := parsePairs(f, filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := absent(cases); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return cases, nil
}

// parsePairs reads a table of pairs. Relative paths are taken from dir. A case
// without a name has that of its prediction's file. Errors name line and column.
func parsePairs(in io.Reader, dir string) ([]Files, error) {
	buffered := bufio.NewReader(in)
	if mark, err := buffered.Peek(3); err == nil && string(mark) == "\ufeff" { // spreadsheets write one
		_, _ = buffered.Discard(3)
	}
	r := csv.NewReader(buffered)
	r.TrimLeadingSpace = true
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the table is empty: its first line names the columns, prediction,truth[,case]")
	}
	if err != nil {
		return nil, err
	}
	if err := checkPairColumns(head); err != nil {
		return nil, err
	}
	var cases []Files
	lines := map[string]int{}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		c, err := pairOf(head, row, dir)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if first := lines[c.Name]; first != 0 {
			return nil, fmt.Errorf("line %d: case %q was on line %d already: give the cases names of their own in a column \"case\"", line, c.Name, first)
		}
		lines[c.Name] = line
		cases = append(cases, c)
	}
	if len(cases) == 0 {
		return nil, errors.New("no line below the names of the columns")
	}
	return cases, nil
}

func checkPairColumns(head []string) error {
	for n, name := range head {
		name = strings.TrimSpace(name)
		head[n] = name
		if !slices.Contains(pairColumns, name) {
			return fmt.Errorf("unknown column %q; the first line names the columns: %s", name, strings.Join(pairColumns, ", "))
		}
		if slices.Index(head, name) != n {
			return fmt.Errorf("column %q is there twice", name)
		}
	}
	for _, name := range pairColumns[:2] {
		if !slices.Contains(head, name) {
			return fmt.Errorf("no column %q; the first line names the columns: prediction,truth[,case]", name)
		}
	}
	return nil
}

func pairOf(head, row []string, dir string) (Files, error) {
	var c Files
	file := func(s string) string {
		if s == "" || filepath.IsAbs(s) {
			return s
		}
		return filepath.Join(dir, s)
	}
	for n, value := range row {
		value = strings.TrimSpace(value)
		switch head[n] {
		case "prediction":
			c.Prediction = file(value)
		case "truth":
			c.Truth = file(value)
		case "case":
			c.Name = value
		case "flair1":
			c.Flair1 = file(value)
		case "flair2":
			c.Flair2 = file(value)
		case "brainmask":
			c.Brain = file(value)
		case "probability":
			c.Probability = file(value)
		case "members":
			for m := range strings.SplitSeq(value, ";") {
				if m = strings.TrimSpace(m); m != "" {
					c.Members = append(c.Members, file(m))
				}
			}
		}
	}
	switch {
	case c.Prediction == "":
		return c, errors.New("no prediction")
	case c.Truth == "":
		return c, errors.New("no truth")
	case c.Flair1 != "" && c.Flair2 == "":
		return c, errors.New("flair1 without flair2; a single scan is flair2")
	}
	if c.Name == "" {
		c.Name = CaseName(c.Prediction)
	}
	return c, nil
}
