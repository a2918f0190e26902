package ptx

import "fmt"

type tokenKind uint8

const (
	tEOF tokenKind = iota
	tWord
	tNumber
	tString
	tPunct
)

// token is a piece of text: a word (names, directives, opcodes with their
// modifiers), a number, a string or one character of punctuation.
type token struct {
	kind     tokenKind
	text     string
	line     int
	from, to int // bytes of the source
}

func isWordStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || c == '%' || c == '.'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// lex cuts src into tokens and drops comments and the preprocessor's line marks.
func lex(src string) ([]token, error) {
	toks := make([]token, 0, len(src)/4)
	line, i, n := 1, 0, len(src)
	for i < n {
		c := src[i]
		switch {
		case c == '\n':
			line++
			i++
		case c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v':
			i++
		case c == '#' || c == '/' && i+1 < n && src[i+1] == '/':
			for i < n && src[i] != '\n' {
				i++
			}
		case c == '/' && i+1 < n && src[i+1] == '*':
			start := line
			for i += 2; ; i++ {
				if i+1 >= n {
					return nil, &Error{start, "comment /* without its end"}
				}
				if src[i] == '\n' {
					line++
				}
				if src[i] == '*' && src[i+1] == '/' {
					i += 2
					break
				}
			}
		case c == '"':
			j := i + 1
			for j < n && src[j] != '"' && src[j] != '\n' {
				if src[j] == '\\' {
					j++
				}
				j++
			}
			if j >= n || src[j] != '"' {
				return nil, &Error{line, "string without its end"}
			}
			toks = append(toks, token{tString, src[i+1 : j], line, i, j + 1})
			i = j + 1
		case isDigit(c):
			j := number(src, i)
			toks = append(toks, token{tNumber, src[i:j], line, i, j})
			i = j
		case isWordStart(c):
			j := i + 1
			for j < n && (isWordStart(src[j]) || isDigit(src[j]) || src[j] == ':' && j+2 < n && src[j+1] == ':' && (isWordStart(src[j+2]) || isDigit(src[j+2]))) {
				if src[j] == ':' {
					j++
				}
				j++
			}
			toks = append(toks, token{tWord, src[i:j], line, i, j})
			i = j
		case c < 0x20 || c >= 0x7f:
			return nil, &Error{line, fmt.Sprintf("byte 0x%02x outside a string or comment", c)}
		default:
			toks = append(toks, token{tPunct, src[i : i+1], line, i, i + 1})
			i++
		}
	}
	return append(toks, token{tEOF, "", line, n, n}), nil
}

// number returns the end of the number at i: 12, 0x1fU, 017, 0b11, 0f3F800000,
// 0d..., 1.5e-3.
func number(src string, i int) int {
	j, n := i, len(src)
	if src[i] == '0' && i+1 < n {
		switch src[i+1] {
		case 'x', 'X', 'f', 'F', 'd', 'D', 'b', 'B':
			j = i + 2
			for j < n && (isDigit(src[j]) || src[j]|0x20 >= 'a' && src[j]|0x20 <= 'f') {
				j++
			}
			if j < n && src[j] == 'U' {
				j++
			}
			return j
		}
	}
	for j < n && isDigit(src[j]) {
		j++
	}
	if j < n && src[j] == '.' {
		j++
		for j < n && isDigit(src[j]) {
			j++
		}
	}
	if j < n && src[j]|0x20 == 'e' {
		k := j + 1
		if k < n && (src[k] == '+' || src[k] == '-') {
			k++
		}
		if k < n && isDigit(src[k]) {
			for k < n && isDigit(src[k]) {
				k++
			}
			j = k
		}
	}
	if j < n && src[j] == 'U' {
		j++
	}
	return j
}
