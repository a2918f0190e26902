// Package table reads the tables that users write and spreadsheets save: text with a
// line of column names, separated by commas, semicolons or tabs, in UTF-8 or UTF-16,
// with or without a byte-order mark.
package table

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"voxgrad/internal/infile"
	"voxgrad/internal/text"
)

// The largest table that is read.
const (
	maxBytes   = 16 << 20
	maxRows    = 100_000
	maxRecords = 1_000_001
)

// Column is a column that a table may have.
type Column struct {
	Name   string
	Also   []string // other names for it
	Needed bool
}

// Row is a line of a table.
type Row struct {
	Line  int // in the file, from 1
	cells map[string]string
}

// Get returns the cell of a column, without space around it; "" where the table has
// no such column.
func (r Row) Get(column string) string { return r.cells[column] }

// Read reads a table that may have the given columns, in any order and their names in
// any case. Lines without any value are passed over; a '#' starts no comment, as it may start
// a name. Errors name the file, and the line where there is one.
func Read(path string, columns []Column) ([]Row, error) {
	b, err := infile.Read(path, maxBytes)
	if err != nil {
		return nil, err
	}
	rows, err := Parse(b, columns)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rows, nil
}

// Parse is Read of a file's bytes.
func Parse(b []byte, columns []Column) ([]Row, error) {
	records, lines, err := Records(b)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("the table is empty: its first line names the columns, %s", needed(columns))
	}
	if len(records)-1 > maxRows {
		return nil, fmt.Errorf("the table has more than %d rows", maxRows)
	}
	names, err := match(records[0], columns)
	if err != nil {
		return nil, err
	}
	var rows []Row
	for i, record := range records[1:] {
		line := lines[i+1]
		row := Row{Line: line, cells: map[string]string{}}
		empty := true
		for n, cell := range record {
			cell = strings.TrimSpace(cell)
			empty = empty && cell == ""
			switch {
			case n < len(names) && names[n] != "":
				row.cells[names[n]] = cell
			case cell != "":
				return nil, fmt.Errorf("line %d: the value \"%s\" is in a column without a name (column %d)", line, text.Clean(cell), n+1)
			}
		}
		if empty {
			continue
		}
		if len(record) < len(names) {
			return nil, fmt.Errorf("line %d has %s, but the first line names %d", line, text.Plural(len(record), "column"), len(names))
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil, errors.New("the table has no rows: there is no line below the names of the columns")
	}
	return rows, nil
}

// Records returns the cells of a table, line by line, and the lines' numbers in the
// file. An empty table has none.
func Records(b []byte) (records [][]string, lines []int, err error) {
	s, err := decode(b)
	if err != nil || strings.TrimSpace(s) == "" {
		return nil, nil, err
	}
	s, first := firstLine(s)
	r := csv.NewReader(strings.NewReader(s))
	r.Comma = separator(s, &first)
	r.TrimLeadingSpace = r.Comma != '\t'
	r.FieldsPerRecord = -1
	for {
		record, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			return records, lines, nil
		case err != nil:
			return nil, nil, syntax(err)
		case first.skip:
			first.skip = false
			continue
		case len(records) == maxRecords:
			return nil, nil, fmt.Errorf("the table has more than %d lines", maxRecords)
		}
		line, _ := r.FieldPos(0)
		records, lines = append(records, record), append(lines, line)
	}
}

// start is what is known of a table's first line.
type start struct {
	skip  bool // it names the separator and no columns
	comma rune
}

// firstLine takes the line "sep=;" off, which some spreadsheets write, and makes the
// line ends of old Macintosh programs known ones.
func firstLine(s string) (string, start) {
	if !strings.Contains(s, "\n") {
		s = strings.ReplaceAll(s, "\r", "\n")
	}
	line, _, _ := strings.Cut(s, "\n")
	if c, ok := strings.CutPrefix(strings.ToLower(strings.Trim(line, "\" \r")), "sep="); ok && utf8.RuneCountInString(c) == 1 && strings.Contains(",;\t|", c) {
		comma, _ := utf8.DecodeRuneInString(c)
		return s, start{true, comma}
	}
	return s, start{}
}

// separator returns what separates the columns: of comma, semicolon and tab that
// which the line of names has most of.
func separator(s string, first *start) rune {
	if first.skip {
		return first.comma
	}
	line, _, _ := strings.Cut(s, "\n")
	best, most := ',', 0
	for _, c := range ",;\t" {
		if n := strings.Count(line, string(c)); n > most {
			best, most = c, n
		}
	}
	return best
}

