package cli

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// width is the line length of running text, in characters.
const width = 110

// wrap breaks a text into lines between words. The first line begins with first, the others with as many spaces.
// A word longer than a line, as an id is, gets a line of its own.
func wrap(first, text string) string {
	indent := utf8.RuneCountInString(first)
	var b strings.Builder
	b.WriteString(first)
	room, begun := width-indent, false
	for _, word := range strings.Fields(text) {
		length := utf8.RuneCountInString(word)
		switch {
		case begun && length+1 > room:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			room = width - indent
		case begun:
			b.WriteByte(' ')
			room--
		}
		b.WriteString(word)
		room, begun = room-length, true
	}
	b.WriteByte('\n')
	return b.String()
}

// several is a number of things.
func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// indenter writes every line behind an indent.
type indenter struct {
	to     io.Writer
	indent string
	inside bool // of a line
}

func (w *indenter) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		if !w.inside {
			if _, err := io.WriteString(w.to, w.indent); err != nil {
				return 0, err
			}
		}
		w.inside = line[len(line)-1] != '\n'
		if _, err := w.to.Write(line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}
