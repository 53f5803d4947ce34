// Package plain keeps what others may have written from doing harm: texts, as names of resources and people, do nothing where
// they are printed but being read, and what is read is of bounded size.
package plain

import "strings"

// Text is a text on one line that steers no terminal: in the place of control characters, of other line ends and of what
// changes the direction of writing it has U+FFFD.
func Text(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ', 0x7f <= r && r < 0xa0, r == '\u2028', r == '\u2029', 0x202a <= r && r <= 0x202e, 0x2066 <= r && r <= 0x2069:
			return '\uFFFD'
		}
		return r
	}, s)
}

// Short is a text that somebody else wrote, cut where it is long.
func Short(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
