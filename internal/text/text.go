// Package text holds what every message and table of the program needs: sizes and
// counts as people write them, text from outside made safe to show, and the
// nearest known word to one that is not known.
package text

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bytes returns a size with a binary prefix: "512 B", "8.0 MiB", "1.21 GiB".
func Bytes(n int64) string {
	if n > -1024 && n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	x := float64(n) / 1024
	for _, prefix := range []string{"KiB", "MiB"} {
		if math.Abs(x) < 1023.95 {
			return fmt.Sprintf("%.1f %s", x, prefix)
		}
		x /= 1024
	}
	if math.Abs(x) < 1023.995 {
		return fmt.Sprintf("%.2f GiB", x)
	}
	return fmt.Sprintf("%.2f TiB", x/1024)
}

// ParseBytes reads "12GB" (of 10⁹ bytes), "12GiB" (of 2³⁰), with M and K alike, or a
// plain number of bytes.
func ParseBytes(s string) (int64, error) {
	bad := fmt.Errorf("%q is not an amount of memory: write for example 12GB or 11.5GiB", CleanTo(s, 40))
	s = strings.ToLower(strings.TrimSpace(s))
	i := strings.LastIndexAny(s, "0123456789.") + 1
	units := map[string]float64{"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
	unit, ok := units[strings.TrimSpace(s[i:])]
	if !ok {
		return 0, bad
	}
	x, err := strconv.ParseFloat(s[:i], 64)
	if err != nil || !(x*unit >= 1) || x*unit > math.MaxInt64/2 {
		return 0, bad
	}
	return int64(x * unit), nil
}

// Plural returns a number and its noun: "1 case", "3 cases", "2 indices". The plural
// follows the rules of spelling unless it is passed.
func Plural[N int | int32 | int64 | uint64](n N, one string, many ...string) string {
	return fmt.Sprintf("%d %s", n, Noun(n, one, many...))
}

// Noun is Plural without the number.
func Noun[N int | int32 | int64 | uint64](n N, one string, many ...string) string {
	if n == 1 {
		return one
	}
	if len(many) > 0 {
		return many[0]
	}
	for _, ending := range []string{"s", "x", "z", "ch", "sh"} {
		if strings.HasSuffix(one, ending) {
			return one + "es"
		}
	}
	if stem, ok := strings.CutSuffix(one, "y"); ok && stem != "" && !strings.ContainsAny(stem[len(stem)-1:], "aeiou") {
		return stem + "ies"
	}
	return one + "s"
}

// Lengths in characters to which text from outside is cut.
const (
	MaxName    = 300  // a name, a path, a value
	MaxMessage = 4000 // an error with all its causes
)

// Clean returns a name, a path or a value from outside as one line that is safe to
// show: control characters, escape sequences of a terminal, changes of the writing
// direction, characters without a glyph and bytes that are not UTF-8 are written as
// escapes (\n, \x1b, \u202e), and the middle of what is longer than MaxName is left out.
func Clean(s string) string { return clean(s, MaxName, false) }

// CleanTo is Clean with another greatest length.
func CleanTo(s string, length int) string { return clean(s, length, false) }

// CleanLines is Clean for a message: line breaks stay, the length is MaxMessage.
func CleanLines(s string) string { return clean(s, MaxMessage, true) }

func clean(s string, length int, lines bool) string {
	if plain(s, length, lines) {
		return s
	}
	// A text of megabytes is not worth escaping in full: no character needs more
	// than four bytes, so that these ends hold all that can be kept.
	head, tail := s, ""
	if len(s) > 8*length {
		head, tail = s[:4*length], s[len(s)-4*length:]
	}
	a := escaped(head, lines)
	b := escaped(tail, lines)
	if whole := strings.Join(a, ""); tail == "" && utf8.RuneCountInString(whole) <= length {
		return whole
	}
	mark := fmt.Sprintf("… (%s) …", Bytes(int64(len(s))))
	if tail == "" {
		b = a
	}
	keep := max(length-utf8.RuneCountInString(mark), 2)
	front := (keep + 1) / 2
	return strings.Join(cut(a, front, true), "") + mark + strings.Join(cut(b, keep-front, false), "")
}

// cut keeps pieces of n characters altogether from the front or the end of a.
func cut(a []string, n int, front bool) []string {
	for i := range a {
		p := a[i]
		if !front {
			p = a[len(a)-1-i]
		}
		n -= utf8.RuneCountInString(p)
		if n >= 0 {
			continue
		}
		if front {
			return a[:i]
		}
		return a[len(a)-i:]
	}
	return a
}

// plain reports whether s can stay as it is.
func plain(s string, length int, lines bool) bool {
	if len(s) > length && utf8.RuneCountInString(s) > length {
		return false
	}
	for i, r := range s {
		if !shown(r, lines) {
			return false
		}
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		}
	}
	return true
}

// shown reports whether a character may reach a terminal.
func shown(r rune, lines bool) bool {
	switch {
	case lines && r == '\n':
		return true
	case r == '\u200c', r == '\u200d': // they join letters of some scripts, and emoji
		return true
	}
	return unicode.IsPrint(r) || unicode.Is(unicode.Zs, r)
}

// escaped splits s into characters, each written so that it can be shown.
func escaped(s string, lines bool) []string {
	out := make([]string, 0, len(s))
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			out = append(out, fmt.Sprintf(`\x%02x`, s[0]))
		case shown(r, lines):
			out = append(out, s[:n])
		case r == '\n':
			out = append(out, `\n`)
		case r == '\r':
			out = append(out, `\r`)
		case r == '\t':
			out = append(out, `\t`)
		case r < 0x80:
			out = append(out, fmt.Sprintf(`\x%02x`, r))
		case r < 0x10000:
			out = append(out, fmt.Sprintf(`\u%04x`, r))
		default:
			out = append(out, fmt.Sprintf(`\U%08x`, r))
		}
		s = s[n:]
	}
	return out
}

// DidYouMean returns the end of a message about an unknown word, `; did you mean
// patch?`, or nothing where no known word is near it: letters that differ, are
// missing, too many or exchanged, up to a third of the word, or only case, hyphens
// and underscores.
func DidYouMean(word string, known []string) string {
	if best := Nearest(word, known); best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	return ""
}

// Nearest returns the known word that DidYouMean names, the first of equally near
// ones, or "".
func Nearest(word string, known []string) string {
	const longest = 100 // what is longer is no misspelt name
	if word == "" || len(word) > longest {
		return ""
	}
	best, at := "", math.MaxInt
	w := []rune(fold(word))
	for _, k := range known {
		if k == "" || len(k) > longest {
			continue
		}
		f := []rune(fold(k))
		d := edits(w, f)
		if d < at && d <= max(1, min(len(w), len(f))/3) && d < len(w) && d < len(f) {
			best, at = k, d
		}
	}
	return best
}

func fold(s string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(s))
}

// edits is the distance of Damerau and Levenshtein in its restricted form (optimal
// string alignment): insertions, deletions, replacements and exchanges of neighbours.
func edits(a, b []rune) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
