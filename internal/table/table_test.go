package table

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

var columns = []Column{{Name: "case", Needed: true}, {Name: "time1", Also: []string{"flair"}, Needed: true}, {Name: "mask"}}

const plain = "case,flair,mask\nÄnne,f 1.nii,a;b\n#2, g.nii ,\n"

func wide(s string, order binary.ByteOrder, mark bool) []byte {
	var b []byte
	if mark {
		s = "\ufeff" + s
	}
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.BigEndian.AppendUint16(b, u)
		if order == binary.LittleEndian {
			b[len(b)-1], b[len(b)-2] = b[len(b)-2], b[len(b)-1]
		}
	}
	return b
}

// However a spreadsheet saves it, it is the same table.
func TestWhatSpreadsheetsWrite(t *testing.T) {
	semicolons := "case;flair;mask\nÄnne;f 1.nii;\"a;b\"\n#2;g.nii;\n"
	for name, b := range map[string][]byte{
		"commas":                []byte(plain),
		"mark":                  []byte("\ufeff" + plain),
		"lines of Windows":      []byte(strings.ReplaceAll(plain, "\n", "\r\n")),
		"lines of an old Mac":   []byte(strings.ReplaceAll(plain, "\n", "\r")),
		"semicolons":            []byte(semicolons),
		"tabs":                  []byte(strings.ReplaceAll(plain, ",", "\t")),
		"sep=":                  []byte("sep=;\r\n" + semicolons),
		"capitals":              []byte(strings.Replace(plain, "case,flair", "Case,FLAIR", 1)),
		"UTF-16 little":         wide(plain, binary.LittleEndian, true),
		"UTF-16 big":            wide(strings.ReplaceAll(plain, ",", "\t"), binary.BigEndian, true),
		"UTF-16 without a mark": wide(plain, binary.LittleEndian, false),
		"empty rows":            []byte(strings.Replace(plain, "#2", ",,\n\n ,, \n#2", 1) + ",,\n"),
		"empty columns":         []byte(strings.ReplaceAll(plain, "\n", ",,\n")),
		"quoted":                []byte("\"case\",\"flair\",\"mask\"\n\"Änne\",\"f 1.nii\",\"a;b\"\n\"#2\",\"g.nii\",\"\"\n"),
	} {
		rows, err := Parse(b, columns)
		require.NoError(t, err, name)
		require.Len(t, rows, 2, name)
		for n, want := range [][3]string{{"Änne", "f 1.nii", "a;b"}, {"#2", "g.nii", ""}} {
			require.Equal(t, want, [3]string{rows[n].Get("case"), rows[n].Get("time1"), rows[n].Get("mask")}, name)
		}
	}
}

func TestWhatIsNoTableIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "the table is empty: its first line names the columns, case, time1",
		"\ufeff \n":                        "the table is empty",
		"case,flair\n":                     "no rows",
		"case,flair\n,\n":                  "no rows",
		"case,flairs\na,b\n":               `unknown column "flairs"; the first line names the columns, separated by commas, semicolons or tabs: case, time1, flair, mask; did you mean flair?`,
		"case|flair\na|b\n":                `unknown column "case|flair"`,
		"case,mask\na,b\n":                 `no column "time1"`,
		"case,flair,time1\na,b,c\n":        `two columns for time1: "flair" and "time1"`,
		"case,flair,case\na,b,c\n":         `column "case" is there twice`,
		"case,flair,mask\na,b\n":           "line 2 has 2 columns, but the first line names 3",
		"case,flair\na,b,c\n":              `line 2: the value "c" is in a column without a name (column 3)`,
		"case,flair,\na,b,c\n":             `line 2: the value "c" is in a column without a name`,
		"case,flair\n\n\n\"a,b\n":          "line 4: a quotation mark",
		"case,flair\na\"b,c\n":             "line 2: a quotation mark",
		"case,flair\nM\xfcller,b\n":        "line 2 is not UTF-8 (Windows-1252, Latin-1?)",
		"case,flair\na,b\x00\n":            "line 2 holds a byte of 0",
		"PK\x03\x04 and so on":             "a workbook",
		"\xd0\xcf\x11\xe0 and so on":       "a workbook",
		"\xff\xfec\x00a":                   "half a character",
		"\xff\xfe\x00\x00c\x00\x00\x00":    "UTF-32",
		"\x1b[31mcase,flair\na,b\n":        `unknown column "\x1b[31mcase"`,
		"case,flair\na,b,\x1b]0;owned\x07": `\x1b]0;owned\x07`,
	} {
		_, err := Parse([]byte(text), columns)
		require.ErrorContains(t, err, want, "%q", text)
		require.NotContains(t, err.Error(), "\x1b")
		require.Less(t, len(err.Error()), 1000)
	}
	_, err := Parse([]byte("case,flair\n"+strings.Repeat("a,b\n", maxRows+1)), columns)
	require.ErrorContains(t, err, "more than 100000 rows")
	file := filepath.Join(t.TempDir(), "t.csv")
	require.NoError(t, os.WriteFile(file, []byte("case\n"), 0o600))
	_, err = Read(file, columns)
	require.ErrorContains(t, err, file+": no column")
	_, err = Read("/dev/zero", columns)
	require.ErrorContains(t, err, "regular file")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(plain))
	f.Add([]byte("sep=;\ncase;flair\n\"a\";b"))
	f.Add(wide(plain, binary.LittleEndian, true))
	f.Add([]byte("case\tflair\r a\t\tb"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rows, err := Parse(b, columns)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.NotEmpty(t, rows)
		last := 0
		for _, r := range rows {
			require.Greater(t, r.Line, last)
			last = r.Line
			require.NotEqual(t, "", r.Get("case")+r.Get("time1")+r.Get("mask"))
		}
	})
}
