package failure

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// unwrap removes what was put around and into a text on its way: colours, the escapes of JSON in JSON at any depth,
// HTML entities, typographic quotes, quotes that YAML and PowerShell double, invisible characters. One pass, however
// deep the nesting.
func unwrap(s string) string {
	s = undouble(s)
	if !strings.ContainsFunc(s, func(r rune) bool { return r == '\\' || r == '&' || r == 0x1b || r == '\r' || r >= utf8.RuneSelf }) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		r, n := decode(s[i:])
		i += n
		if r == 0x1b {
			i += colour(s[i:])
			continue
		}
		if r >= 0 && r < utf8.RuneSelf && r != '\r' {
			b.WriteByte(byte(r))
		} else if plain, ok := replaced[r]; ok {
			b.WriteString(plain)
		} else if r >= 0 {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// undouble makes one of the two quotes that stand for one inside of single quotes. Those of an empty value stay: no word
// touches them.
func undouble(s string) string {
	if !strings.Contains(s, "''") {
		return s
	}
	touches := func(at int, not string) bool {
		return at >= 0 && at < len(s) && strings.IndexByte(" \t\r\n'", s[at]) < 0 && strings.IndexByte(not, s[at]) < 0
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		b.WriteByte(s[i])
		if s[i] == '\'' && i+1 < len(s) && s[i+1] == '\'' && touches(i-1, "([{=:,") != touches(i+2, ".,;:)]}") {
			i++
		}
	}
	return b.String()
}

// replaced are characters that stand for simpler ones, or for nothing.
var replaced = map[rune]string{
	'‘': "'", '’': "'", '‛': "'", '‚': "'", '′': "'", '“': `"`, '”': `"`, '„': `"`, '‟': `"`, '«': `"`, '»': `"`,
	'\u00a0': " ", '\u00ad': "", '\u200b': "", '\u200c': "", '\u200d': "", '\u2060': "", '\ufeff': "", '\r': "",
	'│': " ", '┃': " ", '║': " ", '╷': " ", '╵': " ", utf8.RuneError: "",
}

// decode reads one character, escaped or not, and says how long it is in s. A negative one is nothing.
func decode(s string) (rune, int) {
	switch s[0] {
	case '\\':
		return decodeEscape(s)
	case '&':
		return decodeEntity(s)
	}
	return utf8.DecodeRuneInString(s)
}

// decodeEscape reads a run of backslashes and what it escapes, as in \n, \\\" or \\u003c.
func decodeEscape(s string) (rune, int) {
	k := 1
	for k < len(s) && s[k] == '\\' {
		k++
	}
	if k == len(s) {
		return -1, k
	}
	switch c := s[k]; c {
	case 'n':
		return '\n', k + 1
	case 't':
		return '\t', k + 1
	case 'r':
		return -1, k + 1
	case 'u':
		if v, ok := hex(s[k+1:], 4); ok {
			return v, k + 5
		}
	case 'x':
		if v, ok := hex(s[k+1:], 2); ok {
			return v, k + 3
		}
	case '0':
		if strings.HasPrefix(s[k:], "033[") {
			return 0x1b, k + 3
		}
	case '"', '\'', '/', '`', '{', '}', '[', ']', '<', '>', '_', '*', '\n': // some of them Markdown's
		return -1, k
	}
	return '\\', k
}

func hex(s string, n int) (rune, bool) {
	if len(s) < n {
		return 0, false
	}
	v, err := strconv.ParseUint(s[:n], 16, 32)
	return rune(v), err == nil
}

var entities = map[string]rune{"lt": '<', "gt": '>', "quot": '"', "apos": '\'', "nbsp": ' ', "amp": '&'}

// decodeEntity reads an HTML entity, also one that was escaped again, as in &amp;lt;.
func decodeEntity(s string) (rune, int) {
	at := 1
	for strings.HasPrefix(s[at:], "amp;") {
		at += len("amp;")
	}
	name, _, ok := strings.Cut(s[at:min(len(s), at+8)], ";")
	if r, known := entities[name]; ok && known {
		return r, at + len(name) + 1
	}
	if digits, numeric := strings.CutPrefix(name, "#"); ok && numeric {
		base := 10
		if h, isHex := strings.CutPrefix(digits, "x"); isHex {
			digits, base = h, 16
		}
		if v, err := strconv.ParseUint(digits, base, 21); err == nil {
			return rune(v), at + len(name) + 1
		}
	}
	return '&', at
}

// colour is the length of the rest of a terminal's control sequence.
func colour(s string) int {
	if s == "" || s[0] != '[' {
		return 0
	}
	i := 1
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == ';' || s[i] == '?') {
		i++
	}
	return min(i+1, len(s))
}