// match returns the column that each field of the first line names; "" for a field
// without a name.
func match(head []string, columns []Column) ([]string, error) {
	var known []string
	find := map[string]string{}
	for _, c := range columns {
		known = append(known, c.Name)
		for _, name := range append([]string{c.Name}, c.Also...) {
			find[name] = c.Name
		}
		known = append(known, c.Also...)
	}
	names := make([]string, len(head))
	at := map[string]string{}
	for n, field := range head {
		field = strings.TrimSpace(field)
		if field == "" {
			continue
		}
		name, ok := find[strings.ToLower(field)]
		if !ok {
			return nil, fmt.Errorf("unknown column \"%s\"; the first line names the columns, separated by commas, semicolons or tabs: %s%s",
				text.Clean(field), strings.Join(known, ", "), text.DidYouMean(field, known))
		}
		switch other, twice := at[name]; {
		case twice && other == field:
			return nil, fmt.Errorf("column %q is there twice", name)
		case twice:
			return nil, fmt.Errorf("two columns for %s: %q and %q", name, other, field)
		}
		at[name] = field
		names[n] = name
	}
	for _, c := range columns {
		if _, ok := at[c.Name]; c.Needed && !ok {
			return nil, fmt.Errorf("no column %q; the first line names the columns, and %s are needed", c.Name, needed(columns))
		}
	}
	return names, nil
}

func needed(columns []Column) string {
	var names []string
	for _, c := range columns {
		if c.Needed {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, ", ")
}

// syntax makes the reader's error one line that starts with the place.
func syntax(err error) error {
	var p *csv.ParseError
	if !errors.As(err, &p) {
		return err
	}
	reason := p.Err.Error()
	switch {
	case errors.Is(p.Err, csv.ErrQuote):
		reason = `a quotation mark (") that does not end a value: a value with quotation marks is written "in ""them"""`
	case errors.Is(p.Err, csv.ErrBareQuote):
		reason = `a quotation mark (") inside a value that does not start with one`
	}
	return fmt.Errorf("line %d: %s", p.Line, reason)
}

// decode returns the text of a file. What is no text is named.
func decode(b []byte) (string, error) {
	switch {
	case bytes.HasPrefix(b, []byte{0xef, 0xbb, 0xbf}):
		b = b[3:]
	case bytes.HasPrefix(b, []byte{0xff, 0xfe, 0, 0}), bytes.HasPrefix(b, []byte{0, 0, 0xfe, 0xff}):
		return "", errors.New("the table is UTF-32: save it as CSV in UTF-8")
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		return decode16(b[2:], binary.LittleEndian)
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return decode16(b[2:], binary.BigEndian)
	case bytes.HasPrefix(b, []byte("PK\x03\x04")), bytes.HasPrefix(b, []byte{0xd0, 0xcf, 0x11, 0xe0}):
		return "", errors.New("this is a workbook (Excel, LibreOffice), not a table of text: save it as CSV")
	case len(b) >= 4 && b[0] != 0 && b[1] == 0 && b[2] != 0 && b[3] == 0: // no mark, but every other byte is 0
		return decode16(b, binary.LittleEndian)
	case len(b) >= 4 && b[0] == 0 && b[1] != 0 && b[2] == 0 && b[3] != 0:
		return decode16(b, binary.BigEndian)
	}
	if n := bytes.IndexByte(b, 0); n >= 0 {
		return "", fmt.Errorf("line %d holds a byte of 0: this is no table of text", line(b, n))
	}
	if !utf8.Valid(b) {
		n := 0
		for r, size := utf8.DecodeRune(b[n:]); r != utf8.RuneError || size > 1; r, size = utf8.DecodeRune(b[n:]) {
			n += size
		}
		return "", fmt.Errorf("line %d is not UTF-8 (Windows-1252, Latin-1?): save the table as CSV in UTF-8", line(b, n))
	}
	return string(b), nil
}

func line(b []byte, at int) int { return bytes.Count(b[:at], []byte("\n")) + 1 }

func decode16(b []byte, order binary.ByteOrder) (string, error) {
	if len(b)%2 != 0 {
		return "", errors.New("the table is UTF-16 that ends in half a character: it was cut off; save it as CSV in UTF-8")
	}
	units := make([]uint16, len(b)/2)
	for n := range units {
		units[n] = order.Uint16(b[2*n:])
	}
	s := string(utf16.Decode(units))
	if slices.Contains(units, 0) {
		return "", errors.New("the table is UTF-16 with characters of 0: this is no table of text")
	}
	return s, nil
}
