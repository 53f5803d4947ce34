package azure

import "strings"

// maxValue bounds a field's value in bytes: a list of linked scopes may be long.
const maxValue = 16 << 10

// spacing says what spaces in a field's value mean.
type spacing uint8

const (
	tight spacing = iota // ids, actions and the like have none: all that is there comes from wrapping
	plain                // may hold spaces, but no line breaks
	words                // a sentence
)

var spacings = map[string]spacing{
	"client": plain, "gateway": plain,
	"details": words, "name": words, "permission": words, "policies": words, "verb": words, "type": words,
	"expiry": words, "now": words, "from": words, "until": words,
}

// value reads the field behind a clause.
type value struct {
	clause  *clause
	spacing spacing
	next    int // where the words begin that follow the field; -1: they do not
}

// read returns the value that begins at or soon after from, where it ends, and whether it is known to be whole.
func (v value) read(text string, from int) (s string, end int, whole bool) {
	quote := byte(0)
	if strings.HasPrefix(text[from:], "(s)") { // of a newer text
		from += len("(s)")
	}
	for ; from < len(text) && from != v.next; from++ {
		c := text[from]
		if strings.IndexByte("'\"`", c) >= 0 {
			quote = c
			from++
			break
		}
		if strings.IndexByte(" \t\r\n:=", c) < 0 && strings.IndexByte(v.clause.before, c) < 0 {
			break
		}
	}
	if v.next >= 0 {
		v.next = max(v.next-from, 0)
	}
	if quote != 0 {
		s, end, whole = v.quoted(text[from:], quote)
	} else {
		s, end, whole = v.bare(text[from:])
	}
	s, clean := v.squeeze(s)
	return s, from + end, whole && clean
}

// quoted reads up to the closing quote. Names have quotes inside of them, and sometimes the closing one is missing.
func (v value) quoted(text string, quote byte) (s string, end int, whole bool) {
	end = closing(text, quote)
	switch {
	case v.next >= 0 && (v.spacing == words || end < 0 || v.next < end):
		s = strings.TrimRight(text[:v.next], " \t\r\n;,.")
		if last := strings.LastIndexByte(s, quote); last >= 0 && len(letters(s[last:])) == 0 {
			s = s[:last]
		}
		return s, v.next, true
	case end < 0:
		return "", len(text), false
	}
	return text[:end], end + 1, true
}

// closing is the first quote that a word does not follow at once.
func closing(text string, quote byte) int {
	for i := 0; i < len(text); i++ {
		if text[i] == quote && (i+1 == len(text) || symbol[text[i+1]] < 0 && text[i+1] != '<') {
			return i
		}
	}
	return -1
}

// bare reads a value without quotes: all up to the words that follow it in the message, else one word or placeholder.
// A value that has quotes in the message needs more than a few words before it to be believed without them.
func (v value) bare(text string) (s string, end int, whole bool) {
	switch {
	case v.next >= 0:
		return strings.TrimRight(text[:v.next], " \t\r\n'\"`.,;:(["+beforeLetters(v.clause.after)), v.next, true
	case text == "":
		return "", 0, false
	case v.spacing == words || !v.clause.strong && strings.ContainsAny(v.clause.before, `'"`):
		return "", 0, true
	}
	if s, end := v.sentence(text); end > 0 {
		return s, end, true
	}
	open := strings.IndexByte("<[{", text[0])
	for end < len(text) {
		if open >= 0 && text[end] == ">]}"[open] {
			return text[:end+1], end + 1, true
		}
		if open < 0 && (strings.IndexByte(" \t\r\n'\"`<;,", text[end]) >= 0 || text[end] == '(' && strings.HasPrefix(v.clause.after, "(")) {
			break
		}
		end++
	}
	s = strings.TrimRight(text[:end], ".,;:)]}"+beforeLetters(v.clause.after))
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == "" {
		return "", 0, end < len(text) // a word of a sentence
	}
	return s, end, end < len(text) || v.endsWith(text[len(s):], s)
}

// sentence reads up to the full stop that ends the message's sentence behind the value, across line breaks: end is 0
// where there is none, or where more than the value stands before it.
func (v value) sentence(text string) (s string, end int) {
	if !strings.HasPrefix(v.clause.after, ".") || v.spacing != tight {
		return "", 0
	}
	for i := 1; i < min(len(text), 512); i++ {
		switch {
		case text[i] == '.' && i+1 < len(text) && symbol[text[i+1]] < 0:
			return text[:i], i + 1
		case text[i] == ' ' && text[i-1] != ' ' && text[i-1] != '\n':
			return "", 0
		}
	}
	return "", 0
}

// endsWith reports whether a text that is over has the message's own end behind the value.
func (v value) endsWith(rest, s string) bool {
	return rest != "" && rest == v.clause.after && (v.clause.field != "action" || strings.Contains(s, "/"))
}

// squeeze removes what wrapping put into a value. A value that holds more than that is not one: clean is false.
func (v value) squeeze(s string) (out string, clean bool) {
	s = strings.TrimSpace(s)
	if !strings.ContainsAny(s, " \t\r\n\"") {
		return s, true
	}
	var b strings.Builder
	depth, spaces := 0, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '<', '[', '{':
			depth++
			b.WriteByte(c)
		case '>', ']', '}':
			depth--
			b.WriteByte(c)
		case ' ', '\t', '\r', '\n':
			run := i
			for i+1 < len(s) && strings.IndexByte(" \t\r\n", s[i+1]) >= 0 {
				i++
			}
			broken := strings.IndexByte(s[run:i+1], '\n') >= 0
			switch {
			case depth > 0 || v.spacing == words || v.spacing == plain && !broken:
				b.WriteByte(' ')
			case !broken:
				spaces++
			}
		case '"':
			if v.spacing != words {
				return "", false
			}
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), spaces <= 2
}
