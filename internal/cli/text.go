package cli

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"
)

// width is the line length of running text, in characters.
const width = 110

// wrap breaks a text into lines between words and indents them. A word longer than a line, as an id is, gets a line of its own.
func wrap(text, indent string) string {
	var b strings.Builder
	room := 0
	for _, word := range strings.Fields(text) {
		length := utf8.RuneCountInString(word)
		switch {
		case b.Len() == 0:
			b.WriteString(indent)
		case length >= room:
			b.WriteString("\n" + indent)
		default:
			b.WriteByte(' ')
			room -= length + 1
			b.WriteString(word)
			continue
		}
		b.WriteString(word)
		room = width - len(indent) - length
	}
	b.WriteByte('\n')
	return b.String()
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
