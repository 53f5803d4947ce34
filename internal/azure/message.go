package azure

import "strings"

// Message is an error text of Azure, written once: the local Azure fills it in, the explainer scans for it.
// Text has its variable parts as {name}, a name being letters only.
type Message struct {
	Status int // HTTP status code of the answer that carries it
	Code   string
	Text   string
	Source string // the document or recording it was taken from
}

// messages are all texts of this package, in the order they are declared.
var messages []*Message

// Messages are all error texts, most of them Azure's own words.
func Messages() []*Message { return messages }

func message(status int, code, text, source string) *Message {
	m := &Message{status, code, text, source}
	messages = append(messages, m)
	return m
}

// Fields are the variable parts of a Message by name.
type Fields = map[string]string

// Format fills the text in. A field that is not given stays visible as {name}.
func (m *Message) Format(f Fields) *Error {
	var b strings.Builder
	for _, p := range split(m.Text) {
		if v, ok := f[p.field]; ok && p.field != "" {
			b.WriteString(v)
		} else if p.field != "" {
			b.WriteString("{" + p.field + "}")
		}
		b.WriteString(p.after)
	}
	return &Error{Status: m.Status, Code: m.Code, Message: b.String()}
}

// Error is the message without variable parts.
func (m *Message) Error() *Error { return m.Format(nil) }

// part is a field and the fixed words behind it; only the first part of a text has no field.
type part struct{ field, after string }

// split takes a text apart at its fields. Braces around anything but letters are words of the text.
func split(text string) []part {
	parts := []part{{}}
	from := 0
	for i := 0; i < len(text); i++ {
		if text[i] != '{' {
			continue
		}
		end := i + 1
		for end < len(text) && (text[end]|0x20 >= 'a' && text[end]|0x20 <= 'z') {
			end++
		}
		if end == len(text) || text[end] != '}' || end == i+1 {
			continue
		}
		parts[len(parts)-1].after = text[from:i]
		parts = append(parts, part{field: text[i+1 : end]})
		from, i = end+1, end
	}
	parts[len(parts)-1].after = text[from:]
	return parts
}
