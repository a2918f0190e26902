package text

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", -1023: "-1023 B", 1024: "1.0 KiB", 1<<20 - 1: "1.0 MiB", 48 << 20: "48.0 MiB", 1<<30 - 1: "1.00 GiB",
		3 << 29: "1.50 GiB", 12e9: "11.18 GiB", 1 << 40: "1.00 TiB", 1 << 62: "4194304.00 TiB", -5 << 30: "-5.00 GiB",
	} {
		require.Equal(t, want, Bytes(n))
	}
}

func TestPlural(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Plural(1, "case"), "1 case"},
		{Plural(0, "case"), "0 cases"},
		{Plural(int64(2), "lesion"), "2 lesions"},
		{Plural(-1, "voxel"), "-1 voxels"},
		{Plural(2, "copy"), "2 copies"},
		{Plural(2, "day"), "2 days"},
		{Plural(2, "pass"), "2 passes"},
		{Plural(2, "patch"), "2 patches"},
		{Plural(2, "axis", "axes"), "2 axes"},
		{Plural(1, "axis", "axes"), "1 axis"},
		{Noun(3, "box"), "boxes"},
	} {
		require.Equal(t, c.want, c.got)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "",
		"sub-01/flair é 脳.nii.gz":    "sub-01/flair é 脳.nii.gz",
		"a\nb\tc\rd":                 `a\nb\tc\rd`,
		"\x1b[31mred\x1b[0m\x07":     `\x1b[31mred\x1b[0m\x07`,
		"\x1b]0;title\x9c":           `\x1b]0;title\x9c`, // a lone byte, not U+009C
		"\u009b31m":                  `\u009b31m`,        // the one-character form of ESC [
		"nii\u202egz.exe\u2069":      `nii\u202egz.exe\u2069`,
		"\xff\xfe":                   `\xff\xfe`,
		"\ufffd":                     "\ufffd", // the character itself is text
		"zero\u200bwidth\ufeff":      `zero\u200bwidth\ufeff`,
		"می\u200cخواهم":              "می\u200cخواهم",
		"a\u00a0b":                   "a\u00a0b",
		"line\u2028sep":              `line\u2028sep`,
		"tag\U000e0041":              `tag\U000e0041`,
		"del\x7f nul\x00":            `del\x7f nul\x00`,
		strings.Repeat("é", MaxName): strings.Repeat("é", MaxName),
	} {
		require.Equal(t, want, Clean(in))
	}
	require.Equal(t, "a\nb\\x1b", CleanLines("a\nb\x1b"))
}

func TestCleanBoundsTheLength(t *testing.T) {
	for _, in := range []string{
		strings.Repeat("x", MaxName+1),
		strings.Repeat("é", MaxName+1),
		strings.Repeat("\x1b", MaxName),
		strings.Repeat("[1 2 3] ", 1<<18),
		strings.Repeat("\u202e", 1<<18),
		strings.Repeat("\xff", 1<<20),
		"first" + strings.Repeat("\x00", 5000) + "last",
	} {
		out := Clean(in)
		require.LessOrEqual(t, utf8.RuneCountInString(out), MaxName, "%.20q", in)
		require.Greater(t, utf8.RuneCountInString(out), MaxName-20, "%.20q", in)
		require.Contains(t, out, "… ("+Bytes(int64(len(in)))+") …")
	}
	long := Clean("first" + strings.Repeat("-", 5000) + "last")
	require.True(t, strings.HasPrefix(long, "first") && strings.HasSuffix(long, "last"), long)
	require.LessOrEqual(t, utf8.RuneCountInString(CleanTo(strings.Repeat("y", 100), 40)), 40)

	start := time.Now()
	CleanLines(strings.Repeat("\x1b[1m", 1<<24))
	require.Less(t, time.Since(start), 5*time.Second, "64 MiB are not looked through character by character")
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b[31m\u202e\xff", 10)
	f.Add(strings.Repeat("\x00é", 300), 30)
	f.Fuzz(func(t *testing.T, s string, n int) {
		n = 30 + (n%400+400)%400
		out := CleanTo(s, n)
		require.LessOrEqual(t, utf8.RuneCountInString(out), n)
		require.True(t, utf8.ValidString(out))
		for _, r := range CleanLines(s) + out {
			require.False(t, unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r), "%q", out)
		}
		require.NotContains(t, out, "\n")
		require.Equal(t, out, CleanTo(out, n), "clean text stays")
	})
}

func TestDidYouMean(t *testing.T) {
	known := []string{"patch", "patience", "batch", "learning_rate", "seed", "threshold", "min-lesion-mm3"}
	for word, want := range map[string]string{
		"pacth":          "patch",
		"Patch":          "patch",
		"learning-rate":  "learning_rate",
		"learningrate":   "learning_rate",
		"lerning_rate":   "learning_rate",
		"treshold":       "threshold",
		"min_lesion_mm3": "min-lesion-mm3",
		"sead":           "seed",
		"xyz":            "",
		"":               "",
		"a":              "",
		"normalisation":  "",
	} {
		require.Equal(t, want, Nearest(word, known), word)
	}
	require.Equal(t, `; did you mean seed?`, DidYouMean("sede", known))
	require.Empty(t, DidYouMean(strings.Repeat("s", 1<<20), known))
	require.Empty(t, DidYouMean("b", []string{"a"}))
}

func TestParseBytes(t *testing.T) {
	for s, want := range map[string]int64{"12GB": 12e9, "12 gb": 12e9, "11.5GiB": 23 << 29, "800MB": 8e8, "4096": 4096, "1KiB": 1024, "7b": 7} {
		got, err := ParseBytes(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{"", "GB", "-1GB", "0", "1.2.3GB", "12XB", "NaN", "1e30", "9999999999GB", "0x10"} {
		_, err := ParseBytes(s)
		require.Error(t, err, s)
	}
}

func FuzzParseBytes(f *testing.F) {
	f.Add("12GB")
	f.Add("1.5 MiB")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseBytes(s); err == nil {
			require.Positive(t, n)
		}
	})
}
