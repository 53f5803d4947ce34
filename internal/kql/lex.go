package kql

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

type kind uint8

const (
	end kind = iota
	word
	text
	number
	symbol
	span // a time span
	raw  // what stands between the parentheses of a literal such as datetime(2026-01-01)
)

type token struct {
	kind  kind
	text  string // of words and symbols as written, of texts without quotes
	value any    // of numbers and spans
	pos   int
}

// symbols are longest first.
var symbols = []string{"!=", "=~", "!~", "==", "<=", ">=", "..", "<", ">", "=", "|", "(", ")", "[", "]", "{", "}", ",", ";", "+", "-", "*", "/", "%", ".", ":", "~", "!"}

// lex takes a query apart. Comments run from // to the end of the line.
func lex(s string) ([]token, error) {
	var out []token
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case unicode.IsSpace(r):
			i += size
		case strings.HasPrefix(s[i:], "//"):
			if n := strings.IndexByte(s[i:], '\n'); n >= 0 {
				i += n
			} else {
				i = len(s)
			}
		case r == '\'' || r == '"' || (r == '@' || r == 'h' || r == 'H') && i+1 < len(s) && (s[i+1] == '\'' || s[i+1] == '"'):
			t, n, err := lexText(s, i)
			if err != nil {
				return nil, err
			}
			out, i = append(out, t), n
		case r >= '0' && r <= '9':
			t, n, err := lexNumber(s, i)
			if err != nil {
				return nil, err
			}
			out, i = append(out, t), n
		case unicode.IsLetter(r) || r == '_' || r == '$':
			n := i
			for n < len(s) {
				c, w := utf8.DecodeRuneInString(s[n:])
				if !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_' && c != '$' {
					break
				}
				n += w
			}
			out = append(out, token{kind: word, text: s[i:n], pos: i})
			if _, ok := literals[strings.ToLower(s[i:n])]; ok && n < len(s) && s[n] == '(' {
				inside, err := lexRaw(s, n+1)
				if err != nil {
					return nil, err
				}
				out = append(out, token{kind: symbol, text: "(", pos: n}, inside)
				n += 1 + len(inside.text)
			}
			i = n
		default:
			t, ok := lexSymbol(s, i)
			if !ok {
				return nil, errorf(i, "unexpected %q", string(r))
			}
			out, i = append(out, t), i+len(t.text)
		}
	}
	return append(out, token{kind: end, pos: len(s)}), nil
}

// lexRaw reads up to the closing parenthesis, past texts and parentheses inside.
func lexRaw(s string, start int) (token, error) {
	depth := 0
	for i := start; i < len(s); i++ {
		switch c := s[i]; c {
		case '(':
			depth++
		case ')':
			if depth == 0 {
				return token{kind: raw, text: s[start:i], pos: start}, nil
			}
			depth--
		case '\'', '"':
			end := strings.IndexByte(s[i+1:], c)
			for end > 0 && s[i+end] == '\\' {
				more := strings.IndexByte(s[i+1+end+1:], c)
				if more < 0 {
					end = -1
					break
				}
				end += 1 + more
			}
			if end < 0 {
				return token{}, errorf(i, "the text does not end")
			}
			i += 1 + end
		}
	}
	return token{}, errorf(start, ") was expected")
}

func lexSymbol(s string, i int) (token, bool) {
	for _, sym := range symbols {
		if strings.HasPrefix(s[i:], sym) {
			return token{kind: symbol, text: sym, pos: i}, true
		}
	}
	return token{}, false
}

// lexText reads 'text', "text" and the verbatim @'text', in which a quote is doubled. h'text' is the same, hidden from logs.
func lexText(s string, start int) (token, int, error) {
	i, verbatim := start, false
	if s[i] == 'h' || s[i] == 'H' {
		i++
	}
	if s[i] == '@' {
		verbatim = true
		i++
	}
	quote := s[i]
	var b strings.Builder
	for i++; i < len(s); i++ {
		switch c := s[i]; {
		case c == quote && verbatim && i+1 < len(s) && s[i+1] == quote:
			b.WriteByte(quote)
			i++
		case c == quote:
			return token{kind: text, text: b.String(), pos: start}, i + 1, nil
		case c == '\\' && !verbatim && i+1 < len(s):
			i++
			b.WriteByte(unescape(s[i]))
		case c == '\n':
			return token{}, 0, errorf(start, "the text does not end on its line")
		default:
			b.WriteByte(c)
		}
	}
	return token{}, 0, errorf(start, "the text does not end")
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	}
	return c
}

// units of time span literals.
var units = map[string]time.Duration{
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour, "h": time.Hour, "hr": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second, "ms": time.Millisecond,
	"microsecond": time.Microsecond, "tick": 100 * time.Nanosecond,
}

func lexNumber(s string, start int) (token, int, error) {
	i := start
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	fraction := i+1 < len(s) && s[i] == '.' && s[i+1] >= '0' && s[i+1] <= '9'
	if fraction {
		for i++; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		}
	}
	digits := s[start:i]
	n := i
	for n < len(s) && (s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z') {
		n++
	}
	if unit, ok := units[strings.ToLower(s[i:n])]; ok && n > i {
		f, err := strconv.ParseFloat(digits, 64)
		if err != nil || f*float64(unit) > float64(maxSpan) {
			return token{}, 0, errorf(start, "%s is not a time span", s[start:n])
		}
		return token{kind: span, value: time.Duration(f * float64(unit)), pos: start}, n, nil
	}
	if n > i {
		return token{}, 0, errorf(start, "%q is not a number", s[start:n])
	}
	if !fraction {
		if v, err := strconv.ParseInt(digits, 10, 64); err == nil {
			return token{kind: number, value: v, pos: start}, i, nil
		}
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return token{}, 0, errorf(start, "%q is not a number", digits)
	}
	return token{kind: number, value: f, pos: start}, i, nil
}

// maxSpan is the longest time span.
const maxSpan = time.Duration(1<<63 - 1)
